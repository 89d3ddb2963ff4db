"""Numbers in files that are no observations: undecoded fill values, and what lies out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

LARGEST = 1e19  # the default fill value of NetCDF is 9.97e36, that of CMIP 1e20
RANGE_ATTRIBUTES = ("valid_range", "valid_min", "valid_max")


def mask_missing(da: xr.DataArray, fill_values: tuple[float, ...]) -> xr.DataArray:
    """`da` as a floating-point array without fill values and without values out of range.

    Parameters
    ----------
    da : DataArray
        Soil moisture or its uncertainty, decoded by xarray. What stands as ``_FillValue`` or
        ``missing_value`` in its attributes is missing too; ``valid_range``, ``valid_min`` and
        ``valid_max`` are applied and removed.
    fill_values : tuple of float
        That the product uses without saying so.

    Returns
    -------
    DataArray
        Lazy where `da` is a Dask array.
    """
    attrs = {k: v for k, v in da.attrs.items() if k not in RANGE_ATTRIBUTES}
    fills = list(fill_values)
    for key in ("_FillValue", "missing_value"):
        fills += np.ravel(np.asarray(attrs.pop(key, ()), np.float64)).tolist()
    dtype = da.dtype if da.dtype.kind == "f" else np.dtype(np.float32)
    low, high = physical_range(da, dtype)
    values = da.astype(dtype)
    valid = (values < LARGEST) & ~values.isin(np.asarray(fills, dtype))
    if low is not None:
        valid &= values >= low
    if high is not None:
        valid &= values <= high
    out = values.where(valid)
    out.attrs = attrs
    return out


def physical_range(da: xr.DataArray, dtype: np.dtype) -> tuple[Any, Any]:
    """Lower and upper limit by the attributes, as decoded numbers of `dtype`; None where absent.

    CF gives the limits in the packed numbers, unless they have the type of the decoded ones.
    """
    limits = np.ravel(np.asarray(da.attrs.get("valid_range", ()), object)).tolist()
    if len(limits) != 2:
        limits = [da.attrs.get("valid_min"), da.attrs.get("valid_max")]
    packed = np.dtype(da.encoding.get("dtype", da.dtype))
    scale, offset = da.encoding.get("scale_factor", 1.0), da.encoding.get("add_offset", 0.0)
    numbers = []
    for limit in limits:
        try:
            number = None if limit is None else float(np.ravel(np.asarray(limit))[0])
        except (TypeError, ValueError):
            number = None
        # a limit with a fraction cannot be a packed integer
        integer = number is not None and np.asarray(limit).dtype.kind in "iu"
        if number is not None and packed.kind in "iu" and integer:
            number = number * float(np.ravel(scale)[0]) + float(np.ravel(offset)[0])
        numbers.append(None if number is None else dtype.type(number))
    low, high = numbers
    if low is not None and high is not None and not low < high:
        return None, None
    return low, high

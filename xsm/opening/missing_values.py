"""Numbers in files that are no observations: undecoded fill values, and what lies out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.valid_values import (
    DECLARED,
    NO_DATA,
    DeclaredValues,
    declared_invalid,
    declared_values,
    is_usual_range,
    usable_range,
)

LARGEST = 1e19  # the default fill value of NetCDF is 9.97e36, that of CMIP 1e20


def mask_missing(
    da: xr.DataArray, fill_values: tuple[float, ...], factor: float | None = 1.0
) -> xr.DataArray:
    """`da` as a floating-point array without fill values and without values out of range.

    Parameters
    ----------
    da : DataArray
        Soil moisture or its uncertainty, decoded by xarray. What stands as ``_FillValue`` or
        ``missing_value`` in its attributes is missing too; ``valid_range``, ``valid_min``,
        ``valid_max`` and codes in ``flag_values`` are applied and removed.
    fill_values : tuple of float
        That the product uses without an attribute; in packed integers that declare no fill value,
        before these are scaled. What lies at or below ``NO_DATA`` (-99) is missing in any file.
    factor : float or None
        m3 m-3 per unit; a range that no soil moisture fits is not applied. One that leaves out
        usual soil moisture stays an attribute, in decoded numbers: a single file does not tell
        whether it is in another unit. Only what is no soil moisture either is missing then. None
        for another quantity, whose range is applied.

    Returns
    -------
    DataArray
        Lazy where `da` is a Dask array.
    """
    attrs = {k: v for k, v in da.attrs.items() if k not in DECLARED}
    fills = list(fill_values)
    for key in ("_FillValue", "missing_value"):
        fills += np.ravel(np.asarray(attrs.pop(key, ()), np.float64)).tolist()
    fills += _packed_codes(da, fill_values)
    dtype = da.dtype if da.dtype.kind == "f" else np.dtype(np.float32)
    declared = declared_values(da)
    if factor is not None:
        declared = usable_range(declared, factor, str(da.name))
        if not is_usual_range(declared, factor):
            attrs |= _as_attributes(declared)
            low, high = declared.low, declared.high
            declared = declared._replace(
                low=None if low is None else min(low, 0.0),
                high=None if high is None else max(high, 1.0 / factor),
            )
    undecoded = np.asarray(fills, dtype)
    data: Any = da.data if da.chunks is not None else da.to_numpy()
    if da.chunks is not None:
        meta = np.empty((0,) * da.ndim, dtype)
        masked = data.map_blocks(_masked, undecoded, declared, dtype, dtype=dtype, meta=meta)
    else:
        masked = _masked(data, undecoded, declared, dtype)
    out = da.copy(data=masked)
    out.attrs = attrs
    return out


def _packed_codes(da: xr.DataArray, fill_values: tuple[float, ...]) -> list[float]:
    """Fill values of packed integers without an attribute, as they are decoded.

    Only those that come out negative: soil moisture may stand elsewhere.
    """
    stored = np.dtype(da.encoding.get("dtype", np.float32))
    if stored.kind != "i" or any(key in da.encoding for key in ("_FillValue", "missing_value")):
        return []
    scale, offset = (da.encoding.get(k, v) for k, v in (("scale_factor", 1), ("add_offset", 0)))
    codes = [fill for fill in fill_values if np.iinfo(stored).min <= fill <= np.iinfo(stored).max]
    decoded = np.asarray(codes, da.dtype) * da.dtype.type(scale) + da.dtype.type(offset)
    return [float(value) for value in decoded if value < 0]


def _as_attributes(declared: DeclaredValues) -> dict[str, np.float64]:
    limits = {"valid_min": declared.low, "valid_max": declared.high}
    return {key: np.float64(limit) for key, limit in limits.items() if limit is not None}


def _masked(
    values: NDArray[Any], undecoded: NDArray[Any], declared: DeclaredValues, dtype: np.dtype[Any]
) -> NDArray[Any]:
    values = values.astype(dtype)
    with np.errstate(invalid="ignore"):
        valid = (values < LARGEST) & (values > NO_DATA)
        for code in undecoded[undecoded > NO_DATA]:  # decoding rounds
            valid &= ~np.isclose(values, code, rtol=1e-6, atol=0)
    return np.where(valid & ~declared_invalid(values, declared), values, dtype.type(np.nan))

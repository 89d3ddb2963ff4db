"""Degree of saturation (ASCAT, Copernicus SSM and SWI) to volumetric soil moisture."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.align import TOLERANCE, on_cells
from xsm.conventions.cf import STANDARD_NAME
from xsm.conventions.products import product_of
from xsm.conventions.units import conversion
from xsm.conventions.variables import (
    UNITS,
    UNNAMED,
    check_decoded,
    is_file_backed,
    units_of,
    without_pint,
)
from xsm.errors import GridError, InputError, UnitError

logger = logging.getLogger(__name__)

# Attributes that stay true after the multiplication.
KEPT_ATTRS = ("cell_methods", "grid_mapping", "coordinates", "coverage_content_type")
_VOLUMETRIC = re.compile(r"[mM](\^|\*\*)?[3³]")


def saturation_to_volumetric(
    da: xr.DataArray,
    porosity: float | xr.DataArray,
    *,
    uncertainty: float | xr.DataArray | None = None,
    porosity_uncertainty: float | xr.DataArray | None = None,
    regrid: str | None = None,
) -> xr.DataArray | xr.Dataset:
    """Volumetric soil moisture from the degree of saturation: saturation times porosity.

    Parameters
    ----------
    da : DataArray
        Degree of saturation, any dimensions; its unit is ``%`` or ``1``. Values outside 0 to 100 %
        (codes for water or slopes) become missing. Lazy if it is a Dask array.
    porosity : float or DataArray
        Volume of pores per volume of soil: m3 m-3, 0 to 1, or a DataArray in another unit of it,
        such as ``%``. A DataArray has no time, and is matched by its labels, never by position.
    uncertainty : float or DataArray, optional
        Standard deviation of `da`, in the unit of `da` or its own.
    porosity_uncertainty : float or DataArray, optional
        Standard deviation of the porosity, m3 m-3.
    regrid : {None, "nearest", "linear"}
        How a porosity on other rows and columns is interpolated; None refuses it.

    Returns
    -------
    DataArray or Dataset
        Soil moisture in m3 m-3, in the name and dimensions of `da`. With an uncertainty: a Dataset
        with ``<name>`` and ``<name>_uncertainty``, one standard deviation, of first order in both.

    Raises
    ------
    UnitError
        If `da` has no unit, or is volumetric already.
    InputError
        If the porosity is not within 0 to 1, or no value of `da` is within 0 to 100 %.
    GridError
        If the porosity has other labels, none where `da` has them, or dimensions that `da` lacks.

    Notes
    -----
    Wagner, W., Lemoine, G., Rott, H., 1999. A method for estimating soil moisture from ERS
    scatterometer and soil data. Remote Sens. Environ. 70, 191-207,
    https://doi.org/10.1016/S0034-4257(99)00036-X. The relative index is scaled between dry soil
    (0) and saturation (1), where the pores hold water only.

    Examples
    --------
    >>> import xarray as xr, xsm
    >>> ssm = xr.DataArray([25.0, 50.0], dims="time", name="ssm", attrs={"units": "%"})
    >>> xsm.saturation_to_volumetric(ssm, 0.5).values
    array([0.125, 0.25 ])
    """
    if not isinstance(da, xr.DataArray):
        raise InputError(
            f"da is a {type(da).__name__}: expected a DataArray, such as ds['ssm'] of a Dataset."
        )
    name = str(da.name or UNNAMED)
    check_decoded(da)
    da = without_pint(da)[0]
    factor = _to_fraction(da, name)
    dtype = da.dtype if da.dtype.kind == "f" else np.dtype(np.float32)
    fraction = da.astype(dtype) * dtype.type(factor)
    # 1e-6: rounding of a packed 100 %
    valid = (fraction >= 0) & (fraction <= 1 + 1e-6)
    if isinstance(da.data, np.ndarray):
        _check_range(da, valid, name)
    fraction = fraction.where(valid)
    pores = _porosity(porosity, da, "porosity", regrid, dtype)
    out = _finish(fraction * pores, da, name)
    if uncertainty is None and porosity_uncertainty is None:
        return out
    variance: Any = 0.0
    if uncertainty is not None:
        std = _array(uncertainty, da, "uncertainty", None)
        units = units_of(std) if isinstance(std, xr.DataArray) else None
        std_factor = factor if units is None else conversion(units, "1", "uncertainty")[0]
        variance = (std * dtype.type(std_factor) * pores) ** 2
    if porosity_uncertainty is not None:
        pores_std = _porosity(porosity_uncertainty, da, "porosity_uncertainty", regrid, dtype)
        variance = variance + (fraction * pores_std) ** 2
    std = _finish(np.sqrt(variance).where(out.notnull()), da, f"{name}_uncertainty")
    std.attrs |= {
        "standard_name": f"{STANDARD_NAME} standard_error",
        "long_name": "uncertainty of volumetric soil moisture",
        "comment": "one standard deviation",
    }
    out.attrs["ancillary_variables"] = std.name
    return xr.Dataset({name: out, str(std.name): std})


def _to_fraction(da: xr.DataArray, name: str) -> float:
    """Factor from the unit of `da` to a fraction of saturation."""
    units = units_of(da)
    product = product_of(name)
    text = " ".join(str(da.attrs.get(key, "")) for key in ("standard_name", "long_name", "units"))
    # "sm" of ESA CCI is volumetric, and relative in its ACTIVE product
    relative = "satur" in text.lower()
    if (
        (units is not None and _VOLUMETRIC.search(units))
        or "volume_fraction" in text
        or (product is not None and product.quantity == "volumetric" and not relative)
    ):
        raise UnitError(
            f"{name} (units {units!r}) is volumetric soil moisture already: expected a degree of "
            "saturation in '%' or '1'. Use it as it is."
        )
    if units is None:
        raise UnitError(
            f"{name} has no attribute 'units': expected '%' or '1'. "
            f'Set it: da.attrs["units"] = "%".'
        )
    return conversion(units, "1", name)[0]


def _check_range(da: xr.DataArray, valid: xr.DataArray, name: str) -> None:
    observed = int(da.notnull().sum())
    outside = observed - int(valid.sum())
    if observed and outside == observed:
        raise InputError(
            f"{name} has values from {float(da.min()):g} to {float(da.max()):g} {units_of(da)}, "
            "none of them between 0 and 100 %: correct its attribute 'units' ('%' or '1')."
        )
    if outside:
        logger.info("%s: %d values outside 0 to 100 %% are missing now", name, outside)


def _porosity(
    porosity: Any, da: xr.DataArray, argument: str, regrid: str | None, dtype: np.dtype[Any]
) -> Any:
    """Porosity in m3 m-3 on the cells of `da`; outside 0 to 1 an error, or missing if lazy."""
    porosity = _array(porosity, da, argument, regrid)
    if not isinstance(porosity, xr.DataArray):
        if not 0 <= porosity <= 1:
            raise InputError(
                f"{argument}={porosity!r}: expected pores per volume of soil, 0 to 1 m3 m-3."
            )
        return dtype.type(porosity)
    units = units_of(porosity)
    if units is not None:
        porosity = porosity * conversion(units, "1", argument)[0]
    porosity = porosity.astype(dtype)
    valid = (porosity >= 0) & (porosity <= 1)
    if isinstance(porosity.data, np.ndarray) and bool((porosity.notnull() & ~valid).any()):
        raise InputError(
            f"{argument} ({porosity.name}) has values from {float(porosity.min()):g} to "
            f"{float(porosity.max()):g} with units {units!r}: expected pores per volume of soil, 0 "
            "to 1 m3 m-3. Set its unit, and make fill values missing."
        )
    return porosity.where(valid)


def _array(given: Any, da: xr.DataArray, argument: str, regrid: str | None) -> Any:
    """A number, or a DataArray on the labels of `da`."""
    if not isinstance(given, xr.DataArray):
        if isinstance(given, bool) or not np.isscalar(given) or isinstance(given, str):
            raise InputError(
                f"{argument} is a {type(given).__name__}: expected a number, or a DataArray with "
                "the coordinates of da."
            )
        return given
    check_decoded(given)
    given = without_pint(given)[0]
    # dimensions of one element that a static map may come with: a date, a layer
    single = [
        dim
        for dim in given.dims
        if given.sizes[dim] == 1 and (dim not in da.dims or given[dim].dtype.kind in "MO")
    ]
    given = given.squeeze(single, drop=True)
    _check_labels(given, da, argument)
    numeric = [d for d in given.dims if d in given.indexes and given[d].dtype.kind in "iuf"]
    for dim in numeric:
        if not (
            given.indexes[dim].is_monotonic_increasing or given.indexes[dim].is_monotonic_decreasing
        ):
            given = given.sortby(dim)
    _check_cells(given, da, argument)
    if is_file_backed(given):
        given = given.compute() if given.nbytes < 2**28 else given
    skipped = next((str(d) for d in given.dims if d not in numeric), "")
    given = on_cells(given, da, argument, skipped, regrid)
    return given.reset_coords(drop=True)


def _check_labels(given: xr.DataArray, da: xr.DataArray, argument: str) -> None:
    """Raise a GridError unless labels along each dimension can be matched with those of `da`."""
    for dim in map(str, given.dims):
        if dim not in da.dims:
            raise GridError(
                f"{argument} has the dimensions {given.dims}, {da.name} {da.dims}: {dim!r} fits "
                "none. Select along it, or rename it."
            )
        if (dim in given.indexes) != (dim in da.indexes):
            which = argument if dim not in given.indexes else str(da.name)
            raise GridError(
                f"{which} has no coordinates along {dim!r}, so that cells cannot be matched: "
                f"assign them, such as {which}.assign_coords({dim}=...)."
            )
        if dim in given.indexes and given[dim].dtype.kind not in "iuf":
            if not given.indexes[dim].equals(da.indexes[dim]):
                raise GridError(f"{argument} has other {dim} than {da.name}: expected the same.")


def _check_cells(given: xr.DataArray, da: xr.DataArray, argument: str) -> None:
    """Raise a GridError if cells without labels have other coordinates, such as 2-D latitudes."""
    for key, coord in given.coords.items():
        other = da.coords.get(key)
        if (
            key in given.dims
            or other is None
            or coord.ndim < 2
            or set(coord.dims) != set(other.dims)
        ):
            continue
        same = coord.transpose(*other.dims)
        if same.shape != other.shape or not np.allclose(
            same, other, atol=TOLERANCE, equal_nan=True
        ):
            raise GridError(
                f"{argument} has another {key!r} than {da.name}: expected the same cells."
            )


def _finish(out: xr.DataArray, da: xr.DataArray, name: str) -> xr.DataArray:
    """In the dimensions of `da`, with attributes of volumetric soil moisture."""
    out = out.transpose(*da.dims).rename(name)
    out.encoding = {}
    out.attrs = {key: da.attrs[key] for key in KEPT_ATTRS if key in da.attrs} | {
        "units": UNITS,
        "standard_name": STANDARD_NAME,
        # words such as "saturation" would make it look relative again
        "long_name": "volumetric soil moisture",
        "comment": "degree of saturation times porosity (Wagner et al. 1999)",
    }
    return out

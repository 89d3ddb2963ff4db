"""Soil moisture of a file as volume of water per volume of soil."""

from __future__ import annotations

import re
from typing import Any

import xarray as xr

from xsm.conventions.cf import STANDARD_NAME
from xsm.conventions.depth import layer_thickness
from xsm.conventions.products import product_row
from xsm.conventions.saturation import saturation_to_volumetric
from xsm.conventions.units import WATER_DENSITY, conversion, says_saturation
from xsm.conventions.valid_values import LIMITS
from xsm.conventions.variables import UNITS, product_thickness, units_of
from xsm.errors import UnitError
from xsm.opening.file_forms import FileForm

_PERCENT = re.compile(r"%|percent|per cent", re.I)
_UNCERTAINTY = re.compile(r"uncert|error|noise|dqx|std_?err", re.I)


def is_uncertainty(name: str) -> bool:
    """Whether a variable of this name is the uncertainty of another."""
    return bool(_UNCERTAINTY.search(name))


def uncertainties(ds: xr.Dataset, name: str) -> list[str]:
    """Variables with the uncertainty of `name`, in its unit."""
    units = units_of(ds[name])
    return [
        str(n) for n, v in ds.data_vars.items() if is_uncertainty(str(n)) and units_of(v) == units
    ]


def _standard_name(da: xr.DataArray) -> str:
    return f"{STANDARD_NAME} standard_error" if is_uncertainty(str(da.name)) else STANDARD_NAME


def is_saturation(da: xr.DataArray, form: FileForm) -> bool:
    """Whether `da` is a degree of saturation: by its words, or by product and unit."""
    words = " ".join(str(da.attrs.get(key, "")) for key in ("long_name", "standard_name", "units"))
    if says_saturation(words):
        return True
    units = units_of(da)
    if says_saturation(str(da.name)) and not re.search(r"[mM](\^|\*\*)?[3³]", units or ""):
        return True  # GWETTOP of MERRA-2
    dimensionless = units is not None and units.strip() in ("", "1", "-", "fraction", "unitless")
    percent = units is not None and bool(_PERCENT.search(units))
    if form.product == "ascat" and (dimensionless or units is None):
        return True
    return form.percent_is_saturation and percent


def is_layer_mass(da: xr.DataArray) -> bool:
    """Whether `da` is mass of water on an area: kg m-2 or mm."""
    try:
        conversion(units_of(da) or "", "mm", str(da.name))
    except UnitError:
        return False
    return True


def thickness_of(da: xr.DataArray, ds: xr.Dataset, form: FileForm) -> float:
    """Thickness of the soil layer in metres: by the file, by the name, by the product.

    Raises
    ------
    UnitError
        If none of them gives it.
    """
    thickness = layer_thickness(da, ds)
    if thickness is None and str(da.name).startswith("SoilMoist_S_"):
        thickness = 0.02  # surface layer of CLSM
    row = product_row(form.product) if form.product else None
    if thickness is None and row is not None and da.name in row.names:
        thickness = product_thickness(row)
    if thickness is None:
        raise UnitError(
            f"{da.name} has units {units_of(da)!r}, a mass of water on an area, and the file gives "
            "no layer: neither bounds of a depth nor attributes nor the name. Open it with xarray, "
            f'set ds["{da.name}"].attrs["layer_thickness"] (m), and pass the Dataset.'
        )
    return thickness


def mass_to_volumetric(da: xr.DataArray, thickness: float) -> xr.DataArray:
    """Mass of water (kg m-2) of a layer (m) as m3 m-3."""
    factor, _ = conversion(str(units_of(da)), "mm", str(da.name))  # 1 kg m-2
    factor /= WATER_DENSITY * thickness
    out = da * da.dtype.type(factor)
    note = (
        f"converted from {units_of(da)} with a layer of {thickness:g} m and water of "
        f"{WATER_DENSITY:g} kg m-3"
    )
    limits = {key: factor * da.attrs[key] for key in LIMITS if key in da.attrs}
    new = {"units": UNITS, "standard_name": _standard_name(da), "comment": note}
    out.attrs = {**da.attrs, **limits, **new}
    return out


def volumetric_dataset(ds: xr.Dataset, name: str, porosity: Any) -> xr.Dataset:
    """`ds` with the degree of saturation `name`, and its uncertainty, times the porosity.

    Raises
    ------
    InputError, GridError
        See :func:`xsm.saturation_to_volumetric`.
    """
    da = ds[name]
    if isinstance(porosity, xr.DataArray):
        rows, columns = map(str, da.dims[-2:])
        porosity = _named_like(porosity, rows, columns)
    std = next(iter(uncertainties(ds, name)), None)
    # the name alone, such as sm, may be that of a volumetric variable
    relative = da.assign_attrs(long_name="degree of saturation")
    out = saturation_to_volumetric(relative, porosity, uncertainty=None if std is None else ds[std])
    converted = out.data_vars if isinstance(out, xr.Dataset) else {name: out}
    ds = ds.drop_vars([] if std is None else [std]).assign(converted)
    screening = {k: v for k, v in da.attrs.items() if str(k).startswith("screening")}
    beside = [*str(da.attrs.get("ancillary_variables", "")).split(), *list(converted)[1:]]
    ds[name].attrs |= screening
    if listed := [n for n in dict.fromkeys(map(str, beside)) if n in ds]:
        ds[name].attrs["ancillary_variables"] = " ".join(listed)
    return ds


def _named_like(porosity: xr.DataArray, rows: str, columns: str) -> xr.DataArray:
    names = {"latitude": rows, "Latitude": rows, "y": rows, "lat": rows}
    names |= {"longitude": columns, "Longitude": columns, "x": columns, "lon": columns}
    renames = {d: names[str(d)] for d in porosity.dims if names.get(str(d), d) != d}
    return porosity.rename(renames) if renames else porosity


def saturation_message(da: xr.DataArray) -> str:
    """What a degree of saturation needs to become soil moisture."""
    return (
        f"{da.name} is a degree of saturation ({da.attrs.get('long_name', 'no long_name')}, units "
        f"{units_of(da)!r}): expected volumetric soil moisture. Give the porosity of the soil: "
        "xsm.open_record(paths, porosity=0.45) or a DataArray of it on the same grid; on an open "
        "array: xsm.saturation_to_volumetric(da, porosity)."
    )

"""Soil moisture of a file as volume of water per volume of soil."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.align import on_cells
from xsm.conventions.cf import STANDARD_NAME
from xsm.conventions.depth import layer_thickness
from xsm.conventions.units import WATER_DENSITY, conversion
from xsm.conventions.variables import UNITS, units_of
from xsm.errors import InputError, UnitError
from xsm.opening.file_forms import FileForm

_PERCENT = re.compile(r"%|percent|per cent", re.I)
_SATURATION = re.compile(r"satur|degree of|wetness index|soil water index", re.I)
_MASS = re.compile(r"^\s*(kg\s*/?\s*m|mm\b|kg m)", re.I)
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
    if _SATURATION.search(words):
        return True
    units = units_of(da)
    dimensionless = units is not None and units.strip() in ("", "1", "-", "fraction", "unitless")
    percent = units is not None and bool(_PERCENT.search(units))
    if form.product == "ascat" and (dimensionless or units is None):
        return True
    return form.percent_is_saturation and percent


def is_layer_mass(da: xr.DataArray) -> bool:
    """Whether `da` is mass of water on an area: kg m-2 or mm."""
    return bool(_MASS.match(units_of(da) or ""))


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
    if thickness is None and form.layer is not None:
        thickness = form.layer[1] - form.layer[0]
    if thickness is None:
        raise UnitError(
            f"{da.name} has units {units_of(da)!r}, a mass of water on an area, and the file gives "
            "no layer: neither bounds of a depth nor attributes nor the name. Open it with xarray, "
            f'set ds["{da.name}"].attrs["layer_thickness"] (m), and pass the Dataset.'
        )
    return thickness


def mass_to_volumetric(da: xr.DataArray, thickness: float) -> xr.DataArray:
    """Mass of water (kg m-2) of a layer (m) as m3 m-3."""
    factor, _ = conversion(str(units_of(da)), "kg m-2", str(da.name))
    out = da * da.dtype.type(factor / (WATER_DENSITY * thickness))
    note = (
        f"converted from {units_of(da)} with a layer of {thickness:g} m and water of "
        f"{WATER_DENSITY:g} kg m-3"
    )
    out.attrs = {**da.attrs, "units": UNITS, "standard_name": _standard_name(da), "comment": note}
    return out


def saturation_to_volumetric(da: xr.DataArray, porosity: Any) -> xr.DataArray:
    """Degree of saturation times the porosity of the soil, m3 m-3.

    Parameters
    ----------
    da : DataArray
        On (time, lat, lon) or (time, y, x); percent or fraction.
    porosity : float or DataArray
        Pore volume per volume of soil, 0 to 1, on the rows and columns of `da`.

    Raises
    ------
    InputError, GridError
        If the porosity is none, or lies on other cells.
    """
    if porosity is None:
        raise UnitError(saturation_message(da))
    fraction = 0.01 if _PERCENT.search(units_of(da) or "percent") else 1.0
    if isinstance(porosity, xr.DataArray):
        rows, columns = da.dims[-2:]
        renamed = _named_like(porosity, da, str(rows), str(columns))
        porosity = on_cells(renamed.drop_attrs(), da, "porosity", "time", None)
    elif not isinstance(porosity, int | float | np.number) or isinstance(porosity, bool):
        raise InputError(
            f"porosity={porosity!r}: expected a number such as 0.45, or a DataArray on "
            f"{da.dims[-2:]}."
        )
    smallest, largest = float(np.min(porosity)), float(np.nanmax(porosity))
    if not (0.0 < largest <= 1.0 and not smallest < 0.0):
        raise InputError(
            f"porosity is {smallest:g} to {largest:g}: expected a fraction of the volume, 0 to 1."
        )
    out = (da * fraction * porosity).astype(da.dtype).transpose(*da.dims)
    out.attrs = {
        **da.attrs,
        "units": UNITS,
        "standard_name": _standard_name(da),
        "long_name": "uncertainty of soil moisture"
        if is_uncertainty(str(da.name))
        else "soil moisture",
        "comment": f"degree of saturation ({units_of(da)}) times the porosity of the soil",
    }
    return out


def _named_like(porosity: xr.DataArray, da: xr.DataArray, rows: str, columns: str) -> xr.DataArray:
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

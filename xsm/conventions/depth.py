"""The soil layer of a variable: from bounds, attributes, its name, or its product."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.units import conversion
from xsm.errors import UnitError

DEPTH_NAMES = (
    "depth",
    "soil_depth",
    "soil_layer",
    "layer",
    "level",
    "sdepth",
    "depthbelowlandlayer",
)
TOP = ("depth_top", "depth_from", "layer_top", "top")
BOTTOM = ("depth_bottom", "depth_to", "layer_bottom", "bottom")
THICKNESS = ("layer_thickness", "thickness", "soil_layer_thickness", "dz")
# 0_10cm, 0-10 cm, 0 to 7 cm, 0.00-0.10 m
_RANGE = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:cm|mm|m)?\s*(?:_|-|–|to)\s*(\d+(?:\.\d+)?)\s*(cm|mm|m)(?![a-z\d])", re.I
)


def layer_thickness(da: xr.DataArray, ds: xr.Dataset | None = None) -> float | None:
    """Thickness (m) of the soil layer of `da`, or None where nothing tells it.

    Tried in this order: bounds of a depth coordinate of one element; attributes (``depth_top`` and
    ``depth_bottom``, or ``layer_thickness``, in m); a range of depths in ``long_name``,
    ``description`` or the name of the variable (``SoilMoi0_10cm_inst``).
    """
    for thickness in (_from_bounds(da, ds), _from_attributes(da), _from_texts(da)):
        if thickness is not None and thickness > 0:
            return thickness
    return None


def _from_bounds(da: xr.DataArray, ds: xr.Dataset | None) -> float | None:
    variables = dict(da.coords) if ds is None else {str(n): ds[n] for n in ds.variables}
    for name, coord in da.coords.items():
        vertical = coord.attrs.get("axis") == "Z" or coord.attrs.get("standard_name") == "depth"
        if coord.size != 1 or not (vertical or str(name).lower() in DEPTH_NAMES):
            continue
        for bounds in (coord.attrs.get("bounds"), f"{name}_bnds", f"{name}_bounds"):
            if bounds in variables and variables[bounds].size == 2:
                top, bottom = np.ravel(np.asarray(variables[bounds].values, np.float64))
                return abs(bottom - top) * _metres(coord.attrs.get("units"))
    return None


def _metres(units: Any) -> float:
    try:
        return conversion(str(units or "m"), "m", "depth")[0]
    except UnitError:
        return np.nan


def _from_attributes(da: xr.DataArray) -> float | None:
    def number(keys: tuple[str, ...]) -> float | None:
        for key in keys:
            try:
                return float(da.attrs[key])
            except (KeyError, TypeError, ValueError):
                continue
        return None

    if (thickness := number(THICKNESS)) is not None:
        return thickness
    top, bottom = number(TOP), number(BOTTOM)
    return None if top is None or bottom is None else abs(bottom - top)


def _from_texts(da: xr.DataArray) -> float | None:
    texts = [str(da.attrs.get(key, "")) for key in ("long_name", "description", "title")]
    for text in (*texts, str(da.name)):
        if match := _RANGE.search(text):
            top, bottom, unit = match.groups()
            return (float(bottom) - float(top)) * _metres(unit.lower())
    return None

"""Units: of soil moisture to m3 m-3, and of any predictor to the unit a network takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from xsm.conventions.products import Product
from xsm.errors import UnitError

ACCEPTED = "'m3 m-3', 'm³/m³', '1', '%' or 'percent'"

# Spellings met in files that no unit grammar knows.
_ALIASES = {
    "": "1",
    "fraction": "1",
    "unitless": "1",
    "none": "1",
    "-": "1",
    "v/v": "1",
    "vol/vol": "1",
    "vol vol-1": "1",
    "volumetric": "1",
    "m3m-3": "1",
    "volumetric percent": "percent",
    "percent volumetric": "percent",
    "percent by volume": "percent",
    "percent vol": "percent",
    "vol percent": "percent",
    "vol. percent": "percent",
    "(0 - 1)": "1",
    "c": "degC",
    "celsius": "degC",
    "deg c": "degC",
    "deg_c": "degC",
    "degrees c": "degC",
    "degrees": "degree",
    "degrees_north": "degree",
    "degrees_east": "degree",
}
_MASS = re.compile(r"(?<![a-z])(kg|mg|g|gram|grams|kilogram|kilograms|milligram)(?![a-z])", re.I)
_SATURATION = re.compile(r"(?<!at )(?<!at_)saturation|saturated|in_soil_pores", re.I)


def to_m3m3_factor(
    units: str | None,
    name: str = "the variable",
    *,
    attrs: Mapping[Any, Any] | None = None,
    product: Product | None = None,
) -> float:
    """Factor that converts values in `units` to m3 m-3.

    Parameters
    ----------
    units : str or None
        As in the attribute of a file. None: the unit of `product`.
    name : str
        Of the variable, for messages.
    attrs : mapping, optional
        Attributes of the variable; a degree of saturation often shows in its long name alone.
    product : Product, optional
        The product that the variable is known from.

    Raises
    ------
    UnitError
        If the unit is missing and the product is unknown, if the unit is unknown, or if it is no
        volume of water per volume of soil.

    Examples
    --------
    >>> [to_m3m3_factor(u) for u in ("m3 m-3", "m³/m³", "cm^3/cm^3", "%", "percent")]
    [1.0, 1.0, 1.0, 0.01, 0.01]
    """
    for key in ("standard_name", "long_name", "description", "unit_long", "title"):
        text = str((attrs or {}).get(key, ""))
        if _SATURATION.search(text):
            raise UnitError(_saturation_message(name, f"{key} {text!r}"))
    volumetric = units is not None and re.search(r"[mM](\^|\*\*)?[3³]", str(units))
    if product is not None and product.saturation and not volumetric:
        raise UnitError(_saturation_message(name, f"known as {product.title}, units {units!r}"))
    if units is None and product is not None:
        units = product.units
    if units is None:
        raise UnitError(
            f"{name} has no attribute 'units': expected {ACCEPTED}. "
            f'Set it: ds["{name}"].attrs["units"] = "m3 m-3".'
        )
    return _volumetric_factor(str(units), name)


def _volumetric_factor(units: str, name: str) -> float:
    text = " ".join(units.split())
    problem = (
        f"{name} has units {units!r}, which is no volumetric soil moisture: expected {ACCEPTED}. "
        "If the numbers are in one of these, correct the attribute; otherwise convert them first."
    )
    if _SATURATION.search(text):
        raise UnitError(_saturation_message(name, f"units {units!r}"))
    if _MASS.search(text):
        raise UnitError(problem)
    lower = re.sub(r"\s+", " ", text.lower().replace("%", "percent ")).strip()
    parsed = _parse(_ALIASES.get(lower, lower if lower == "percent" else text))
    if parsed is None or not parsed.dimensionless:
        raise UnitError(problem)
    # radian, decibel and ppm are dimensionless too
    registry = _registry()
    for part in dict(parsed._units):
        if part != "percent" and registry.get_dimensionality(part) != {"[length]": 1}:
            raise UnitError(problem)
    return float(registry.Quantity(1.0, parsed).to("dimensionless").magnitude)


def _saturation_message(name: str, why: str) -> str:
    return (
        f"{name} is a degree of saturation ({why}): expected volumetric soil moisture in "
        f"{ACCEPTED}. Multiply it by the porosity of the soil (as a fraction of its volume) and "
        "set units, long_name and standard_name anew."
    )


@cache
def _registry() -> Any:
    """A registry of our own: the one of cf_xarray.units replaces the user's on import."""
    import pint

    powers = re.compile(r"(?<=[A-Za-z])(?![A-Za-z])(?<![0-9\-][eE])(?<![0-9\-])(?=[0-9\-])")
    return pint.UnitRegistry(
        preprocessors=[lambda text: powers.sub("**", text.replace("%", "percent"))]
    )


def _parse(text: str) -> Any:
    import pint

    try:
        return _registry().parse_units(text)
    except (pint.PintError, TypeError, ValueError, AttributeError, SyntaxError):
        return None


@cache
def conversion(units: str, wanted: str, name: str) -> tuple[float, float]:
    """Factor and offset that bring values in `units` to `wanted`: ``factor * x + offset``.

    Water on an area counts by its depth: 1 kg m-2 is 1 mm.

    Raises
    ------
    UnitError
        If one is unknown or the two measure different things.

    Examples
    --------
    >>> conversion("degC", "K", "lst"), conversion("%", "1", "sand")
    ((1.0, 273.15), (0.01, 0.0))
    """
    texts = [" ".join(str(u).split()) for u in (units, wanted)]
    if texts[0] == texts[1]:
        return 1.0, 0.0
    have, want = (_parse(_ALIASES.get(text.lower(), text)) for text in texts)
    problem = f"{name} has units {units!r}: expected {wanted!r}, or a unit that converts to it. "
    if have is None or want is None:
        raise UnitError(problem + "Set its attribute 'units' to the one it is in.")
    registry = _registry()
    per_area = registry.parse_units("kg m-2")
    for power in (0, 1):
        # kg m-2 (s-1) is as many mm (s-1) of water
        unit = have if power == 0 else have / per_area * registry.parse_units("mm")
        if unit.dimensionality == want.dimensionality:
            zero, one = (registry.Quantity(v, unit).to(want).magnitude for v in (0.0, 1.0))
            offset = round(float(zero), 10)
            return float(one) - float(zero), offset
    raise UnitError(problem + "Convert it first, or correct its attribute 'units'.")

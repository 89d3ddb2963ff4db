"""Units: of soil moisture to m3 m-3, and of any predictor to the unit a network takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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
    "percent volumetric": "percent",
    "percent by volume": "percent",
    "pct": "percent",
    "percent vol": "percent",
    "vol percent": "percent",
    "vol. percent": "percent",
    "volume percent": "percent",
    "volumetric percent": "percent",
    "percentage": "percent",
    "volumetric fraction": "1",
    "volume fraction": "1",
    "m-3 m-3": "1",  # MERRA-2: m3 m-3 is meant
    "(0 - 1)": "1",
    "c": "degC",
    "degc": "degC",
    "celsius": "degC",
    "deg c": "degC",
    "deg_c": "degC",
    "degrees c": "degC",
    "degree c": "degC",
    "degrees_c": "degC",
    "degree_c": "degC",
    "deg celsius": "degC",
    "degree celsius": "degC",
    "degrees celsius": "degC",
    "degree_celsius": "degC",
    "degrees_celsius": "degC",
    "k": "K",
    "degk": "K",
    "deg k": "K",
    "deg_k": "K",
    "degree k": "K",
    "degrees k": "K",
    "degree_k": "K",
    "degrees_k": "K",
    "degree kelvin": "K",
    "degrees kelvin": "K",
    "degree_kelvin": "K",
    "degrees_kelvin": "K",
    "kelvins": "K",
    "m of water equivalent": "m",
    "mm of water equivalent": "mm",
    "mm of water": "mm",
    "kg of water m-2": "kg m-2",
    "degrees": "degree",
    "degrees_north": "degree",
    "degrees_east": "degree",
}
_MASS = re.compile(r"(?<![a-z])(kg|mg|g|gram|grams|kilogram|kilograms|milligram)(?![a-z])", re.I)
# Words of quantities that are often in percent or without dimension, and are no volume of water
# per volume of soil.
_SATURATION = re.compile(
    r"(?<!at )(?<!at_)saturation|saturated|in_soil_pores|wetness|soil[ _]water[ _]index"
    r"|(?<![a-z])(swi(?![a-z])|gwet(top|root|prof))|relative[ _](soil[ _])?(moisture|water)",
    re.I,
)
_INDEX = re.compile(
    r"anomal|percentile|standardi[sz]ed|(moisture|drought|water)[ _](deficit[ _])?index"
    r"|(?<![a-z])(field[ _]capacity|wilting[ _]point|porosity)|available[ _](soil[ _])?water"
    r"|probability|standard_error",
    re.I,
)
WATER_DENSITY = 1000.0  # kg m-3
# as most files have it: to build the registry of pint takes a third of a second in a fresh process
VOLUMETRIC = ("m3 m-3", "m3/m3", "m^3 m^-3", "m^3/m^3", "m**3 m**-3", "cm3 cm-3", "cm^3/cm^3")
_ENCLOSED = re.compile(r"^[\[(]([^\[\]()]+)[\])]$")
_REPEATED = re.compile(r"^(.+?)\s*[(\[]\s*(.+?)\s*[)\]]$")


def to_m3m3_factor(
    units: str | None,
    name: str = "the variable",
    *,
    attrs: Mapping[Any, Any] | None = None,
    product: Product | None = None,
    thickness: Callable[[], float | None] = lambda: None,
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
    thickness : callable, optional
        Gives the thickness (m) of the soil layer, or None; asked for water per area only.

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
    volumetric = units is not None and re.search(r"[mM](\^|\*\*)?[3³]", str(units))
    for key in ("standard_name", "long_name", "description", "unit_long", "title", "name"):
        text = name if key == "name" and not volumetric else str((attrs or {}).get(key, ""))
        if says_saturation(text):
            raise UnitError(_saturation_message(name, f"{key} {text!r}"))
        if _INDEX.search(text) and key in ("standard_name", "long_name"):
            raise UnitError(
                f"{name} is no volumetric soil moisture ({key} {text!r}): expected the volume of "
                "water per volume of soil itself. Choose another variable, or correct that text."
            )
    if product is not None and product.saturation and not volumetric:
        raise UnitError(_saturation_message(name, f"known as {product.title}, units {units!r}"))
    if units is None and product is not None:
        units = product.units
    if units is None:
        raise UnitError(
            f"{name} has no attribute 'units': expected {ACCEPTED}. "
            f'Set it: ds["{name}"].attrs["units"] = "m3 m-3".'
        )
    return _volumetric_factor(str(units), name, thickness)


def _volumetric_factor(units: str, name: str, thickness: Callable[[], float | None]) -> float:
    text = " ".join(units.split())
    problem = (
        f"{name} has units {units!r}, which is no volumetric soil moisture: expected {ACCEPTED}. "
        "If the numbers are in one of these, correct the attribute; otherwise convert them first."
    )
    if says_saturation(text):
        raise UnitError(_saturation_message(name, f"units {units!r}"))
    if text in VOLUMETRIC:
        return 1.0
    registry = _registry()
    parsed = _parse(text)
    if (
        parsed is not None
        and parsed.dimensionality == registry.parse_units("kg m-2").dimensionality
    ):
        return _of_layer(
            float(registry.Quantity(1.0, parsed).to("kg m-2").magnitude), units, name, thickness()
        )
    if (
        parsed is not None
        and parsed.dimensionality == registry.parse_units("kg m-3").dimensionality
    ):
        # water of a volume of soil, as AMSR-E has it: g cm-3
        return float(registry.Quantity(1.0, parsed).to("kg m-3").magnitude) / WATER_DENSITY
    if _MASS.search(text) or parsed is None or not parsed.dimensionless:
        raise UnitError(problem)
    # radian, decibel and ppm are dimensionless too
    for part in dict(parsed._units):
        if part != "percent" and registry.get_dimensionality(part) != {"[length]": 1}:
            raise UnitError(problem)
    return float(registry.Quantity(1.0, parsed).to("dimensionless").magnitude)


def _of_layer(kg_per_m2: float, units: str, name: str, thickness: float | None) -> float:
    """m3 m-3 per unit of water on an area of a layer (m)."""
    if thickness is None:
        raise UnitError(
            f"{name} has units {units!r}, the water of a soil layer: expected {ACCEPTED}, or the "
            "thickness of the layer, which neither the bounds of a depth, nor attributes, nor the "
            f"name tell. Say it in m, such as for 0.1 m: "
            f'ds["{name}"].attrs["layer_thickness"] = 0.1; or divide by 1000 kg m-3 x thickness.'
        )
    return kg_per_m2 / (WATER_DENSITY * thickness)


def says_saturation(text: str) -> bool:
    """Whether the words of a name, unit or description are those of a degree of saturation.

    Examples
    --------
    >>> says_saturation("Soil Water Index with T=5"), says_saturation("moisture at saturation")
    (True, False)
    """
    return _SATURATION.search(text) is not None


def _saturation_message(name: str, why: str) -> str:
    return (
        f"{name} is a degree of saturation ({why}): expected volumetric soil moisture in "
        f"{ACCEPTED}. Multiply it by the porosity of the soil (as a fraction of its volume): "
        f'xsm.saturation_to_volumetric(ds["{name}"], porosity).'
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
    """A unit of pint, or None if the text is none that can be relied on."""
    text = " ".join(text.split())
    if text not in _ALIASES and (match := _ENCLOSED.match(text)):  # [m3/m3]
        return _parse(match[1])
    if match := _REPEATED.match(text):  # percent (%)
        first, second = map(_parse, match.groups())
        if first is not None and second is not None:
            return first if first == second else None
    lower = re.sub(r"\s+", " ", text.lower().replace("%", " percent ")).strip()
    unit = _parse_text(_ALIASES.get(lower, lower if lower == "percent" else text))
    if unit is None and text.isalpha() and len(text) > 3:  # Kelvin, PERCENT
        unit = _parse_text(lower)
    if unit is None:
        return None
    # words without dimension do not multiply: percent twice, an angle times kelvin
    parts = dict(unit._units)
    words = [part for part in parts if part in _WORDS]
    if len(words) > 1 or any(parts[word] != 1 for word in words):
        return None
    if "kelvin" in parts and words:
        return None
    return unit


_WORDS = ("percent", "degree", "radian", "ppm", "permille", "decibel", "neper")


_LONGEST = 80  # characters; units in files have up to 40
# powers of powers, and large ones, that pint would work out: 9**9**9
_ENDLESS = re.compile(
    r"(\*\*|\^)[\s(+\-]*[\d.]+[\s)]*(\*\*|\^|[⁰¹²³⁴-⁹])|\)\s*(\*\*|\^|[⁰¹²³⁴-⁹])"
    r"|(\*\*|\^)[\s(+\-]*\d{3}|[⁰¹²³⁴-⁹]{3}|[⁰¹²³⁴-⁹]\s*(\*\*|\^)|\d[eE][+\-]?\d{3}"
)


def _parse_text(text: str) -> Any:
    if len(text) > _LONGEST or _ENDLESS.search(text) or not text.isprintable():
        return None
    try:
        return _registry().parse_units(text)
    except Exception:  # pint raises whatever its tokenizer and its arithmetic do
        return None


def is_daily_amount(units: str, wanted: str) -> bool:
    """Whether `units` are those of an amount and `wanted` those of the same per time.

    Examples
    --------
    >>> is_daily_amount("m", "mm day-1"), is_daily_amount("mm day-1", "mm day-1")
    (True, False)
    """
    if units == wanted:
        return False
    have, want = _parse(units), _parse(wanted)
    if have is None or want is None:
        return False
    per_day = have / _registry().parse_units("day")
    return any(u.dimensionality == want.dimensionality for u in _as_depth_too(per_day))


def _as_depth_too(unit: Any) -> list[Any]:
    """A unit, and the same with kg m-2 (s-1) as so many mm (s-1) of water."""
    registry = _registry()
    return [unit, unit / registry.parse_units("kg m-2") * registry.parse_units("mm")]


@cache
def conversion(units: str, wanted: str, name: str) -> tuple[float, float]:
    """Factor and offset that bring values in `units` to `wanted`: ``factor * x + offset``.

    Water on an area counts by its depth: 1 kg m-2 is 1 mm. Where `wanted` is a rate and `units` is
    an amount, it is the amount of a day.

    Raises
    ------
    UnitError
        If one is unknown or the two measure different things.

    Examples
    --------
    >>> conversion("degC", "K", "lst"), conversion("%", "1", "sand")
    ((1.0, 273.15), (0.01, 0.0))
    >>> conversion("m", "mm day-1", "tp")
    (1000.0, 0.0)
    """
    texts = [" ".join(str(u).split()) for u in (units, wanted)]
    if texts[0] == texts[1]:
        return 1.0, 0.0
    have, want = map(_parse, texts)
    problem = f"{name} has units {units!r}: expected {wanted!r}, or a unit that converts to it. "
    if have is None or want is None:
        raise UnitError(problem + "Set its attribute 'units' to the one it is in.")
    registry = _registry()
    if is_daily_amount(units, wanted):
        have = have / registry.parse_units("day")
    for unit in _as_depth_too(have):
        if unit.dimensionality == want.dimensionality:
            zero, one = (registry.Quantity(v, unit).to(want).magnitude for v in (0.0, 1.0))
            offset = round(float(zero), 10)
            return float(one) - float(zero), offset
    raise UnitError(problem + "Convert it first, or correct its attribute 'units'.")

"""Any quantity from the unit it came in to the unit a network takes it in."""

from __future__ import annotations

from functools import cache

from xsm.errors import UnitError
from xsm.units import _parse, _registry

# Spellings met in files that no unit grammar knows.
_ALIASES = {
    "": "1",
    "-": "1",
    "fraction": "1",
    "none": "1",
    "unitless": "1",
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

"""Depths of sensors: units, sign, and whether a sensor is within a layer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.conventions.units import conversion
from xsm.errors import InputError

# Depths are nominal: a sensor installed at 5 cm may be reported as 0.05 m or as 2 inches, 0.0508 m.
# 2 % covers inches that stand for a multiple of 2.5 cm (40 inches, 1.016 m, for 1 m); 5 mm is half
# of the centimetre to which shallow depths are reported. 6 cm is another depth than 5 cm.
ABSOLUTE_TOLERANCE = 0.005  # m
RELATIVE_TOLERANCE = 0.02
MAX_PLAUSIBLE = 3.0  # m, of a depth without a unit
DECIMALS = 6  # of depths in m: float32 holds no more
ROUNDING = 10.0**-DECIMALS  # m


def within_layer(
    depth_from: ArrayLike, depth_to: ArrayLike, layer: tuple[float, float]
) -> NDArray[np.bool_]:
    """Whether sensors are within a layer, by their nominal depths.

    Parameters
    ----------
    depth_from, depth_to : array_like, (N,)
        Upper and lower end of the sensed layer, m below the surface; equal for a point sensor.
    layer : (float, float)
        Upper and lower end, m.

    Returns
    -------
    ndarray of bool, (N,)
        Either end may lie outside by 5 mm or by 2 % of its depth, whichever is more. False where a
        depth is NaN.

    Examples
    --------
    >>> within_layer([0.05, 0.0508, 0.06, 0.0], [0.05, 0.0508, 0.06, 0.1], (0, 0.05)).tolist()
    [True, True, False, False]
    """
    top, bottom = (float(end) for end in layer)
    upper, lower = (np.asarray(ends, np.float64) for ends in (depth_from, depth_to))
    return (upper >= top - _tolerance(top)) & (lower <= bottom + _tolerance(bottom))


def _tolerance(depth: float) -> float:
    return max(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * depth) + ROUNDING


def depth_in_metres(
    values: Any,
    attrs: Mapping[Hashable, Any],
    name: str = "depth",
    *,
    advice: str = "ds[{name!r}].attrs['units'] = 'cm'",
) -> NDArray[np.float64]:
    """Depths in m, positive downwards.

    Parameters
    ----------
    values : array_like
        Numbers, of any dtype.
    attrs : mapping
        Attributes of the coordinate: ``units`` (m, cm, mm, inch, ...; m where it is missing) and
        ``positive`` (``"up"`` or ``"down"``). Depths that are all negative or 0 count as positive
        up where the attribute is missing.
    name : str
        Of the coordinate, for messages.
    advice : str
        How the unit is stated, for messages.

    Returns
    -------
    ndarray of float64
        Of the shape of `values`, to 1e-6 m; NaN = unknown.

    Raises
    ------
    InputError
        If they are no numbers, if a depth without a unit exceeds 3 m, or if depths without the
        attribute ``positive`` have both signs.
    UnitError
        If the unit is unknown or is no length.

    Examples
    --------
    >>> depth_in_metres([-2, -8], {"units": "inch"}).round(4).tolist()
    [0.0508, 0.2032]
    """
    try:
        depths = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"stations: {name} holds {np.ravel(values)[:3].tolist()!r}: expected numbers in m "
            f"({error})."
        ) from error
    units = attrs.get("units")
    finite = depths[np.isfinite(depths)]
    if units is not None:
        factor, _ = conversion(str(units), "m", name)
        depths = depths * factor
    elif finite.size and np.abs(finite).max() > MAX_PLAUSIBLE:
        raise InputError(
            f"stations: {name} holds {np.abs(finite).max():g} and has no attribute 'units': "
            f"expected m. Name the unit, such as {advice.format(name=name)}."
        )
    positive = str(attrs.get("positive", "")).lower()
    # sensors at one depth have one number, whatever the unit and dtype that it was written in
    depths = np.round(depths, DECIMALS)
    if positive == "up":
        return 0.0 - depths
    if positive != "down" and finite.size and finite.min() < 0:
        if finite.max() > 0:
            raise InputError(
                f"stations: {name} holds depths of both signs ({finite.min():g} and "
                f"{finite.max():g}): expected m below the surface. State the direction: "
                f"ds[{name!r}].attrs['positive'] = 'down' (or 'up')."
            )
        return 0.0 - depths
    return depths

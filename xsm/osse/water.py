"""Water balance of the top 5 cm, one day at a step, and of the snow on it."""

from dataclasses import dataclass

import numpy as np

DEPTH_MM = 50.0
_TOP_SHARE = 0.45  # of evaporation is drawn from the top 5 cm


@dataclass
class Soil:
    """Hydraulic limits of N cells, m3 m-3, from texture (after Saxton and Rawls, 2006, rounded).

    Attributes
    ----------
    porosity, capacity, residual : ndarray (N,)
        Saturation, field capacity, air-dry.
    release : ndarray (N,)
        Share of the water above field capacity that drains in a day.
    """

    porosity: np.ndarray
    capacity: np.ndarray
    residual: np.ndarray
    release: np.ndarray


def make_soil(sand: np.ndarray, clay: np.ndarray, porosity: np.ndarray) -> Soil:
    """Hydraulic limits from sand and clay fractions (N,)."""
    capacity = np.minimum(0.30 - 0.20 * sand + 0.32 * clay, porosity - 0.05)
    residual = 0.015 + 0.19 * clay
    return Soil(porosity, capacity, residual, 0.45 + 0.45 * sand)


def snow_step(snow, precipitation, temperature):
    """Snow on the ground after a day.

    Parameters
    ----------
    snow : ndarray (N,)
        Water equivalent, mm.
    precipitation : ndarray (N,)
        mm d-1; falls as snow below 0.5 degC.
    temperature : ndarray (N,)
        degC.

    Returns
    -------
    snow, water : ndarray (N,)
        New snow (mm) and liquid reaching the soil (rain and melt, mm d-1). Melt is
        3.5 mm per degree-day.
    """
    falling = np.where(temperature < 0.5, precipitation, 0.0)
    pack = snow + falling
    melt = np.minimum(pack, 3.5 * np.maximum(temperature, 0.0))
    return pack - melt, precipitation - falling + melt


def soil_step(theta, water, demand, temperature, soil: Soil):
    """Soil moisture after a day; every loss is exact for its own linear law over the day.

    Infiltration fills the pores at a rate that falls with the room left,
    I = R (1 - exp(-W / R)), R = (porosity - theta) Z. Evaporation is the demand times relative
    wetness, E = A (1 - exp(-0.45 PET / C)), A = (theta - residual) Z, C = (capacity - residual) Z.
    Water above field capacity drains by a fixed share a day. Frozen soil neither loses nor drains.

    Parameters
    ----------
    theta : ndarray (N,)
        m3 m-3.
    water, demand : ndarray (N,)
        Liquid input and potential evaporation, mm d-1.
    temperature : ndarray (N,)
        degC.
    soil : Soil

    Returns
    -------
    theta : ndarray (N,)
        Next day's, m3 m-3.
    evaporation, drainage, runoff : ndarray (N,)
        mm d-1; theta changes by (water - evaporation - drainage - runoff) / 50 mm.
    """
    room = np.maximum((soil.porosity - theta) * DEPTH_MM, 1e-3)
    infiltration = room * -np.expm1(-water / room)
    store = theta * DEPTH_MM + infiltration
    thawed = np.clip((temperature + 3.0) / 4.0, 0.0, 1.0)
    above = np.maximum(store - soil.capacity * DEPTH_MM, 0.0)
    drainage = above * soil.release * thawed
    store = store - drainage
    available = np.maximum(store - soil.residual * DEPTH_MM, 0.0)
    reach = (soil.capacity - soil.residual) * DEPTH_MM
    evaporation = available * -np.expm1(-_TOP_SHARE * demand * thawed / reach)
    theta = (store - evaporation) / DEPTH_MM
    return theta, evaporation, drainage, water - infiltration

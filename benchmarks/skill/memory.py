"""Predictors that remember: what rain, melt and drying of the past days left in the ground.

A network of days has to learn a water balance; a hydrologist can hand it one. Arrays are
(T, N): days by cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.floating]
SPIN_UP = 365  # the first days of the record, once more before it


def remembered(x: Days, days: float) -> Days:
    """Exponentially fading mean with an e-folding time of `days`."""
    keep = np.exp(-1.0 / days)
    out, state = np.empty_like(x), x[:SPIN_UP].mean(axis=0)
    for t, today in enumerate(x):
        state = keep * state + (1 - keep) * today
        out[t] = state
    return out


def snow_and_water(rain: Days, warm: Days) -> tuple[Days, Days]:
    """Snow on the ground (mm) and liquid water reaching the soil (mm d-1) by degree-days."""
    snow, water, pack = np.empty_like(rain), np.empty_like(rain), np.zeros(rain.shape[1])
    for t in range(len(rain)):
        falling = np.where(warm[t] < 0.5, rain[t], 0.0)
        melt = np.minimum(pack + falling, 3.0 * np.maximum(warm[t], 0.0))
        pack = pack + falling - melt
        snow[t], water[t] = pack, rain[t] - falling + melt
    return snow, water


def bucket(water: Days, demand: Days, capacity: float, use: float, drain: float) -> Days:
    """Filling, 0..1, of a store of `capacity` mm that evaporates at `use` x demand and drains."""
    out, store = np.empty_like(water), np.full(water.shape[1], 0.5 * capacity)
    for t in range(len(water)):
        room = np.maximum(capacity - store, 1e-3)
        store = store + room * -np.expm1(-water[t] / room)
        store = store * np.exp(-use * demand[t] / capacity - drain)
        out[t] = store / capacity
    return out


def evaporative_demand(warm: Days, sun: Days, sky: Days) -> Days:
    """Priestley-Taylor potential evaporation, mm d-1, from degC and W m-2."""
    slope = 4098 * _saturation(warm) / (warm + 237.3) ** 2
    net = 0.77 * sun + 0.97 * (sky - 5.67e-8 * (warm + 273.15) ** 4)
    return np.maximum(1.26 * slope / (slope + 0.066) * np.maximum(net, 0.0) / 28.4 * 0.9, 0.05)


def _saturation(warm: Days) -> Days:
    """Saturation vapour pressure, kPa."""
    return 0.6108 * np.exp(17.27 * warm / (warm + 237.3))


def remembering(forcing: dict[str, Days], day_of_year: NDArray[np.integer]) -> dict[str, Days]:
    """Predictors from daily forcing.

    Parameters
    ----------
    forcing : dict of ndarray, each (T, N)
        ``rain`` (mm d-1), ``warm`` (degC), ``sun`` and ``sky`` (W m-2, downwelling), ``humidity``
        (kg kg-1), ``wind`` (m s-1).
    day_of_year : ndarray, (T,)

    Returns
    -------
    dict of ndarray of float32, each (T, N)
    """
    f = {k: np.concatenate([v[:SPIN_UP], v]).astype(np.float64) for k, v in forcing.items()}
    rain, warm, humid = f["rain"], f["warm"], f["humidity"]
    snow, water = snow_and_water(rain, warm)
    demand = evaporative_demand(warm, f["sun"], f["sky"])
    dry = np.maximum(_saturation(warm) - humid * 101.3 / (0.622 + 0.378 * humid), 0.0)
    out = {f"water_{d}": np.sqrt(remembered(water, d)) for d in (1, 2, 4, 8, 16, 32, 64, 128)}
    # a day of the forcing ends half a day after the satellite has passed, or begins before
    out |= {f"rain_{n:+d}": np.sqrt(np.roll(rain, -n, axis=0)) for n in (-1, 0, 1)}
    out["rain_+1"][-1] = out["rain_+0"][-1]
    for capacity in (8, 20, 50, 120):
        out[f"bucket_{capacity}"] = bucket(water, demand, capacity, 0.8, 0.03)
    out["bucket_leaky"] = bucket(water, demand, 30, 0.8, 0.2)
    out["bucket_thirsty"] = bucket(water, demand, 30, 2.0, 0.0)
    for days in (1, 5, 20, 60):
        out[f"warm_{days}"] = remembered(warm, days)
        out[f"dry_{days}"] = np.sqrt(remembered(dry, days))
    for days in (5, 30):
        out[f"demand_{days}"] = remembered(demand, days)
    for days in (1, 30):
        out[f"humidity_{days}"] = np.sqrt(remembered(humid, days))
    out |= {"sky": f["sky"], "sun": f["sun"], "sun_30": remembered(f["sun"], 30)}
    out["wind"] = np.sqrt(f["wind"])
    for days in (30, 90):
        out[f"growth_{days}"] = remembered(np.maximum(warm - 5.0, 0.0), days)
    for days in (8, 30, 90):
        out[f"balance_{days}"] = remembered(water - demand, days)
    out |= {"snow": np.log1p(snow), "frost": np.minimum(warm, 0.0)}
    out["frost_5"] = remembered((warm < 0).astype(float), 5)
    angle = 2 * np.pi * day_of_year / 365.25
    shape = forcing["rain"].shape
    out = {name: values[SPIN_UP:].astype(np.float32) for name, values in out.items()}
    for name, values in (("season_sin", np.sin(angle)), ("season_cos", np.cos(angle))):
        out[name] = np.broadcast_to(values[:, None], shape).astype(np.float32)
    return out

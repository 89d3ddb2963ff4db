"""Antecedent predictors: the effect of past rain, melt and evaporation on today's soil.

A network that sees single days cannot compute a water balance, so simple stores compute it. Arrays
are (T, N): days by cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.floating]
SPIN_UP = 365  # days at the start of the record that are repeated before it


def exponential_mean(x: Days, e_folding_days: float) -> Days:
    """Mean of the past with weights that decay exponentially."""
    decay = np.exp(-1.0 / e_folding_days)
    out, state = np.empty_like(x), x[:SPIN_UP].mean(axis=0)
    for t, today in enumerate(x):
        state = decay * state + (1 - decay) * today
        out[t] = state
    return out


def snow_and_water(precipitation: Days, temperature: Days) -> tuple[Days, Days]:
    """Snow water equivalent (mm) and liquid water input (mm d-1), by a degree-day model."""
    snow, water = np.empty_like(precipitation), np.empty_like(precipitation)
    pack = np.zeros(precipitation.shape[1])
    for t in range(len(precipitation)):
        snowfall = np.where(temperature[t] < 0.5, precipitation[t], 0.0)
        melt = np.minimum(pack + snowfall, 3.0 * np.maximum(temperature[t], 0.0))
        pack = pack + snowfall - melt
        snow[t], water[t] = pack, precipitation[t] - snowfall + melt
    return snow, water


def bucket(water: Days, demand: Days, capacity: float, crop_factor: float, drainage: float) -> Days:
    """Filling (0 to 1) of a store of `capacity` mm; it loses `crop_factor` x demand and drains."""
    out, store = np.empty_like(water), np.full(water.shape[1], 0.5 * capacity)
    for t in range(len(water)):
        deficit = np.maximum(capacity - store, 1e-3)
        store = store + deficit * -np.expm1(-water[t] / deficit)
        store = store * np.exp(-crop_factor * demand[t] / capacity - drainage)
        out[t] = store / capacity
    return out


def evaporative_demand(temperature: Days, shortwave: Days, longwave: Days) -> Days:
    """Priestley-Taylor potential evaporation, mm d-1, from degC and W m-2."""
    slope = 4098 * _saturation_pressure(temperature) / (temperature + 237.3) ** 2
    net = 0.77 * shortwave + 0.97 * (longwave - 5.67e-8 * (temperature + 273.15) ** 4)
    return np.maximum(1.26 * slope / (slope + 0.066) * np.maximum(net, 0.0) / 28.4 * 0.9, 0.05)


def _saturation_pressure(temperature: Days) -> Days:
    """Saturation vapour pressure, kPa."""
    return 0.6108 * np.exp(17.27 * temperature / (temperature + 237.3))


def antecedent_predictors(
    forcing: dict[str, Days], day_of_year: NDArray[np.integer]
) -> dict[str, Days]:
    """Predictors from daily forcing.

    Parameters
    ----------
    forcing : dict of ndarray, each (T, N)
        ``precipitation`` (mm d-1), ``temperature`` (degC), ``shortwave`` and ``longwave`` (W m-2,
        downwelling), ``humidity`` (kg kg-1), ``wind`` (m s-1).
    day_of_year : ndarray, (T,)

    Returns
    -------
    dict of ndarray of float32, each (T, N)
    """
    f = {k: np.concatenate([v[:SPIN_UP], v]).astype(np.float64) for k, v in forcing.items()}
    precipitation, temperature, humidity = f["precipitation"], f["temperature"], f["humidity"]
    snow, water = snow_and_water(precipitation, temperature)
    demand = evaporative_demand(temperature, f["shortwave"], f["longwave"])
    vapour_pressure = humidity * 101.3 / (0.622 + 0.378 * humidity)
    vapour_deficit = np.maximum(_saturation_pressure(temperature) - vapour_pressure, 0.0)
    out = {f"water_{d}": np.sqrt(exponential_mean(water, d)) for d in (1, 2, 4, 8, 16, 32, 64, 128)}
    # days of forcing and overpasses of the satellite differ by half a day
    for lead in (-1, 0, 1):
        out[f"precipitation_{lead:+d}"] = np.sqrt(np.roll(precipitation, -lead, axis=0))
    out["precipitation_+1"][-1] = out["precipitation_+0"][-1]
    for capacity in (8, 20, 50, 120):
        out[f"bucket_{capacity}"] = bucket(water, demand, capacity, 0.8, 0.03)
    out["bucket_fast_drainage"] = bucket(water, demand, 30, 0.8, 0.2)
    out["bucket_fast_evaporation"] = bucket(water, demand, 30, 2.0, 0.0)
    for days in (1, 5, 20, 60):
        out[f"temperature_{days}"] = exponential_mean(temperature, days)
        out[f"vapour_deficit_{days}"] = np.sqrt(exponential_mean(vapour_deficit, days))
    for days in (5, 30):
        out[f"demand_{days}"] = exponential_mean(demand, days)
    for days in (1, 30):
        out[f"humidity_{days}"] = np.sqrt(exponential_mean(humidity, days))
    out |= {"longwave": f["longwave"], "shortwave": f["shortwave"]}
    out["shortwave_30"] = exponential_mean(f["shortwave"], 30)
    out["wind"] = np.sqrt(f["wind"])
    for days in (30, 90):
        out[f"growing_degrees_{days}"] = exponential_mean(np.maximum(temperature - 5.0, 0.0), days)
    for days in (8, 30, 90):
        out[f"water_balance_{days}"] = exponential_mean(water - demand, days)
    out |= {"snow": np.log1p(snow), "frost": np.minimum(temperature, 0.0)}
    out["frost_5"] = exponential_mean((temperature < 0).astype(float), 5)
    angle = 2 * np.pi * day_of_year / 365.25
    shape = forcing["precipitation"].shape
    out = {name: values[SPIN_UP:].astype(np.float32) for name, values in out.items()}
    for name, values in (("season_sin", np.sin(angle)), ("season_cos", np.cos(angle))):
        out[name] = np.broadcast_to(values[:, None], shape).astype(np.float32)
    return out

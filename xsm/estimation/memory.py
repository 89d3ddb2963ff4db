"""Antecedent predictors: what past rain, melt and evaporation leave in the soil of today.

A network of single days has no memory, and a recurrent one has to learn how soil, snow and air
store water. Simple stores compute it. Air over dry soil is dry and warm, so that means of its
humidity and of net longwave radiation over some days tell of the soil below, too. All functions
take and return arrays (T, N), consecutive days by cells, and step from day to day, so they need the
whole series of a cell. Before the first day of a series its first year is run through the stores
once (:data:`SPIN_UP`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.floating]

SPIN_UP = 365  # days at the start of a series that pass through the stores before it
MELT_TEMPERATURE, MELT_FACTOR = 0.5, 3.0  # degC: below it precipitation is snow; mm d-1 K-1
LATENT_HEAT = 28.4  # W m-2 that evaporate 1 mm d-1
STEFAN_BOLTZMANN = 5.67e-8  # W m-2 K-4
STANDARD_PRESSURE = 101.3  # kPa
FREEZING = 273.15  # K
WATER_DAYS = (1, 2, 4, 8, 16, 32, 64, 128)
RAIN_LEADS = (-2, -1, 0, 1, 2)  # days of precipitation around the day of the estimate
BUCKETS = {  # capacity (mm), crop factor, drainage (d-1)
    "bucket_8": (8, 0.8, 0.03),
    "bucket_20": (20, 0.8, 0.03),
    "bucket_50": (50, 0.8, 0.03),
    "bucket_120": (120, 0.8, 0.03),
    "bucket_fast_drainage": (30, 0.8, 0.2),
    "bucket_fast_evaporation": (30, 2.0, 0.0),
}
WEATHER = (  # predictors of the catalogue that antecedent predictors are made from
    "precipitation", "air_temperature", "shortwave_radiation", "longwave_radiation",
    "specific_humidity", "dewpoint_temperature", "relative_humidity", "surface_pressure",
    "eastward_wind", "northward_wind", "wind_speed",
)  # fmt: skip


def exponential_mean(x: Days, e_folding_days: float) -> Days:
    """Mean of the past with weights that decay by the age a of a day, ``exp(-a / D)``.

    Of precipitation it is the antecedent precipitation index (Kohler and Linsley, 1951, US Weather
    Bureau Research Paper 34), of soil moisture the soil water index (Wagner et al., 1999, doi
    10.1016/S0034-4257(99)00036-X). The mean of the first year stands for the days before.
    """
    decay = np.exp(-1.0 / e_folding_days)
    out, state = np.empty_like(x), x[:SPIN_UP].mean(axis=0)
    for t, today in enumerate(x):
        state = decay * state + (1 - decay) * today
        out[t] = state
    return out


def snow_and_water(precipitation: Days, temperature: Days) -> tuple[Days, Days]:
    """Snow water equivalent (mm), and rain plus melt (mm d-1), by a degree-day model.

    Precipitation (mm d-1) below 0.5 degC is snow; the pack melts by ``min(pack, 3 mm K-1 d-1
    T)`` above 0 degC (Hock, 2003, doi 10.1016/S0022-1694(03)00257-9). Temperature in degC.
    """
    snow, water = np.empty_like(precipitation), np.empty_like(precipitation)
    pack = np.zeros(precipitation.shape[1])
    for t, (fall, degrees) in enumerate(zip(precipitation, temperature, strict=True)):
        snowfall = np.where(degrees < MELT_TEMPERATURE, fall, 0.0)
        melt = np.minimum(pack + snowfall, MELT_FACTOR * np.maximum(degrees, 0.0))
        pack = pack + snowfall - melt
        snow[t], water[t] = pack, fall - snowfall + melt
    return snow, water


def bucket(water: Days, demand: Days, capacity: float, crop_factor: float, drainage: float) -> Days:
    """Filling, 0 to 1, of a store of `capacity` C in mm.

    Each day the deficit d = C - S takes up ``d (1 - exp(-P / d))`` of the water P (mm d-1), the
    rest runs off. Then the store S decays by ``exp(-k E / C - r)``, with the evaporative demand E
    (mm d-1), the crop factor k and the drainage r (d-1): evaporation in proportion to the filling,
    as in the bucket model of Manabe (1969, doi 10.1175/1520-0493(1969)097<0739:CATOC>2.3.CO;2).
    """
    out, store = np.empty_like(water), np.full(water.shape[1], 0.5 * capacity)
    for t, (supply, loss) in enumerate(zip(water, demand, strict=True)):
        deficit = np.maximum(capacity - store, 1e-3)
        store = store + deficit * -np.expm1(-supply / deficit)
        store = store * np.exp(-crop_factor * loss / capacity - drainage)
        out[t] = store / capacity
    return out


def saturation_pressure(temperature: Days) -> Days:
    """Saturation vapour pressure over water, kPa, of degC (Allen et al., 1998, FAO-56, eq. 11)."""
    return 0.6108 * np.exp(17.27 * temperature / (temperature + 237.3))


def priestley_taylor(temperature: Days, shortwave: Days, longwave: Days) -> Days:
    """Potential evaporation, mm d-1, from degC and downwelling radiation in W m-2.

    ``1.26 s / (s + g) 0.9 Rn / L`` (Priestley and Taylor, 1972, doi
    10.1175/1520-0493(1972)100<0081:OTAOSH>2.3.CO;2) with the slope s of the saturation pressure, g
    = 0.066 kPa K-1, a tenth of the net radiation Rn going into the ground, an albedo of 0.23 and an
    emissivity of 0.97. At least 0.05.
    """
    slope = 4098 * saturation_pressure(temperature) / (temperature + 237.3) ** 2
    emitted = STEFAN_BOLTZMANN * (temperature + FREEZING) ** 4
    net = np.maximum(0.77 * shortwave + 0.97 * (longwave - emitted), 0.0)
    return np.maximum(1.26 * slope / (slope + 0.066) * 0.9 * net / LATENT_HEAT, 0.05)


def clear_sky_emission(temperature: Days, vapour_pressure: Days) -> Days:
    """Downwelling longwave radiation of a clear sky, W m-2, from degC and kPa.

    ``1.24 (10 e / T)^(1/7) s T^4`` (Brutsaert, 1975, doi 10.1029/WR011i005p00742).
    """
    kelvin = temperature + FREEZING
    emissivity = 1.24 * (10 * np.maximum(vapour_pressure, 1e-3) / kelvin) ** (1 / 7)
    return np.minimum(emissivity, 1.0) * STEFAN_BOLTZMANN * kelvin**4


def oudin(temperature: Days, angle: Days, latitude: Days) -> Days:
    """Potential evaporation, mm d-1, from temperature alone.

    ``Ra (T + 5) / (100 L)`` for T above -5 degC (Oudin et al., 2005, doi
    10.1016/j.jhydrol.2004.08.026), with the radiation Ra at the top of the atmosphere (FAO-56, eq.
    21). `angle` is the phase of the day in the year, radians from 1 January; `latitude` in degrees.
    """
    latitude = np.deg2rad(np.clip(latitude, -89.0, 89.0))
    declination = 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(np.clip(-np.tan(latitude) * np.tan(declination), -1.0, 1.0))
    sun = sunset * np.sin(latitude) * np.sin(declination)
    sun = sun + np.cos(latitude) * np.cos(declination) * np.sin(sunset)
    radiation = 1361.0 / np.pi * (1 + 0.033 * np.cos(angle)) * np.maximum(sun, 0.0)
    return np.maximum(radiation / LATENT_HEAT * np.maximum(temperature + 5.0, 0.0) / 100.0, 0.05)


def vapour_pressure(weather: Mapping[str, Days]) -> Days | None:
    """Vapour pressure, kPa, from the specific humidity, dew point or relative humidity."""
    if "specific_humidity" in weather:
        humidity = weather["specific_humidity"]
        pressure = weather.get("surface_pressure")
        kpa = STANDARD_PRESSURE if pressure is None else pressure / 1000.0
        return humidity * kpa / (0.622 + 0.378 * humidity)
    if "dewpoint_temperature" in weather:
        return saturation_pressure(weather["dewpoint_temperature"] - FREEZING)
    if "relative_humidity" in weather and "air_temperature" in weather:
        saturated = saturation_pressure(weather["air_temperature"] - FREEZING)
        return weather["relative_humidity"] * saturated
    return None


def evaporative_demand(
    weather: Mapping[str, Days], angle: Days | None = None, latitude: Days | None = None
) -> Days | None:
    """Potential evaporation, mm d-1, by the best of the formulas that the weather suffices for.

    :func:`priestley_taylor` with temperature and shortwave radiation, without longwave radiation by
    :func:`clear_sky_emission`; :func:`oudin` with temperature, day and latitude.
    """
    if "air_temperature" not in weather:
        return None
    temperature = weather["air_temperature"] - FREEZING
    if "shortwave_radiation" in weather:
        longwave = weather.get("longwave_radiation")
        if longwave is None:
            vapour = vapour_pressure(weather)
            if vapour is None:
                vapour = 0.6 * saturation_pressure(temperature)
            longwave = clear_sky_emission(temperature, vapour)
        return priestley_taylor(temperature, weather["shortwave_radiation"], longwave)
    if angle is not None and latitude is not None:
        return oudin(temperature, angle, latitude)
    return None


def antecedent_predictors(
    weather: Mapping[str, Days], angle: Days | None = None, latitude: Days | None = None
) -> dict[str, NDArray[np.float32]]:
    """All antecedent predictors that the weather suffices for.

    Parameters
    ----------
    weather : mapping of str to ndarray, each (T, N)
        Some of :data:`WEATHER` in the units of the catalogue (mm day-1, K, W m-2, 1, Pa, m s-1),
        ``precipitation`` among them. Missing days take the mean of their cell.
    angle : ndarray, (T, 1) or (T, N), optional
        Phase of each day in the year, radians.
    latitude : ndarray, (N,), optional
        Degrees.

    Returns
    -------
    dict of ndarray of float32, each (T, N)
        Skewed quantities by their square root.
    """
    spin_up = slice(0, SPIN_UP)
    full = {
        name: _with_spin_up(_without_gaps(weather[name])) for name in WEATHER if name in weather
    }
    if angle is not None:
        angle = np.concatenate([angle[spin_up], angle])
    days = len(weather["precipitation"])
    out: dict[str, Days] = {}
    precipitation = np.maximum(full["precipitation"], 0.0)
    water, temperature = precipitation, None
    if "air_temperature" in full:
        temperature = full["air_temperature"] - FREEZING
        snow, water = snow_and_water(precipitation, temperature)
        out["snow"] = np.log1p(snow)
    for d in WATER_DAYS:
        out[f"water_{d}"] = np.sqrt(exponential_mean(water, d))
    out |= _days_around("precipitation", np.sqrt(precipitation), RAIN_LEADS)
    demand = evaporative_demand(full, angle, latitude)
    if demand is not None:
        for name, settings in BUCKETS.items():
            out[name] = bucket(water, demand, *settings)
        out |= {f"demand_{d}": exponential_mean(demand, d) for d in (5, 30)}
        balance = water - demand
        out |= {f"water_balance_{d}": exponential_mean(balance, d) for d in (8, 30, 90)}
    if temperature is not None:
        out |= _days_around("temperature", temperature)
        out |= {f"temperature_{d}": exponential_mean(temperature, d) for d in (1, 5, 20, 60)}
        degrees = np.maximum(temperature - 5.0, 0.0)
        out |= {f"growing_degrees_{d}": exponential_mean(degrees, d) for d in (30, 90)}
        out["frost"] = np.minimum(temperature, 0.0)
        out["frost_5"] = exponential_mean((temperature < 0).astype(float), 5)
    out |= _air(full, temperature)
    return {name: values[-days:].astype(np.float32) for name, values in out.items()}


def _air(weather: Mapping[str, Days], temperature: Days | None) -> dict[str, Days]:
    """Predictors from humidity, radiation and wind."""
    out: dict[str, Days] = {}
    vapour = vapour_pressure(weather)
    if vapour is not None:
        out |= _days_around("vapour", np.sqrt(vapour))
        out |= {f"vapour_{d}": np.sqrt(exponential_mean(vapour, d)) for d in (1, 30)}
        if temperature is not None:
            deficit = np.maximum(saturation_pressure(temperature) - vapour, 0.0)
            for d in (1, 5, 20, 60):
                out[f"vapour_deficit_{d}"] = np.sqrt(exponential_mean(deficit, d))
            humidity = vapour / saturation_pressure(temperature)
            for d in (1, 3, 8, 30):
                out[f"relative_humidity_{d}"] = exponential_mean(humidity, d)
    if "longwave_radiation" in weather:
        longwave = weather["longwave_radiation"]
        out["longwave"] = longwave
        if temperature is not None:
            net = longwave - STEFAN_BOLTZMANN * (temperature + FREEZING) ** 4
            out |= {f"net_longwave_{d}": exponential_mean(net, d) for d in (1, 5, 20)}
    if "shortwave_radiation" in weather:
        shortwave = weather["shortwave_radiation"]
        out["shortwave"] = shortwave
        out |= _days_around("shortwave", shortwave, (-1, 1))
        out["shortwave_30"] = exponential_mean(shortwave, 30)
    wind = weather.get("wind_speed")
    if wind is None and "eastward_wind" in weather and "northward_wind" in weather:
        wind = np.hypot(weather["eastward_wind"], weather["northward_wind"])
    if wind is not None:
        out["wind"] = np.sqrt(np.maximum(wind, 0.0))
        out |= {f"wind_{d}": exponential_mean(wind, d) for d in (5, 20)}
    return out


def _days_around(name: str, x: Days, leads: Sequence[int] = (-1, 0, 1)) -> dict[str, Days]:
    """The weather of the day and of days before and after; the last (first) beyond the series.

    Days of the weather begin at midnight UTC, so those of a satellite's overpass differ by up to a
    day.
    """
    day = np.arange(len(x))
    return {f"{name}_{lead:+d}": x[np.clip(day + lead, 0, len(x) - 1)] for lead in leads}


def antecedent_names(available: Collection[str], *, latitude: bool = True) -> list[str]:
    """Names of the antecedent predictors that these predictors suffice for, in order."""
    if "precipitation" not in available:
        return []
    one = np.ones((2, 1))
    weather = {name: one for name in WEATHER if name in available}
    return list(antecedent_predictors(weather, one, one[0] if latitude else None))


def _without_gaps(x: Days) -> Days:
    """Missing days as the mean of their cell, in float64; NaN where a cell has no value."""
    x = x.astype(np.float64)
    observed = np.isfinite(x)
    if observed.all():
        return x
    count = observed.sum(axis=0)
    total = np.where(observed, x, 0.0).sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.where(observed, x, mean)


def _with_spin_up(x: Days) -> Days:
    return np.concatenate([x[:SPIN_UP], x])

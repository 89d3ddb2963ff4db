"""Simulated stations: points in the simulated ground that are not quite their cell."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.osse.attributes import ATTRIBUTES, COORDINATES
from xsm.osse.earth_grid import EARTH_RADIUS_KM
from xsm.osse.nature import check_seed

TRUTH = "soil_moisture_ground"
NETWORKS = ("SIM-NORTH", "SIM-WEST", "SIM-EAST")
OFFSET, SWING = 0.04, 0.15  # m3 m-3, and 1: how a point differs from its cell for good
LOCAL, MEMORY = 0.02, 8.0  # m3 m-3, days: how its weather differs
INSTRUMENT = 0.008  # m3 m-3, noise of the probe
FAULTY, SILENT = 0.03, 0.10  # share of values flagged, share of days lost in spells
SPELL = 12  # days
FLAGS = ("none", "G", "D03")


def stations(ds: xr.Dataset, n: int = 40, *, seed: int = 0, depth: float = 0.05) -> xr.Dataset:
    """Sample stations from the truth of a simulated data set.

    A station lies at random in a land cell, no two in one cell. It sees the moisture of the ground
    there times a gain of its own, plus an offset of its own, plus local weather (a first-order
    autoregressive series), plus noise of the instrument: the representativeness error that a point
    has for its cell. Some spells are missing and some values are faulty and flagged so.

    Parameters
    ----------
    ds : Dataset
        From :func:`xsm.tutorial.open_dataset`, with ``soil_moisture_ground``.
    n : int
        Number of stations; fewer if there is less land.
    seed : int
        Same data set, number and seed, same stations.
    depth : float
        Depth of the sensors, m.

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time) float32 in m3 m-3 and ``flag`` (station, time), daily;
        lat, lon, network, station_name, sensor, depth_from and depth_to along station.

    Raises
    ------
    InputError
        If `ds` has no such truth or no land, or `n` is not positive.

    Examples
    --------
    >>> from xsm.osse.tutorial import open_dataset
    >>> ds = open_dataset("amsr2-iberia", days=3, resolution=1, covariates=False)
    >>> dict(stations(ds, 5).sizes)
    {'station': 5, 'time': 3}
    """
    if TRUTH not in ds:
        raise InputError(
            f"ds has no {TRUTH!r}: expected a simulated data set opened with truth=True."
        )
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InputError(f"n={n!r}: expected a number of stations, 1 or more.")
    rng = np.random.default_rng([check_seed(seed), 4])
    truth = ds[TRUTH].transpose("time", "lat", "lon").values
    rows, columns = np.nonzero(np.isfinite(truth).all(axis=0))
    if rows.size == 0:
        raise InputError(f"ds has no land with a complete {TRUTH!r}.")
    chosen = np.sort(rng.permutation(rows.size)[:n])
    rows, columns, n = rows[chosen], columns[chosen], chosen.size
    lat = _within(ds["lat"].values, rows, rng)
    lon = _within(ds["lon"].values, columns, rng)
    network = _networks(lat, lon)
    values = _seen(truth[:, rows, columns].T.astype(np.float64), rng)
    flag = np.where(rng.random(values.shape) < FAULTY, 2, 1).astype(np.int16)
    values = np.where(flag == 2, values + rng.uniform(0.1, 0.3, values.shape), values)
    lost = _spells(values.shape, rng)
    values, flag = np.where(lost, np.nan, values), np.where(lost, np.int16(0), flag)
    names = [f"{network[i]}-{i + 1:03d}" for i in range(n)]
    about = ATTRIBUTES["soil_moisture"] | {"long_name": "simulated soil moisture in situ"}
    flags = {
        "standard_name": "status_flag",
        "flag_values": np.arange(len(FLAGS), dtype=np.int16),
        "flag_meanings": " ".join(FLAGS),
    }
    return xr.Dataset(
        {
            "soil_moisture": (
                ("station", "time"),
                np.clip(values, 0.0, 1.0).astype(np.float32),
                about | {"ancillary_variables": "flag"},
            ),
            "flag": (("station", "time"), flag, flags),
        },
        coords={
            "time": ds["time"],
            "lat": ("station", lat, {k: v for k, v in COORDINATES["lat"].items() if k != "axis"}),
            "lon": ("station", lon, {k: v for k, v in COORDINATES["lon"].items() if k != "axis"}),
            "network": ("station", network),
            "station_name": ("station", np.array(names)),
            "sensor": ("station", np.full(n, "simulated probe")),
            "depth_from": ("station", np.full(n, depth), {"units": "m"}),
            "depth_to": ("station", np.full(n, depth), {"units": "m"}),
        },
        attrs={
            "Conventions": "CF-1.11",
            "featureType": "timeSeries",
            "title": "Simulated stations",
            "source": "xsm.osse: simulated, not observed",
            "seed": seed,
        },
    )


def _within(axis: np.ndarray, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places inside the cells `index` of an axis, degrees."""
    step = abs(float(axis[1] - axis[0])) if axis.size > 1 else np.rad2deg(1 / EARTH_RADIUS_KM)
    return np.asarray(axis[index] + rng.uniform(-0.45, 0.45, index.size) * step, np.float64)


def _networks(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """The northern third is a network; of the rest the western and the eastern half."""
    north = lat >= np.quantile(lat, 2 / 3)
    middle = np.median(lon[~north]) if (~north).any() else 0.0
    return np.where(north, NETWORKS[0], np.where(lon <= middle, NETWORKS[1], NETWORKS[2]))


def _seen(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What stations measure (N, T) of the truth of their cells (N, T)."""
    n, days = truth.shape
    centre = truth.mean(axis=1, keepdims=True)
    gain = np.exp(SWING * rng.standard_normal((n, 1)))
    offset = OFFSET * rng.standard_normal((n, 1))
    keep = np.exp(-1.0 / MEMORY)
    local = np.empty_like(truth)
    state = rng.standard_normal(n)
    for day in range(days):
        state = keep * state + np.sqrt(1 - keep**2) * rng.standard_normal(n)
        local[:, day] = LOCAL * state
    noise = INSTRUMENT * rng.standard_normal(truth.shape)
    return centre + offset + gain * (truth - centre) + local + noise


def _spells(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Days without data (N, T), in spells."""
    begins = rng.random(shape) < SILENT / SPELL
    lost = begins.copy()
    for day in range(1, min(SPELL, shape[1])):
        lost[:, day:] |= begins[:, :-day]
    return lost

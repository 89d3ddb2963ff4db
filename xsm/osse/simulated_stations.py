"""Simulated stations: point measurements with representativeness errors."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.argument_checks import check_whole
from xsm.errors import InputError
from xsm.osse.attributes import ATTRIBUTES, COORDINATES
from xsm.osse.earth_grid import EARTH_RADIUS_KM
from xsm.osse.fields import check_seed

TRUTH = "soil_moisture_ground"
NETWORKS = ("SIM-NORTH", "SIM-WEST", "SIM-EAST")
OFFSET_STD, LOG_GAIN_STD = 0.04, 0.15  # m3 m-3, 1: constant difference of a point from its cell
LOCAL_STD, LOCAL_DAYS = 0.02, 8.0  # m3 m-3, e-folding time: varying difference
INSTRUMENT_STD = 0.008  # m3 m-3
FAULTY_FRACTION, MISSING_FRACTION = 0.03, 0.10  # of the values
OUTAGE_DAYS = 12
FLAGS = ("none", "G", "D03")


def simulate_stations(
    ds: xr.Dataset, n: int = 40, *, seed: int = 0, depth: float = 0.05
) -> xr.Dataset:
    """Simulate stations in the ground of a simulated dataset.

    Each station has a random position in a land cell of its own. It measures the soil moisture of
    the cell with a constant gain and offset, a local deviation (first-order autoregressive) and
    instrument noise. Gain, offset and deviation are the representativeness error. Values are
    missing in outages, and some values are faulty and flagged.

    Parameters
    ----------
    ds : Dataset
        From :func:`xsm.tutorial.open_dataset`, with ``soil_moisture_ground``.
    n : int
        Number of stations; fewer if there is less land.
    seed : int
        The same dataset, number and seed give the same stations.
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
    >>> from xsm.tutorial import open_dataset
    >>> ds = open_dataset("amsr2-iberia", days=3, resolution=1, covariates=False)
    >>> dict(simulate_stations(ds, 5).sizes)
    {'station': 5, 'time': 3}
    """
    if TRUTH not in ds:
        raise InputError(
            f"ds has no {TRUTH!r}: expected a simulated dataset. Open it with truth=True."
        )
    check_whole({"n": (n, 1)})
    if {*ds[TRUTH].dims} != {"time", "lat", "lon"}:
        raise InputError(
            f"{TRUTH} has the dimensions {ds[TRUTH].dims}: expected time, lat and lon. A list "
            "keeps a dimension: ds.isel(time=[0])."
        )
    rng = np.random.default_rng([check_seed(seed), 4])
    ds = ds.sortby("lat", ascending=False).sortby("lon")  # the same stations in any order of rows
    truth = ds[TRUTH].transpose("time", "lat", "lon").values
    rows, columns = np.nonzero(np.isfinite(truth).all(axis=0))
    if rows.size == 0:
        raise InputError(
            f"ds has no land with a complete {TRUTH!r}: expected one cell or more. Open a region "
            "with land."
        )
    cells = np.sort(rng.permutation(rows.size)[:n])
    rows, columns, n = rows[cells], columns[cells], cells.size
    lat = _random_positions(ds["lat"].values, rows, rng)
    lon = _random_positions(ds["lon"].values, columns, rng)
    network = _network_names(lat, lon)
    values = _measure(truth[:, rows, columns].T.astype(np.float64), rng)
    flag = np.where(rng.random(values.shape) < FAULTY_FRACTION, 2, 1).astype(np.int16)
    values = np.where(flag == 2, values + rng.uniform(0.1, 0.3, values.shape), values)
    missing = _outages(values.shape, rng)
    values, flag = np.where(missing, np.nan, values), np.where(missing, np.int16(0), flag)
    names = [f"{network[i]}-{i + 1:03d}" for i in range(n)]
    attrs = ATTRIBUTES["soil_moisture"] | {"long_name": "simulated soil moisture in situ"}
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
                attrs | {"ancillary_variables": "flag"},
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


def _random_positions(axis: np.ndarray, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random positions inside the cells `index` of an axis, degrees."""
    step = abs(float(axis[1] - axis[0])) if axis.size > 1 else np.rad2deg(1 / EARTH_RADIUS_KM)
    return np.asarray(axis[index] + rng.uniform(-0.45, 0.45, index.size) * step, np.float64)


def _network_names(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Three networks: the northern third, and the western and eastern half of the others."""
    north = lat >= np.quantile(lat, 2 / 3)
    middle = np.median(lon[~north]) if (~north).any() else 0.0
    return np.where(north, NETWORKS[0], np.where(lon <= middle, NETWORKS[1], NETWORKS[2]))


def _measure(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Measurements (N, T) of the truth of the cells (N, T)."""
    n, days = truth.shape
    mean = truth.mean(axis=1, keepdims=True)
    gain = np.exp(LOG_GAIN_STD * rng.standard_normal((n, 1)))
    offset = OFFSET_STD * rng.standard_normal((n, 1))
    rho = np.exp(-1.0 / LOCAL_DAYS)
    local = np.empty_like(truth)
    state = rng.standard_normal(n)
    for day in range(days):
        state = rho * state + np.sqrt(1 - rho**2) * rng.standard_normal(n)
        local[:, day] = LOCAL_STD * state
    noise = INSTRUMENT_STD * rng.standard_normal(truth.shape)
    return mean + offset + gain * (truth - mean) + local + noise


def _outages(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Days without data (N, T)."""
    starts = rng.random(shape) < MISSING_FRACTION / OUTAGE_DAYS
    missing = starts.copy()
    for day in range(1, min(OUTAGE_DAYS, shape[1])):
        missing[:, day:] |= starts[:, :-day]
    return missing

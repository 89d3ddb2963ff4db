"""A small world whose soil moisture follows from its predictors, and a model that knows none."""

import numpy as np
import xarray as xr

from xsm.networks.model import make_model
from xsm.networks.registry import network

NAMES = ["precipitation", "lst", "sand"]


def world(days=60, rows=4, columns=5, seed=0):
    """Rain, temperature and sand, and a soil that wets and dries."""
    rng = np.random.default_rng(seed)
    shape = (days, rows, columns)
    rain = np.where(rng.random(shape) < 0.3, rng.exponential(8.0, shape), 0.0)
    warm = 285 + 10 * np.sin(np.arange(days) / 9)[:, None, None] + rng.standard_normal(shape)
    sand = rng.uniform(0.2, 0.8, shape[1:])
    wet, soil = np.full(shape[1:], 0.2), np.empty(shape)
    for t in range(days):
        wet = wet + 0.004 * rain[t] * (0.5 - wet) * 2 - 0.1 * (wet - 0.05) * (0.5 + sand)
        soil[t] = wet
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "precipitation": (dims, rain.astype(np.float32), {"units": "mm day-1"}),
            "lst": (dims, warm.astype(np.float32), {"units": "K"}),
            "sand": (dims[1:], sand.astype(np.float32), {"units": "1"}),
            "soil": (dims, soil.astype(np.float32), {"units": "m3 m-3"}),
        },
        {
            "time": np.datetime64("2019-12-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "lat": ("lat", 50.0 - 3 * np.arange(rows), {"units": "degrees_north"}),
            "lon": ("lon", 3.0 * np.arange(columns), {"units": "degrees_east"}),
        },
        {"history": "made"},
    )


def world_with_reanalysis(**options):
    """A world with another model's idea of its soil moisture."""
    ds = world(**options)
    rng = np.random.default_rng(2)
    other = 0.8 * ds["soil"] + 0.02 * rng.standard_normal(ds["soil"].shape)
    ds["swvl1"] = other.astype(np.float32).assign_attrs(units="m3 m-3")
    return ds


def any_model(kind="bilstm", names=tuple(NAMES), *, days=40, context=10, members=1, seed=0, **more):
    """A model of random weights, which takes `names`."""
    row = network(kind)
    sizes = {key: value for key, value in {"hidden": 8, "heads": 2}.items() if key in row.sizes}
    config = row.default_config(names, **sizes)
    rng = np.random.default_rng(seed)
    params = {}
    for member in range(members):
        for key, value in row.initial_params(config, seed + member).items():
            noise = 0.3 * rng.standard_normal(value.shape).astype(np.float32)
            params[f"{member}/{key}"] = value + noise
    form = {
        "precipitation": ("mm day-1", 3.0, 6.0),
        "lst": ("K", 285.0, 8.0),
        "sand": ("1", 0.5, 0.2),
    }
    rows = []
    for name in names:
        units, mean, std = form.get(name, ("1", 0.0, 1.0))
        rows.append({"name": name, "units": units, "mean": mean, "std": std, "max_interp_gap": 3})
    card = {
        "task": "estimate",
        "config": config,
        "predictors": rows,
        "target": {"location": 0.25, "scale": 0.05, "depth_top": 0.0, "depth_bottom": 0.05},
        "sequence": {"days": days, "context": context},
    }
    return make_model("any", card | more, params)


DENSE, RECURRENT = any_model("dense", members=2), any_model("bilstm", seed=5)


def any_ensemble(card=None, entry=None, recurrent_entry=None):
    """Two dense networks and one Bi-LSTM; `entry` changes that of the dense networks."""
    networks = [
        {
            "network": "dense",
            "config": DENSE.config,
            "ensemble_size": 2,
            "weight": 0.7,
            **(entry or {}),
        },
        {
            "network": "bilstm",
            "config": RECURRENT.config,
            "ensemble_size": 1,
            "weight": 0.3,
            **(recurrent_entry or {}),
        },
    ]
    config = {"kind": "ensemble", "features": NAMES}
    changed = {"network": "ensemble", "config": config, "networks": networks}
    recurrent = {f"2/{name.removeprefix('0/')}": p for name, p in RECURRENT.params.items()}
    return make_model("any", {**DENSE.card, **changed, **(card or {})}, DENSE.params | recurrent)

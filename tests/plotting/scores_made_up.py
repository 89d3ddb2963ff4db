"""Made-up scores Datasets of each kind, in the form that ``validate`` returns."""

import json

import numpy as np
import xarray as xr

NETWORKS = ("REMEDHUS", "SMOSMANIA", "RSMN")
SM = "m3 m-3"
ATTRS = {
    "pearson_r": ("Pearson correlation", "1"),
    "bias": ("mean difference", SM),
    "rmsd": ("root-mean-square difference", SM),
    "ubrmsd": ("unbiased root-mean-square difference", SM),
}


def _scored(ds: xr.Dataset, dims: tuple[str, ...], values: dict) -> xr.Dataset:
    for name, array in values.items():
        long_name, units = ATTRS.get(name, (name, "1"))
        ds[name] = (dims, array, {"long_name": long_name, "units": units})
    return ds


def _attrs(kind: str, estimate: str = "AMSR2, filled", reference: str = "in situ") -> dict:
    settings = {"metrics": list(ATTRS), "window": "12h", "min_pairs": 3, "ci": None}
    return {
        "xsm_scores": kind,
        "settings": json.dumps(settings),
        "estimate_name": estimate,
        "reference_name": reference,
        "history": "2026-01-01T00:00:00Z xsm validate",
        "xsm_version": "0.1.0",
    }


def _status(ds: xr.Dataset, dims: tuple[str, ...], failed: np.ndarray) -> xr.Dataset:
    ds["status"] = (dims, np.where(failed, 3, 0).astype(np.int8))
    ds["status"].attrs = {
        "flag_values": np.arange(6, dtype=np.int8),
        "flag_meanings": "ok no_overlap_in_time outside_the_grid too_few_pairs constant_series "
        "all_missing",
    }
    return ds


def stations(n: int = 24, days: int = 90, *, seed: int = 1, shift: float = 0.02) -> xr.Dataset:
    """Scores of `n` stations with their pairs; the last one has none. `shift` is the bias."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)
    wave = 0.08 * np.sin(day / 9 + rng.uniform(0, 6, (n, 1)))
    reference = rng.uniform(0.15, 0.35, (n, 1)) + wave
    noise = rng.normal(0, 1, (n, days)) * rng.uniform(0.02, 0.06, (n, 1))
    estimate = reference + shift + rng.normal(0, 0.03, (n, 1)) + noise
    estimate[rng.random((n, days)) < 0.3] = np.nan
    estimate[-1] = np.nan
    lat, lon = rng.uniform(37, 44, n), rng.uniform(-9, 3, n)
    ds = xr.Dataset(
        {
            "estimate": (("station", "time"), estimate, {"units": SM}),
            "reference": (("station", "time"), reference, {"units": SM}),
        },
        coords={
            "station": [f"s{i:02d}" for i in range(n)],
            "time": np.datetime64("2015-04-01", "ns") + day * np.timedelta64(1, "D"),
            "lat": ("station", lat, {"units": "degrees_north"}),
            "lon": ("station", lon, {"units": "degrees_east"}),
            "network": ("station", [NETWORKS[i % len(NETWORKS)] for i in range(n)]),
            "station_name": ("station", [f"Station <{i}> & sons" for i in range(n)]),
        },
    )
    ds = _scored(ds, ("station",), station_scores(estimate, reference))
    ds["n_obs"] = ("station", np.isfinite(estimate).sum(1))
    ds = _status(ds, ("station",), np.arange(n) == n - 1)
    return ds.assign_attrs(_attrs("in_situ"))


def station_scores(estimate: np.ndarray, reference: np.ndarray) -> dict:
    """The four scores of each row; NaN for a row without pairs."""
    rows = []
    for est, ref in zip(estimate, reference, strict=True):
        both = np.isfinite(est)
        if not both.any():
            rows.append((np.nan,) * 4)
            continue
        error = (est - ref)[both]
        r = np.corrcoef(est[both], ref[both])[0, 1]
        rows.append((r, error.mean(), np.sqrt((error**2).mean()), error.std()))
    return dict(zip(ATTRS, np.array(rows).T, strict=True))


def seasons(n: int = 24) -> xr.Dataset:
    """Station scores with a season dimension: "all" and two others."""
    one = stations(n).drop_vars(["estimate", "reference"]).drop_dims("time", errors="ignore")
    parts = [one, one.copy(), one.copy()]
    for part, less in zip(parts, (0.0, 0.05, 0.2), strict=True):
        part["pearson_r"] = part["pearson_r"] - less
    return xr.concat(parts, xr.DataArray(["all", "JJA", "DJF"], dims="season", name="season"))


def product(rows: int = 14, columns: int = 20) -> xr.Dataset:
    """Scores per cell of a grid, sea (nothing) in the west."""
    rng = np.random.default_rng(3)
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    wave = np.sin(y / 4) * np.cos(x / 5)
    sea = x < 3
    values = {
        "pearson_r": 0.7 + 0.2 * wave,
        "bias": 0.05 * wave + 0.01,
        "rmsd": 0.05 + 0.02 * wave,
        "ubrmsd": 0.04 + 0.01 * wave + 0.002 * rng.random(wave.shape),
    }
    ds = xr.Dataset(
        coords={
            "lat": ("lat", 44 - 0.5 * np.arange(rows), {"units": "degrees_north"}),
            "lon": ("lon", -10 + 0.5 * np.arange(columns), {"units": "degrees_east"}),
        }
    )
    values = {name: np.where(sea, np.nan, array) for name, array in values.items()}
    ds = _scored(ds, ("lat", "lon"), values)
    ds["n_obs"] = (("lat", "lon"), np.where(sea, 0, 60))
    days = np.datetime64("2015-04-01", "ns") + np.arange(30) * np.timedelta64(1, "D")
    daily = ("time", 0.8 + 0.1 * np.sin(np.arange(30) / 5))
    ds["summary_spatial_r"] = (*daily, {"long_name": "spatial correlation", "units": "1"})
    ds = _status(ds.assign_coords(time=days), ("lat", "lon"), sea)
    return ds.assign_attrs(_attrs("product", reference="reanalysis"))


def simulated() -> xr.Dataset:
    """Scores per fill method and gap pattern, with intervals of the RMSD."""
    methods = ["linear", "climatology", "network", "window_mean"]
    kinds = ["block", "swath", "cell", "all"]
    level = np.array([0.11, 0.13, 0.07, 0.10])[:, None] * np.array([1.0, 0.9, 0.8, 0.95])
    values = {"rmsd": level, "bias": level - 0.1, "pearson_r": 1 - 2 * level}
    ds = _scored(
        xr.Dataset(coords={"fill_method": methods, "gap_pattern": kinds}),
        ("fill_method", "gap_pattern"),
        values,
    )
    ds["std_ratio"] = (("fill_method", "gap_pattern"), 1.2 - 3 * level)
    for end, factor in (("low", 0.95), ("high", 1.06)):
        ds[f"rmsd_{end}"] = (("fill_method", "gap_pattern"), factor * level, {"units": SM})
    ds["n_obs"] = (("fill_method", "gap_pattern"), np.full(level.shape, 1234))
    ds["edge_discontinuity"] = (
        "fill_method",
        [1.4, 1.1, 1.0, 1.3],
        {"long_name": "edge discontinuity", "units": "1"},
    )
    ds["fraction_filled"] = (("fill_method", "gap_pattern"), np.full(level.shape, 0.987))
    cycle = {"long_name": "amplitude of the annual harmonic", "units": SM}
    ds["annual_amplitude_original"] = ((), 0.08, cycle)
    ds["annual_amplitude_filled"] = ("fill_method", [0.06, 0.07, 0.079, 0.064], cycle)
    return ds.assign_attrs(_attrs("simulated_gaps", reference="the hidden cells"))

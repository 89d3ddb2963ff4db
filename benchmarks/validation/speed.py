"""How many series a second the statistics score, beside pytesmo, xskillscore and scores.

``python -m benchmarks.validation.speed [--threads 2] [--repeats 5]`` checks that all give the same
numbers, then times them in turns in one process, and writes
``benchmarks/results/validation_speed.json``: medians of the wall clock, kernels compiled before.
The peers run as they come, in one thread; a peer that is not installed has no row.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.skill.provenance import finite, provenance
from benchmarks.tables import markdown, number

RESULT = Path(__file__).resolve().parents[1] / "results" / "validation_speed.json"
PEERS = ("pytesmo", "xskillscore", "scores")
DAYS, ROWS, COLUMNS = 365, 60, 60
RESAMPLES, LEVEL = 1000, 0.95
MISSING = {"complete": 0.0, "40 % missing": 0.4}
# statistic -> series in one timing, of xsm and of a peer
SERIES = {
    "plain": (3600, 3600),
    "bca_rmsd": (1200, 24),
    "bca_pearson_r": (1200, 6),
    "triple": (600, 6),
}
TITLES = {
    "plain": "R, RMSD and MAE, 60 x 60 x 365",
    "bca_rmsd": "RMSD with BCa interval, n = 1000",
    "bca_pearson_r": "R with BCa interval, n = 1000",
    "triple": "triple collocation with intervals, n = 1000",
}
Score = Callable[[Any], dict[str, np.ndarray]]


def records(missing: float, seed: int = 0) -> Any:
    """Three records (time, lat, lon) of one truth, with gaps of their own; a Dataset."""
    import xarray as xr

    rng = np.random.default_rng(seed)
    shape = (DAYS, ROWS, COLUMNS)
    truth = 0.25 + 0.06 * rng.standard_normal(shape)
    out = {}
    for name, error in (("x", 0.02), ("y", 0.03), ("z", 0.04)):
        values = truth + error * rng.standard_normal(shape)
        values[rng.random(shape) < missing / (2 if name != "z" else 4)] = np.nan
        out[name] = (("time", "lat", "lon"), values)
    return xr.Dataset(out)


def flat(ds: Any, count: int) -> Any:
    """The first `count` series, (cell, time)."""
    stacked = ds.stack(cell=("lat", "lon")).reset_index("cell", drop=True)
    return stacked.isel(cell=slice(0, count)).transpose("cell", "time").copy(deep=True)


def each(ds: Any, names: str) -> Any:
    """Arrays without missing values, series by series."""
    for cell in zip(*(ds[name].values for name in names), strict=True):
        keep = np.isfinite(sum(cell))
        yield [values[keep] for values in cell]


def xsm_plain(ds: Any) -> dict[str, np.ndarray]:
    from xsm import metrics

    found = metrics.scores(ds.x, ds.y, dim="time", metrics=["pearson_r", "rmsd", "mae"])
    return {name: found[name].values.ravel() for name in ("pearson_r", "rmsd", "mae")}


def xskillscore_plain(ds: Any) -> dict[str, np.ndarray]:
    import xskillscore as xs

    functions = {"pearson_r": xs.pearson_r, "rmsd": xs.rmse, "mae": xs.mae}
    return {
        name: function(ds.x, ds.y, dim="time", skipna=True).values.ravel()
        for name, function in functions.items()
    }


def scores_plain(ds: Any) -> dict[str, np.ndarray]:
    from scores import continuous

    functions = {
        "pearson_r": continuous.correlation.pearsonr,
        "rmsd": continuous.rmse,
        "mae": continuous.mae,
    }
    return {
        name: function(ds.x, ds.y, reduce_dims="time").values.ravel()
        for name, function in functions.items()
    }


def pytesmo_plain(ds: Any) -> dict[str, np.ndarray]:
    from pytesmo.metrics import pairwise

    series = flat(ds, ROWS * COLUMNS)
    found = [
        (pairwise.pearson_r(x, y), pairwise.rmsd(x, y), pairwise.aad(x, y))
        for x, y in each(series, "xy")
    ]
    return dict(zip(("pearson_r", "rmsd", "mae"), np.array(found).T, strict=True))


def xsm_bca(ds: Any, metric: str) -> dict[str, np.ndarray]:
    from xsm import metrics

    found = metrics.interval(ds.x, ds.y, dim="time", metric=metric, n=RESAMPLES, level=LEVEL)
    value = getattr(metrics, metric)(ds.x, ds.y, dim="time").values
    bounds = {side: found[f"{metric}_{side}"].values for side in ("low", "high")}
    return {"value": value} | bounds


def pytesmo_bca(ds: Any, metric: str) -> dict[str, np.ndarray]:
    from pytesmo.metrics import pairwise
    from pytesmo.metrics.confidence_intervals import with_bootstrapped_ci

    # its BCa puts all of alpha on each side
    options = {"alpha": (1 - LEVEL) / 2, "method": "BCa", "nsamples": RESAMPLES}
    found = [
        with_bootstrapped_ci(getattr(pairwise, metric), x, y, **options) for x, y in each(ds, "xy")
    ]
    return dict(zip(("value", "low", "high"), np.array(found).T, strict=True))


def xsm_triple(ds: Any) -> dict[str, np.ndarray]:
    from xsm import metrics

    found = metrics.triple_collocation(ds.x, ds.y, ds.z, dim="time", ci="percentile", n=RESAMPLES)
    names = {"value": "snr_db", "low": "snr_db_low", "high": "snr_db_high"}
    return {short: found[name].values.ravel() for short, name in names.items()}


def pytesmo_triple(ds: Any) -> dict[str, np.ndarray]:
    from pytesmo.metrics.confidence_intervals import tcol_metrics_with_bootstrapped_ci

    found = [
        tcol_metrics_with_bootstrapped_ci(x, y, z, nsamples=RESAMPLES)[0]
        for x, y, z in each(ds, "xyz")
    ]
    return dict(zip(("value", "low", "high"), np.array(found).swapaxes(0, 1), strict=True))


CONTENDERS: dict[str, dict[str, Score]] = {
    "plain": {
        "xsm": xsm_plain,
        "xskillscore": xskillscore_plain,
        "scores": scores_plain,
        "pytesmo": pytesmo_plain,
    },
    **{
        f"bca_{metric}": {
            "xsm": partial(xsm_bca, metric=metric),
            "pytesmo": partial(pytesmo_bca, metric=metric),
        }
        for metric in ("rmsd", "pearson_r")
    },
    "triple": {"xsm": xsm_triple, "pytesmo": pytesmo_triple},
}


def installed(name: str) -> str | None:
    """Version of a package, None where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def sample(statistic: str, ds: Any, contender: str) -> tuple[Any, int]:
    """Data for one timing, and how many series they are."""
    count = SERIES[statistic][0 if contender == "xsm" else 1]
    return (ds, ROWS * COLUMNS) if statistic == "plain" else (flat(ds, count), count)


def difference(statistic: str, ds: Any, peer: str) -> float:
    """Largest difference of the scores of `peer` from those of xsm, on the series of the peer.

    Raises
    ------
    SystemExit
        If it is above 1e-6, or a resampled bound differs by more than 40 % of the interval (both
        draw at random: a bound of 1000 resamples scatters by about 5 %).
    """
    data, _ = sample(statistic, ds, peer)
    ours, theirs = (CONTENDERS[statistic][name](data) for name in ("xsm", peer))
    names = ["value"] if "value" in ours else list(ours)
    largest = max(
        float(np.max(np.abs(ours[name].ravel() - theirs[name].ravel()))) for name in names
    )
    apart = 0.0
    if "low" in ours:
        width = ours["high"].ravel() - ours["low"].ravel()
        apart = max(
            float(np.max(np.abs(ours[side].ravel() - theirs[side].ravel()) / width))
            for side in ("low", "high")
        )
    if not (largest < 1e-6 and apart < 0.4):
        raise SystemExit(f"{statistic}: xsm and {peer} differ by {largest}, bounds by {apart}")
    return largest


def measure(repeats: int) -> list[dict[str, Any]]:
    """Rows: statistic, data, contender, series, seconds (medians), series per second."""
    rows = []
    for gaps, missing in MISSING.items():
        ds = records(missing)
        for statistic, contenders in CONTENDERS.items():
            there = [name for name in contenders if name == "xsm" or installed(name)]
            equal = {peer: difference(statistic, ds, peer) for peer in there if peer != "xsm"}
            data = {name: sample(statistic, ds, name) for name in there}
            times: dict[str, list[float]] = {name: [] for name in there}
            cpu: dict[str, list[float]] = {name: [] for name in there}
            for _ in range(repeats):
                for name in there:
                    begin = time.perf_counter(), time.process_time()
                    contenders[name](data[name][0])
                    times[name].append(time.perf_counter() - begin[0])
                    cpu[name].append(time.process_time() - begin[1])
            for name in there:
                seconds = statistics.median(times[name])
                row = {"statistic": statistic, "data": gaps, "contender": name}
                row |= {"series": data[name][1], "seconds": seconds}
                row |= {"cpu_seconds": statistics.median(cpu[name])}
                row |= {"per_second": data[name][1] / seconds, "difference": equal.get(name)}
                rows.append(row)
                print(
                    f"{statistic:14} {gaps:14} {name:12} {row['per_second']:10.1f} series/s", end=""
                )
                print(f" {row['series'] / row['cpu_seconds']:10.1f} a second of the processor")
    return rows


def table(result: dict[str, Any]) -> str:
    """Series per second of each, and how many times faster xsm is."""
    rows = []
    for row in result["rows"]:
        if row["contender"] == "xsm":
            ours = row["per_second"]
            continue
        rows.append(
            [f"{TITLES[row['statistic']]}, {row['data']}", f"{ours:,.0f}", row["contender"]]
            + [number(row["per_second"], 1), number(ours / row["per_second"], 1)]
        )
    head = ["series of 365 days", "xsm, series/s", "peer", "peer, series/s", "times faster"]
    versions = ", ".join(f"{name} {v}" for name, v in result["versions"].items() if name in PEERS)
    note = f"{result['machine']}, {result['threads']} threads for xsm, one for the peers"
    return f"{markdown(head, rows)}\n\n{note}; {versions}. Measured {result['date']}."


def main(arguments: list[str] | None = None) -> None:
    """Check, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args(arguments)
    os.environ["NUMBA_NUM_THREADS"] = str(chosen.threads)
    warnings.simplefilter("ignore")  # of the peers
    rows = measure(chosen.repeats)
    result = provenance()
    result["versions"] |= {name: v for name in PEERS if (v := installed(name))}
    settings = {"days": DAYS, "resamples": RESAMPLES, "level": LEVEL, "repeats": chosen.repeats}
    result |= {"threads": chosen.threads, "settings": settings, "rows": rows}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(finite(result), indent=1) + "\n")


if __name__ == "__main__":
    main()

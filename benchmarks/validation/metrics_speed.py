"""Series per second of the metrics, compared with pytesmo, xskillscore and scores.

``python -m benchmarks.validation.metrics_speed [--threads 2] [--repeats 5]`` checks that all give
the same numbers, then times them in turn in one process, and writes
``benchmarks/results/validation_speed.json``: medians of wall-clock time, without compilation. The
other packages run with their defaults, in one thread. A package that is not installed has no row.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.provenance import RESULTS, installed_version, provenance, write_result
from benchmarks.tables import markdown, number

RESULT = RESULTS / "validation_speed.json"
PEERS = ("pytesmo", "xskillscore", "scores")
DAYS, ROWS, COLUMNS = 365, 60, 60
RESAMPLES, LEVEL = 1000, 0.95
MISSING = {"complete": 0.0, "40 % missing": 0.4}
# statistic -> series in one timing, of xsm and of another package
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


def synthetic_records(missing: float, seed: int = 0) -> Any:
    """A Dataset of three records (time, lat, lon) of one truth, with different gaps."""
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


def series_without_nan(ds: Any, names: str) -> Any:
    """Arrays without missing values, series by series."""
    for cell in zip(*(ds[name].values for name in names), strict=True):
        valid = np.isfinite(sum(cell))
        yield [values[valid] for values in cell]


def xsm_plain(ds: Any) -> dict[str, np.ndarray]:
    from xsm import metrics

    results = metrics.scores(ds.x, ds.y, dim="time", metrics=["pearson_r", "rmsd", "mae"])
    return {name: results[name].values.ravel() for name in ("pearson_r", "rmsd", "mae")}


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
    results = [
        (pairwise.pearson_r(x, y), pairwise.rmsd(x, y), pairwise.aad(x, y))
        for x, y in series_without_nan(series, "xy")
    ]
    return dict(zip(("pearson_r", "rmsd", "mae"), np.array(results).T, strict=True))


def xsm_bca(ds: Any, metric: str) -> dict[str, np.ndarray]:
    from xsm import metrics

    results = metrics.interval(ds.x, ds.y, dim="time", metric=metric, n=RESAMPLES, level=LEVEL)
    value = getattr(metrics, metric)(ds.x, ds.y, dim="time").values
    bounds = {side: results[f"{metric}_{side}"].values for side in ("low", "high")}
    return {"value": value} | bounds


def pytesmo_bca(ds: Any, metric: str) -> dict[str, np.ndarray]:
    from pytesmo.metrics import pairwise
    from pytesmo.metrics.confidence_intervals import with_bootstrapped_ci

    # pytesmo's BCa applies alpha to each side
    options = {"alpha": (1 - LEVEL) / 2, "method": "BCa", "nsamples": RESAMPLES}
    results = [
        with_bootstrapped_ci(getattr(pairwise, metric), x, y, **options)
        for x, y in series_without_nan(ds, "xy")
    ]
    return dict(zip(("value", "low", "high"), np.array(results).T, strict=True))


def xsm_triple(ds: Any) -> dict[str, np.ndarray]:
    from xsm import metrics

    results = metrics.triple_collocation(ds.x, ds.y, ds.z, dim="time", ci="percentile", n=RESAMPLES)
    names = {"value": "snr_db", "low": "snr_db_low", "high": "snr_db_high"}
    return {short: results[name].values.ravel() for short, name in names.items()}


def pytesmo_triple(ds: Any) -> dict[str, np.ndarray]:
    from pytesmo.metrics.confidence_intervals import tcol_metrics_with_bootstrapped_ci

    results = [
        tcol_metrics_with_bootstrapped_ci(x, y, z, nsamples=RESAMPLES)[0]
        for x, y, z in series_without_nan(ds, "xyz")
    ]
    return dict(zip(("value", "low", "high"), np.array(results).swapaxes(0, 1), strict=True))


IMPLEMENTATIONS: dict[str, dict[str, Score]] = {
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


def sample(statistic: str, ds: Any, package: str) -> tuple[Any, int]:
    """Data for one timing, and the number of series."""
    count = SERIES[statistic][0 if package == "xsm" else 1]
    return (ds, ROWS * COLUMNS) if statistic == "plain" else (flat(ds, count), count)


def difference(statistic: str, ds: Any, peer: str) -> float:
    """Largest difference between the scores of xsm and of another package, on its series.

    Raises
    ------
    SystemExit
        If it is above 1e-6, or a resampled bound differs by more than 40 % of the interval (bounds
        are random: with 1000 resamples they scatter by about 5 %).
    """
    data, _ = sample(statistic, ds, peer)
    ours, theirs = (IMPLEMENTATIONS[statistic][name](data) for name in ("xsm", peer))
    names = ["value"] if "value" in ours else list(ours)
    largest = max(
        float(np.max(np.abs(ours[name].ravel() - theirs[name].ravel()))) for name in names
    )
    bound_error = 0.0
    if "low" in ours:
        width = ours["high"].ravel() - ours["low"].ravel()
        bound_error = max(
            float(np.max(np.abs(ours[side].ravel() - theirs[side].ravel()) / width))
            for side in ("low", "high")
        )
    if not (largest < 1e-6 and bound_error < 0.4):
        raise SystemExit(
            f"{statistic}: {peer} differs from xsm by {largest}, bounds by {bound_error}"
        )
    return largest


def measure(repeats: int) -> list[dict[str, Any]]:
    """Rows: statistic, data, package, series, seconds (medians), series per second."""
    rows = []
    for gaps, missing in MISSING.items():
        ds = synthetic_records(missing)
        for statistic, functions in IMPLEMENTATIONS.items():
            packages = [name for name in functions if name == "xsm" or installed_version(name)]
            differences = {
                peer: difference(statistic, ds, peer) for peer in packages if peer != "xsm"
            }
            data = {name: sample(statistic, ds, name) for name in packages}
            times: dict[str, list[float]] = {name: [] for name in packages}
            cpu: dict[str, list[float]] = {name: [] for name in packages}
            for _ in range(repeats):
                for name in packages:
                    begin = time.perf_counter(), time.process_time()
                    functions[name](data[name][0])
                    times[name].append(time.perf_counter() - begin[0])
                    cpu[name].append(time.process_time() - begin[1])
            for name in packages:
                seconds = statistics.median(times[name])
                row = {"statistic": statistic, "data": gaps, "package": name}
                row |= {"series": data[name][1], "seconds": seconds}
                row |= {"cpu_seconds": statistics.median(cpu[name])}
                row |= {"series_per_second": data[name][1] / seconds}
                row |= {"difference": differences.get(name)}
                rows.append(row)
                print(
                    f"{statistic:14} {gaps:14} {name:12} {row['series_per_second']:10.1f} series/s",
                    end="",
                )
                print(f" {row['series'] / row['cpu_seconds']:10.1f} per second of processor time")
    return rows


def table(result: dict[str, Any]) -> str:
    """Series per second of each package, and the speed-up of xsm."""
    rows = []
    for row in result["rows"]:
        if row["package"] == "xsm":
            ours = row["series_per_second"]
            continue
        rows.append(
            [f"{TITLES[row['statistic']]}, {row['data']}", f"{ours:,.0f}", row["package"]]
            + [number(row["series_per_second"], 1), number(ours / row["series_per_second"], 1)]
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
    options = parser.parse_args(arguments)
    os.environ["NUMBA_NUM_THREADS"] = str(options.threads)
    warnings.simplefilter("ignore")  # of the other packages
    rows = measure(options.repeats)
    result = provenance()
    result["versions"] |= {name: v for name in PEERS if (v := installed_version(name))}
    settings = {"days": DAYS, "resamples": RESAMPLES, "level": LEVEL, "repeats": options.repeats}
    result |= {"threads": options.threads, "settings": settings, "rows": rows}
    write_result(result, RESULT)


if __name__ == "__main__":
    main()

"""Realism of the simulated Earth: the same statistics of a simulated and of a real month.

``python -m benchmarks.skill.osse_realism [--png gaps.png] [--seed 0]`` needs the real month of
AMSR2 (``XSM_DATA``, default ``../shared/data``) and writes
``benchmarks/results/osse_realism.json``.
"""

import argparse
import json

import numpy as np

from benchmarks.provenance import RESULTS
from benchmarks.skill.evaluation_records import load

LAGS_DAYS = (1, 2, 3, 4)
LAGS_CELLS = (1, 2, 4, 8, 16, 32)
BANDS = tuple(range(-60, 75, 15))
MIN_DAYS = 8  # observed days of a cell, for its statistics


def pair_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of anomalies over the pairs of finite values."""
    both = np.isfinite(a) & np.isfinite(b)
    x, y = a[both].astype(float), b[both].astype(float)
    return float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def first_below(lags: np.ndarray, values: np.ndarray, level: float) -> float:
    """Lag at which a curve first falls below a level, by linear interpolation; else NaN."""
    below = np.flatnonzero(values < level)
    if below.size == 0:
        return float("nan")
    i = int(below[0])
    if i == 0:
        return float(lags[0])
    fraction = (values[i - 1] - level) / (values[i - 1] - values[i])
    return float(lags[i - 1] + fraction * (lags[i] - lags[i - 1]))


def neighbour_rmse(anomaly: np.ndarray) -> float:
    """RMSE of a cell's anomaly against the mean of its four neighbours' on the same day."""
    total, count = 0.0, 0
    for day in anomaly:  # one day at a time, to save memory
        neighbours = [np.roll(day, step, axis) for axis in (0, 1) for step in (1, -1)]
        error = day - np.mean(neighbours, axis=0)
        valid = np.isfinite(error)
        total, count = total + float((error[valid] ** 2).sum()), count + int(valid.sum())
    return float(np.sqrt(total / count))


def statistics(values: np.ndarray, lat: np.ndarray, lon: np.ndarray, land: np.ndarray) -> dict:
    """Statistics of a daily record.

    Parameters
    ----------
    values : ndarray (T, H, W), m3 m-3, NaN where missing
    lat, lon : ndarray (H,), (W,), degrees
    land : ndarray (H, W), bool

    Returns
    -------
    dict of str to float
    """
    observed = np.isfinite(values)
    count = observed.sum(0)
    use = count >= MIN_DAYS
    cells = values[:, use]
    mean = np.nanmean(cells, axis=0)
    std = np.nanstd(cells, axis=0)
    anomaly = np.full(values.shape, np.nan, np.float32)
    anomaly[:, use] = cells - mean
    flat = values[observed]
    out = {
        "mean": float(mean.mean()),
        "spatial std of cell means": float(mean.std()),
        "temporal std, median cell": float(np.median(std)),
        "temporal std, 10 % of cells below": float(np.percentile(std, 10)),
        "temporal std, 90 % of cells below": float(np.percentile(std, 90)),
        "fraction of zeros": float((flat == 0).mean()),
        "fraction at 0.98 or more": float((flat > 0.975).mean()),
    }
    autocorrelation = np.array(
        [1.0] + [pair_correlation(anomaly[k:], anomaly[:-k]) for k in LAGS_DAYS]
    )
    for lag, value in zip(LAGS_DAYS, autocorrelation[1:], strict=True):
        out[f"autocorrelation, {lag} d"] = float(value)
    out["e-folding time (d)"] = first_below(np.array([0, *LAGS_DAYS]), autocorrelation, np.exp(-1))
    curve = [1.0] + [pair_correlation(anomaly[:, :, k:], anomaly[:, :, :-k]) for k in LAGS_CELLS]
    for lag, value in zip(LAGS_CELLS, curve[1:], strict=True):
        out[f"correlation {lag} cells east"] = float(value)
    kilometres = 111.2 * abs(lon[1] - lon[0]) * np.cos(np.deg2rad(np.abs(lat[use.any(1)]).mean()))
    out["correlation length, east (km)"] = (
        first_below(np.array([0, *LAGS_CELLS]), np.array(curve), np.exp(-1)) * kilometres
    )
    curve = [1.0] + [pair_correlation(anomaly[:, k:], anomaly[:, :-k]) for k in LAGS_CELLS]
    out["correlation length, north (km)"] = (
        first_below(np.array([0, *LAGS_CELLS]), np.array(curve), np.exp(-1))
        * 111.2
        * abs(lat[1] - lat[0])
    )
    out["single cell from 4 neighbours, RMSE"] = neighbour_rmse(anomaly)
    middle = (anomaly[:-2] + anomaly[2:]) / 2 - anomaly[1:-1]
    out["day from the days beside it, RMSE"] = float(np.sqrt(np.nanmean(middle**2)))
    for south in BANDS:
        rows = (lat >= south) & (lat < south + 15)
        on_land = land[rows]
        name = f"daily coverage of land, {south:+d} to {south + 15:+d}"
        out[name] = float(observed[:, rows][:, on_land].mean()) if on_land.any() else float("nan")
    return out


def swath_agreement(observed: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> float:
    """Fraction of agreement between simulated swaths and data, within 45 degrees of the equator.

    Only cells observed on 12 days or more count.
    """
    from xsm.osse import observed_mask

    days = np.datetime64("2015-04-01") + np.arange(observed.shape[0])
    swath = observed_mask(lat, lon, days, "amsr2").values
    often = (observed.sum(0) >= 12) & (np.abs(lat) < 45)[:, None]
    return float((swath == observed)[:, often].mean())


def draw(path: str, real: np.ndarray, simulated: np.ndarray) -> None:
    """Two days and the number of observed days; real above simulated."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(21, 8), layout="constrained")
    for row, values, title in zip(axes, (real, simulated), ("real", "simulated"), strict=True):
        for axis, day in zip(row, (0, 1), strict=False):
            axis.imshow(values[day], vmin=0, vmax=0.6, cmap="YlGnBu", interpolation="nearest")
            axis.set_title(f"{title}, day {day + 1}")
        row[2].imshow(np.isfinite(values).sum(0), interpolation="nearest")
        row[2].set_title(f"{title}, days observed")
    for axis in axes.flat:
        axis.axis("off")
    figure.savefig(path, dpi=60)


def main() -> None:
    """Compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--png", help="figure of the gap patterns")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from xsm.tutorial import open_dataset

    record = load("amsr2")
    real, lat, lon = record.values, record.lat.astype(float), record.lon.astype(float)
    ds = open_dataset("global-month", seed=options.seed, truth=False)
    simulated, land = ds["soil_moisture"].values, ds["land"].values
    tables = {
        "real": statistics(real, lat, lon, land),
        "simulated": statistics(simulated, lat, lon, land),
    }
    agreement = swath_agreement(np.isfinite(real), lat, lon)
    print(f"{'AMSR2 night, April 2015, global 0.25 degree':<46}{'real':>10}{'simulated':>12}")
    for name, value in tables["real"].items():
        print(f"{name:<46}{value:>10.3f}{tables['simulated'][name]:>12.3f}")
    print(f"{'agreement of simulated and real swaths':<46}{agreement:>10.3f}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {"seed": options.seed, "swath_agreement": agreement, **tables}
    (RESULTS / "osse_realism.json").write_text(json.dumps(result, indent=1) + "\n")
    if options.png:
        draw(options.png, real, simulated)


if __name__ == "__main__":
    main()

"""Gap-fill the embedded dataset and score it against the truth: ``python -m xsm.demo --out DIR``.

Writes a CF NetCDF file and a figure, and prints one table. Needs ``xsm[plot]`` and no torch.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import xsm
from xsm.baselines import baseline
from xsm.tutorial import open_dataset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Bools = NDArray[np.bool_]

NAME = "soil_moisture"
DIMS = ("time", "lat", "lon")
UNIT = "m³ m⁻³"
MOISTURE, SPREAD, SEA, LAND, COAST = "YlGnBu", "magma_r", "#eef3f6", "#cfcfcf", "#6b6b6b"


def scores(est: Floats, truth: Floats, where: Bools) -> list[float]:
    """RMSE, MAE, bias (m3 m-3), R, and R of the departures from each cell's true mean.

    Parameters
    ----------
    est, truth : ndarray, (T, H, W), m3 m-3
    where : ndarray of bool, (T, H, W)
        The cells and days to score.
    """
    mean = np.nanmean(np.where(np.isfinite(truth).any(0), truth, 0.0), axis=0)  # (H, W)
    error = (est - truth)[where].astype(np.float64)
    r = np.corrcoef(est[where], truth[where])[0, 1]
    r_anomaly = np.corrcoef((est - mean)[where], (truth - mean)[where])[0, 1]
    rmse = np.sqrt(np.mean(error**2))
    return [rmse, np.mean(np.abs(error)), np.mean(error), r, r_anomaly]


def table(before: Floats, after: Floats, truth: Floats, seconds: dict[str, float]) -> str:
    """The scores of network and linear interpolation on the same gaps, as text.

    Parameters
    ----------
    before, after, truth : ndarray, (T, H, W), m3 m-3
        The record with its gaps, the filled record, and what it should be.
    seconds : dict of str to float
        Run time; the time of the linear interpolation is added.
    """
    began = time.perf_counter()
    linear = baseline("linear")(before)
    seconds["linear in time"] = time.perf_counter() - began
    gaps = np.isnan(before) & np.isfinite(truth)
    methods = {"network": after, "linear in time": linear}
    both = gaps & np.all([np.isfinite(filled) for filled in methods.values()], axis=0)

    head = ["", "filled %", "RMSE", "MAE", "bias", "R", "R anom.", "seconds"]
    lines = ["{:<24}{:>9}{:>8}{:>8}{:>9}{:>8}{:>9}{:>9}".format(*head)]
    row = "{:<24}{:>9}{:>8.4f}{:>8.4f}{:>+9.4f}{:>8.3f}{:>9.3f}{:>9}"
    for name, filled in methods.items():
        share = f"{100 * np.isfinite(filled[gaps]).mean():.1f}"
        lines.append(row.format(name, share, *scores(filled, truth, both), f"{seconds[name]:.2f}"))
    seen = np.isfinite(before) & np.isfinite(truth)
    lines.append(row.format("(retrieval, where seen)", "-", *scores(before, truth, seen), "-"))
    lines.append(f"scored on {both.sum():,} gaps that both fill, against the truth, in {UNIT}")
    return "\n".join(lines)


def typical_day(before: Floats, truth: Floats) -> int:
    """The day, ends of the record apart, whose seen share of the land is nearest to half."""
    land = np.isfinite(truth)
    share = (np.isfinite(before) & land).sum((1, 2)) / np.maximum(land.sum((1, 2)), 1)
    inner = np.zeros(share.size, bool)
    inner[4 : max(share.size - 4, 5)] = True
    return int(np.argmin(np.where(inner, abs(share - 0.5), np.inf)))


def typical_cell(before: Floats, after: Floats, truth: Floats) -> tuple[int, int]:
    """The cell whose error in its gaps is the median one: neither the best nor the worst."""
    gaps = np.isnan(before) & np.isfinite(truth) & np.isfinite(after)
    count = gaps.sum(0)
    error = np.where(gaps, (after - truth) ** 2, 0.0).sum(0) / np.maximum(count, 1)  # (H, W)
    cells = np.flatnonzero(count.ravel() >= np.median(count[count > 0]))
    middle = cells[np.argsort(error.ravel()[cells])[cells.size // 2]]
    lat, lon = np.unravel_index(middle, error.shape)
    return int(lat), int(lon)


def draw_map(
    ax: Axes, field: xr.DataArray, land: xr.DataArray, title: str, **style
) -> ScalarMappable:
    """One map: the field over grey land and pale sea, with the coast of the land mask."""
    from matplotlib.colors import ListedColormap

    lon, lat = field["lon"].values, field["lat"].values
    ax.pcolormesh(lon, lat, land.values, cmap=ListedColormap([SEA, LAND]), vmin=0, vmax=1)
    mesh = ax.pcolormesh(lon, lat, field.values, **style)
    ax.contour(lon, lat, land.values.astype(float), levels=[0.5], colors=COAST, linewidths=0.7)
    ax.set_aspect(1 / np.cos(np.deg2rad(lat.mean())))
    ax.set_title(title, loc="left", fontsize=10)
    ax.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}°{'W' if x < 0 else 'E' if x else ''}")
    ax.yaxis.set_major_formatter(lambda y, _: f"{abs(y):g}°{'S' if y < 0 else 'N' if y else ''}")
    ax.tick_params(labelsize=8, color=COAST)
    ax.locator_params(nbins=5)
    for side in ax.spines.values():
        side.set_color(COAST)
    return mesh


def draw_series(ax: Axes, data: xr.Dataset, cell: tuple[int, int]) -> None:
    """The days of one cell: seen, filled with its 95 % interval, and true."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    one = data.isel(lat=cell[0], lon=cell[1])
    days, after, sd = one["time"].values, one["after"].values, one["sd"].values
    half = 1.96 * np.where(np.isfinite(one["before"]), 0.0, sd)
    ax.fill_between(days, after - half, after + half, color="#9ecae1", alpha=0.6, lw=0)
    ax.plot(days, one["truth"], color="black", lw=1.0, ls="--")
    ax.plot(days, after, color="#2171b5", lw=1.4)
    ax.plot(days, one["before"], "o", color="#08306b", ms=4)
    lat, lon = one["lat"].item(), one["lon"].item()
    place = f"{abs(lat):.2f}°{'N' if lat >= 0 else 'S'} {abs(lon):.2f}°{'E' if lon >= 0 else 'W'}"
    ax.set_title(f"One cell of median error, {place}", loc="left", fontsize=10)
    ax.legend(
        ["filled, 95 % interval", "truth", "filled", "seen"], ncols=4, fontsize=8, frameon=False
    )
    ax.set_ylabel(UNIT, fontsize=9)
    ax.tick_params(labelsize=8)
    locator = AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)


def draw(data: xr.Dataset, day: int, cell: tuple[int, int]) -> Figure:
    """Before, after, truth and uncertainty of one day, and one cell's record.

    Parameters
    ----------
    data : Dataset
        ``before``, ``after``, ``sd``, ``truth`` (time, lat, lon; m3 m-3) and ``land`` (lat, lon).
    day : int
        Position on ``time`` of the maps.
    cell : (int, int)
        Positions on ``lat`` and ``lon`` of the series.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 9.4), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=[1, 1, 0.55])
    axes = [figure.add_subplot(grid[i // 2, i % 2]) for i in range(4)]
    today = data.isel(time=day)
    low, high = np.nanpercentile(today["truth"], [1, 99])
    moisture = {"cmap": MOISTURE, "vmin": max(low, 0.0), "vmax": high}
    titles = {"before": "Before: as retrieved", "after": "After: gap-filled", "truth": "Truth"}
    for ax, (name, title) in zip(axes, titles.items(), strict=False):
        mesh = draw_map(ax, today[name], today["land"], title, **moisture)
    label = f"0-5 cm soil moisture ({UNIT})"
    figure.colorbar(mesh, ax=axes[:2], label=label, extend="both", shrink=0.85, pad=0.02)
    spread = today["sd"].where(np.isnan(today["before"]))
    low, high = np.nanpercentile(spread, [1, 99])
    style = {"cmap": SPREAD, "vmin": low, "vmax": high}
    mesh = draw_map(axes[3], spread, today["land"], "Uncertainty of what was filled", **style)
    label = f"standard deviation ({UNIT})"
    figure.colorbar(mesh, ax=axes[2:], label=label, extend="both", shrink=0.85, pad=0.02)
    around = slice(max(day - 60, 0), day + 61)
    draw_series(figure.add_subplot(grid[2, :]), data.isel(time=around), cell)
    date = np.datetime_as_string(today["time"].values, unit="D")
    figure.suptitle(f"Simulated AMSR2 soil moisture, {date}", fontsize=13, x=0.01, ha="left")
    return figure


def run(out: Path, dataset: str) -> str:
    """Fill, score, write; the table as text."""
    out.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    print(f"xsm {xsm.__version__}: simulating {dataset!r}", flush=True)
    ds = open_dataset(dataset)
    land = ds["land"].transpose(*DIMS[1:])
    record = ds[NAME].transpose(*DIMS)
    gaps = float(np.isnan(record.values)[:, land.values].mean())
    size = " x ".join(f"{record.sizes[dim]} {dim}" for dim in DIMS)
    print(f"{size}, {100 * gaps:.0f} % of the land missing; filling with the network", flush=True)

    began = time.perf_counter()
    filled = ds.sm.gapfill(progress=True).load()
    seconds["network"] = time.perf_counter() - began

    truth = ds[f"{NAME}_truth"].transpose(*DIMS).where(land)
    names = {"after": NAME, "sd": f"{NAME}_uncertainty"}
    data = xr.Dataset({key: filled[name].transpose(*DIMS) for key, name in names.items()})
    data = data.assign(before=record, truth=truth, land=land)
    before, after, true = (data[key].values for key in ("before", "after", "truth"))
    text = table(before, after, true, seconds)

    stem = out / f"{dataset}-filled"
    filled.assign_attrs({"Conventions": "CF-1.11"} | filled.attrs).to_netcdf(f"{stem}.nc")
    figure = draw(data, typical_day(before, true), typical_cell(before, after, true))
    figure.savefig(f"{stem}.png", dpi=150)
    print(f"\n{text}\n\nwritten: {stem}.nc and {stem}.png")
    return text


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; 0 when it went well."""
    parser = argparse.ArgumentParser(prog="python -m xsm.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to")
    parser.add_argument("--dataset", default="amsr2-iberia", help="an embedded dataset's name")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    began = time.perf_counter()
    run(options.out, options.dataset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6 / 1.024
    )
    torch = "with torch" if "torch" in sys.modules else "without torch"
    print(f"{time.perf_counter() - began:.0f} s and {peak:.2f} GB at the peak, {torch}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

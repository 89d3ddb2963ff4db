"""Skill of fills with a background: ``python -m benchmarks.skill.fusion [smap] [osse]``.

``smap`` hides single days and spells of the first year of SMAP at 412 cells of the United States,
in several draws.
``osse`` fills a simulated SMAP record, whose truth is known, of a sensor that pauses for three days
after every three. It scores gaps on days of rain, and those of them beside which no day was
observed. Public functions with default arguments. Writes ``benchmarks/results/fusion.json`` and the
figure ``docs/figures/fusion_storm.png``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import xsm
from benchmarks.provenance import RESULTS, ROOT, provenance, write_result
from benchmarks.skill.evaluation_records import data_folder
from benchmarks.skill.smap_conus import FILE, TRAIN, load
from benchmarks.tables import markdown
from xsm.baselines import baseline

RESULT = RESULTS / "fusion.json"
FIGURE = ROOT / "docs" / "figures" / "fusion_storm.png"
SINGLE_DAYS, SPELLS_PER_CELL, SPELL_DAYS = 0.15, 3, (7, 14)
DRAWS = 3  # of hidden values of SMAP
RAIN = 5.0  # mm day-1
COLDEST = 276.0  # K; frozen soil is not retrieved, so no fill can be fitted to it
OSSE = {
    "name": "smap-conus", "start": "2015-05-15", "days": 120, "resolution": 1.0, "covariates": True,
}  # fmt: skip
PAUSE = 3  # days with observations, then as many without: storms that no day beside observed
HALF_WIDTHS = {"within_68": 0.9945, "within_95": 1.96}
TITLES = {
    "linear": "linear in time",
    "gapfill": "`gapfill()`",
    "background": '`gapfill(background="swvl1")`',
    "predictors": "`gapfill(predictors=weather)`",
}
WHAT = {
    "single": "single days", "spells": "spells of 7 to 14 days", "gaps": "all gaps",
    "rain": "days of rain", "unobserved": "days of rain, none beside observed",
}  # fmt: skip
BOX = (14, 24)  # rows and columns of the figure
Fill = Callable[[], xr.Dataset]
Masks = Mapping[str, NDArray[np.bool_]]


def hidden_masks(values: NDArray[Any], seed: int = 0) -> dict[str, NDArray[np.bool_]]:
    """Observations (T, H, W) to hide: three spells in each cell, and 15 % of the other days."""
    rng = np.random.default_rng(seed)
    observed = np.isfinite(values)
    spells = np.zeros_like(observed)
    for row, column in zip(*np.nonzero(observed.any(axis=0)), strict=True):
        for _ in range(SPELLS_PER_CELL):
            length = int(rng.integers(SPELL_DAYS[0], SPELL_DAYS[1] + 1))
            first = int(rng.integers(0, len(values) - length))
            spells[first : first + length, row, column] = True
    spells &= observed
    single = observed & ~spells & (rng.random(observed.shape) < SINGLE_DAYS)
    return {"single": single, "spells": spells}


def smap(path: Path) -> list[dict[str, Any]]:
    """Scores of hidden observations of SMAP, pooled over the draws."""
    ds = load(path).sel(time=TRAIN)
    record = ds["SMAP_AM"].transpose("time", "lat", "lon").assign_attrs(units="m3 m-3")
    weather = ds.drop_vars("SMAP_AM")
    return pooled([_smap_draw(record, weather, seed) for seed in range(DRAWS)])


def _smap_draw(record: xr.DataArray, weather: xr.Dataset, seed: int) -> list[dict[str, Any]]:
    """Scores of one draw of hidden observations."""
    values = record.values
    masks = hidden_masks(values, seed)
    left = record.copy(data=np.where(masks["single"] | masks["spells"], np.nan, values))
    fills: dict[str, Fill] = {
        "linear": lambda: left.copy(data=baseline("linear")(left.values)).to_dataset(),
        "gapfill": lambda: left.sm.gapfill(),
        "predictors": lambda: left.sm.gapfill(predictors=weather),
    }
    return [row for name, fill in fills.items() for row in scores(name, fill, values, masks)[0]]


def pooled(draws: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Scores of the values of all draws together; each draw has the same rows.

    ``rmse_of_draws`` holds the errors of the single draws, and ``cpu_seconds`` is their mean.
    """
    rows = []
    for same in zip(*draws, strict=True):
        first = same[0]
        weights = [row["n"] for row in same]
        row = {key: first[key] for key in ("fill", "what")}
        row["rmse"] = float(np.sqrt(np.average([r["rmse"] ** 2 for r in same], weights=weights)))
        row["rmse_of_draws"] = [r["rmse"] for r in same]
        for key in ("bias", *HALF_WIDTHS):
            if key in first:
                row[key] = float(np.average([r[key] for r in same], weights=weights))
        row |= {key: sum(r[key] for r in same) for key in ("n", "hidden")}
        row["cpu_seconds"] = round(float(np.mean([r["cpu_seconds"] for r in same])), 1)
        rows.append(row)
    return rows


def osse() -> tuple[list[dict[str, Any]], dict[str, xr.DataArray]]:
    """Scores against the truth of a simulated record, and the fields of the figure."""
    ds = xsm.tutorial.open_dataset(**OSSE)
    working = xr.DataArray(np.arange(ds.sizes["time"]) // PAUSE % 2 == 0, dims="time")
    attrs = ds["soil_moisture"].attrs
    ds["soil_moisture"] = ds["soil_moisture"].where(working).assign_attrs(attrs)
    record, truth = ds["soil_moisture"], ds["soil_moisture_truth"]
    weather = [str(n) for n in ds.data_vars if not str(n).startswith(("soil_moisture", "land"))]
    weather.remove("swvl1")
    observed = record.notnull().values
    beside = np.zeros_like(observed)
    beside[1:] |= observed[:-1]
    beside[:-1] |= observed[1:]
    thawed = ds["lst"].values > COLDEST
    gaps = ~observed & truth.notnull().values & observed.any(axis=0) & thawed
    rain = gaps & (ds["precipitation"].values >= RAIN)
    masks = {"gaps": gaps, "rain": rain, "unobserved": rain & ~beside}
    fills: dict[str, Fill] = {
        "linear": lambda: record.copy(data=baseline("linear")(record.values)).to_dataset(),
        "gapfill": lambda: ds.sm.gapfill(),
        "background": lambda: ds.sm.gapfill(background="swvl1"),
        "predictors": lambda: ds.sm.gapfill(predictors=weather),
    }
    rows, fields = [], {}
    for name, fill in fills.items():
        new, filled = scores(name, fill, truth.values, masks)
        rows += new
        fields[name] = filled["soil_moisture"]
    storm = int((masks["rain"] & working.values[:, None, None]).sum(axis=(1, 2)).argmax())
    shown = {"rain": ds["precipitation"], "retrieved": record, "truth": truth, **fields}
    return rows, {name: field.isel(time=storm) for name, field in shown.items()}


def scores(
    name: str, fill: Fill, reference: NDArray[Any], masks: Masks
) -> tuple[list[dict[str, Any]], xr.Dataset]:
    """Errors of a fill at the values of each mask, and the fill."""
    begin = time.process_time()
    filled = fill()
    seconds = time.process_time() - begin
    variable = next(n for n in filled.data_vars if f"{n}_flag" in filled or name == "linear")
    values = filled[variable].values
    rows = []
    for what, mask in masks.items():
        inside = mask & np.isfinite(values)
        error = (values - reference)[inside]
        row = {"fill": name, "what": what, "rmse": float(np.sqrt(np.mean(error**2)))}
        row |= {"bias": float(error.mean()), "n": int(inside.sum()), "hidden": int(mask.sum())}
        if f"{variable}_uncertainty" in filled:
            std = filled[f"{variable}_uncertainty"].values[inside]
            row |= {k: float(np.mean(abs(error) < w * std)) for k, w in HALF_WIDTHS.items()}
        rows.append(row | {"cpu_seconds": round(seconds, 1)})
        print(rows[-1], flush=True)
    return rows, filled


def table(result: dict[str, Any], record: str) -> str:
    """RMSE of each fill, and what the intervals of `gapfill` hold."""
    rows = result[record]
    names = dict.fromkeys(row["fill"] for row in rows)
    whats = dict.fromkeys(row["what"] for row in rows)
    cell = {(row["fill"], row["what"]): row for row in rows}
    head = ["RMSE, m3 m-3", *(WHAT[what] for what in whats), "within 68 %", "within 95 %", "CPU, s"]
    body = []
    for name in names:
        last = [cell[name, what] for what in whats]
        held = [
            " / ".join(f"{100 * row[key]:.0f}" for row in last) if key in last[0] else "-"
            for key in HALF_WIDTHS
        ]
        rmse = [f"{row['rmse']:.4f}" for row in last]
        body.append([TITLES[name], *rmse, *held, f"{last[0]['cpu_seconds']:.0f}"])
    counts = ", ".join(
        f"{cell[next(iter(names)), what]['hidden']:,} {WHAT[what]}" for what in whats
    )
    draws = len(rows[0].get("rmse_of_draws", [0]))
    of = f" in {draws} draws" if draws > 1 else ""
    return markdown(head, body) + f"\n\nValues scored{of}: {counts}. Measured {result['date']}."


def draw(fields: Mapping[str, xr.DataArray], path: Path) -> None:
    """One storm day before and after the fill, without and with predictors."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fields = _around_storm(fields)
    day = str(fields["rain"]["time"].dt.strftime("%d %B %Y").item())
    land = fields["truth"].notnull()
    gap = (fields["retrieved"].isnull() & land).values
    rmse = {
        name: float(np.sqrt(np.nanmean((fields[name] - fields["truth"]).values[gap] ** 2)))
        for name in ("gapfill", "predictors")
    }
    gain = abs(fields["gapfill"] - fields["truth"]) - abs(fields["predictors"] - fields["truth"])
    moisture = {"cmap": "YlGnBu", "vmin": 0.0, "vmax": round(float(fields["truth"].max()), 1)}
    change = {"cmap": "RdBu", "vmin": -0.15, "vmax": 0.15}
    panels = [
        ("(a) rain, mm day$^{-1}$", fields["rain"], {"cmap": "Blues", "vmin": 0.0}),
        ("(b) retrieved, before the fill", fields["retrieved"], moisture),
        ("(c) truth of the simulation", fields["truth"], moisture),
        (f"(d) gapfill(), RMSE {rmse['gapfill']:.3f}", fields["gapfill"], moisture),
        (
            f"(e) gapfill(predictors=...), RMSE {rmse['predictors']:.3f}",
            fields["predictors"],
            moisture,
        ),
        ("(f) error of (d) minus error of (e)", gain.where(fields["retrieved"].isnull()), change),
    ]
    figure, axes = plt.subplots(
        2, 3, figsize=(11, 6), layout="constrained", sharex=True, sharey=True
    )
    for axis, (title, field, style) in zip(axes.flat, panels, strict=True):
        image = field.where(land).plot.imshow(
            ax=axis, add_colorbar=False, add_labels=False, **style
        )
        label = "" if style["cmap"] == "Blues" else "m$^3$ m$^{-3}$"
        figure.colorbar(image, ax=axis, shrink=0.75, label=label)
        axis.set_title(title, fontsize=10)
        axis.set_facecolor("0.85")
        axis.set_aspect(1 / np.cos(np.deg2rad(float(land["lat"].mean()))))
    for axis in axes[1]:
        axis.set_xlabel("longitude, °E")
    for axis in axes[:, 0]:
        axis.set_ylabel("latitude, °N")
    figure.suptitle(f"A storm between two overpasses, {day} (simulated SMAP)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _around_storm(fields: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """The box of 14 x 24 degrees with the most rain in gaps."""
    missed = fields["rain"].where(fields["retrieved"].isnull() & fields["truth"].notnull(), 0.0)
    size = [min(n, m) for n, m in zip(BOX, missed.shape, strict=True)]
    sums = np.lib.stride_tricks.sliding_window_view(missed.values, size).sum(axis=(2, 3))
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    box = {"lat": slice(row, row + size[0]), "lon": slice(column, column + size[1])}
    return {name: field.transpose("lat", "lon").isel(box) for name, field in fields.items()}


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="*", help="smap, osse; default both")
    parser.add_argument("--data", type=Path, default=data_folder() / FILE)
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parsed = parser.parse_args(arguments)
    records = parsed.records or ["smap", "osse"]
    before = json.loads(parsed.result.read_text()) if parsed.result.exists() else {}
    result = {key: before[key] for key in ("smap", "osse") if key in before}
    if "smap" in records:
        if not parsed.data.exists():
            raise SystemExit(f"{parsed.data} is absent; set XSM_DATA, or give --data")
        result["smap"] = smap(parsed.data)
    if "osse" in records:
        result["osse"], fields = osse()
        draw(fields, parsed.figure)
    write_result(provenance(["default"]) | result, parsed.result)


if __name__ == "__main__":
    main()

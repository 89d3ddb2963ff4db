"""The tables of the estimators on the simulated Earth."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import markdown, number

MODELS = {
    "atlstm": "**AtLSTM**",
    "bilstm": "Bi-LSTM",
    "lstm": "LSTM",
    "transformer": "Transformer",
    "xgboost": "XGBoost",
    "cdf_matching": "CDF matching of `swvl1`",
    "raw": "`swvl1` as it is",
}
HEAD = ["R2", "RMSE", "bias", "R2 > 0.4", "RMSE > 0.4", "bias > 0.4"]
KEYS = [("all", "r2"), ("all", "rmse"), ("all", "bias"), ("wet", "r2"), ("wet", "rmse"),
        ("wet", "bias")]  # fmt: skip
Row = dict[str, Any]


def table(result: dict[str, Any]) -> str:
    """All models, random and blocked split: means over the seeds, and their range."""
    groups = _groups([row for row in result["rows"] if row["inputs"] == "all"])
    body = []
    for split in ("random", "blocked"):
        for name, share in [(m, s) for m in MODELS for s in (1.0, 0.01)]:
            rows = groups.get((name, split, share, "all"))
            if rows:
                body.append([split, _title(name, share), str(len(rows)), *_cells(rows)])
    head = ["split", "model", "seeds", *HEAD]
    return markdown(head, body) + "\n\n" + _note(result)


def short(result: dict[str, Any]) -> str:
    """All models, means over the seeds: R2 of both splits, errors of the random one."""
    groups = _groups([row for row in result["rows"] if row["inputs"] == "all"])
    body = []
    for name in MODELS:
        rows, apart = (groups.get((name, s, 1.0, "all"), []) for s in ("random", "blocked"))
        figures = [(rows, "all", "r2"), (rows, "all", "rmse"), (rows, "wet", "rmse")]
        cells = [_mean(*figure) for figure in [*figures, (apart, "all", "r2")]]
        body.append([MODELS[name], *cells])
    head = ["m3 m-3", "R2", "RMSE", "RMSE > 0.4", "R2, regions apart"]
    return markdown(head, body) + f"\n\nMeasured {result['date']}."


def inputs(result: dict[str, Any]) -> str:
    """AtLSTM and XGBoost with fewer and more predictors; seed 0 of the random split."""
    body = []
    for row in result["rows"]:
        alike = (row["split"], row["seed"], row["share"]) == ("random", 0, 1.0)
        if alike and row["model"] in ("atlstm", "xgboost"):
            body.append([row["inputs"], MODELS[row["model"]], *_cells([row])])
    body.sort(key=lambda cells: (cells[1], cells[0]))
    return markdown(["predictors", "model", *HEAD], body) + "\n\n" + _note(result)


def margin(result: dict[str, Any]) -> str:
    """How much smaller the AtLSTM's RMSE is than XGBoost's, seed by seed."""
    found = {(r["model"], r["split"], r["seed"], r["inputs"], r["share"]): r
             for r in result["rows"]}  # fmt: skip
    body = []
    for (model, split, seed, given, share), row in found.items():
        rival = found.get(("xgboost", split, seed, given, share))
        if model == "atlstm" and rival is not None:
            less = [100 * (1 - row[p]["rmse"] / rival[p]["rmse"]) for p in ("all", "wet")]
            body.append([split, given, str(seed), *(f"{value:.0f}" for value in less)])
    head = ["split", "predictors", "seed", "RMSE, % lower", "RMSE > 0.4, % lower"]
    return markdown(head, body)


def _groups(rows: list[Row]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row["model"], row["split"], row["share"], row["inputs"])
        found.setdefault(key, []).append(row)
    return found


def _title(name: str, share: float) -> str:
    return MODELS[name] if share == 1.0 else f"{MODELS[name]}, 1/{round(1 / share)} of the days"


def _mean(rows: list[Row], part: str, key: str) -> str:
    mean = sum(row[part][key] for row in rows) / len(rows) if rows else None
    return number(mean, 3 if key == "r2" else 4)


def _cells(rows: list[Row]) -> list[str]:
    """Mean over the seeds, and from least to greatest."""
    cells = []
    for part, key in KEYS:
        values = [row[part][key] for row in rows]
        digits = 3 if key == "r2" else 4
        ends = f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
        cells.append(_mean(rows, part, key) + (ends if len(rows) > 1 else ""))
    return cells


def _note(result: dict[str, Any]) -> str:
    rows = result["rows"]
    train, held_out, test = rows[0]["cells"]
    wet, places = ([row["wet"][key] for row in rows] for key in ("n", "cells"))
    return (
        f"{train:,} cells to learn from, {held_out:,} for early stopping, about {test:,} to test; "
        f"{rows[0]['all']['n']:,} pairs, of which {min(wet):,} to {max(wet):,} above 0.4 m3 m-3, "
        f"in {min(places)} to {max(places)} cells. RMSE and bias in m3 m-3. "
        f"Measured {result['date']}."
    )


def importance(result: dict[str, Any]) -> str:
    """What the shipped model draws on: mean over the draws, greatest first."""
    found = result["importance"]
    rows = [
        (sum(rmse) / len(rmse), sum(r2) / len(r2), name)
        for name, rmse, r2 in zip(
            found["predictor"], found["rmse_increase"], found["r2_decrease"], strict=True
        )
    ]
    body = [
        [name.replace("_", " "), number(rmse, 4), number(r2, 3)]
        for rmse, r2, name in sorted(rows, reverse=True)
    ]
    whole = found["attrs"]
    note = f"The whole model: RMSE {whole['rmse']:.4f} m3 m-3, R2 {whole['r2']:.3f}."
    head = ["permuted between cells", "increase of RMSE, m3 m-3", "decrease of R2"]
    return markdown(head, body) + f"\n\n{note} Measured {result['date']}."


def experiment(result: dict[str, Any], name: str) -> str:
    """RMSE along the sequence length or the share of the cells."""
    found = result[name]
    along = "days" if name == "length" else "share"
    title = {"days": "days before and after", "share": "share of the training cells"}[along]
    head = ["RMSE, m3 m-3; " + title, *(f"{value:g}" for value in found[along])]
    body = [
        [MODELS[estimate], *(number(value, 4) for value in values)]
        for estimate, values in zip(found["estimate"], found["rmse"], strict=True)
    ]
    cells = found["attrs"]
    note = f"{cells['cells_train']:,} cells to learn from, {cells['cells_test']:,} to test."
    return markdown(head, body) + f"\n\n{note} Measured {result['date']}."

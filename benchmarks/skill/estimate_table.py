"""The tables of the estimators on the simulated Earth."""

from __future__ import annotations

from itertools import product
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
UNSEEN = {("all", "r2"): 3, ("wet", "rmse"): 4, ("wet", "bias"): 4}  # -> digits
COVERED = {"one": "within 1 sd", "two": "within 2 sd", "one_wet": "within 1 sd, > 0.4"}
Row = dict[str, Any]


def table(result: dict[str, Any]) -> str:
    """All models, random and blocked split: means over the seeds, and their range."""
    groups = _groups([row for row in result["rows"] if row["inputs"] == "all"])
    body = []
    for split in ("random", "blocked"):
        for name, share, balanced in product(MODELS, (1.0, 0.01), (False, True)):
            rows = groups.get((name, split, share, "all", balanced))
            if rows:
                title = _title(name, share, balanced)
                body.append([split, title, str(len(rows)), *_cells(rows)])
    head = ["split", "model", "seeds", *HEAD]
    return markdown(head, body) + "\n\n" + _note(result)


def short(result: dict[str, Any]) -> str:
    """All models, means over the seeds: R2 of both splits, errors of the random one."""
    groups = _groups([row for row in result["rows"] if row["inputs"] == "all"])
    body = []
    for name, balanced in product(MODELS, (False, True)):
        rows, apart = (
            groups.get((name, s, 1.0, "all", balanced), []) for s in ("random", "blocked")
        )
        if not rows:
            continue
        figures = [(rows, "all", "r2"), (rows, "all", "rmse"), (rows, "wet", "rmse")]
        cells = [_mean(*figure) for figure in [*figures, (apart, "all", "r2")]]
        body.append([_title(name, 1.0, balanced), *cells])
    head = ["m3 m-3", "R2", "RMSE", "RMSE > 0.4", "R2, regions apart"]
    return markdown(head, body) + f"\n\nMeasured {result['date']}."


def inputs(result: dict[str, Any]) -> str:
    """AtLSTM and XGBoost with fewer and more predictors; seed 0 of the random split."""
    body = []
    for row in result["rows"]:
        alike = (row["split"], row["seed"], row["share"]) == ("random", 0, 1.0)
        if alike and not row.get("balanced") and row["model"] in ("atlstm", "xgboost"):
            body.append([row["inputs"], MODELS[row["model"]], *_cells([row])])
    body.sort(key=lambda cells: (cells[1], cells[0]))
    return markdown(["predictors", "model", *HEAD], body) + "\n\n" + _note(result)


def margin(result: dict[str, Any]) -> str:
    """How much smaller the AtLSTM's RMSE is than XGBoost's, seed by seed."""
    keys = ("model", "split", "seed", "inputs", "share")
    found = {tuple(r[k] for k in keys): r for r in result["rows"] if not r.get("balanced")}
    body = []
    for row in result["rows"]:
        _, *same = (row[k] for k in keys)
        rival = found.get(("xgboost", *same))
        if row["model"] == "atlstm" and rival is not None:
            less = [100 * (1 - row[p]["rmse"] / rival[p]["rmse"]) for p in ("all", "wet")]
            title = _title("atlstm", 1.0, row.get("balanced", False))
            body.append([title, row["split"], row["inputs"], str(row["seed"]),
                         *(f"{value:.0f}" for value in less)])  # fmt: skip
    head = ["model", "split", "predictors", "seed", "RMSE, % lower", "RMSE > 0.4, % lower"]
    return markdown(head, body)


def unseen(result: dict[str, Any]) -> str:
    """Wet soil and intervals at all places that no fit has seen, random split."""
    rows = [r for r in result["rows"] if "covered" in r and r["split"] == "random"
            and (r["inputs"], r["share"]) == ("all", 1.0)]  # fmt: skip
    rivals = {r["seed"]: r["unseen"]["wet"]["rmse"] for r in rows
              if r["model"] == "xgboost" and not r["balanced"]}  # fmt: skip
    groups = _groups([row for row in rows if row["seed"] in rivals])
    body = []
    for name, balanced in product(MODELS, (False, True)):
        if not (found := groups.get((name, "random", 1.0, "all", balanced))):
            continue
        less = [100 * (1 - r["unseen"]["wet"]["rmse"] / rivals[r["seed"]]) for r in found]
        columns = [([r["unseen"][part][key] for r in found], digits)
                   for (part, key), digits in UNSEEN.items()]  # fmt: skip
        columns += [(less, 0), *(([r["covered"][key] for r in found], 2) for key in COVERED)]
        spreads = [_spread(values, digits) for values, digits in columns]
        body.append([_title(name, 1.0, balanced), str(len(found)), *spreads])
    wet, lower = [row["unseen"]["wet"] for row in rows], "RMSE > 0.4, % below XGBoost"
    head = ["model", "seeds", "R2", "RMSE > 0.4", "bias > 0.4", lower, *COVERED.values()]
    note = (
        f"{min(w['n'] for w in wet):,} to {max(w['n'] for w in wet):,} pairs above 0.4 m3 m-3 in "
        f"{min(w['cells'] for w in wet)} to {max(w['cells'] for w in wet)} cells; `density_power="
        f"{result['settings']['density_power']}` where balanced. Measured {result['date']}."
    )
    return markdown(head, body) + "\n\n" + note


def _groups(rows: list[Row]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row["model"], row["split"], row["share"], row["inputs"], row.get("balanced", False))
        found.setdefault(key, []).append(row)
    return found


def _title(name: str, share: float, balanced: bool) -> str:
    days = "" if share == 1.0 else f", 1/{round(1 / share)} of the days"
    return MODELS[name] + days + (", balanced" if balanced else "")


def _mean(rows: list[Row], part: str, key: str) -> str:
    mean = sum(row[part][key] for row in rows) / len(rows) if rows else None
    return number(mean, 3 if key == "r2" else 4)


def _cells(rows: list[Row]) -> list[str]:
    """Mean over the seeds, and from least to greatest."""
    return [_spread([row[part][key] for row in rows], 3 if key == "r2" else 4)
            for part, key in KEYS]  # fmt: skip


def _spread(values: list[float], digits: int) -> str:
    """Mean, and from least to greatest."""
    ends = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return number(sum(values) / len(values), digits) + ends


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
    """RMSE along the sequence length or the fraction of the cells."""
    found = result[name]
    along = "days" if name == "length" else "fraction"
    title = {"days": "days before and after", "fraction": "fraction of the training cells"}[along]
    head = ["RMSE, m3 m-3; " + title, *(f"{value:g}" for value in found[along])]
    body = [
        [MODELS[estimate], *(number(value, 4) for value in values)]
        for estimate, values in zip(found["estimate"], found["rmse"], strict=True)
    ]
    cells = found["attrs"]
    note = f"{cells['cells_train']:,} cells to learn from, {cells['cells_test']:,} to test."
    return markdown(head, body) + f"\n\n{note} Measured {result['date']}."

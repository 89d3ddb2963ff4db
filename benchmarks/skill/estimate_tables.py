"""Tables of the estimators on the simulated Earth, and of the cross-validation on SMAP."""

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
COVERAGE = {"1_std": "within 1 sd", "2_std": "within 2 sd", "1_std_wet": "within 1 sd, > 0.4"}
SMAP_ESTIMATES = {
    "default": "default arguments",
    "dense": 'dense networks alone (`model="dense"`)',
    "no_local_part": "no local part",
    "no_antecedent_predictors": "AtLSTM and local part (`antecedent=False`)",
    "bilstm": "Bi-LSTM",
    "bilstm_alone": "Bi-LSTM, no local part, no antecedent predictors",
    "bilstm_departures": "Bi-LSTM of departures from the mean of the cell, nothing else",
    "atlstm": "AtLSTM",
    "atlstm_departures": "AtLSTM of departures from the mean of the cell, nothing else",
    "atlstm_alone": "AtLSTM, no local part, no antecedent predictors",
    "lstm": "LSTM",
    "lstm_alone": "LSTM, no local part, no antecedent predictors",
    "xgboost": "XGBoost",
}
Row = dict[str, Any]


def table(result: dict[str, Any]) -> str:
    """All models, random and blocked split: means over the seeds, and their range."""
    groups = _groups([row for row in result["rows"] if row["inputs"] == "all"])
    body = []
    for split in ("random", "blocked"):
        for name, fraction, weighted in product(MODELS, (1.0, 0.01), (False, True)):
            rows = groups.get((name, split, fraction, "all", weighted))
            if rows:
                title = _title(name, fraction, weighted)
                body.append([split, title, str(len(rows)), *_cells(rows)])
    head = ["split", "model", "seeds", *HEAD]
    return markdown(head, body) + "\n\n" + _note(result)


def short(result: dict[str, Any]) -> str:
    """All models, means over the seeds: R2 of both splits, errors of the random one."""
    groups = _groups([row for row in result["rows"] if row["inputs"] == "all"])
    body = []
    for name, weighted in product(MODELS, (False, True)):
        rows, blocked = (
            groups.get((name, s, 1.0, "all", weighted), []) for s in ("random", "blocked")
        )
        if not rows:
            continue
        figures = [(rows, "all", "r2"), (rows, "all", "rmse"), (rows, "wet", "rmse")]
        cells = [_mean(*figure) for figure in [*figures, (blocked, "all", "r2")]]
        body.append([_title(name, 1.0, weighted), *cells])
    head = ["m3 m-3", "R2", "RMSE", "RMSE > 0.4", "R2, blocked split"]
    return markdown(head, body) + f"\n\nMeasured {result['date']}."


def inputs(result: dict[str, Any]) -> str:
    """AtLSTM and XGBoost with fewer and more predictors; seed 0 of the random split."""
    body = []
    for row in result["rows"]:
        selected = (row["split"], row["seed"], row["fraction"]) == ("random", 0, 1.0)
        if selected and not row.get("density_weighted") and row["model"] in ("atlstm", "xgboost"):
            body.append([row["inputs"], MODELS[row["model"]], *_cells([row])])
    body.sort(key=lambda cells: (cells[1], cells[0]))
    return markdown(["predictors", "model", *HEAD], body) + "\n\n" + _note(result)


def margin(result: dict[str, Any]) -> str:
    """Reduction of RMSE from XGBoost to AtLSTM, seed by seed."""
    keys = ("model", "split", "seed", "inputs", "fraction")
    unweighted = [row for row in result["rows"] if not row.get("density_weighted")]
    by_run = {tuple(row[key] for key in keys): row for row in unweighted}
    body = []
    for row in result["rows"]:
        _, *same = (row[k] for k in keys)
        baseline = by_run.get(("xgboost", *same))
        if row["model"] == "atlstm" and baseline is not None:
            reduction = [100 * (1 - row[p]["rmse"] / baseline[p]["rmse"]) for p in ("all", "wet")]
            title = _title("atlstm", 1.0, row.get("density_weighted", False))
            body.append([title, row["split"], row["inputs"], str(row["seed"]),
                         *(f"{value:.0f}" for value in reduction)])  # fmt: skip
    head = ["model", "split", "predictors", "seed", "RMSE, % lower", "RMSE > 0.4, % lower"]
    return markdown(head, body)


def unseen(result: dict[str, Any]) -> str:
    """Wet soil and intervals on all cells that no fit has used, random split."""
    rows = [r for r in result["rows"] if "coverage" in r and r["split"] == "random"
            and (r["inputs"], r["fraction"]) == ("all", 1.0)]  # fmt: skip
    baselines = {r["seed"]: r["unseen"]["wet"]["rmse"] for r in rows
                 if r["model"] == "xgboost" and not r["density_weighted"]}  # fmt: skip
    groups = _groups([row for row in rows if row["seed"] in baselines])
    body = []
    for name, weighted in product(MODELS, (False, True)):
        if not (runs := groups.get((name, "random", 1.0, "all", weighted))):
            continue
        reduction = [100 * (1 - r["unseen"]["wet"]["rmse"] / baselines[r["seed"]]) for r in runs]
        columns = [([r["unseen"][part][key] for r in runs], digits)
                   for (part, key), digits in UNSEEN.items()]  # fmt: skip
        columns += [(reduction, 0), *(([r["coverage"][key] for r in runs], 2) for key in COVERAGE)]
        cells = [_mean_and_range(values, digits) for values, digits in columns]
        body.append([_title(name, 1.0, weighted), str(len(runs)), *cells])
    wet, lower = [row["unseen"]["wet"] for row in rows], "RMSE > 0.4, % below XGBoost"
    head = ["model", "seeds", "R2", "RMSE > 0.4", "bias > 0.4", lower, *COVERAGE.values()]
    note = (
        f"{min(w['n'] for w in wet):,} to {max(w['n'] for w in wet):,} pairs above 0.4 m3 m-3 in "
        f"{min(w['cells'] for w in wet)} to {max(w['cells'] for w in wet)} cells; `density_power="
        f"{result['settings']['density_power']}` where density-weighted. Measured {result['date']}."
    )
    return markdown(head, body) + "\n\n" + note


def _groups(rows: list[Row]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("model", "split", "fraction", "inputs"))
        groups.setdefault((*key, row.get("density_weighted", False)), []).append(row)
    return groups


def _title(name: str, fraction: float, weighted: bool) -> str:
    days = "" if fraction == 1.0 else f", 1/{round(1 / fraction)} of the days"
    return MODELS[name] + days + (", density-weighted" if weighted else "")


def _mean(rows: list[Row], part: str, key: str) -> str:
    mean = sum(row[part][key] for row in rows) / len(rows) if rows else None
    return number(mean, 3 if key == "r2" else 4)


def _cells(rows: list[Row]) -> list[str]:
    """Mean over the seeds, and range."""
    return [_mean_and_range([row[part][key] for row in rows], 3 if key == "r2" else 4)
            for part, key in KEYS]  # fmt: skip


def _mean_and_range(values: list[float], digits: int) -> str:
    """Mean and range."""
    ends = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return number(sum(values) / len(values), digits) + ends


def _note(result: dict[str, Any]) -> str:
    rows = result["rows"]
    train, held_out, test = rows[0]["cells"]
    wet, wet_cells = ([row["wet"][key] for row in rows] for key in ("n", "cells"))
    return (
        f"{train:,} cells to learn from, {held_out:,} for early stopping, about {test:,} to test; "
        f"{rows[0]['all']['n']:,} pairs, of which {min(wet):,} to {max(wet):,} above 0.4 m3 m-3, "
        f"in {min(wet_cells)} to {max(wet_cells)} cells. RMSE and bias in m3 m-3. "
        f"Measured {result['date']}."
    )


def importance(result: dict[str, Any]) -> str:
    """Importance of the predictors of the shipped model: mean over repetitions, largest first."""
    table = result["importance"]
    rows = [
        (sum(rmse) / len(rmse), sum(r2) / len(r2), name)
        for name, rmse, r2 in zip(
            table["predictor"], table["rmse_increase"], table["r2_decrease"], strict=True
        )
    ]
    body = [
        [name.replace("_", " "), number(rmse, 4), number(r2, 3)]
        for rmse, r2, name in sorted(rows, reverse=True)
    ]
    complete = table["attrs"]
    note = f"All predictors: RMSE {complete['rmse']:.4f} m3 m-3, R2 {complete['r2']:.3f}."
    head = ["permuted between cells", "increase of RMSE, m3 m-3", "decrease of R2"]
    return markdown(head, body) + f"\n\n{note} Measured {result['date']}."


def experiment(result: dict[str, Any], name: str) -> str:
    """RMSE by sequence length or by fraction of the training cells."""
    table = result[name]
    along = "days" if name == "length" else "fraction"
    title = {"days": "days before and after", "fraction": "fraction of the training cells"}[along]
    head = ["RMSE, m3 m-3; " + title, *(f"{value:g}" for value in table[along])]
    body = [
        [MODELS[estimate], *(number(value, 4) for value in values)]
        for estimate, values in zip(table["estimate"], table["rmse"], strict=True)
    ]
    cells = table["attrs"]
    note = f"{cells['cells_train']:,} cells to learn from, {cells['cells_test']:,} to test."
    return markdown(head, body) + f"\n\n{note} Measured {result['date']}."


def _months_first(row: Row) -> tuple[bool, bool]:
    """Order of rows: months, then cells; the default number of networks first."""
    return row["left_out"] == "cells", row["networks"] is not None


def smap_conus(result: dict[str, Any]) -> str:
    """Cross-validation on SMAP: scores of left-out days by estimate and length of the folds."""
    head = ["left out", "estimate", "networks", "RMSE", "ubRMSE", "R", "mean R", "bias",
            "within 68 %", "within 95 %"]  # fmt: skip
    body = []
    for row in sorted(result["rows"], key=_months_first):
        figures = [number(row[key], 4) for key in ("rmse", "ubrmse")]
        figures += [number(row[key], 3) for key in ("r", "r_mean")]
        name = SMAP_ESTIMATES[row["estimate"]]
        inside = [number(100 * row[f"within_{level}"], 1) for level in (68, 95)]
        networks = str(row["networks"] or "default")
        body.append([row["left_out"], name, networks, *figures, number(row["bias"], 4), *inside])
    limit = result["retrieval_noise"]
    cells = {row["left_out"]: row["cells"] for row in result["rows"]}
    medians = ", ".join(f"{count} ({left_out} left out)" for left_out, count in cells.items())
    note = (
        f"Medians over cells, m3 m-3: {medians}; the first year only. Measured {result['date']}. "
        f"The noise of successive retrievals in dry spells is {number(limit['std'], 4)} (median of "
        f"{limit['cells']} cells). A perfect estimate would reach an R of {number(limit['r'], 3)}."
    )
    return markdown(head, body) + "\n\n" + note

"""Tables of the worked example: functions of its result, for ``benchmarks/tables.py``."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.tables import METHODS, Result, markdown, number

PRODUCTS = {"original": "original", "default": "filled by xsm", "linear": "filled linearly"}
MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def in_situ(result: Result) -> str:
    """SGD-SM, validation 1: against stations."""
    rows = [
        [PRODUCTS[k], str(r["stations"]), f"{r['pairs']:,}", number(r["pearson_r"], 3)]
        + [number(r[name], 3) for name in ("rmsd", "mae")]
        for k, r in result["in_situ"].items()
    ]
    return markdown(["mean over stations", "stations", "pairs", "R", "RMSE", "MAE"], rows)


def annual(result: Result) -> str:
    """SGD-SM, validation 2: the annual cycle."""
    rows = [
        [METHODS.get(k, k), number(values[0], 4), number(values[1], 0)]
        for k, values in result["annual"].items()
    ]
    return markdown(["annual harmonic", "amplitude, m3 m-3", "day of the maximum"], rows)


def simulated(result: Result) -> str:
    """SGD-SM, validation 3: simulated missing regions."""
    gap_patterns = ("block", "swath", "cell")
    head = ["RMSE, m3 m-3", "blocks", "swaths", "single cells", "all: MAE", "R", "R anomalies"]
    rows = []
    for method, scores in result["simulated"].items():
        if "all" not in scores:
            continue
        overall = scores["all"]
        rows.append(
            [METHODS.get(method, method)]
            + [number(scores[name]["rmsd"], 4) for name in gap_patterns]
            + [number(overall["mae"], 4)]
            + [number(overall[name], 3) for name in ("pearson_r", "anomaly_r")]
            + [number(scores["edge_discontinuity"], 2)]
        )
    original = number(result["simulated"]["original"]["edge_discontinuity"], 2)
    rows.append(["observed values", *["-"] * 6, original])
    return markdown([*head, "edge discontinuity"], rows)


def networks(result: Result) -> str:
    """GLASS-AVHRR: medians per network, with significance."""
    head = ["median (xsm / linear)", "stations", "R", "ubRMSE", "bias", "better with xsm, R"]
    rows = []
    for row in result["networks"]:
        cells = [row["network"], str(row["default"]["stations"])]
        for name in ("pearson_r", "ubrmsd", "bias"):
            a, b = (number(row[k][name], 3) for k in ("default", "linear"))
            cells.append(f"{a} / {b}{_significance(row['p'][name])}")
        rows.append([*cells, f"{100 * row['fraction_better']['pearson_r']:.0f} %"])
    note = "Wilcoxon signed-rank over stations, Holm: * p < 0.05, ** p < 0.01, *** p < 0.001."
    return markdown(head, rows) + "\n\n" + note


def _significance(p: float | None) -> str:
    return next((f" {mark}" for limit, mark in MARKS if p is not None and p < limit), "")


def winter(result: Result) -> str:
    """GLASS-AVHRR: winter north of 30 N compared with the whole year."""
    return _by_stratum(result["winter"], ("all year", "winter"))


def wetness(result: Result) -> str:
    """GLASS-AVHRR: above 0.4 m3 m-3."""
    return _by_stratum(result["wetness"], ("up to 0.4", "above 0.4"))


def _by_stratum(table: Result, labels: tuple[str, ...]) -> str:
    head = ["median"] + [f"{label}: {k}" for label in labels for k in ("stations", "R", "RMSE")]
    rows = []
    for product, strata in table.items():
        cells = [PRODUCTS[product]]
        for label in labels:
            scores = strata[label]
            cells.append(str(scores["stations"]))
            cells += [number(scores["pearson_r"], 3), number(scores["rmsd"], 3)]
        rows.append(cells)
    return markdown(head, rows)


def representative_stations(result: Result) -> str:
    """GLASS-AVHRR: stations that are representative by triple collocation."""
    scores = result["representative"]
    rows = [
        [PRODUCTS[k], str(scores[k]["stations"])]
        + [number(scores[k][name], 3) for name in ("pearson_r", "bias", "ubrmsd")]
        for k in PRODUCTS
    ]
    return markdown(["median", "stations", "R", "bias", "ubRMSE"], rows)


TABLES: dict[str, Callable[[Result], str]] = {
    "in-situ": in_situ,
    "annual": annual,
    "simulated": simulated,
    "networks": networks,
    "winter": winter,
    "wetness": wetness,
    "representative": representative_stations,
}

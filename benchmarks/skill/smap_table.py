"""The table of the cross-validation on SMAP."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import markdown, number

PARTS = {"networks": "networks", "together": "with site processes"}


def table(result: dict[str, Any]) -> str:
    """Scores of left-out days, a row for each part and kind of fold."""
    head = ["left out", "estimate", "RMSE", "ubRMSE", "R", "mean R", "bias"]
    rows = []
    for row in result["rows"]:
        figures = [number(row[key], 4) for key in ("rmse", "ubrmse")]
        figures += [number(row[key], 3) for key in ("r", "r_mean")]
        rows.append([row["left_out"], PARTS[row["part"]], *figures, number(row["bias"], 4)])
    cells = result["rows"][0]["cells"]
    note = f"Medians over {cells} cells, m3 m-3; the first year only. Measured {result['date']}."
    reach = result["ceiling"]
    note += (
        f" In dry spells, enough of them in {reach['cells']} cells, successive retrievals differ by"
        f" a noise of {number(reach['noise'], 4)} (median), against which a perfect estimate would"
        f" reach an R of {number(reach['r'], 3)}."
    )
    return markdown(head, rows) + "\n\n" + note

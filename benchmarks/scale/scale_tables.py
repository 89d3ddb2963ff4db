"""The table of ``benchmarks.scale``, with the figures of the version before it."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import markdown, number

# of the version without block readers, as reported for the same shapes (issue "one engine")
TASKS_BEFORE = {
    "gapfill (3653, 720, 1440) in (30, 720, 1440)": 12_483,
    "gapfill (3653, 720, 1440) in (1, 720, 1440)": 218_282,
    "gapfill (3653, 720, 1440) in (365, 90, 90)": 300_292,
}


def graphs(result: dict[str, Any]) -> str:
    """Tasks of lazy calls."""
    head = ["call", "tasks before", "tasks", "per chunk", "build, CPU s", "optimise, CPU s", "MB"]
    rows = []
    for call, row in result.get("graphs", {}).items():
        before = TASKS_BEFORE.get(call)
        cells = [f"`{call}`", "-" if before is None else f"{before:,}", f"{row['tasks']:,}"]
        cells += [number(row["tasks_per_chunk"], 2)]
        cells += [number(row[key], 1) for key in ("build_cpu_s", "optimise_cpu_s", "pickled_mb")]
        rows.append(cells)
    note = "Chunks are those of all three results. Nothing is computed while a graph is built."
    return markdown(head, rows) + f"\n\n{note} Measured {result['date']}."


def runs(result: dict[str, Any]) -> str:
    """Memory and time of fills, and killed writers."""
    head = ["fill of 60 x 120 cells", "days", "chunk, days", "workers", "seconds", "peak MB"]
    titles = {"length": "threads", "threads": "threads", "workers": "processes of 1 thread"}
    rows = [
        [titles[part], *(str(row[key]) for key in ("days", "chunk_days", "workers"))]
        + [number(row["seconds"], 0), number(row["peak_mb"], 0)]
        for part, group in result.get("memory", {}).items()
        for row in group
    ]
    text = markdown(head, rows) if rows else ""
    if "kills" in result:
        kills = result["kills"]
        text += (
            f"\n\nWriters killed and resumed: {kills['identical']} of {kills['trials']} trials "
            "bit for bit as without interruption."
        )
    return text + f"\n\n{result['machine']}. Measured {result['date']}."

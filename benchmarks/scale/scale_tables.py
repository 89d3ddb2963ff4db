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
    """Memory of fills by length of the record and by threads, and killed writers."""
    head = ["fill of 60 x 120 cells", "days", "chunk, days", "workers", "peak MB"]
    titles = {
        "length": "in one process",
        "length_per_worker": "on a cluster, the worker that takes most",
        "threads": "in threads",
    }
    rows = [
        [titles[part], *(str(row[key]) for key in ("days", "chunk_days", "workers"))]
        + [number(row["peak_mb"], 0)]
        for part, group in result.get("memory", {}).items()
        if part in titles
        for row in group
    ]
    text = markdown(head, rows) if rows else ""
    if rows:
        text += (
            "\n\nPeak above the memory at the start, with `MALLOC_TRIM_THRESHOLD_=65536` and "
            "without the profiler of `dask.distributed`."
        )
    if "kills" in result:
        kills = result["kills"]
        text += (
            f"\n\nWriters killed and resumed: {kills['identical']} of {kills['trials']} trials "
            "bit for bit as without interruption."
        )
    return text + f"\n\n{result['machine']}. Measured {result['date']}."


def workers(result: dict[str, Any]) -> str:
    """Time by number of workers."""
    groups = result.get("workers", {"waiting": [], "computing": []})
    if not any(groups.values()):
        return ""
    counts = sorted({int(n) for rows in groups.values() for row in rows for n in row["seconds"]})
    head = ["blocks that", "call", "workers are", *(f"{n}, s" for n in counts), "speed-up"]
    rows = []
    for group, title in (("waiting", "wait"), ("computing", "compute")):
        for row in groups[group]:
            seconds = [row["seconds"][str(n)] for n in counts]
            alone = row["scheduler"] == "machine"
            who = "processes that share nothing" if alone else row["scheduler"]
            cells = [title, f"`{row['call']}`", who, *(number(s, 1) for s in seconds)]
            rows.append([*cells, number(seconds[0] / seconds[-1], 2)])
    note = (
        "Blocks that wait read chunks that take 0.25 s each. Processes that share nothing each "
        "fill the whole record by themselves, at once; their time is divided by their number: it "
        "is what the machine allows."
    )
    return markdown(head, rows) + f"\n\n{note} {result['machine']}. Measured {result['date']}."


def boxes(result: dict[str, Any]) -> str:
    """Boxes of ten degrees, and the globe at their rate."""
    rows = result.get("box", [])
    head = ["", *(row["name"] for row in rows)]
    lines: list[tuple[str, Any]] = [
        ("cells, days", lambda r: f"{r['cells'][0]} x {r['cells'][1]}, {r['days']:,}"),
        ("chunks of the store, days", lambda r: str(r["chunk_days"])),
        ("seconds on two workers", lambda r: number(r["seconds"], 0)),
        ("CPU seconds", lambda r: number(r["cpu_seconds"], 0)),
        ("peak MB of a worker", lambda r: number(r["worker_peak_mb"], 0)),
        ("CPU ms for a cell and year", lambda r: number(r["cpu_ms_per_cell_and_year"], 2)),
        ("extrapolated: CPU hours for the globe", lambda r: number(r["globe_cpu_hours"], 1)),
    ]
    for n in rows[0]["globe_minutes_by_nodes"] if rows else ():
        lines.append(
            (
                f"extrapolated: minutes on {n} node{'s' * (n != '1')}",
                lambda r, n=n: number(r["globe_minutes_by_nodes"][n], 1),
            )
        )
    text = markdown(head, [[title, *(value(row) for row in rows)] for title, value in lines])
    if rows:
        text += (
            f"\n\nThe globe is {rows[0]['land_fraction']:.0%} land; a node has "
            f"{rows[0]['processors_per_node']} processors like this one; more processors than "
            "blocks of work gain nothing. Reading from a common disk and waiting are not in it."
        )
    return text + f" {result['machine']}. Measured {result['date']}."

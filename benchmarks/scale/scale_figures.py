"""Two figures of a result: memory against record length, and time against workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.scale.block_memory import CELLS
from benchmarks.speed.figures import new_figure

IDEAL = "#b0b0b0"
COLOURS = {"processes": "#1f77b4", "distributed": "#d62728", "machine": "#7f7f7f"}
NAMES = {name: name for name in COLOURS} | {"machine": "fills that share nothing"}


def draw(result: dict[str, Any], folder: Path) -> list[Path]:
    """``scale_memory.png`` and ``scale_workers.png``, of what was measured; their paths."""
    import matplotlib

    matplotlib.use("Agg")
    makers = {"memory": _memory, "workers": _workers}
    paths = []
    for name, maker in makers.items():
        if result.get(name):
            paths.append(folder / f"scale_{name}.png")
            maker(result[name]).savefig(paths[-1], dpi=90, metadata={"Software": None})
    return paths


def _memory(memory: dict[str, Any]) -> Any:
    figure, axes = new_figure("Peak memory of a fill, by length of the record (60 x 120 cells)")
    labels = {"length": "one thread", "length_per_worker": "the larger of two workers"}
    for (group, label), colour in zip(labels.items(), ("#1f77b4", "#d62728"), strict=True):
        rows = memory.get(group, [])
        days = [row["days"] for row in rows]
        axes.plot(days, [row["peak_mb"] for row in rows], "o-", color=colour, label=label)
    days = [0, max(row["days"] for row in memory["length"])]
    record = [n * CELLS[0] * CELLS[1] * 4 / 1e6 for n in days]
    axes.plot(days, record, "--", color=IDEAL, label="the record itself")
    axes.set(xlabel="days", ylabel="MB above the start", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    return figure


def _workers(workers: dict[str, Any]) -> Any:
    figure, axes = new_figure("Time by number of workers, relative to one worker")
    first = workers["waiting"] + workers["computing"]
    counts = sorted(int(n) for n in first[0]["seconds"])
    axes.plot(counts, [1 / n for n in counts], "--", color=IDEAL, label="ideal")
    for row in workers["waiting"]:
        if row["call"] == "write_zarr":
            _line(axes, row, f"blocks that wait, {row['scheduler']}", "s-")
    for row in workers["computing"]:
        name = (
            "processes without xsm's scheduling"
            if row["scheduler"] == "machine"
            else row["scheduler"]
        )
        _line(axes, row, f"blocks that compute, {name}", "o:")
    axes.set(xlabel="workers of one thread", ylabel="time / time of one worker", xticks=counts)
    axes.set_ylim(0, None)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _line(axes: Any, row: dict[str, Any], label: str, style: str) -> None:
    counts = sorted(map(int, row["seconds"]))
    seconds = [row["seconds"][str(n)] for n in counts]
    relative = [s / seconds[0] for s in seconds]
    axes.plot(counts, relative, style, color=COLOURS[row["scheduler"]], label=label)

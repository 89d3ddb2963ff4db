"""Two figures of a result: memory against record length, and time against workers.

``python -m benchmarks.scale.scale_figures`` draws those of ``benchmarks/results`` again, without
measuring.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.provenance import RESULTS, ROOT
from benchmarks.scale.block_memory import CELLS
from benchmarks.speed.figures import new_figure, save
from xsm.plotting.style import COLOURS, GREY

SCHEDULER_COLOURS = {"processes": COLOURS[0], "distributed": COLOURS[1], "machine": COLOURS[6]}


def draw(result: dict[str, Any], folder: Path) -> list[Path]:
    """``scale_memory.png`` and ``scale_workers.png``, of what was measured; their paths."""
    makers = {"memory": _memory, "workers": _workers}
    return [
        save(make(result[name]), folder / f"scale_{name}.png")
        for name, make in makers.items()
        if result.get(name)
    ]


def _memory(memory: dict[str, Any]) -> Any:
    figure, axes = new_figure("Peak memory of a fill, by length of the record (60 x 120 cells)")
    labels = {"length": "one thread", "length_per_worker": "the larger of two workers"}
    for (group, label), colour in zip(labels.items(), COLOURS[:2], strict=True):
        rows = memory.get(group, [])
        days = [row["days"] for row in rows]
        axes.plot(days, [row["peak_mb"] for row in rows], "o-", color=colour, label=label)
    days = [0, max(row["days"] for row in memory["length"])]
    record = [n * CELLS[0] * CELLS[1] * 4 / 1e6 for n in days]
    axes.plot(days, record, "--", color=GREY, label="the record itself")
    axes.set(xlabel="days", ylabel="MB above the start", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    return figure


def _workers(workers: dict[str, Any]) -> Any:
    figure, axes = new_figure("Time by number of workers, relative to one worker")
    first = workers["waiting"] + workers["computing"]
    counts = sorted(int(n) for n in first[0]["seconds"])
    axes.plot(counts, [1 / n for n in counts], "--", color=GREY, label="ideal")
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
    axes.plot(counts, relative, style, color=SCHEDULER_COLOURS[row["scheduler"]], label=label)


def main() -> None:
    """Draw the figures of the stored result."""
    result = json.loads((RESULTS / "scale.json").read_text())
    for path in draw(result, ROOT / "docs" / "figures"):
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()

"""``python -m benchmarks.scale [--part NAME ...]`` writes ``benchmarks/results/scale.json``.

Parts: ``graphs`` (a minute), ``memory`` (eight minutes), ``workers`` (ten), ``box`` (ten) and
``kills`` (20 trials). A part that is not measured keeps its figures. The figures of the page are
drawn from the result.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.provenance import RESULTS, ROOT, provenance, write_result
from benchmarks.scale import (
    block_memory,
    box_of_globe,
    graph_sizes,
    kill_trials,
    scale_figures,
    worker_speedup,
)

RESULT = RESULTS / "scale.json"
TRIALS = 20
PARTS: dict[str, Callable[[], Any]] = {
    "graphs": graph_sizes.measure,
    "memory": block_memory.measure,
    "workers": worker_speedup.measure,
    "box": box_of_globe.measure,
    "kills": partial(kill_trials.measure, TRIALS),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="*", choices=list(PARTS), default=list(PARTS))
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for part in parser.parse_args().part:
        result[part] = PARTS[part]()
        write_result(result | provenance(), RESULT)
        print(json.dumps({part: result[part]}, indent=1))
    scale_figures.draw(result, ROOT / "docs" / "figures")


if __name__ == "__main__":
    main()

"""``python -m benchmarks.scale [--part NAME ...]`` writes ``benchmarks/results/scale.json``.

Parts: ``graphs`` (a minute), ``memory`` (five minutes), ``kills`` (20 trials). A part that is
not measured keeps its figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.scale import block_memory, graph_sizes, kill_trials

RESULT = RESULTS / "scale.json"
TRIALS = 20
PARTS: dict[str, Callable[[], Any]] = {
    "graphs": graph_sizes.measure,
    "memory": block_memory.measure,
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


if __name__ == "__main__":
    main()

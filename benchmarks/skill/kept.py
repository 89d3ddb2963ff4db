"""Estimates of the baselines kept from an earlier run: a new network then costs only its own time.

An estimate is found again only if record, hidden cells, and the sources that made it are the same,
byte for byte; networks are never kept.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.skill.holdout import Case
from benchmarks.skill.records import ROOT, Record

FOLDER = ROOT / "build" / "skill"
SOURCES = (
    *sorted((ROOT / "xsm" / "baselines").glob("*.py")),
    ROOT / "xsm" / "training" / "splits.py",
    ROOT / "xsm" / "gapfilling" / "gap_patterns.py",
    ROOT / "benchmarks" / "skill" / "holdout.py",
    ROOT / "benchmarks" / "skill" / "methods.py",
)


def place(method: str, record: Record, draw: Case, options: Any) -> Path:
    """File of the estimate of a method for a draw; `options` are what else it depends on."""
    digest = hashlib.sha256(repr(options).encode())
    for array in (record.values, draw.values, draw.where, *record.static):
        digest.update(np.ascontiguousarray(array).data)
    for source in SOURCES:
        digest.update(source.read_bytes())
    return FOLDER / f"{record.name}_{method}_{digest.hexdigest()[:16]}.npz"


def keep(path: Path, estimate: NDArray[np.float32], seconds: float, settings: Any) -> None:
    """Write an estimate of the scored cells (N,)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, estimate=estimate, seconds=seconds, settings=json.dumps(settings))


def kept(path: Path) -> tuple[NDArray[np.float32], float, Any] | None:
    """The estimate, its seconds and settings, if there is one."""
    if not path.exists():
        return None
    with np.load(path) as found:
        return found["estimate"], float(found["seconds"]), json.loads(str(found["settings"]))

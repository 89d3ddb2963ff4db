"""Estimates of the baselines on disk, so that a new network costs only its own run time.

An estimate is read again only if the record, the hidden cells and the source files behind it are
the same, byte for byte. Networks are not cached.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.provenance import ROOT
from benchmarks.skill.evaluation_records import EvaluationRecord
from benchmarks.skill.holdout import HiddenCells

FOLDER = ROOT / "build" / "skill"
SOURCES = (
    *sorted((ROOT / "xsm" / "baselines").glob("*.py")),
    ROOT / "xsm" / "training" / "splits.py",
    ROOT / "xsm" / "gapfilling" / "gap_patterns.py",
    ROOT / "benchmarks" / "skill" / "holdout.py",
    ROOT / "benchmarks" / "skill" / "gapfill_methods.py",
)


def cache_path(method: str, record: EvaluationRecord, hidden: HiddenCells, options: Any) -> Path:
    """File of the estimate of a method; `options` are the other settings it depends on."""
    digest = hashlib.sha256(repr(options).encode())
    for array in (record.values, hidden.values, hidden.scored, *record.static):
        digest.update(np.ascontiguousarray(array).data)
    for source in SOURCES:
        digest.update(source.read_bytes())
    return FOLDER / f"{record.name}_{method}_{digest.hexdigest()[:16]}.npz"


def write(path: Path, estimate: NDArray[np.float32], seconds: float, settings: Any) -> None:
    """Write an estimate of the scored cells (N,)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, estimate=estimate, seconds=seconds, settings=json.dumps(settings))


def read(path: Path) -> tuple[NDArray[np.float32], float, Any] | None:
    """The estimate, its seconds and settings; None if there is no such file."""
    if not path.exists():
        return None
    with np.load(path) as cached:
        return cached["estimate"], float(cached["seconds"]), json.loads(str(cached["settings"]))

"""Where results are written, and what each records: date, machine, versions, weights."""

from __future__ import annotations

import json
import math
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xsm._version import __version__

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = (
    "numpy", "scipy", "xarray", "numba", "lightgbm", "pytesmo", "pyDINEOF", "torch", "xgboost-cpu",
)  # fmt: skip


def provenance(models: list[str] | tuple[str, ...] = ()) -> dict[str, Any]:
    """Date (UTC), Python, processor count, package versions, and the sha256 of models."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"xsm": __version__} | {name: installed_version(name) for name in PACKAGES},
        "models": {name: _sha256(name) for name in models},
    }


def installed_version(package: str) -> str | None:
    """Version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sha256(model: str) -> str | None:
    """Checksum of the weights; None where there are none (then the method has no rows)."""
    from xsm.errors import XsmError
    from xsm.networks.block_inference import load_model

    try:
        return str(load_model(model).card["sha256"])
    except XsmError:
        return None


def finite(value: Any) -> Any:
    """The same nest of dicts and lists with None for NaN and floats rounded to six digits."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def write_result(result: Any, path: Path) -> None:
    """Write a result as JSON without NaN; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(finite(result), indent=1) + "\n")

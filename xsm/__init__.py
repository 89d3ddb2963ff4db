"""Soil moisture with xarray: ``import xsm`` gives every xarray object ``.sm``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from xsm.accessor import register
from xsm.compare import compare
from xsm.days import add_day
from xsm.estimate import estimate
from xsm.gapfill import gapfill
from xsm.importance import importance
from xsm.options import set_options
from xsm.validate import validate

__version__ = "0.1.0"

# Imported on first use: name -> "module" or "module:attribute".
_LAZY = {
    "baselines": "xsm.baselines",
    "errors": "xsm.errors",
    "fit_estimator": "xsm.training.estimator_fit:fit_estimator",
    "fit_gapfill": "xsm.fitting:fit_gapfill",
    "metrics": "xsm.metrics",
    "models": "xsm.networks.gapfilling:models",
    "open_ismn": "xsm.insitu:open_ismn",
    "open_smap_core": "xsm.insitu:open_smap_core",
    "osse": "xsm.osse",
    "plotting": "xsm.plotting",
    "reduced_samples": "xsm.experiments:reduced_samples",
    "report": "xsm.reporting.report:report",
    "sequence_length": "xsm.experiments:sequence_length",
    "tutorial": "xsm.tutorial",
    "write_zarr": "xsm.writing:write_zarr",
}

__all__ = [
    "add_day",
    "baselines",
    "compare",
    "errors",
    "estimate",
    "fit_estimator",
    "fit_gapfill",
    "gapfill",
    "importance",
    "metrics",
    "models",
    "open_ismn",
    "open_smap_core",
    "osse",
    "plotting",
    "reduced_samples",
    "report",
    "sequence_length",
    "set_options",
    "tutorial",
    "validate",
    "write_zarr",
]

register()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    loaded = import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})

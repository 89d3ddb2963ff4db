"""Soil moisture with xarray: ``import xsm`` gives every xarray object ``.sm``."""

from __future__ import annotations

import os

from xsm._lazy import lazy_exports
from xsm._version import __version__
from xsm.accessor import register
from xsm.check import check
from xsm.compare import compare
from xsm.estimate import estimate
from xsm.gapfill import gapfill
from xsm.options import set_options
from xsm.report import report
from xsm.validate import validate

__getattr__, _, _lazy_names = lazy_exports(
    __name__,
    {
        "add_day": "xsm.conventions.file_dates:add_day",
        "append_zarr": "xsm.new_days:append_zarr",
        "baselines": "xsm.baselines",
        "bundle": "xsm.report:bundle",
        "checklist": "xsm.reporting.checklist:checklist",
        "difference": "xsm.validation.score_difference:difference",
        "errors": "xsm.errors",
        "experiments": "xsm.experiments",
        "fit_estimator": "xsm.training.fit_estimator:fit_estimator",
        "fit_gapfill": "xsm.training.fit_gapfill:fit_gapfill",
        "insitu": "xsm.insitu",
        "metrics": "xsm.metrics",
        "models": "xsm.networks.model:models",
        "open_cosmos": "xsm.insitu:open_cosmos",
        "open_ismn": "xsm.insitu:open_ismn",
        "open_record": "xsm.opening.open_record:open_record",
        "open_stations": "xsm.insitu:open_stations",
        "osse": "xsm.osse",
        "plotting": "xsm.plotting",
        "precompile": "xsm.compilation:precompile",
        "products": "xsm.conventions.catalogue:products",
        "quality_rules": "xsm.conventions.catalogue:quality_rules",
        "record_statistics": "xsm.new_days:record_statistics",
        "representative": "xsm.validation.triple:representative",
        "saturation_to_volumetric": "xsm.conventions.saturation:saturation_to_volumetric",
        "screen": "xsm.conventions.screening:screen",
        "screening_counts": "xsm.conventions.screening:screening_counts",
        "show_versions": "xsm.installation:show_versions",
        "stability": "xsm.validation.score_stability:stability",
        "to_qa4sm": "xsm.validation.qa4sm_file:to_qa4sm",
        "tutorial": "xsm.tutorial",
        "validation": "xsm.validation",
        "write_settings": "xsm.validation.settings_file:write_settings",
        "write_zarr": "xsm.blockwise.zarr:write_zarr",
    },
)

__all__ = [
    "__version__",
    "check",
    "compare",
    "estimate",
    "gapfill",
    "report",
    "set_options",
    "validate",
    *_lazy_names,
]

register()
if os.environ.get("XSM_DEBUG", "0") != "0":
    from xsm.installation import log_choices

    log_choices()


def __dir__() -> list[str]:
    return sorted({*globals(), *_lazy_names})

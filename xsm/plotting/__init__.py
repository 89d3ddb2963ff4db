"""Pictures of scores and records: each function takes ``ax=None`` and returns the axes.

matplotlib is imported when the first picture is drawn: ``pip install 'xsm[plot]'``.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "Plot": "xsm.plotting.accessor",
    "box": "xsm.plotting.boxes",
    "curve": "xsm.plotting.experiments",
    "importance": "xsm.plotting.experiments",
    "map": "xsm.plotting.maps",
    "scatter": "xsm.plotting.pairs",
    "series": "xsm.plotting.records",
    "taylor": "xsm.plotting.taylor_diagram",
}
__all__ = ["Plot", "box", "curve", "importance", "map", "scatter", "series", "taylor"]


def __getattr__(name: str) -> Any:
    """Import an export on first use."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

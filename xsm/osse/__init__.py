"""Observing-system simulation: a simulated Earth whose soil moisture is known everywhere.

`nature_run` makes the truth, `observe` what a satellite sees of it, `observed_mask` the swaths.
"""

from importlib import import_module

_EXPORTS = {
    "nature_run": "xsm.osse.nature",
    "observe": "xsm.osse.retrieval",
    "observed_mask": "xsm.osse.sensors",
    "SENSORS": "xsm.osse.sensors",
}
__all__ = ["SENSORS", "nature_run", "observe", "observed_mask"]


def __getattr__(name: str):
    """Import an export on first use."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

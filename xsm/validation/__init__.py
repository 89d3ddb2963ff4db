"""What validation consists of: one module for each kind of reference, and what they share."""

from importlib import import_module

_EXPORTS = {
    "representative": "xsm.validation.triple",
    "STRATA": "xsm.validation.strata",
}
__all__ = ["STRATA", "representative"]


def __getattr__(name: str):
    """Import an export on first use."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

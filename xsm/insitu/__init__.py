"""Station networks: each reader returns one Dataset with a station and a time dimension."""

from importlib import import_module

_EXPORTS = {"open_ismn": "xsm.insitu.ismn", "open_smap_core": "xsm.insitu.smap_core"}
__all__ = ["open_ismn", "open_smap_core"]


def __getattr__(name: str):
    """Import an export on first use."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

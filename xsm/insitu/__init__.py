"""Readers of station networks: each returns one Dataset on (station, time)."""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "open_ismn": "xsm.insitu.ismn:open_ismn",
        "open_smap_core": "xsm.insitu.smap_core:open_smap_core",
    },
)

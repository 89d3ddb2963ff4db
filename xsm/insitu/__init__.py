"""Readers of station networks: each returns one Dataset on (station, time)."""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "open_cosmos": "xsm.insitu.cosmos:open_cosmos",
        "open_ismn": "xsm.insitu.ismn:open_ismn",
        "open_smap_core": "xsm.insitu.smap_core:open_smap_core",
        "open_stations": "xsm.insitu.station_table:open_stations",
    },
)

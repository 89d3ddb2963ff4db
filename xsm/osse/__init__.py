"""Observing-system simulation: a simulated Earth whose soil moisture is known everywhere.

`nature_run` makes the truth, `observe` what a satellite sees of it, `observed_mask` the swaths.
"""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "nature_run": "xsm.osse.nature:nature_run",
        "observe": "xsm.osse.retrieval:observe",
        "observed_mask": "xsm.osse.satellites:observed_mask",
        "SENSORS": "xsm.osse.satellites:SENSORS",
    },
)

"""Observing-system simulation experiments: a simulated Earth with known soil moisture.

`nature_run` simulates the truth, `observe` the retrievals of a satellite, and `observed_mask` its
swaths.
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

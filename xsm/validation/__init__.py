"""What validation consists of: one module for each kind of reference, and what they share."""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "representative": "xsm.validation.triple:representative",
        "STRATA": "xsm.validation.strata:STRATA",
    },
)

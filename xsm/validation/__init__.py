"""Validation: one module for each kind of reference, and what they share."""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "GapOptions": "xsm.validation.reference_options:GapOptions",
        "ProductOptions": "xsm.validation.reference_options:ProductOptions",
        "STRATA": "xsm.validation.strata:STRATA",
        "SeveralOptions": "xsm.validation.reference_options:SeveralOptions",
        "StationOptions": "xsm.validation.reference_options:StationOptions",
        "to_qa4sm": "xsm.validation.qa4sm_file:to_qa4sm",
        "write_settings": "xsm.validation.settings_file:write_settings",
        "stability": "xsm.validation.score_stability:stability",
        "difference": "xsm.validation.score_difference:difference",
        "representative": "xsm.validation.triple:representative",
    },
)

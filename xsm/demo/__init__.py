"""The demonstration: ``python -m xsm.demo``."""

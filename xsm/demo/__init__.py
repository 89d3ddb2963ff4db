"""The demonstration: ``python -m xsm.demo``. Importing this package runs nothing."""

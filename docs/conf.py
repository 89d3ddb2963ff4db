"""Sphinx configuration: Markdown pages, built by `make docs`."""

from importlib import metadata

project = "xsm"
author = "the xsm authors"
release = metadata.version("xsm")
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
suppress_warnings = ["myst.xref_missing"]

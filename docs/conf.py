"""Sphinx configuration: Markdown pages, built by `make docs`. Works without an installed xsm."""

import runpy
from pathlib import Path

_VERSION_FILE = Path(__file__).resolve().parents[1] / "xsm" / "_version.py"

project = "xsm"
author = "the xsm authors"
release = runpy.run_path(str(_VERSION_FILE))["__version__"]
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
suppress_warnings = ["myst.xref_missing"]

"""Sphinx configuration of the site, built by `make docs`. xsm need not be installed."""

import os
import sys
from pathlib import Path

import sphinx_autosummary_accessors

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "docs")]
sys.path[:0] = SOURCES
# the kernels that execute the tutorials are processes of their own
os.environ["PYTHONPATH"] = os.pathsep.join([*SOURCES, os.environ.get("PYTHONPATH", "")])

import xsm  # noqa: E402  registers .sm, which the reference documents

project = "xsm"
author = "xsm developers"
copyright = "xsm developers"
version = release = xsm.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_autosummary_accessors",
    "sphinx_copybutton",
    "sphinx_design",
    "product_pages",  # docs/product_pages.py: a page for each product, and the model cards
    "public_names",  # docs/public_names.py: every public name is in the reference
]
exclude_patterns = ["_build", "_templates", "jupyter_execute", ".jupyter_cache"]
templates_path = ["_templates", sphinx_autosummary_accessors.templates_path]
nitpicky = True  # a reference that leads nowhere fails the build
# A page may link to a heading of another page; anchors are as on GitHub.
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Notebooks are executed when their cells change; results are cached beside the build.
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "jupyter_cache")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "warn"  # a warning on a page fails the build, which runs with -W

autosummary_generate = True
autodoc_typehints = "none"  # types are in the docstrings
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# The inventories of other projects need the network: only where pages are published.
INVENTORIES = {
    "python": "https://docs.python.org/3",
    "numpy": "https://numpy.org/doc/stable",
    "pandas": "https://pandas.pydata.org/docs",
    "xarray": "https://docs.xarray.dev/en/stable",
    "dask": "https://docs.dask.org/en/stable",
    "torch": "https://docs.pytorch.org/docs/stable",
    "pint": "https://pint.readthedocs.io/en/stable",
    "cf_xarray": "https://cf-xarray.readthedocs.io/en/latest",
}
online = {"READTHEDOCS", "XSM_DOCS_INTERSPHINX"} & set(os.environ)
intersphinx_mapping = {k: (url, None) for k, url in INVENTORIES.items()} if online else {}

if not online:
    nitpick_ignore_regex = [(r"py:.*", rf"({'|'.join(INVENTORIES)})\..*")]

html_theme = "pydata_sphinx_theme"
html_title = "xsm"
html_static_path = ["_static"]
html_css_files = ["xsm.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "xsm"},
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "icon_links": [
        {
            "name": "Source",
            "url": "https://github.com/xsm-project/xsm",
            "icon": "fa-brands fa-github",
        }
    ],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_version_warning_banner": False,
    "footer_start": ["copyright"],
    "footer_end": ["version"],
}
html_sidebars = {"index": [], "gallery": []}  # they have no pages beside them

"""What is installed and what is chosen at run time: versions, and a log of the choices."""

from __future__ import annotations

import logging
import os
import platform
import sys
from typing import TextIO

from xsm.reporting.score_provenance import Facts, versions_of

PACKAGES = (
    "xarray", "numpy", "pandas", "scipy", "numba", "llvmlite", "netCDF4", "cf-xarray", "cftime",
    "pint", "safetensors", "global-land-mask", "dask", "zarr", "torch", "triton", "matplotlib",
    "ismn", "pytesmo", "lightgbm", "xgboost", "xgboost-cpu",
)  # fmt: skip


def show_versions(file: TextIO | None = None) -> None:
    """Write the versions of xsm, Python and the packages that it uses, for a report of a fault.

    Parameters
    ----------
    file : text stream, optional
        Where to write; default the standard output.

    Examples
    --------
    ::

        xsm.show_versions()
    """
    from xsm_kernels import cache_folder, thread_count

    facts: Facts = [
        *versions_of(PACKAGES, missing="not installed"),
        ("platform", platform.platform()),
        ("CPUs", str(os.cpu_count())),
        ("threads of the kernels", str(thread_count())),
        ("cache of compiled loops", str(cache_folder() or "none")),
    ]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name:<{width}}  {value}" for name, value in facts]
    (file or sys.stdout).write("\n".join(lines) + "\n")


def log_choices() -> None:
    """Write the debug log of xsm and its kernels to the standard error: ``XSM_DEBUG=1``.

    The log has the backend of every operation and why others were not taken, the folder of the
    cache, and what was read from files.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    for name in ("xsm", "xsm_kernels"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)

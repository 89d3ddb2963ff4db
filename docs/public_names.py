"""Sphinx extension: a warning for every public name that the API reference lacks."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ACCESSOR = ("xarray.Dataset.sm", "xarray.DataArray.sm", "xarray.DataTree.sm")


def public_names() -> set[str]:
    """``xsm.gapfill``, ``xsm.metrics.bias``, ``xsm_kernels.lstm``, ``xarray.Dataset.sm.check``."""
    names = set()
    for root in map(import_module, ("xsm", "xsm_kernels")):
        for name in root.__all__:
            value = getattr(root, name)
            names.add(f"{root.__name__}.{name}")
            # a package such as xsm.metrics; its contents are public too
            if isinstance(value, ModuleType):
                names |= {f"{root.__name__}.{name}.{inner}" for inner in contents(value)}
    accessor = import_module("xsm.accessor").SoilMoisture
    methods = {name for name in vars(accessor) if not name.startswith("_")}
    return names - {"xsm.__version__"} | {f"{ACCESSOR[0]}.{name}" for name in methods}


def contents(module: ModuleType) -> set[str]:
    """Names of ``__all__``, or the public functions and classes that the module defines."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


def check(app: Sphinx, _: Any) -> None:
    """Compare the public names with the inventory of Python objects."""
    from sphinx.util import logging

    logger = logging.getLogger(__name__)
    documented = set(app.env.get_domain("py").objects)
    names = public_names()
    for name in sorted(names - documented):
        logger.warning("public name without an entry in the API reference: %s", name)
    logger.info("API reference: %d of %d public names", len(names & documented), len(names))


def setup(app: Sphinx) -> dict[str, Any]:
    """Check after all pages are read."""
    app.connect("env-check-consistency", lambda app, env: check(app, env))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Lazy exports: a package names what it offers and imports each on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from xsm.errors import MissingPackageError


def lazy_exports(
    package: str, exports: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    exports : mapping of str to str
        Public name -> ``"module"`` or ``"module:attribute"``.

    Examples
    --------
    >>> getattr_, dir_, names = lazy_exports("xsm.example", {"pi": "math:pi", "math": "math"})
    >>> getattr_("pi"), getattr_("math").__name__, names
    (3.141592653589793, 'math', ['math', 'pi'])
    """
    names = sorted(exports)

    def __getattr__(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = exports[name].partition(":")
        loaded = import_module(module)
        return getattr(loaded, attribute) if attribute else loaded

    def __dir__() -> list[str]:
        return names

    return __getattr__, __dir__, names


def optional_import(module: str, needed_by: str, extra: str) -> ModuleType:
    """Import an optional package, or say which extra of xsm installs it.

    Parameters
    ----------
    module : str
        Import name, such as ``"torch"`` or ``"pytesmo.interpolate"``.
    needed_by : str
        What needs it, as the user called it: ``"fit_gapfill"``, ``"backend='reference'"``.
    extra : str
        Extra of xsm that installs the package.

    Raises
    ------
    MissingPackageError
        If the package cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingPackageError(
            f"{needed_by} needs the package {package!r}, which cannot be imported ({error}). "
            f"Install it: pip install 'xsm[{extra}]'."
        ) from error

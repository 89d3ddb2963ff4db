"""Defaults that a user sets for a block of code or for the session."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from xsm.errors import InputError

BACKENDS = ("auto", "numba", "reference", "torch", "triton")
DTYPES = ("float32", "bfloat16", "float16", "float64")

_DEFAULTS: dict[str, Any] = {
    "backend": "auto",
    "calibrate": True,
    "device": None,
    "dtype": None,
    "progress": None,
    "tile": (32, 180, 360),
}
_current: ContextVar[dict[str, Any]] = ContextVar("xsm_options", default=_DEFAULTS)


class set_options:  # noqa: N801  (used like a function, as in xarray)
    """Set defaults, until the end of the ``with`` block or of the session.

    Parameters
    ----------
    backend : {"auto", "numba", "reference", "torch", "triton"}
        Kernels that run the networks.
    calibrate : bool
        Whether ``gapfill`` compares the network with simpler methods on hidden observations.
    device : str or None
        Device of torch, such as ``"cuda"``.
    dtype : {"float32", "bfloat16", "float16", "float64"} or None
        Working precision of the network.
    progress : bool or None
        Whether to show a progress bar; None shows one on a terminal.
    tile : tuple of three int
        Days, rows and columns handled at once for data in memory: less memory, or more speed.

    Raises
    ------
    InputError
        If an option is unknown or its value is not one of these.

    Examples
    --------
    >>> with set_options(progress=False):
    ...     get_option("progress")
    False
    """

    def __init__(self, **options: Any) -> None:
        for name, value in options.items():
            if name not in _DEFAULTS:
                raise InputError(
                    f"set_options has no option {name!r}; expected one of {', '.join(_DEFAULTS)}."
                )
            _check(name, value)
        self._token = _current.set({**_current.get(), **options})

    def __enter__(self) -> set_options:
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def get_option(name: str, given: Any = None) -> Any:
    """`given` if it is not None, else the current option `name`; checked."""
    if given is None:
        return _current.get()[name]
    _check(name, given)
    return given


def _check(name: str, value: Any) -> None:
    from xsm.argument_checks import check_choice  # not needed to import xsm

    if name == "backend":
        check_choice(name, value, BACKENDS)
    if name == "dtype":
        check_choice(name, value, DTYPES, optional=True)
    if name == "calibrate" and not isinstance(value, bool):
        raise InputError(f"calibrate={value!r}: expected True or False.")
    if name == "progress" and not (value is None or isinstance(value, bool)):
        raise InputError(f"progress={value!r}: expected True, False or None (on a terminal only).")
    if name == "tile":
        sizes = value if isinstance(value, tuple) else ()
        if len(sizes) != 3 or not all(isinstance(n, int) and n > 0 for n in sizes):
            raise InputError(
                f"tile={value!r}: expected three positive numbers (days, rows, columns)."
            )

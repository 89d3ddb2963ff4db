"""The accessor ``.sm``: each method calls the public function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.check import check
from xsm.conventions.screening import screen
from xsm.estimate import estimate
from xsm.gapfill import gapfill
from xsm.validate import validate

if TYPE_CHECKING:
    from xsm.plotting import Plot

METHODS = ("gapfill", "estimate", "validate", "screen", "check", "plot")
VARIABLE_HINT = 'a variable called "sm" is ds["sm"]'
# What a variable has and the accessor lacks: users of a variable called sm meet these.
OPERATORS = (
    "__getitem__", "__setitem__", "__iter__", "__len__", "__contains__", "__array__", "__call__",
    "__float__", "__neg__", "__pos__", "__abs__", "__invert__",
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__",
    *(
        f"__{reflected}{name}__"
        for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
        for reflected in ("", "r")
    ),
)  # fmt: skip


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method with the signature and the docstring of a function of an object."""

    @wraps(function)
    def method(self: SoilMoisture, *args: Any, **options: Any) -> Any:
        return function(self._obj, *args, **options)

    own = signature(function)
    first = next(iter(own.parameters.values())).replace(name="self", annotation=Any)
    parameters = [first, *list(own.parameters.values())[1:]]
    method.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return method


class SoilMoisture:
    """The functions of xsm as methods of an xarray object: ``obj.sm``.

    On a Dataset with a variable called ``sm`` (ESA CCI, C3S) ``ds.sm`` is this accessor and the
    variable is ``ds["sm"]``. Each method is also a function: ``xsm.gapfill(obj)``. On a DataTree a
    method works on each group that holds soil moisture.
    """

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    gapfill = _method(gapfill)
    estimate = _method(estimate)
    validate = _method(validate)
    check = _method(check)
    screen = _method(screen)

    @property
    def plot(self) -> Plot:
        """Plots of scores: ``scores.sm.plot.map()``, see :class:`xsm.plotting.Plot`."""
        from xsm.plotting import Plot

        return Plot(self._obj)

    def __getattr__(self, name: str) -> Any:
        text = f"the accessor .sm of xsm has no attribute {name!r}"
        if not name.startswith("_"):
            text += f": expected one of {', '.join(METHODS)}"
            if similar := get_close_matches(name, METHODS, n=1):
                text += f"; did you mean {similar[0]!r}?"
            elif hasattr(xr.DataArray, name):
                text += f"; {VARIABLE_HINT}"
        raise AttributeError(text)

    def __repr__(self) -> str:
        from xsm.conventions.summary import summary_text

        return summary_text(self._obj, self._title())

    def _repr_html_(self) -> str:
        from xsm.conventions.summary import summary_html

        return summary_html(self._obj, self._title())

    def _title(self) -> str:
        return f"<xsm accessor .sm of a {type(self._obj).__name__}: {', '.join(METHODS)}>"


def _refuse(operator: str) -> Callable[..., Any]:
    def method(self: SoilMoisture, *_: Any, **__: Any) -> Any:
        raise TypeError(f"the accessor .sm of xsm has no {operator}; {VARIABLE_HINT}")

    return method


for _operator in OPERATORS:
    setattr(SoilMoisture, _operator, _refuse(_operator))


def register() -> None:
    """Register the accessor ``.sm`` on Dataset, DataArray and DataTree."""
    for register_accessor in (
        xr.register_dataset_accessor,
        xr.register_dataarray_accessor,
        xr.register_datatree_accessor,
    ):
        register_accessor("sm")(SoilMoisture)

"""The accessor ``.sm``: each method calls the public function of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.estimate import estimate
from xsm.gapfill import gapfill
from xsm.validate import validate

if TYPE_CHECKING:
    from xsm.plotting import Plot


class SoilMoisture:
    """The functions of xsm as methods of an xarray object: ``obj.sm``.

    On a Dataset with a variable called ``sm`` (ESA CCI, C3S) ``ds.sm`` is this accessor and the
    variable is ``ds["sm"]``. Each method is also a function: ``xsm.gapfill(obj)``.
    """

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def gapfill(self, **options: Any) -> xr.Dataset:
        """Fill the gaps of a daily record; the options are those of :func:`xsm.gapfill`."""
        return gapfill(self._obj, **options)

    def estimate(self, **options: Any) -> xr.Dataset:
        """Estimate soil moisture from predictors; the options are those of :func:`xsm.estimate`."""
        return estimate(self._obj, **options)

    def validate(self, reference: Any = None, **options: Any) -> xr.Dataset:
        """Score a daily record; the arguments are those of :func:`xsm.validate`."""
        return validate(self._obj, reference, **options)

    @property
    def plot(self) -> Plot:
        """Plots of scores: ``scores.sm.plot.map()``, see :class:`xsm.plotting.Plot`."""
        from xsm.plotting import Plot

        return Plot(self._obj)

    def __getattr__(self, name: str) -> Any:
        hint = "" if name.startswith("_") else '; a variable called "sm" is ds["sm"]'
        raise AttributeError(f"the accessor .sm of xsm has no attribute {name!r}{hint}")

    def __repr__(self) -> str:
        return (
            f"<xsm accessor .sm of a {type(self._obj).__name__}: gapfill, estimate, validate, plot>"
        )


def register() -> None:
    """Register the accessor ``.sm`` on Dataset and DataArray."""
    xr.register_dataset_accessor("sm")(SoilMoisture)
    xr.register_dataarray_accessor("sm")(SoilMoisture)

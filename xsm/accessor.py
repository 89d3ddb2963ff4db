"""The accessor ``.sm``: find, call, return."""

from __future__ import annotations

from typing import Any

import xarray as xr

from xsm.gapfill import gapfill


class SoilMoisture:
    """Methods of this package on an xarray object ``obj``: ``obj.sm``.

    On a Dataset with a variable called ``sm`` (ESA CCI, C3S) ``ds.sm`` is this accessor; the
    variable is ``ds["sm"]``. Each method is also a function: ``xsm.gapfill(obj)``.
    """

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def gapfill(self, **options: Any) -> xr.Dataset:
        """Fill the gaps of a daily record; the options are those of :func:`xsm.gapfill`."""
        return gapfill(self._obj, **options)

    def __getattr__(self, name: str) -> Any:
        hint = "" if name.startswith("_") else '; the variable "sm", if meant, is ds["sm"]'
        raise AttributeError(f"the accessor .sm of xsm has no attribute {name!r}{hint}")

    def __repr__(self) -> str:
        return f"<xsm accessor .sm of a {type(self._obj).__name__}: gapfill>"


def register() -> None:
    """Give every Dataset and DataArray the accessor ``.sm``."""
    xr.register_dataset_accessor("sm")(SoilMoisture)
    xr.register_dataarray_accessor("sm")(SoilMoisture)

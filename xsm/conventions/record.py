"""The one door for gridded soil moisture: variable, unit, layout, days and coordinates of a record.

``gapfill``, ``validate`` and the fits open their input here. Nothing is read when a record is
opened. Inside, every record is in working order: rows north first, columns west first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import Layout, coordinate, layout_of, time_of
from xsm.conventions.time_axis import DailyAxis, daily_axis, year_length
from xsm.conventions.variables import (
    UNNAMED,
    SoilMoistureVariable,
    check_names,
    check_references,
    choose,
    read_variable,
)
from xsm.errors import GridError, InputError

STATION = "station"  # dimension of in situ series


@dataclass(frozen=True)
class GriddedRecord:
    """A daily record on a grid.

    variable : the variable as it came, with its unit
    da : (*others, time, y, x) in working order, in its own unit without pint, as lazy as it came
    ds : the Dataset it belongs to, in working order, if any
    layout : names of the dimensions and how they are stored
    axis : its days
    lat, lon : both 1-D, (H,) and (W,), or both 2-D, (H, W); None where the grid has none
    """

    variable: SoilMoistureVariable
    da: xr.DataArray
    ds: xr.Dataset | None
    layout: Layout
    axis: DailyAxis
    lat: xr.DataArray | None
    lon: xr.DataArray | None

    @property
    def name(self) -> str:
        """Name of the variable."""
        return str(self.da.name or UNNAMED)

    @property
    def space(self) -> tuple[str, str]:
        """Names of rows and columns."""
        return self.layout.y, self.layout.x

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.da.sizes[self.layout.y], self.da.sizes[self.layout.x]

    @property
    def time(self) -> xr.DataArray:
        """Dates (T,), datetime64 or cftime."""
        return self.axis.time

    @property
    def days(self) -> NDArray[np.datetime64]:
        """Dates (T,) as datetime64[D]."""
        return self.axis.dates

    @property
    def day_of_year(self) -> NDArray[np.int64]:
        """Day of the year (T,), from 1."""
        return np.asarray(self.time.dt.dayofyear.values, np.int64)

    @property
    def year_length(self) -> int:
        """Days in the longest year of the calendar."""
        return year_length(self.time)

    @property
    def regular(self) -> bool:
        """Whether latitudes and longitudes are axes."""
        return self.lat is not None and self.lon is not None and self.lat.ndim == 1

    def coordinates(self) -> tuple[xr.DataArray, xr.DataArray]:
        """Latitudes and longitudes.

        Raises
        ------
        GridError
            If there are none.
        """
        if self.lat is None or self.lon is None:
            raise GridError(
                f"{self.name} has no latitudes and longitudes, neither along {self.layout.y!r} and "
                f"{self.layout.x!r} nor as 2-D variables: add them as coordinates lat and lon."
            )
        return self.lat, self.lon

    def to_stored_order(self, array: Any) -> Any:
        """An array in the order of `da`, NumPy or Dask, in the dimensions of the variable."""
        array = self.layout.array_to_stored_order(array)
        axes = [self.layout.order.index(str(dim)) for dim in self.variable.da.dims]
        # without a task for each chunk where nothing changes
        return array if axes == sorted(axes) else np.transpose(array, axes)


def gridded_record(
    obj: Any,
    var: str | None = None,
    *,
    argument: str = "obj",
    consecutive: bool = False,
    single: bool = False,
) -> GriddedRecord:
    """Open a gridded object: find variable, unit, dimensions, days and coordinates; read no values.

    Parameters
    ----------
    obj : Dataset or DataArray
    var : str, optional
        The variable, where it cannot be identified.
    argument : str
        Name of the argument that `obj` was passed as, for messages.
    consecutive : bool
        Refuse records without two days in a row.
    single : bool
        Refuse further dimensions (orbit, depth) of more than one element, and drop the others.

    Raises
    ------
    VariableNotFoundError, UnitError, TimeAxisError, GridError, InputError
    """
    check_names(obj, argument)
    da, ds = choose(obj, var, argument)
    check_references(da, argument)
    variable = read_variable(da, ds)
    layout = layout_of(da, ds)
    if single:
        if several := {dim: da.sizes[dim] for dim in layout.others if da.sizes[dim] > 1}:
            raise InputError(
                f"{argument}: {da.name} has further dimensions {several}: validate one element of "
                f"them at a time, such as {argument}.isel({next(iter(several))}=0)."
            )
        layout = layout._replace(others=())
    axis = daily_axis(
        time_of(da, layout.time),
        argument=None if argument == "obj" else argument,
        consecutive=consecutive,
    )
    ordered = layout.to_working_order(variable.plain)
    ds = None if ds is None else layout.to_working_order(ds)
    lat, lon = (coordinate(ordered, ds, kind) for kind in ("latitude", "longitude"))
    ordered = ordered.squeeze([dim for dim in ordered.dims if dim not in layout.order], drop=True)
    return GriddedRecord(variable, ordered.transpose(*layout.order), ds, layout, axis, lat, lon)

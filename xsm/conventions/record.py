"""A gridded daily record to validate with: its days, its places, and its numbers in m3 m-3."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import Layout, coordinate, layout_of, time_of
from xsm.conventions.variables import UNNAMED, choose, read_variable
from xsm.errors import GridError, InputError, TimeAxisError

UNITS = "m3 m-3"
STATION = "station"  # dimension of in situ series


@dataclass(frozen=True)
class GriddedRecord:
    """A record on a grid, nothing of it read yet.

    da : (time, y, x), in its own unit, as lazy as it came
    ds : the Dataset it is of, if any
    layout : names of its dimensions
    time : its dates, datetime64 or cftime
    days : (T,) datetime64[D], each once and in order
    lat, lon : both 1-D, (H,) and (W,), or both 2-D, (H, W); None where the grid has none
    """

    da: xr.DataArray
    ds: xr.Dataset | None
    layout: Layout
    time: xr.DataArray
    days: NDArray[np.datetime64]
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
    def regular(self) -> bool:
        """Whether latitudes and longitudes are axes."""
        return self.lat is not None and self.lon is not None and self.lat.ndim == 1

    def places(self) -> tuple[xr.DataArray, xr.DataArray]:
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


def open_record(obj: Any, var: str | None = None, *, argument: str = "obj") -> GriddedRecord:
    """Find variable, dimensions, days and places of a gridded object; read no data.

    Parameters
    ----------
    obj : Dataset or DataArray
    var : str, optional
    argument : str
        What `obj` is called, for messages.

    Raises
    ------
    VariableNotFoundError, UnitError, TimeAxisError, GridError, InputError
        As for :func:`xsm.gapfill`, but the record may skip days.
    """
    da, ds = choose(obj, var)
    layout = layout_of(da, ds)
    if several := {dim: da.sizes[dim] for dim in layout.others if da.sizes[dim] > 1}:
        raise InputError(
            f"{argument}: {da.name} has further dimensions {several}: validate one element of them "
            f"at a time, such as {argument}.isel({next(iter(several))}=0)."
        )
    if layout.seam:  # columns as they lie, not as they are counted
        turn: dict[Hashable, int] = {layout.x: -layout.seam}
        da = da.roll(turn, roll_coords=True)
        ds = None if ds is None else ds.roll(turn, roll_coords=True)
    time = time_of(da, layout.time)
    lat, lon = (coordinate(da, ds, kind) for kind in ("latitude", "longitude"))
    da = da.squeeze(layout.others, drop=True).transpose(layout.time, layout.y, layout.x)
    numbers(da[:1, :1, :1])  # says what is wrong with the unit
    return GriddedRecord(da, ds, layout, time, calendar_days(time, argument), lat, lon)


def numbers(da: xr.DataArray) -> xr.DataArray:
    """`da` in m3 m-3, float32 or float64, without a pint unit; lazy if it is a Dask array.

    Raises
    ------
    UnitError, InputError
        See :func:`xsm.conventions.variables.read_variable`.
    """
    found = read_variable(da)
    dtype = found.data.dtype if found.data.dtype.kind == "f" else np.dtype(np.float32)
    data = found.data.astype(dtype)
    if found.worth != 1.0:
        data = data * dtype.type(found.worth)
    attrs = {"units": UNITS, "long_name": str(da.attrs.get("long_name", da.name))}
    out = da.copy(data=data)
    out.attrs = attrs
    return out


def calendar_days(time: xr.DataArray, argument: str = "obj") -> NDArray[np.datetime64]:
    """The days of dates in any calendar, as datetime64[D].

    Days that the standard calendar lacks (30 February) become NaT: they match no other day.

    Raises
    ------
    TimeAxisError
        If these are no dates, or days are repeated or not in order.
    """
    values = np.asarray(time.values)
    if values.dtype == object and values.size and hasattr(values.flat[0], "calendar"):
        days = np.array([_day(date) for date in values], "datetime64[D]")
        order = np.array([(date.year, date.month, date.day) for date in values])
        order = order @ np.array([10_000, 100, 1])
    elif np.issubdtype(values.dtype, np.datetime64):
        days = values.astype("datetime64[D]")
        order = days.astype(np.int64)
    else:
        raise TimeAxisError(
            f"{argument}: {time.name} holds {values.dtype}: expected dates. Decode them with "
            "xr.decode_cf(ds)."
        )
    if np.issubdtype(values.dtype, np.datetime64) and np.isnat(values).any():
        raise TimeAxisError(f"{argument}: {time.name} holds missing dates (NaT): drop them.")
    steps = np.diff(order)
    if (steps <= 0).any():
        at = int(np.flatnonzero(steps <= 0)[0])
        fault = "repeats a day" if steps[at] == 0 else "is not sorted"
        raise TimeAxisError(
            f"{argument}: {time.name} {fault}: {str(values[at])[:19]} is followed by "
            f"{str(values[at + 1])[:19]}. Expected each day once, in order: "
            f'ds.sortby("{time.name}"), or average with ds.resample({time.name}="1D").mean().'
        )
    return days


def _day(date: Any) -> str:
    text = f"{date.year:04d}-{date.month:02d}-{date.day:02d}"
    try:
        np.datetime64(text, "D")
    except ValueError:
        return "NaT"
    return text

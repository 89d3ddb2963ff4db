"""The day of a file, and the time axis of files that have none."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.swath_coordinates import complete_coordinate, is_position
from xsm.errors import TimeAxisError

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])")
_DAY_OF_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?([0-3]\d\d)(?!\d)")
# Attributes that hold the day, the most telling one first.
_ATTRIBUTES = (
    "id",
    "time_coverage_start",
    "rangeBeginningDateTime",
    "RangeBeginningDate",
    "start_date",
    "date",
)


def day_of_file(ds: xr.Dataset) -> np.datetime64 | None:
    """The day written in the name of the file `ds` was read from, or in its attributes."""
    named = str(ds.encoding.get("source", "")).replace("\\", "/").rpartition("/")[2]
    attributes = [_text(ds.attrs.get(key, "")) for key in _ATTRIBUTES]
    days = (day_in_text(named), *map(_date, attributes))
    return next((day for day in days if day is not None), None)


def day_in_text(text: str) -> np.datetime64 | None:
    """The first date in a file name: ``20150401``, ``2015-04-01`` or, failing that, ``2015091``.

    Examples
    --------
    >>> str(day_in_text("SMAP_L3_SM_P_20150401_R18290_001.h5"))[:10]
    '2015-04-01'
    >>> str(day_in_text("GLASS.A2015091.nc"))[:10]
    '2015-04-01'
    """
    day = _date(text)
    if day is not None:
        return day
    for match in _DAY_OF_YEAR.finditer(text):
        year, number = match.groups()
        date = np.datetime64(f"{year}-01-01", "D") + np.timedelta64(int(number) - 1, "D")
        if str(date)[:4] == year:
            return date.astype("datetime64[ns]")
    return None


def _date(text: str) -> np.datetime64 | None:
    for match in _DATE.finditer(text):
        year, _, month, day = match.groups()
        try:
            return np.datetime64(f"{year}-{month}-{day}", "ns")
        except ValueError:
            continue
    return None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def add_day(ds: xr.Dataset, day: Any = None, *, dim: str = "time") -> xr.Dataset:
    """Give a file of one day its time axis, so that files can be joined to a record.

    Parameters
    ----------
    ds : Dataset
        Of one day, without a time dimension on its data.
    day : date-like, optional
        Its day; by default that of its coordinate `dim`, in the name of the file or in its
        attributes.
    dim : str
        Name of the new dimension.

    Returns
    -------
    Dataset
        With every data variable on `dim`; `ds` itself if they have that dimension. 2-D latitudes
        and longitudes become coordinates: without `dim` where they are complete, on `dim` where
        cells outside the swath of the day have none (the functions of xsm merge the days), or
        where they are Dask arrays, which are not read here.

    Raises
    ------
    TimeAxisError
        If `day` is not given and neither file name nor attributes contain it.

    Examples
    --------
    Open daily files that have no time axis as one record::

        ds = xr.open_mfdataset("LPRM-AMSR2_*.nc4", preprocess=xsm.add_day)
    """
    if dim in ds.dims:
        gridded = [da for da in ds.data_vars.values() if da.ndim > 1 and not is_position(da)]
        if ds.sizes[dim] != 1 or not gridded or any(dim in da.dims for da in gridded):
            return ds
        # the date stands beside the data, not on them
        return _on_day(ds.squeeze(dim), dim)
    if day is None and dim in ds.coords and ds[dim].ndim == 0:
        return _on_day(ds, dim)
    when = day_of_file(ds) if day is None else np.datetime64(day, "ns")
    if when is None:
        raise TimeAxisError(
            f"add_day: neither the file name ({ds.encoding.get('source')!r}) nor the attributes "
            "contain the day. Pass it: xsm.add_day(ds, '2015-04-01')."
        )
    return _on_day(ds.drop_vars(dim, errors="ignore").assign_coords({dim: when}), dim)


def _on_day(ds: xr.Dataset, dim: str) -> xr.Dataset:
    """`ds` with its data on the scalar coordinate `dim`."""
    positions = [str(n) for n, v in ds.variables.items() if v.ndim == 2 and is_position(ds[n])]
    ds = ds.set_coords(positions)
    moving = [name for name in positions if not complete_coordinate(ds[name])]
    out = ds.expand_dims(dim)
    return out.assign_coords({name: ds[name].variable.expand_dims(dim) for name in moving})

"""The dates of a file's data: along a dimension, beside the data, in its name or attributes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.file_dates import add_day
from xsm.conventions.grid import TIME_NAMES
from xsm.conventions.swath_coordinates import is_position
from xsm.errors import TimeAxisError
from xsm.opening.points import ragged_dimension, unravel

# A date with the time of day, as orbits have it in their names
_ORBIT_START = re.compile(r"(?<!\d)((?:19|20)\d{6})T(\d{6})(?!\d)")


def on_time(ds: xr.Dataset, name: str) -> xr.Dataset:
    """`ds` with dates along the dimension ``time`` of its soil moisture."""
    ds = _forecasts_in_one_row(ds, name)
    ragged = ragged_dimension(ds)
    times = [n for n in ("time", "valid_time", *TIME_NAMES) if n in ds.variables]
    dates = [str(n) for n, v in ds.variables.items() if v.dtype.kind == "M" and v.ndim == 1]
    if ragged is not None and ragged in ds[name].dims:
        stamp = next((n for n in (*times, *dates) if ds[n].dims == (ragged,)), None)
        if stamp is None:
            raise TimeAxisError(
                f"the observations along {ragged!r} have no dates: expected 'time'."
            )
        return unravel(ds, ragged, stamp)
    dim = next((n for n in ds[name].dims if str(n).lower() in TIME_NAMES), None)
    if dim is None:
        dim = next((ds[n].dims[0] for n in dates if ds[n].dims[0] in ds[name].dims), None)
    own = next(
        (n for n in (dim, *times, *dates) if n in ds.variables and ds[n].dims == (dim,)), None
    )
    if dim is not None and own is not None:
        ds = ds.assign_coords({own: (dim, _dates(ds[own], name), ds[own].attrs)})
        if own != dim:
            ds = ds.drop_vars([n for n in times if n not in (own, dim)]).swap_dims({dim: own})
        return ds.rename({own: "time"}) if own != "time" else ds
    if dim is not None and ds.sizes[dim] > 1:
        raise TimeAxisError(
            f"dimension {dim!r} of {name} in {ds.encoding.get('source')} has {ds.sizes[dim]} "
            "elements and no dates: expected a coordinate with them."
        )
    if dim is not None:
        ds = ds.squeeze(dim, drop=True)
    beside = next((n for n in times if ds[n].size == 1), None)
    if beside is not None:
        when = _dates(ds[beside].squeeze(), name, required=False)
        ds = ds.drop_vars([n for n in times if ds[n].size == 1])
        if when is not None:
            return _expanded(ds, when)
    return _expanded(ds, _day_of(ds))


def _forecasts_in_one_row(ds: xr.Dataset, name: str) -> xr.Dataset:
    """`ds` with steps of several forecasts along one time, by their 2-D ``valid_time`` (GRIB)."""
    own = ds.variables.get("valid_time")
    if own is None or own.ndim != 2 or own.dtype.kind != "M":
        return ds
    if not set(own.dims) <= set(ds[name].dims):
        return ds
    runs = {str(dim): f"{dim}_of_forecast" for dim in own.dims}
    ds = ds.drop_vars([n for n in ds.variables if n == "valid_time" or n in own.dims])
    ds = ds.rename_dims(runs).stack(time=list(runs.values()), create_index=False)
    return ds.assign_coords(time=("time", own.values.ravel()))


def _day_of(ds: xr.Dataset) -> Any:
    """The day of a file, with the time of day where its name has one."""
    source = str(ds.encoding.get("source", ""))
    if match := _ORBIT_START.search(source):
        date, clock = match.groups()
        text = f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"
        try:
            return np.datetime64(text, "ns")
        except ValueError:
            pass  # no time of day: the date alone is read below
    header = xr.Dataset(attrs=ds.attrs)
    header.encoding["source"] = source
    return add_day(header)["time"].values[0]


def _expanded(ds: xr.Dataset, when: Any) -> xr.Dataset:
    """`ds` with its data, but not its positions, on one `when`."""
    moving = {n: v.expand_dims(time=[when]) for n, v in ds.data_vars.items() if not is_position(v)}
    return ds.drop_vars(list(moving)).assign(moving)


def _dates(da: xr.DataArray, name: str, *, required: bool = True) -> Any:
    """The dates of a variable: decoded ones, text, or numbers such as 20150401."""
    import pandas as pd

    values = da.values
    if values.dtype.kind == "M":
        return values
    if values.dtype == object and values.size and hasattr(values.flat[0], "calendar"):
        return _standard_dates(values)
    if values.dtype.kind in "SUO":
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values.ravel()]
        times = pd.to_datetime([text.strip().rstrip("Z") for text in texts], format="mixed")
        return times.values.reshape(values.shape).astype("datetime64[ns]")
    if values.dtype.kind in "iuf" and np.isfinite(values).all():
        whole = values.astype(np.int64)
        if ((whole > 19000000) & (whole < 21010000)).all():
            times = pd.to_datetime([str(v) for v in whole.ravel()], format="%Y%m%d")
            return times.values.reshape(values.shape).astype("datetime64[ns]")
    if not required:
        return None
    raise TimeAxisError(
        f"the times of {name} are {values.dtype} such as {values.ravel()[:1].tolist()} with units "
        f"{da.attrs.get('units')!r} and calendar {da.attrs.get('calendar')!r}: expected dates that "
        "xarray decodes ('days since 2015-01-01' in a calendar of CF). Correct these attributes, "
        "or give the dates: ds.assign_coords(time=...), and pass the Dataset."
    )


def _standard_dates(values: Any) -> Any:
    """Dates of cftime; those labelled Julian in the standard calendar, with the same labels.

    No observation or model of today is in the Julian calendar: services such as AppEEARS give
    its name to standard dates.
    """
    if values.flat[0].calendar != "julian":
        return values
    labels = [value.isoformat() for value in values.ravel()]
    return np.array(labels, "datetime64[ns]").reshape(values.shape)

"""Reads a Dataset of stations: positions, depths, flags, values in m3 m-3."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import meanings_of_codes
from xsm.conventions.grid import coordinate
from xsm.conventions.record import STATION
from xsm.conventions.time_axis import standard_dates
from xsm.conventions.variables import SoilMoistureVariable, choose, read_variable, to_m3m3
from xsm.errors import InputError
from xsm.insitu.sensor_depth import depth_in_metres, within_layer
from xsm.insitu.station_dataset import text_column
from xsm.validation.strata import labels_of

logger = logging.getLogger(__name__)

TEXTS = (
    "network", "station_name", "sensor", "land_cover", "climate_zone", "frm_class", "soil_texture",
)  # fmt: skip
DEPTHS = ("depth_from", "depth_to")
# names of a coordinate that identifies the stations, where station_name is missing
ID_NAMES = ("station_id", "site_id", "location_id", "sensor_id", "id", "site", "name")
DROPPED = "stations_dropped"  # attribute
COLUMN_UNITS = {
    "lat": "degrees_north",
    "lon": "degrees_east",
    "depth_from": "m",
    "depth_to": "m",
}
FLAG_NAMES = ("flag", "{}_flag", "quality_flag", "{}_quality_flag")
FLAGS_SHOWN = 8  # in messages


def station_dim(obj: Any) -> str | None:
    """The dimension of the stations, or None if `obj` is not a set of stations.

    It is called station, or it is the only dimension of both latitude and longitude.
    """
    if not isinstance(obj, xr.Dataset | xr.DataArray):
        return None
    if STATION in obj.dims:
        return STATION
    ds = obj if isinstance(obj, xr.Dataset) else obj.coords.to_dataset()
    positions = [ds[n] for n in ("lat", "lon") if n in ds] or [
        ds[n] for n in ("latitude", "longitude") if n in ds
    ]
    if len(positions) == 2 and positions[0].dims == positions[1].dims and positions[0].ndim == 1:
        return str(positions[0].dims[0])
    return None


def read_stations(
    obj: xr.Dataset | xr.DataArray,
    var: str | None = None,
    *,
    depth: tuple[float, float] | None = (0.0, 0.05),
    flags: Sequence[str] | None = ("G",),
    columns: Sequence[str] = (),
) -> xr.DataArray:
    """Read the series of stations in a layer and of a quality.

    Parameters
    ----------
    obj : Dataset or DataArray
        Soil moisture along a station and a time dimension, in any unit xsm converts; lat and lon
        along station. Optional: depth_from and depth_to (or depth; if they change in time, their
        mean is used) in m or in the unit of their attribute, positive down or up; network,
        station_name, sensor, elevation, land_cover, climate_zone, frm_class, soil_texture; a flag
        (text, or numbers with flag_meanings); and a dimension depth. Times may be datetime64,
        cftime, periods, or have a time zone. Without station_name, the coordinate of the stations,
        of any dtype, names them.
    var : str, optional
    depth : (float, float) or None
        Keep sensors whose layer, in m, is within this one, by nominal depth
        (:func:`xsm.insitu.sensor_depth.within_layer`); None: all. Sensors of unknown depth are
        kept.
    flags : sequence of str or None
        Keep values with one of these flags; None: all. Without a flag variable all are kept.
    columns : sequence of str
        Further variables along station to keep as coordinates, where there are such.

    Returns
    -------
    DataArray, (station, time)
        m3 m-3, in memory, with the coordinates lat and lon and those of the optional ones that the
        stations have. The attribute ``stations_dropped`` counts, for each network, the sensors that
        `depth` and the values that `flags` left out.

    Raises
    ------
    InputError
        If there are no coordinates of the stations, no time, no sensor in the layer, no value with
        one of the flags, a depth of unknown unit or direction, or values that are no soil moisture.
    """
    da, ds = choose(obj, var, "reference")
    dim = station_dim(obj)
    if dim is None or dim not in da.dims:
        raise InputError(f"reference: {da.name} has no station dimension ({da.dims}).")
    ds = da.coords.to_dataset() if ds is None else ds
    flag = _flag_variable(da, ds)
    time = _time_dim(da, dim)
    if da.size == 0:
        raise InputError(
            f"reference: {da.name} has no values: {dict(da.sizes)}. Check the selection made "
            "before."
        )
    metadata = _metadata(da, ds, dim, time, columns)
    series, flag = da.transpose(dim, ..., time), None if flag is None else flag.transpose(dim, ...)
    if "depth" in da.dims:
        series, flag, metadata = _stack_depths(series, flag, metadata, dim)
    keep = _sensors_in_layer(metadata, depth)
    counts = _DroppedCounts(metadata)
    one = np.ones(keep.size, np.int64)
    if depth is not None:
        counts.add(one - keep, one, "sensors", f"outside {depth[0]:g}-{depth[1]:g} m")
    metadata = {name: column[keep] for name, column in metadata.items()}
    variable = read_variable(da, ds)  # a wrong unit is an error before anything is read
    index = {dim: np.flatnonzero(keep)}
    values = xr.DataArray(series.isel(index).variable, name=da.name).compute()
    if flag is not None and flags is not None:
        flag = flag.isel(index).transpose(dim, time)
        observed = values.notnull().values
        valid = _valid_flags(flag, flags, observed)
        dropped, total = np.zeros((2, keep.size), np.int64)
        dropped[keep], total[keep] = (observed & ~valid).sum(axis=1), observed.sum(axis=1)
        counts.add(dropped, total, "values", f"without flag {' or '.join(flags)}")
        values = values.where(valid)
    names = metadata.get("station_name", np.flatnonzero(keep) + 1)
    values = _in_m3m3(values.assign_attrs(da.attrs), variable, names)
    if text := counts.text():
        logger.info("dropped: %s", text)
        values.attrs[DROPPED] = text
    values = values.rename({dim: STATION, time: "time"})
    return values.assign_coords(
        {name: (STATION, column, _attrs(name, ds)) for name, column in metadata.items()}
        | {"time": ("time", _utc_times(da[time]), da[time].attrs)}
    )


def _attrs(name: str, ds: xr.Dataset) -> dict[Any, Any]:
    """Attributes of a column of :func:`_metadata`: as they came, but in its unit."""
    units = {"units": COLUMN_UNITS[name]} if name in COLUMN_UNITS else {}
    attrs = dict(ds[name].attrs) if name in ds and name not in DEPTHS else {}
    return units | {k: v for k, v in attrs.items() if k not in ("flag_values", "flag_meanings")}


def _time_dim(da: xr.DataArray, dim: str) -> str:
    others = [str(d) for d in da.dims if d not in (dim, "depth")]
    if len(others) != 1 or others[0] not in da.coords:
        raise InputError(
            f"reference: {da.name} has the dimensions {da.dims}: expected {dim!r} and a time with "
            "dates."
        )
    return others[0]


def _stack_depths(
    series: xr.DataArray, flag: xr.DataArray | None, metadata: dict[str, NDArray[Any]], dim: str
) -> tuple[xr.DataArray, xr.DataArray | None, dict[str, NDArray[Any]]]:
    """Every depth of every station as a sensor of its own."""
    levels, count = series.sizes["depth"], series.sizes[dim]
    if "depth" not in series.coords:
        raise InputError("reference: the dimension depth has no values: give them in m.")
    depths = np.tile(depth_in_metres(series["depth"].values, series["depth"].attrs), count)
    metadata = {
        name: np.repeat(column, levels)
        for name, column in metadata.items()
        if not name.startswith("dep")
    }
    metadata |= {"depth_from": depths, "depth_to": depths}
    time = series.dims[-1]

    def stacked(da: xr.DataArray) -> xr.DataArray:
        data = da.transpose(dim, "depth", time).data.reshape(count * levels, -1)
        return xr.DataArray(data, dims=(dim, time), attrs=da.attrs)

    flag = None if flag is None else stacked(flag)
    return stacked(series).rename(series.name), flag, metadata


def _metadata(
    da: xr.DataArray, ds: xr.Dataset, dim: str, time: str, others: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Columns (N,) that describe the stations: lat and lon, depths in m, and texts."""
    first = da.isel({d: 0 for d in da.dims if d != dim}, drop=True)
    columns: dict[str, NDArray[Any]] = {}
    for name, kind in (("lat", "latitude"), ("lon", "longitude")):
        position = coordinate(first, ds, kind)
        if position is None or position.dims != (dim,):
            raise InputError(
                "reference: no coordinates of the stations: expected latitude and longitude along "
                f"{dim!r} (lat, lon, degrees), there are {list(map(str, ds.variables))}."
            )
        columns[name] = _numbers(position)
    if "elevation" in ds and ds["elevation"].dims == (dim,):
        columns["elevation"] = _numbers(ds["elevation"])
    texts = [n for n in dict.fromkeys((*TEXTS, *others)) if n in ds and ds[n].dims == (dim,)]
    columns |= {n: text_column(_decoded(ds[n])) for n in texts if n not in columns}
    ids = _station_ids(da, ds, dim)
    if ids is not None and "station_name" not in columns:
        columns["station_name"] = ids
    elif ids is not None and not np.array_equal(ids, columns["station_name"]):
        columns["station_id"] = ids
    depths = {n: _depth(ds[n], dim, time, da.sizes[dim]) for n in (*DEPTHS, "depth") if n in ds}
    ends = {name: column for name, column in depths.items() if column is not None}
    if ends:
        # a single depth is both ends; where depths are negative, the ends are in the other order
        own = [ends[name] for name in DEPTHS if name in ends] or [ends["depth"]]
        columns["depth_from"], columns["depth_to"] = np.fmin.reduce(own), np.fmax.reduce(own)
    return columns


def _decoded(da: xr.DataArray) -> NDArray[Any]:
    """Values of a category; codes that have flag_meanings as these."""
    return labels_of(da).values if "flag_meanings" in da.attrs else da.values


def _numbers(da: xr.DataArray) -> NDArray[np.float64]:
    """Numbers of any dtype as float64."""
    try:
        return np.array(da.values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"stations: {da.name} holds {np.ravel(da.values)[:3].tolist()!r}: expected numbers "
            f"({error})."
        ) from error


def _depth(da: xr.DataArray, dim: str, time: str, count: int) -> NDArray[np.float64] | None:
    """Depths of sensors in m, of one or of all; None if they are along other dimensions."""
    if da.ndim == 0:
        da = da.expand_dims({dim: count})
    if {*da.dims} == {dim, time}:  # as of cosmic-ray probes, which sense deeper in dry soil
        da = da.mean(time, keep_attrs=True)
    return depth_in_metres(da.values, da.attrs, str(da.name)) if da.dims == (dim,) else None


def _station_ids(da: xr.DataArray, ds: xr.Dataset, dim: str) -> NDArray[Any] | None:
    """Texts that identify the stations: the coordinate of their dimension, or one of that role."""
    names = [dim] if dim in da.coords else []
    names += [str(n) for n in ds.variables if ds[n].attrs.get("cf_role") == "timeseries_id"]
    for name in (*names, *ID_NAMES):
        if name != "station_name" and name in ds.variables and ds[name].dims == (dim,):
            return text_column(ds[name].values)
    return None


def _utc_times(time: xr.DataArray) -> NDArray[Any]:
    """Times in UTC as datetime64, or cftime; daily ones keep the date of their own zone."""
    index = time.to_index().infer_objects()
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        local = index.tz_localize(None)
        if (local == local.normalize()).all():
            return local.to_numpy()
    return standard_dates(time)


def _sensors_in_layer(
    metadata: dict[str, NDArray[Any]], depth: tuple[float, float] | None
) -> NDArray[np.bool_]:
    """Which sensors are within `depth`; those of unknown depth are."""
    count = metadata["lat"].size
    if depth is None or "depth_to" not in metadata:
        return np.ones(count, bool)
    upper, lower = metadata["depth_from"], metadata["depth_to"]
    keep = within_layer(upper, lower, depth) | np.isnan(lower)
    if not keep.any():
        layers = sorted({(float(a), float(b)) for a, b in zip(upper, lower, strict=True)})
        shown = ", ".join(f"{a:g}-{b:g}" for a, b in layers[:8])
        raise InputError(
            f"stations: depth={depth!r}: none of the {count} sensors is within; their layers are "
            f"{shown} m. Give another depth, or depth=None for all (cosmic-ray probes sense deeper "
            "than 0.05 m)."
        )
    return keep


class _DroppedCounts:
    """What a selection leaves out, for each network."""

    def __init__(self, metadata: dict[str, NDArray[Any]]) -> None:
        names = metadata.get("network", np.full(metadata["lat"].size, ""))
        self.networks = np.where(names == "", "stations", names)
        self.notes: dict[str, list[str]] = {str(name): [] for name in self.networks}

    def add(
        self, dropped: NDArray[np.int64], total: NDArray[np.int64], what: str, why: str
    ) -> None:
        """Count, for each network, numbers (N,) of what is dropped, of a total (N,)."""
        for name, notes in self.notes.items():
            of_network = self.networks == name
            if n := int(dropped[of_network].sum()):
                notes.append(f"{n} of {int(total[of_network].sum())} {what} {why}")

    def text(self) -> str:
        """Such as "SCAN: 3 of 10 sensors outside 0-0.05 m"; empty if nothing is dropped."""
        return "; ".join(f"{name}: {', '.join(n)}" for name, n in self.notes.items() if n)


def _in_m3m3(
    values: xr.DataArray, variable: SoilMoistureVariable, names: NDArray[Any]
) -> xr.DataArray:
    """Values (station, time) in m3 m-3; an error about values names the stations."""
    try:
        return to_m3m3(values, variable)
    except InputError as error:
        wrong = []
        for i, name in enumerate(names):
            try:
                to_m3m3(values[i : i + 1], variable)
            except InputError:
                wrong.append(str(name))
        shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise type(error)(f"stations: {shown}: {error}") from error


def _flag_variable(da: xr.DataArray, ds: xr.Dataset) -> xr.DataArray | None:
    """The quality flags of `da`: one of its ancillary variables, or a variable by its name.

    Flags of stations or of times alone are those of all their values.
    """
    ancillary = str(da.attrs.get("ancillary_variables", "")).split()
    ancillary = [name for name in ancillary if "flag" in name]
    for name in (*ancillary, *(template.format(da.name) for template in FLAG_NAMES)):
        if name in ds and ds[name].dims and set(ds[name].dims) <= set(da.dims):
            flag = ds[name].reset_coords(drop=True)
            lacking = {d: n for d, n in da.sizes.items() if d not in flag.dims}
            return flag.expand_dims(lacking) if lacking else flag
    return None


def _valid_flags(
    flag: xr.DataArray, flags: Sequence[str], observed: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where a flag (station, time) is one of `flags`.

    Raises
    ------
    InputError
        If numbers have no meanings, or no observed value has one of `flags`.
    """
    values = np.asarray(flag.values)
    names: dict[Any, str] = {}
    if values.dtype.kind in "OUST":
        values = text_column(values.ravel()).reshape(values.shape)
        valid = np.isin(values, list(flags))
    else:
        names = meanings_of_codes(flag.attrs)
        if not names:
            raise InputError(
                f"stations: flags={flags!r}: {flag.name} holds numbers without flag_values and "
                "flag_meanings; give it these attributes, or flags=None to use all values."
            )
        valid = np.isin(values, [code for code, name in names.items() if name in flags])
    if observed.any() and not (valid & observed).any():
        counts = Counter(values[observed].tolist()).most_common(FLAGS_SHOWN)
        shown = ", ".join(f"{names.get(word, str(word))!r} ({n} values)" for word, n in counts)
        raise InputError(
            f"stations: flags={flags!r}: none of the {np.count_nonzero(observed)} values has one "
            f"of them in {flag.name}, which holds {shown}. Name the flags of valid values, or use "
            "flags=None for all values."
        )
    return valid

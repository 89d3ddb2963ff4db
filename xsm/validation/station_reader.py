"""Reads a Dataset of stations: positions, depths, flags, values in m3 m-3."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import coordinate
from xsm.conventions.record import STATION
from xsm.conventions.variables import choose, to_m3m3
from xsm.errors import InputError

logger = logging.getLogger(__name__)

METADATA = (
    "lat", "lon", "elevation", "network", "station_name", "sensor", "depth_from", "depth_to",
    "land_cover", "climate_zone",
)  # fmt: skip
FLAG_NAMES = ("flag", "{}_flag", "quality_flag", "{}_quality_flag")
DEPTH_TOLERANCE = 1e-6  # m
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
) -> xr.DataArray:
    """Read the series of stations in a layer and of a quality.

    Parameters
    ----------
    obj : Dataset or DataArray
        Soil moisture along a station and a time dimension, in any unit xsm converts; lat and lon
        along station. Optional: depth_from and depth_to (or depth; if they change in time, their
        mean is used), network, station_name, sensor, elevation, land_cover, climate_zone, a flag
        (text, or numbers with flag_meanings), and a dimension depth.
    var : str, optional
    depth : (float, float) or None
        Keep sensors whose layer, in m, is within this one; None: all. Sensors of unknown depth are
        kept.
    flags : sequence of str or None
        Keep values with one of these flags; None: all. Without a flag variable all are kept.

    Returns
    -------
    DataArray, (station, time)
        m3 m-3, in memory, with those coordinates of `METADATA` that the stations have.

    Raises
    ------
    InputError
        If there are no coordinates of the stations, no time, no sensor in the layer, or no value
        with one of the flags.
    """
    da, ds = choose(obj, var)
    dim = station_dim(obj)
    if dim is None or dim not in da.dims:
        raise InputError(f"reference: {da.name} has no station dimension ({da.dims}).")
    flag = _flag_variable(da, ds)
    ds = da.coords.to_dataset() if ds is None else ds
    lat, lon = (coordinate(da.isel({d: 0 for d in da.dims if d != dim}, drop=True), ds, kind)
                for kind in ("latitude", "longitude"))  # fmt: skip
    if lat is None or lon is None or lat.dims != (dim,) or lon.dims != (dim,):
        raise InputError(
            f"reference: no coordinates of the stations: expected latitude and longitude along "
            f"{dim!r} (lat, lon, degrees), there are {list(map(str, ds.variables))}."
        )
    time = _time_dim(da, dim)
    metadata = {n: ds[n].values for n in METADATA[2:] if n in ds and ds[n].dims == (dim,)}
    # sensing depths that change in time, as those of cosmic-ray probes: their mean
    metadata |= {
        n: ds[n].mean(time).values
        for n in ("depth_from", "depth_to")
        if n in ds and {*ds[n].dims} == {dim, time}
    }
    metadata |= {"lat": lat.values, "lon": lon.values}
    if dim in da.coords and "station_name" not in metadata and da[dim].dtype.kind in "OUT":
        metadata["station_name"] = da[dim].values.astype(str)
    if "depth" in ds and "depth_to" not in metadata and ds["depth"].dims in ((dim,), ("depth",)):
        metadata["depth_from"] = metadata["depth_to"] = ds["depth"].values
    series, flag = da.transpose(dim, ..., time), None if flag is None else flag.transpose(dim, ...)
    if "depth" in da.dims:
        series, flag, metadata = _stack_depths(series, flag, metadata, dim)
    keep = _sensors_in_layer(metadata, depth, series.sizes[dim])
    coords = {name: (STATION, np.asarray(column)[keep]) for name, column in metadata.items()}
    values = to_m3m3(series.isel({dim: keep})).reset_coords(drop=True).compute()
    if flag is not None and flags is not None:
        flag = flag.isel({dim: keep}).transpose(dim, time)
        values = values.where(_valid_flags(flag, flags, np.isfinite(values.values)))
    values = values.drop_vars(dim, errors="ignore").rename({dim: STATION, time: "time"})
    return values.assign_coords(coords)


def _time_dim(da: xr.DataArray, dim: str) -> str:
    others = [str(d) for d in da.dims if d not in (dim, "depth")]
    if len(others) != 1 or others[0] not in da.coords:
        raise InputError(
            f"reference: {da.name} has the dimensions {da.dims}: expected {dim!r} and a time with "
            "dates."
        )
    return others[0]


def _stack_depths(
    series: xr.DataArray, flag: xr.DataArray | None, metadata: dict[str, Any], dim: str
) -> tuple[xr.DataArray, xr.DataArray | None, dict[str, Any]]:
    """Every depth of every station as a sensor of its own."""
    levels, count = series.sizes["depth"], series.sizes[dim]
    if "depth" not in series.coords:
        raise InputError("reference: the dimension depth has no values: give them in m.")
    depths = np.tile(series["depth"].values, count)
    metadata = {
        name: np.repeat(column, levels)
        for name, column in metadata.items()
        if not name.startswith("dep")
    }
    metadata |= {"depth_from": depths, "depth_to": depths}
    time = series.dims[-1]

    def stacked(da: xr.DataArray) -> xr.DataArray:
        data = da.transpose(dim, "depth", time).data.reshape(count * levels, -1)
        return xr.DataArray(data, dims=(dim, time), coords={time: da[time]}, attrs=da.attrs)

    flag = None if flag is None else stacked(flag)
    return stacked(series).rename(series.name), flag, metadata


def _sensors_in_layer(
    metadata: dict[str, Any], depth: tuple[float, float] | None, count: int
) -> NDArray[np.intp]:
    """Positions of the sensors whose layer is within `depth`."""
    if depth is None or "depth_to" not in metadata:
        return np.arange(count)
    top, bottom = depth
    lower = np.asarray(metadata["depth_to"], np.float64)
    upper = np.asarray(metadata.get("depth_from", lower), np.float64)
    within = (upper >= top - DEPTH_TOLERANCE) & (lower <= bottom + DEPTH_TOLERANCE)
    keep = np.flatnonzero(within | np.isnan(lower))
    if keep.size == 0:
        layers = sorted({(float(a), float(b)) for a, b in zip(upper, lower, strict=True)})
        shown = ", ".join(f"{a:g}-{b:g}" for a, b in layers[:8])
        raise InputError(
            f"stations: depth={depth!r}: none of the {count} sensors is within; their layers are "
            f"{shown} m. Give another depth, or depth=None for all (cosmic-ray probes sense deeper "
            "than 0.05 m)."
        )
    if keep.size < count:
        logger.info("%d of %d sensors are within depth=%s m", keep.size, count, depth)
    return keep


def _flag_variable(da: xr.DataArray, ds: xr.Dataset | None) -> xr.DataArray | None:
    """The quality flags of `da`: one of its ancillary variables, or a variable by its name."""
    if ds is None:
        return None
    ancillary = str(da.attrs.get("ancillary_variables", "")).split()
    ancillary = [name for name in ancillary if "flag" in name]
    for name in (*ancillary, *(template.format(da.name) for template in FLAG_NAMES)):
        if name in ds and set(ds[name].dims) == set(da.dims):
            return ds[name]
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
        valid = np.isin(values.astype(str), list(flags))
    else:
        meanings = str(flag.attrs.get("flag_meanings", "")).split()
        codes = np.ravel(np.asarray(flag.attrs.get("flag_values", ()))).tolist()
        if not meanings or len(meanings) != len(codes):
            raise InputError(
                f"stations: flags={flags!r}: {flag.name} holds numbers without flag_values and "
                "flag_meanings; give it these attributes, or flags=None to use all values."
            )
        names = dict(zip(codes, meanings, strict=True))
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

"""A Dataset of stations as it comes, made ready: places, depths, flags, values in m3 m-3."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import coordinate
from xsm.conventions.record import STATION
from xsm.conventions.variables import choose, to_m3m3
from xsm.errors import InputError

logger = logging.getLogger(__name__)

ABOUT = (
    "lat", "lon", "elevation", "network", "station_name", "sensor", "depth_from", "depth_to",
    "land_cover", "climate_zone",
)  # fmt: skip
FLAG_NAMES = ("flag", "{}_flag", "quality_flag", "{}_quality_flag")
TOLERANCE = 1e-6  # m, of depths


def station_dim(obj: Any) -> str | None:
    """The dimension that stations lie along, or None if `obj` is no set of stations.

    It is called station, or it is the one dimension of both latitude and longitude.
    """
    if not isinstance(obj, xr.Dataset | xr.DataArray):
        return None
    if STATION in obj.dims:
        return STATION
    ds = obj if isinstance(obj, xr.Dataset) else obj.coords.to_dataset()
    places = [ds[n] for n in ("lat", "lon") if n in ds] or [
        ds[n] for n in ("latitude", "longitude") if n in ds
    ]
    if len(places) == 2 and places[0].dims == places[1].dims and places[0].ndim == 1:
        return str(places[0].dims[0])
    return None


def open_stations(
    obj: xr.Dataset | xr.DataArray,
    var: str | None = None,
    *,
    depth: tuple[float, float] | None = (0.0, 0.05),
    flags: tuple[str, ...] | None = ("G",),
) -> xr.DataArray:
    """Series of stations, in the layer and of the quality asked for.

    Parameters
    ----------
    obj : Dataset or DataArray
        Soil moisture along a station and a time dimension, in any unit xsm knows; lat and lon along
        station. Optional: depth_from and depth_to (or depth; those that change in time count by
        their mean), network, station_name, sensor,
        elevation, land_cover, climate_zone, a flag (text, or numbers with flag_meanings), and a
        dimension depth.
    var : str, optional
    depth : (float, float) or None
        Keep sensors whose layer lies within, m; None: all. Sensors of unknown depth are kept.
    flags : tuple of str or None
        Keep values with one of these flags; None: all. Without a flag variable all are kept.

    Returns
    -------
    DataArray, (station, time)
        m3 m-3, with the coordinates of `ABOUT` that are known.

    Raises
    ------
    InputError
        No station coordinates, no time, or no sensor in the layer.
    """
    da, ds = choose(obj, var)
    dim = station_dim(obj)
    if dim is None or dim not in da.dims:
        raise InputError(f"reference: {da.name} has no station dimension ({da.dims}).")
    flag = _flag(da, ds)
    ds = da.coords.to_dataset() if ds is None else ds
    lat, lon = (coordinate(da.isel({d: 0 for d in da.dims if d != dim}, drop=True), ds, kind)
                for kind in ("latitude", "longitude"))  # fmt: skip
    if lat is None or lon is None or lat.dims != (dim,) or lon.dims != (dim,):
        raise InputError(
            f"reference: no coordinates of the stations: expected latitude and longitude along "
            f"{dim!r} (lat, lon, degrees), there are {list(map(str, ds.variables))}."
        )
    time = _time_dim(da, dim)
    about = {n: ds[n].values for n in ABOUT[2:] if n in ds and ds[n].dims == (dim,)}
    # a sensing depth that changes, as of cosmic-ray probes, by its mean
    layers = ("depth_from", "depth_to")
    about |= {
        n: ds[n].mean(time).values for n in layers if n in ds and {*ds[n].dims} == {dim, time}
    }
    about |= {"lat": lat.values, "lon": lon.values}
    if dim in da.coords and "station_name" not in about and da[dim].dtype.kind in "OUT":
        about["station_name"] = da[dim].values.astype(str)
    if "depth" in ds and "depth_to" not in about and ds["depth"].dims in ((dim,), ("depth",)):
        about["depth_from"] = about["depth_to"] = ds["depth"].values
    series, flag = da.transpose(dim, ..., time), None if flag is None else flag.transpose(dim, ...)
    if "depth" in da.dims:
        series, flag, about = _each_depth(series, flag, about, dim)
    keep = _in_layer(about, depth, series.sizes[dim])
    places = {name: (STATION, np.asarray(column)[keep]) for name, column in about.items()}
    values = to_m3m3(series.isel({dim: keep})).reset_coords(drop=True)
    if flag is not None and flags is not None:
        values = values.where(_good(flag.isel({dim: keep}).transpose(dim, time), flags))
    values = values.drop_vars(dim, errors="ignore").rename({dim: STATION, time: "time"})
    return values.assign_coords(places)


def _time_dim(da: xr.DataArray, dim: str) -> str:
    left = [str(d) for d in da.dims if d not in (dim, "depth")]
    if len(left) != 1 or left[0] not in da.coords:
        raise InputError(
            f"reference: {da.name} has the dimensions {da.dims}: expected {dim!r} and a time with "
            "dates."
        )
    return left[0]


def _each_depth(
    series: xr.DataArray, flag: xr.DataArray | None, about: dict[str, Any], dim: str
) -> tuple[xr.DataArray, xr.DataArray | None, dict[str, Any]]:
    """Every depth of every station as a sensor of its own."""
    levels, count = series.sizes["depth"], series.sizes[dim]
    if "depth" not in series.coords:
        raise InputError("reference: the dimension depth has no values: give them in m.")
    depths = np.tile(series["depth"].values, count)
    about = {name: np.repeat(v, levels) for name, v in about.items() if not name.startswith("dep")}
    about |= {"depth_from": depths, "depth_to": depths}
    time = series.dims[-1]

    def flat(da: xr.DataArray) -> xr.DataArray:
        data = da.transpose(dim, "depth", time).data.reshape(count * levels, -1)
        return xr.DataArray(data, dims=(dim, time), coords={time: da[time]}, attrs=da.attrs)

    return flat(series).rename(series.name), None if flag is None else flat(flag), about


def _in_layer(
    about: dict[str, Any], depth: tuple[float, float] | None, count: int
) -> NDArray[np.intp]:
    """Positions of sensors whose layer lies within `depth`."""
    if depth is None:
        return np.arange(count)
    try:
        top, bottom = map(float, depth)
    except (TypeError, ValueError):
        top = bottom = np.nan
    if not 0 <= top <= bottom:
        raise InputError(f"depth={depth!r}: expected (from, to) in m, such as (0, 0.05), or None.")
    if "depth_to" not in about:
        return np.arange(count)
    lower = np.asarray(about["depth_to"], np.float64)
    upper = np.asarray(about.get("depth_from", lower), np.float64)
    inside = (upper >= top - TOLERANCE) & (lower <= bottom + TOLERANCE)
    keep = np.flatnonzero(inside | np.isnan(lower))
    if keep.size == 0:
        layers = sorted({(float(a), float(b)) for a, b in zip(upper, lower, strict=True)})
        shown = ", ".join(f"{a:g}-{b:g}" for a, b in layers[:8])
        raise InputError(
            f"depth={depth!r}: none of the {count} sensors lies within; their layers are "
            f"{shown} m. Give another, or depth=None for all (cosmic-ray probes sense deeper than "
            "0.05 m)."
        )
    if keep.size < count:
        logger.info("%d of %d sensors lie within depth=%s m", keep.size, count, depth)
    return keep


def _flag(da: xr.DataArray, ds: xr.Dataset | None) -> xr.DataArray | None:
    """The quality flags of `da`: among its ancillary variables, then by name."""
    if ds is None:
        return None
    told = str(da.attrs.get("ancillary_variables", "")).split()
    told = [name for name in told if "flag" in name]
    for name in (*told, *(text.format(da.name) for text in FLAG_NAMES)):
        if name in ds and set(ds[name].dims) == set(da.dims):
            return ds[name]
    return None


def _good(flag: xr.DataArray, flags: tuple[str, ...]) -> NDArray[np.bool_]:
    """Where a flag is one of `flags`."""
    wanted = [flags] if isinstance(flags, str) else [str(text) for text in flags]
    values = np.asarray(flag.values)
    if values.dtype.kind in "OUST":
        return np.isin(values.astype(str), wanted)
    meanings = str(flag.attrs.get("flag_meanings", "")).split()
    codes = np.ravel(np.asarray(flag.attrs.get("flag_values", ()))).tolist()
    if not meanings or len(meanings) != len(codes):
        raise InputError(
            f"flags={flags!r}: {flag.name} holds numbers without flag_values and flag_meanings; "
            "give it these attributes, or flags=None to use all values."
        )
    return np.isin(values, [c for c, text in zip(codes, meanings, strict=True) if text in wanted])

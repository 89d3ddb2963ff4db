"""Retrievals of many files joined to one record of days: order, duplicates, means of a day."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.daily import daily_values
from xsm.conventions.time_axis import days_of, is_cftime
from xsm.conventions.valid_values import LIMITS
from xsm.errors import GridError, InputError, TimeAxisError
from xsm.opening.axes import AXIS_TOLERANCE, assign_axes, axes_of_fields, merge_fields
from xsm.opening.volumetric import is_uncertainty


class Piece(NamedTuple):
    """Part of a record: the Dataset of a file, and the name of the file for messages."""

    ds: xr.Dataset
    source: str


Box = tuple[float, float, float, float]


LARGEST_WIDENED = 2**31  # bytes of a variable, in a chunk
MOSTLY_EMPTY = 20  # times the cells of a file


def join(pieces: list[Piece], name: str) -> xr.Dataset:
    """One Dataset of all pieces, sorted in time; lazy where they are.

    Pieces of the same days on other cells (tiles, time-series cells) are laid beside each other,
    pieces of other days one after the other. Cells and days without data are NaN.

    Raises
    ------
    GridError
        If the pieces lie on different grids.
    TimeAxisError
        If two pieces give different values for the same cells and times.
    """
    pieces = _with_axes([Piece(piece.ds.drop_encoding(), piece.source) for piece in pieces])
    _check_units(pieces, name)
    boxes = [_box(piece.ds) for piece in pieces]
    pieces = _on_one_grid(pieces, name)
    parts = [
        _merged([pieces[k] for k in group], [boxes[k] for k in group], name)
        for group in _sharing_times(pieces)
    ]
    if len(parts) == 1:
        ds = parts[0]
    else:
        every = {n: v for part in parts for n, v in part.data_vars.items()}
        ds = xr.concat(
            [_with_variables(part, every, name) for part in parts],
            "time",
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="override",
            combine_attrs="drop_conflicts",
        )
    times = ds["time"].values
    if times.size > 1 and not (times[1:] > times[:-1]).all():
        ds = ds.isel(time=np.argsort(times, kind="stable"))
    return ds


def _check_units(pieces: list[Piece], name: str) -> None:
    units = {str(piece.ds[name].attrs.get("units")): piece.source for piece in pieces}
    if len(units) > 1:
        listed = ", ".join(f"{unit!r} in {source}" for unit, source in units.items())
        raise InputError(f"{name} has several units: {listed}. Open the files of one at a time.")


def _with_axes(pieces: list[Piece]) -> list[Piece]:
    """Pieces with 2-D places brought to axes where the places of all files together are axes."""
    shapes = {(p.ds.sizes["y"], p.ds.sizes["x"]) for p in pieces if "y" in p.ds.dims}
    out = {id(piece): piece for piece in pieces}
    for shape in shapes:
        group = [
            p for p in pieces if "y" in p.ds.dims and (p.ds.sizes["y"], p.ds.sizes["x"]) == shape
        ]
        if not (placed := [p for p in group if "lat" in p.ds.coords]):
            raise GridError(
                f"{group[0].source} has no latitudes and longitudes, and its {shape[0]} x "
                f"{shape[1]} cells are no global grid that is known: add them as coordinates lat "
                "and lon, then use the Dataset."
            )
        lat = merge_fields((p.ds["lat"].values for p in placed), "latitude")
        lon = merge_fields((p.ds["lon"].values for p in placed), "longitude")
        axes = axes_of_fields(lat, lon)
        transposed = None if axes is not None else axes_of_fields(lat.T, lon.T)
        for piece in group:
            ds = piece.ds.drop_vars(["lat", "lon"], errors="ignore")
            if axes is not None:
                ds = assign_axes(ds, axes)
            elif transposed is not None:
                ds = assign_axes(ds.rename(y="x", x="y"), transposed)
                ds = ds.transpose(..., "time", "lat", "lon")
            else:
                ds = ds.assign_coords(
                    lat=(("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
                    lon=(("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
                )
            out[id(piece)] = Piece(ds, piece.source)
    return [out[id(piece)] for piece in pieces]


def _on_one_grid(pieces: list[Piece], name: str) -> list[Piece]:
    """Pieces on the union of their rows and columns."""
    first = pieces[0].ds
    if any(("lat" in p.ds.dims) != ("lat" in first.dims) for p in pieces) or (
        "lat" not in first.dims and len({p.ds[name].shape[-2:] for p in pieces}) > 1
    ):
        raise GridError(
            f"the files lie on different grids: {_grids(pieces, name)}. Open those of one grid "
            "at a time."
        )
    if "lat" not in first.dims:
        return pieces
    axes = {}
    for dim in ("lat", "lon"):
        labels = [piece.ds[dim].values for piece in pieces]
        if all(np.array_equal(one, labels[0]) for one in labels[1:]):
            continue
        axes[dim] = _union(labels, dim, _grids(pieces, name))
    if not axes:
        return pieces
    _check_widened(pieces, name, {dim: axis.size for dim, axis in axes.items()})
    chunk = {dim: max(_largest_chunk(piece.ds[name], dim) for piece in pieces) for dim in axes}
    out = []
    for piece in pieces:
        ds = piece.ds
        for dim, axis in axes.items():
            index = np.abs(axis[:, None] - ds[dim].values[None, :].astype(np.float64)).argmin(0)
            attrs = ds[dim].attrs
            ds = ds.assign_coords({dim: (dim, axis[index], attrs)})
            if index.size != axis.size or (index != np.arange(axis.size)).any():
                ds = _widened(ds, dim, axis, index)
                ds[dim].attrs = attrs
        lazy = {n: v for n, v in ds.data_vars.items() if v.chunks is not None}
        ds = ds.copy()
        for n, v in lazy.items():
            ds[n] = v.chunk({dim: size for dim, size in chunk.items() if dim in v.dims})
        out.append(Piece(ds, piece.source))
    return out


def _check_widened(pieces: list[Piece], name: str, sizes: dict[str, int]) -> None:
    """Refuse to put a long series of few cells on a grid that it hardly covers.

    Parameters
    ----------
    pieces : list of Piece
    name : str
        Of the soil moisture.
    sizes : dict
        Dimension -> length after the files are put together.
    """
    for piece in pieces:
        da = piece.ds[name]
        times = _largest_chunk(da, "time")
        rows, columns = (sizes.get(dim, da.sizes[dim]) for dim in ("lat", "lon"))
        needed = times * rows * columns * da.dtype.itemsize
        given = times * da.sizes["lat"] * da.sizes["lon"] * da.dtype.itemsize
        if needed > LARGEST_WIDENED and needed > MOSTLY_EMPTY * given:
            days = {p.source: p.ds.sizes["time"] for p in pieces}
            other = min(days, key=lambda source: days[source])
            raise GridError(
                f"{piece.source} has {days[piece.source]} times of {da.sizes['lat']} x "
                f"{da.sizes['lon']} cells, and all files together (such as {other}: {days[other]}) "
                f"cover {rows} x {columns} cells: a record of both would take "
                f"{needed / 1e9:.1f} GB a variable, almost all of it missing. Open series of cells "
                "(locations) and images of days apart, or files of one region at a time."
            )


def _largest_chunk(da: xr.DataArray, dim: str) -> int:
    return max(da.chunksizes.get(dim, (da.sizes[dim],)))


def _widened(
    ds: xr.Dataset, dim: str, axis: NDArray[np.float64], index: NDArray[np.int64]
) -> xr.Dataset:
    """`ds`, whose rows or columns are those with this index, on the whole of an axis."""
    if (np.diff(index) != 1).any():
        return ds.reindex({dim: axis})
    # of a chunk, reindex makes as many as the axis is longer, in each dimension
    beyond = int(index[0]), axis.size - 1 - int(index[-1])
    return ds.pad({dim: beyond}).assign_coords({dim: axis})


def _union(labels: list[NDArray[Any]], dim: str, grids: str) -> NDArray[np.float64]:
    """The labels of all pieces in the direction of the first, with equal steps where they have."""
    together = np.unique(np.concatenate([np.asarray(one, np.float64) for one in labels]))
    together = together[np.append(True, np.diff(together) > AXIS_TOLERANCE)]
    own = min(
        (np.abs(np.diff(one.astype(np.float64))).min() for one in labels if one.size > 1),
        default=np.inf,
    )
    steps = np.diff(together)
    if steps.size and steps.min() < 0.9 * own - AXIS_TOLERANCE:
        raise GridError(
            f"the files lie on different grids ({dim} in steps of {steps.min():g} together, "
            f"{own:g} in a file): {grids}. Open those of one grid at a time."
        )
    if np.isfinite(own):
        numbers = (together - together[0]) / own
        if np.abs(numbers - np.rint(numbers)).max() < 0.02 and numbers[-1] > together.size - 0.5:
            count = int(np.rint(numbers[-1])) + 1
            filled = together[0] + np.arange(count) * (together[-1] - together[0]) / (count - 1)
            filled[np.rint(numbers).astype(int)] = together
            together = filled
    down = next((one[0] > one[-1] for one in labels if one.size > 1), dim == "lat")
    return together[::-1] if down else together


def _grids(pieces: list[Piece], name: str) -> str:
    shapes: dict[tuple[int, ...], str] = {}
    for piece in pieces:
        shapes.setdefault(piece.ds[name].shape[-2:], piece.source)
    return ", ".join(f"{h} x {w} in {source}" for (h, w), source in list(shapes.items())[:4])


def _box(ds: xr.Dataset) -> Box:
    """The outermost latitudes and longitudes of cells."""
    lat, lon = ds["lat"].values, ds["lon"].values
    return tuple(float(f(v)) for v in (lat, lon) for f in (np.nanmin, np.nanmax))  # type: ignore[return-value]


def _apart(one: Box, other: Box) -> bool:
    return any(
        one[k + 1] < other[k] - AXIS_TOLERANCE or other[k + 1] < one[k] - AXIS_TOLERANCE
        for k in (0, 2)
    )


def _sharing_times(pieces: list[Piece]) -> list[list[int]]:
    """Indices of pieces in groups: those that have a time in common, directly or by others."""
    group_of: dict[Any, list[int]] = {}
    for k, piece in enumerate(pieces):
        times = piece.ds["time"].values.tolist()
        group = [k]
        for other in {id(g): g for t in times if (g := group_of.get(t)) is not None}.values():
            group += other
        for number in group:
            for time in times if number == k else pieces[number].ds["time"].values.tolist():
                group_of[time] = group
    groups = {id(group): sorted(group) for group in group_of.values()}
    return sorted(groups.values())


def _merged(group: list[Piece], boxes: list[Box], name: str) -> xr.Dataset:
    """Pieces with times in common as one, each cell and time from the piece that has it."""
    times = [piece.ds["time"].values for piece in group]
    for piece, own in zip(group, times, strict=True):
        if np.unique(own).size < own.size:
            raise TimeAxisError(
                f"{piece.source} has repeated times: expected each once. Average or drop them, "
                "and pass the Dataset."
            )
    if len(group) == 1:
        return group[0].ds
    for k, piece in enumerate(group):
        for earlier in range(k):
            if not _apart(boxes[earlier], boxes[k]):
                _check_equal(group[earlier], piece, name)
    if not all(np.array_equal(own, times[0]) for own in times):
        union = np.unique(np.concatenate(times))
        group = [Piece(p.ds.reindex(time=union), p.source) for p in group]
    every = {n: v for piece in group for n, v in piece.ds.data_vars.items()}
    ds = _with_variables(group[0].ds, every, name)
    for piece in group[1:]:
        other = _with_variables(piece.ds, every, name)
        only_there = ds[name].isnull() & other[name].notnull()  # its flags are those of its value
        merged = {}
        for n, v in ds.data_vars.items():
            if n not in other.data_vars:
                continue
            if v.dims == ds[name].dims:
                v = v.where(~only_there, other[n])
            merged[n] = v.fillna(other[n]) if _can_be_missing(v) else v
            merged[n].attrs = ds[n].attrs
        ds = ds.assign(merged)
    return ds


def _check_equal(one: Piece, other: Piece, name: str) -> None:
    """Refuse two pieces of the same cells and times with different values; reads these."""
    times = np.intersect1d(one.ds["time"].values, other.ds["time"].values)
    here, there = (piece.ds[name].sel(time=times) for piece in (one, other))
    differ = here.notnull() & there.notnull() & (here != there)
    days = differ.any([dim for dim in differ.dims if dim != "time"]).values
    if days.any():
        at = str(times[days][0])[:19]
        raise TimeAxisError(
            f"{one.source} and {other.source} give different values for the same cells at {at}: "
            "expected each time once. Leave one out (another version, another orbit), or choose "
            "with overpass=."
        )


def _can_be_missing(da: xr.DataArray) -> bool:
    return da.dtype.kind in "fM"


def _with_variables(ds: xr.Dataset, every: dict[Any, xr.DataArray], like: str) -> xr.Dataset:
    """`ds` with the variables that other files have beside, missing here."""
    absent = {}
    for name, da in every.items():
        if name not in ds.data_vars and da.dims == ds[like].dims:
            kind = da.dtype.kind
            blank, dtype = (np.datetime64("NaT"), da.dtype) if kind == "M" else (np.nan, None)
            if dtype is None:
                dtype = np.dtype(np.result_type(da.dtype, np.float32))
            absent[name] = xr.full_like(ds[like], blank, dtype=dtype).drop_attrs()
            absent[name].attrs = da.attrs
        elif name not in ds.data_vars and set(da.dims) <= set(ds[like].dims) - {"time"}:
            absent[name] = da  # of the place alone
    return ds.assign(absent)


def _days(times: NDArray[Any]) -> NDArray[Any]:
    """The day of each time, datetime64[ns] or cftime at midnight."""
    if is_cftime(times):
        return xr.DataArray(times, dims="time").dt.floor("D").values
    return days_of(times).astype("datetime64[ns]")


def to_days(ds: xr.Dataset, name: str, *, model: bool = False) -> xr.Dataset:
    """`ds` with one element a day: means of soil moisture where a day has several times.

    Parameters
    ----------
    ds : Dataset
        Sorted in time.
    name : str
        Of its soil moisture.
    model : bool
        Values at fixed steps: days with less than three quarters of them are missing, and other
        variables than soil moisture also where all days have times in a part of the day.
        Otherwise orbits: what there is, is averaged.

    Returns
    -------
    Dataset
        Stamped at midnight. Where days have several times, other variables than states are left
        out: a flag or a time of observation has no mean.

    Raises
    ------
    InputError
        If a variable is a sum or an extreme of a period, which has no mean.
    """
    days = _days(ds["time"].values)
    starts = np.flatnonzero(np.append(True, days[1:] != days[:-1]))
    if starts.size == days.size:
        return ds.assign_coords(time=("time", days, ds["time"].attrs))
    counts = np.diff([*starts, days.size])
    moving = [n for n, v in ds.data_vars.items() if "time" in v.dims]
    for n in moving:
        _check_state(ds[n])
    states = [n for n in moving if ds[n].dtype.kind == "f" and not _is_flag(ds[n])]
    attrs = {n: ds[n].attrs for n in ds.data_vars}
    exact = ds[states].astype(np.float64)
    if name in exact:  # a range that was not applied to the files may be in another unit
        exact[name].attrs = {k: v for k, v in attrs[name].items() if k not in LIMITS}
    if model:  # days with too few steps are missing
        steady = [n for n in states if n == name or is_uncertainty(str(n))]
        out = xr.Dataset({n: daily_values(exact[n], "time", steady=n in steady) for n in states})
    else:
        parts = zip(starts, counts, strict=True)
        out = xr.concat(
            [exact.isel(time=slice(start, start + n)).mean("time") for start, n in parts],
            "time",
            data_vars="all",
            coords="minimal",
            compat="override",
            join="override",
        )
    out = out.assign_coords(time=("time", days[starts], ds["time"].attrs))
    out = out.assign({n: out[n].astype(ds[n].dtype) for n in states})
    out = out.assign({n: v for n, v in ds.data_vars.items() if n not in moving})
    out = out.transpose(*ds[name].dims, ...).assign_attrs(ds.attrs)
    for n in states:
        out[n].attrs = attrs[n] | {"cell_methods": _mean_of(attrs[n].get("cell_methods"))}
    out[name].attrs["times_a_day"] = (
        f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    )
    return out


def _mean_of(methods: Any) -> str:
    others = [part for part in str(methods or "").split("time:")[:1] if part.strip()]
    return " ".join([*(part.strip() for part in others), "time: mean"])


def _is_flag(da: xr.DataArray) -> bool:
    return "flag_values" in da.attrs or "flag_masks" in da.attrs or "flag" in str(da.name).lower()


def _check_state(da: xr.DataArray) -> None:
    methods = str(da.attrs.get("cell_methods", ""))
    step = str(da.attrs.get("GRIB_stepType", ""))
    if any(f"time: {word}" in methods for word in ("sum", "max", "min")) or step in (
        "accum",
        "max",
        "min",
    ):
        raise InputError(
            f"{da.name} is a sum or an extreme of a period ({methods or step}), which has no daily "
            "mean: open the files with daily=False, or without it in variables=."
        )

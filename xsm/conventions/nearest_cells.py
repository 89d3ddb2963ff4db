"""The cells of a grid that represent a point, and their series."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.conventions.record import GriddedRecord
from xsm.conventions.variables import to_m3m3
from xsm.errors import InputError

EARTH_RADIUS_KM = 6371.0
BLOCK_BYTES = 64 * 2**20  # of a file that is read in blocks of days
MATCH_OPTIONS = "'nearest', 'mean_2x2', or a radius in km"

Index = NDArray[np.intp]


class Cells(NamedTuple):
    """K cells for each of P points; -1 where a point has fewer, or none."""

    rows: Index  # (P, K)
    columns: Index  # (P, K)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether each point has a cell, (P,)."""
        return np.asarray((self.rows >= 0).any(axis=1))


def is_on_earth(lat: Any, lon: Any) -> Any:
    """Where numbers, or arrays of them, are a latitude and a longitude in degrees.

    Examples
    --------
    >>> is_on_earth(40.0, 355.0), is_on_earth(140.0, 35.0), is_on_earth(float("nan"), 0.0)
    (True, False, False)
    """
    return (abs(lat) <= 90.0) & (abs(lon) <= 360.0)


def find_cells(
    record: GriddedRecord, lat: NDArray[Any], lon: NDArray[Any], match: str | float = "nearest"
) -> Cells:
    """Cells that represent points.

    Parameters
    ----------
    record : GriddedRecord
    lat, lon : ndarray, (P,)
        Degrees; longitudes from -180 or from 0. Numbers that are no position, such as a latitude
        above 90 or -9999, are in no cell.
    match : {"nearest", "mean_2x2"} or float
        The cell that holds the point, the four nearest cells, or all with a centre within this
        distance in km.

    Raises
    ------
    InputError
        If `match` is none of these.
    GridError
        If the grid has no latitudes and longitudes.
    """
    radius = None if isinstance(match, str) else _radius(match)
    if isinstance(match, str) and match not in ("nearest", "mean_2x2"):
        raise InputError(f"match={match!r}: expected {MATCH_OPTIONS}.")
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    valid = is_on_earth(lat, lon)
    lat, lon = np.where(valid, lat, 0.0), np.where(valid, lon, 0.0)
    find = _on_axes if record.regular else _on_surface
    rows, columns = find(record, lat, lon, 1 if match == "nearest" else 2, radius)
    return Cells(np.where(valid[:, None], rows, -1), np.where(valid[:, None], columns, -1))


def _radius(match: Any) -> float:
    if isinstance(match, bool) or not isinstance(match, int | float) or not match > 0:
        raise InputError(f"match={match!r}: expected {MATCH_OPTIONS}.")
    return float(match)


def nearest_on_axis(
    axis: NDArray[Any], values: NDArray[Any], *, around: bool = False
) -> tuple[Index, NDArray[np.bool_]]:
    """Nearest element of an ordered axis to each value, and whether the value lies in its cell.

    With `around` the axis is longitude, with a period of 360 degrees.
    """
    axis = np.asarray(axis, np.float64)
    if around:  # 358, 359, 0, 1 ascend
        axis = np.unwrap(axis, period=360.0)
    order = np.argsort(axis)
    ordered = axis[order]
    step = np.abs(np.diff(ordered)).max() if ordered.size > 1 else 1.0
    if around:
        start = ordered[0] - 0.5 * step
        values = (values - start) % 360.0 + start
        ordered = np.concatenate([ordered, ordered[:1] + 360.0])
        order = np.concatenate([order, order[:1]])
    index = np.clip(np.searchsorted(ordered, values), 1, max(ordered.size - 1, 1))
    if ordered.size > 1:
        index = index - (values - ordered[index - 1] <= ordered[index] - values)
    else:
        index = np.zeros(np.shape(values), np.intp)
    inside = np.abs(ordered[index] - values) <= 0.5 * step * (1 + 1e-6)
    return order[index], inside


def _on_axes(
    record: GriddedRecord, lat: NDArray[Any], lon: NDArray[Any], count: int, radius: float | None
) -> tuple[Index, Index]:
    lats, lons = (np.asarray(c.values, np.float64) for c in record.coordinates())
    row, in_row = nearest_on_axis(lats, lat)
    column, in_column = nearest_on_axis(lons, lon, around=True)
    inside = (in_row & in_column)[:, None]
    if radius is None and count == 1:
        return np.where(inside, row[:, None], -1), np.where(inside, column[:, None], -1)
    pairs_of_points = []
    for point in range(lat.size):
        north = np.abs(lats - lat[point])
        east = np.abs(wrap_longitude(lons - lon[point]))
        if radius is None:
            near = np.argsort(north, kind="stable")[:2], np.argsort(east, kind="stable")[:2]
            pairs = np.stack(np.meshgrid(*near, indexing="ij")).reshape(2, -1)
        else:
            rows = np.flatnonzero(north <= np.rad2deg(radius / EARTH_RADIUS_KM))
            distance = _distance(lats[rows, None], lons[None], lat[point], lon[point])
            index, columns = np.nonzero(distance <= radius)
            pairs = np.stack([rows[index], columns])
        pairs_of_points.append(pairs if inside[point] else pairs[:, :0])
    return _padded(pairs_of_points)


def _on_surface(
    record: GriddedRecord, lat: NDArray[Any], lon: NDArray[Any], count: int, radius: float | None
) -> tuple[Index, Index]:
    """:func:`_on_axes` for 2-D latitudes and longitudes."""
    from scipy.spatial import cKDTree

    lats, lons = (np.asarray(c.transpose(*record.space).values) for c in record.coordinates())
    valid = np.flatnonzero(np.isfinite(lats) & np.isfinite(lons))
    tree = cKDTree(unit_vectors(lats.ravel()[valid], lons.ravel()[valid]))
    points = unit_vectors(lat, lon)
    distance, nearest = tree.query(points)
    inside = distance <= 1.02 * _half_diagonals(lats, lons).ravel()[valid[nearest]]
    if radius is not None:
        chord = 2 * np.sin(min(radius / (2 * EARTH_RADIUS_KM), np.pi / 2))
        groups = [
            np.asarray(sorted(group), np.intp) for group in tree.query_ball_point(points, chord)
        ]
    else:
        groups = list(np.asarray(tree.query(points, k=[1] if count == 1 else [1, 2, 3, 4])[1]))
    return _padded(
        [
            np.stack(np.unravel_index(valid[group if ok else group[:0]], lats.shape))
            for group, ok in zip(groups, inside, strict=True)
        ]
    )


def _half_diagonals(lats: NDArray[Any], lons: NDArray[Any]) -> NDArray[np.float64]:
    """Half a diagonal of each cell (H, W), as a chord of the unit sphere."""
    points = unit_vectors(lats, lons)
    square = np.zeros(lats.shape)
    for axis in (0, 1):
        step = np.linalg.norm(np.diff(points, axis=axis), axis=-1)
        margins = [(1, 1) if a == axis else (0, 0) for a in (0, 1)]
        step = np.pad(step, margins, constant_values=np.nan)
        first, second = (
            step.take(range(lats.shape[axis]), axis),
            step.take(range(1, lats.shape[axis] + 1), axis),
        )
        square += np.nan_to_num(np.fmax(first, second)) ** 2
    return np.asarray(0.5 * np.sqrt(square))


def _padded(pairs_of_points: list[NDArray[Any]]) -> tuple[Index, Index]:
    """Rows and columns (P, K) from index pairs (2, k) of each point."""
    most = max([1, *(pairs.shape[1] for pairs in pairs_of_points)])
    out = np.full((2, len(pairs_of_points), most), -1, np.intp)
    for point, pairs in enumerate(pairs_of_points):
        out[:, point, : pairs.shape[1]] = pairs
    return out[0], out[1]


def unit_vectors(lat: NDArray[Any], lon: NDArray[Any]) -> NDArray[np.float64]:
    """Points of the unit sphere, (..., 3), from degrees (...)."""
    lat, lon = np.deg2rad(np.asarray(lat, np.float64)), np.deg2rad(np.asarray(lon, np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _distance(lat: Any, lon: Any, lat0: float, lon0: float) -> NDArray[np.float64]:
    """Great-circle distance, km."""
    a, b = unit_vectors(lat + 0 * lon, lon + 0 * lat), unit_vectors(lat0, lon0)  # type: ignore[arg-type]
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(np.linalg.norm(a - b, axis=-1) / 2, 1.0))


def read_series(record: GriddedRecord, cells: Cells, days: Index) -> NDArray[np.float32]:
    """Mean of the cells of each point that have a value, (P, D), m3 m-3; NaN where none has.

    Parameters
    ----------
    record : GriddedRecord
    cells : Cells
    days : ndarray of int, (D,)
        Positions of the days to read.
    """
    valid = cells.rows >= 0
    flat = np.where(valid, cells.rows * record.da.sizes[record.layout.x] + cells.columns, -1)
    unique, index = np.unique(flat, return_inverse=True)
    index = index.reshape(flat.shape)
    if unique.size and unique[0] == -1:
        unique, index = unique[1:], index - 1
    values = np.full((days.size, unique.size + 1), np.nan, np.float32)  # the last is "no cell"
    if unique.size:
        rows, columns = np.unravel_index(unique, record.shape)
        values[:, :-1] = _read(record, rows, columns, days)
    series = values[:, np.where(valid, index, unique.size)]  # (D, P, K)
    number = np.isfinite(series).sum(axis=2)
    total = np.where(np.isfinite(series), series, 0).sum(axis=2, dtype=np.float64)
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return mean.T.astype(np.float32)


def _read(record: GriddedRecord, rows: Index, columns: Index, days: Index) -> NDArray[np.float32]:
    """Values (D, N) of N cells: from the chunks of a Dask array, else in blocks of days."""
    y, x = record.space
    index = {y: xr.DataArray(rows, dims="cell"), x: xr.DataArray(columns, dims="cell")}
    if record.da.chunks is not None:
        series = record.da.isel(index).isel({record.layout.time: days})
        return np.asarray(
            to_m3m3(series, record.variable).transpose(record.layout.time, "cell").to_numpy()
        )
    size = max(int(BLOCK_BYTES / (8 * record.da.sizes[y] * record.da.sizes[x])), 1)
    parts = []
    for start in range(0, days.size, size):
        block = record.da.isel({record.layout.time: days[start : start + size]}).load()
        parts.append(
            to_m3m3(block.isel(index), record.variable)
            .transpose(record.layout.time, "cell")
            .to_numpy()
        )
    return np.concatenate(parts)

"""Land of the GLOBE 1 km elevation model, as packed by global-land-mask, read as a stream."""

from __future__ import annotations

import zipfile
import zlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.errors import MissingPackageError
from xsm_kernels import from_disk

_ROWS, _COLS = 21600, 43200  # 30 arc-seconds, north first
_BLOCK = 12  # 0.1 degree
_STRIDE = 3  # every third sample of a block, 16 samples a block
_DEGREE = 10  # blocks
_DEFAULT_STEP = 0.25  # degrees, of an axis with one value


def mask_file() -> Path:
    """Path of the archive of global-land-mask; importing the package would load 1 GB."""
    spec = find_spec("global_land_mask")
    if spec is None or spec.origin is None:
        raise MissingPackageError(
            "the land mask needs the package 'global_land_mask', which cannot be imported. "
            "Install it: pip install global-land-mask."
        )
    return Path(spec.origin).parent / "globe_combined_mask_compressed.npz"


def sea_samples() -> NDArray[np.uint8]:
    """Samples at sea among the 16 of each block of 0.1 degree, (1800, 3600), north first.

    The mask is read once, in two seconds; later processes read what is stored of it.
    """
    shape = _ROWS // _BLOCK, _COLS // _BLOCK
    per_block = _BLOCK // _STRIDE

    def read() -> bytes:
        count = np.empty(shape, np.uint8)
        with archive.open("mask.npy") as stream:
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            for block in range(shape[0]):
                rows = np.frombuffer(stream.read(_BLOCK * _COLS), np.uint8).reshape(_BLOCK, _COLS)
                sample = rows[1::_STRIDE, 1::_STRIDE].reshape(per_block, -1, per_block)
                count[block] = sample.sum(axis=(0, 2))  # stored: 1 = sea
        return zlib.compress(count.tobytes())

    with zipfile.ZipFile(mask_file()) as archive:
        content = archive.getinfo("mask.npy").CRC
        name = f"sea_samples-{content:08x}-{_BLOCK}-{_STRIDE}.bin"
        stored = zlib.decompress(from_disk(name, read))
    return np.frombuffer(stored, np.uint8).reshape(shape)


@lru_cache(maxsize=1)
def cumulative_land() -> NDArray[np.float64]:
    """Summed-area table of the land fraction, (1801, 3601), south first, 0.1 degree."""
    samples = (_BLOCK // _STRIDE) ** 2
    fraction = 1.0 - sea_samples().astype(np.float32) / np.float32(samples)
    table = np.zeros((fraction.shape[0] + 1, fraction.shape[1] + 1))
    table[1:, 1:] = fraction[::-1].cumsum(0, dtype=float).cumsum(1)
    return table


def box_fraction(
    lat: NDArray[np.floating], lon: NDArray[np.floating], dlat: Any, dlon: Any
) -> NDArray[np.float32]:
    """Land fraction of cells between parallels and meridians.

    Parameters
    ----------
    lat, lon : ndarray, shape (H,) and (W,)
        Centres, degrees.
    dlat, dlon : float, or ndarray (H,) and (W,)
        Sizes, degrees.

    Returns
    -------
    ndarray of float32, shape (H, W)
        0 to 1. Inland water counts as land, as in the source.

    References
    ----------
    GLOBE 1 km elevation model (NOAA, 1999).
    """
    table = cumulative_land()
    south = np.clip(lat - dlat / 2, -90, 90)
    north = np.clip(lat + dlat / 2, -90, 90)
    # a cell may cross the date line: add the row total for each full revolution
    centre = wrap_longitude(lon)
    west, east = centre - dlon / 2, centre + dlon / 2
    total = table[:, -1:]

    def integral(lat_edge: NDArray[Any], lon_edge: NDArray[Any]) -> NDArray[Any]:
        revolutions = np.floor((lon_edge + 180.0) / 360.0)
        inside = _integral(table, lat_edge, lon_edge - 360.0 * revolutions)
        return inside + revolutions * _integral(
            np.repeat(total, 2, 1), lat_edge, np.array([-180.0])
        )

    box = integral(north, east) - integral(north, west)
    box = box - integral(south, east) + integral(south, west)
    area = ((north - south) * _DEGREE)[:, None] * (dlon * _DEGREE)
    return np.clip(box / area, 0.0, 1.0).astype(np.float32)


def _integral(
    table: NDArray[Any], lat_edge: NDArray[Any], lon_edge: NDArray[Any]
) -> NDArray[np.float64]:
    """Bilinear look-up in the summed-area table, (H + 1, W + 1)."""
    y = np.clip((lat_edge + 90.0) * _DEGREE, 0, table.shape[0] - 1)
    x = np.clip((lon_edge + 180.0) * _DEGREE, 0, table.shape[1] - 1)
    i = np.minimum(y.astype(int), table.shape[0] - 2)
    j = np.minimum(x.astype(int), table.shape[1] - 2)
    v, u = (y - i)[:, None], x - j
    west, east = (
        table[np.ix_(i, column)] * (1 - v) + table[np.ix_(i + 1, column)] * v
        for column in (j, j + 1)
    )
    return west * (1 - u) + east * u


def is_land(lat: NDArray[np.floating], lon: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether half of a cell or more is land.

    Parameters
    ----------
    lat, lon : ndarray, shape (H,) and (W,), or both (H, W)
        Centres, degrees. Of 2-D centres the 0.1 degree around is looked up; NaN is taken for land.

    Returns
    -------
    ndarray of bool, shape (H, W)
    """
    if lat.ndim == 1:
        return box_fraction(lat, lon, _steps(lat), _steps(lon)) >= 0.5
    table = cumulative_land()
    placed = np.isfinite(lat) & np.isfinite(lon)
    y = (np.where(placed, lat, 0) + 90.0) * _DEGREE
    x = (wrap_longitude(np.where(placed, lon, 0)) + 180.0) * _DEGREE
    i, j = (np.clip(p.astype(int), 0, n - 2) for p, n in zip((y, x), table.shape, strict=True))
    fraction = table[i + 1, j + 1] - table[i, j + 1] - table[i + 1, j] + table[i, j]
    return ~placed | (fraction >= 0.5)


def _steps(axis: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sizes of the cells around the values of an axis, degrees."""
    if axis.size == 1:
        return np.array([_DEFAULT_STEP])
    between = np.abs(wrap_longitude(np.diff(axis.astype(np.float64))))
    return 0.5 * (np.append(between, between[-1]) + np.append(between[0], between))

"""Land fraction of grid cells, from a 1 km land mask that is read as a stream."""

import zipfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from xsm.conventions.grid import wrap_longitude
from xsm.osse.earth_grid import Grid

_ROWS, _COLS = 21600, 43200  # 30 arc-seconds, north first
_BLOCK = 12  # 0.1 degree
_STRIDE = 3  # every third sample of a block, 16 samples a block


def _mask_file() -> Path:
    """Path of the archive of global-land-mask; importing the package would load 1 GB."""
    spec = find_spec("global_land_mask")
    if spec is None or spec.origin is None:
        raise ImportError("xsm.osse needs the land mask: pip install global-land-mask")
    return Path(spec.origin).parent / "globe_combined_mask_compressed.npz"


@lru_cache(maxsize=1)
def _cumulative_land() -> np.ndarray:
    """Summed-area table of the land fraction, (1801, 3601), south first, 0.1 degree."""
    fraction = np.empty((_ROWS // _BLOCK, _COLS // _BLOCK), np.float32)
    per_block = _BLOCK // _STRIDE
    with zipfile.ZipFile(_mask_file()) as archive, archive.open("mask.npy") as stream:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        for block in range(fraction.shape[0]):
            rows = np.frombuffer(stream.read(_BLOCK * _COLS), np.uint8).reshape(_BLOCK, _COLS)
            sample = rows[1::_STRIDE, 1::_STRIDE].reshape(per_block, -1, per_block)
            fraction[block] = 1.0 - sample.mean(axis=(0, 2), dtype=np.float32)  # stored: 1 = sea
    table = np.zeros((fraction.shape[0] + 1, fraction.shape[1] + 1))
    table[1:, 1:] = fraction[::-1].cumsum(0, dtype=float).cumsum(1)
    return table


def _integral(table: np.ndarray, lat_edge: np.ndarray, lon_edge: np.ndarray) -> np.ndarray:
    """Bilinear look-up in the summed-area table, (H + 1, W + 1)."""
    y = np.clip((lat_edge + 90.0) * 10.0, 0, table.shape[0] - 1)
    x = np.clip((lon_edge + 180.0) * 10.0, 0, table.shape[1] - 1)
    i = np.minimum(y.astype(int), table.shape[0] - 2)
    j = np.minimum(x.astype(int), table.shape[1] - 2)
    v, u = (y - i)[:, None], (x - j)[None, :]
    rows = table[i] * (1 - v) + table[i + 1] * v
    return rows[:, j] * (1 - u) + rows[:, j + 1] * u


def land_fraction(grid: Grid) -> np.ndarray:
    """Land fraction of each cell.

    Returns
    -------
    fraction : ndarray (H, W), float32, 0..1
        Inland water counts as land, as in the source.

    References
    ----------
    GLOBE 1 km elevation model (NOAA, 1999), as packed by global-land-mask.
    """
    table = _cumulative_land()
    south = np.clip(grid.lat - grid.dlat / 2, -90, 90)
    north = np.clip(grid.lat + grid.dlat / 2, -90, 90)
    # a cell may cross the date line: add the row total for each full revolution
    centre = wrap_longitude(grid.lon)
    west, east = centre - grid.dlon / 2, centre + grid.dlon / 2
    total = table[:, -1:]

    def integral(lat_edge: np.ndarray, lon_edge: np.ndarray) -> np.ndarray:
        revolutions = np.floor((lon_edge + 180.0) / 360.0)
        inside = _integral(table, lat_edge, lon_edge - 360.0 * revolutions)
        return inside + revolutions * _integral(
            np.repeat(total, 2, 1), lat_edge, np.array([-180.0])
        )

    box = integral(north, east) - integral(north, west)
    box = box - integral(south, east) + integral(south, west)
    area = ((north - south) * 10.0)[:, None] * (grid.dlon * 10.0)
    return np.clip(box / area, 0.0, 1.0).astype(np.float32)

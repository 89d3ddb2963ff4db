"""Series for the tests of metrics."""

import numpy as np
import pandas as pd
import xarray as xr

from xsm.metrics.resampling import draw_counts


def series(values, start="2015-04-01") -> xr.DataArray:
    """Daily series (cell, time), m3 m-3."""
    values = np.asarray(values)
    days = pd.date_range(start, periods=values.shape[1])
    attrs = {"units": "m3 m-3"}
    return xr.DataArray(values, dims=("cell", "time"), coords={"time": days}, attrs=attrs)


def valid(*given: xr.DataArray) -> list[np.ndarray]:
    """Those of one cell that all have, float64, by plain NumPy."""
    arrays = [np.asarray(da, np.float64) for da in given]
    keep = ~np.isnan(sum(arrays))
    return [a[keep] for a in arrays]


def resamples(n: int, count: int, *, block: int = 1, seed: int = 0) -> np.ndarray:
    """How often each of `n` values is in each resample (count, n)."""
    counts = np.empty((count, n))
    draw_counts(n, block, np.uint64(seed), 0, np.empty(n + 1, np.int64), counts)
    return counts

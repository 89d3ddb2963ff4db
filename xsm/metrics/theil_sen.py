"""Trend of a score over the years: Theil-Sen slope and the test of Mann and Kendall."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.pairs import MIN_PAIRS

TILE_VALUES = 2_000_000  # differences held at a time
OUTPUTS = ("slope", "slope_low", "slope_high", "p_value")
LONG_NAMES = {
    "slope": "Theil-Sen slope",
    "slope_low": "lower bound of the Theil-Sen slope",
    "slope_high": "upper bound of the Theil-Sen slope",
    "p_value": "p value of the Mann-Kendall test",
}

Array = NDArray[np.float64]


def trend(da: xr.DataArray, x: xr.DataArray, *, dim: Hashable, level: float = 0.95) -> xr.Dataset:
    """Theil-Sen slope of `da` on `x` along `dim`, with its interval and significance.

    Parameters
    ----------
    da : DataArray
        NaN or infinite where missing.
    x : DataArray, (dim)
        Increasing numbers, such as years.
    dim : str
    level : float
        Fraction of the intervals that contain the true slope.

    Returns
    -------
    Dataset
        ``slope``, the median of the slopes between every two values; ``slope_low`` and
        ``slope_high``, the interval of Sen; ``p_value``, two-sided, of the Mann-Kendall test with
        ties and the correction for continuity; ``n_values``. NaN with fewer than three values.
        Lazy if `da` is.

    Raises
    ------
    InputError
        If `x` does not fit or does not increase, or `level` is not within 0..1.

    References
    ----------
    Sen (1968), doi 10.1080/01621459.1968.10480934 (equal to ``scipy.stats.theilslopes``); Mann
    (1945), doi 10.2307/1907187; Kendall (1975), Rank Correlation Methods.

    Examples
    --------
    >>> years = xr.DataArray([2015.0, 2016.0, 2017.0, 2018.0], dims="year")
    >>> result = trend(xr.DataArray([0.1, 0.2, 0.2, 0.4], dims="year"), years, dim="year")
    >>> round(float(result.slope), 4), int(result.n_values)
    (0.1, 4)
    """
    if x.dims != (dim,) or dim not in da.dims or x.sizes[dim] != da.sizes[dim]:
        raise InputError(
            f"x has the dimensions {dict(x.sizes)}: expected {dim!r} of da, {dict(da.sizes)}."
        )
    positions = np.asarray(x.values, np.float64)
    if not np.isfinite(positions).all() or (np.diff(positions) <= 0).any():
        raise InputError(f"x={positions.tolist()!r}: expected increasing numbers.")
    if isinstance(level, bool) or not 0 < level < 1:
        raise InputError(f"level={level!r}: expected a number between 0 and 1, such as 0.95.")
    da = da.chunk({dim: -1}) if da.chunks is not None else da
    outputs = xr.apply_ufunc(
        _trend,
        da,
        kwargs={"x": positions, "level": float(level)},
        input_core_dims=[[dim]],
        output_core_dims=[[]] * 5,
        dask="parallelized",
        output_dtypes=[np.float64] * 4 + [np.int64],
        keep_attrs=True,  # of coordinates
    )
    results = {
        name: with_attrs(values, long_name=LONG_NAMES[name])
        for name, values in zip(OUTPUTS, outputs, strict=False)
    }
    results["n_values"] = with_attrs(outputs[-1], long_name="number of values", units="1")
    return xr.Dataset(results)


def _trend(values: Array, *, x: Array, level: float) -> tuple[NDArray, ...]:
    """Slope, bounds, p value and number (...) of values (..., N)."""
    shape, n = values.shape[:-1], values.shape[-1]
    rows = np.asarray(values, np.float64).reshape(-1, n)
    rows = np.where(np.isfinite(rows), rows, np.nan)
    out = np.full((4, rows.shape[0]), np.nan)
    count = np.isfinite(rows).sum(axis=1)
    step = max(1, TILE_VALUES // max(n * n, 1))
    for start in range(0, rows.shape[0], step):
        tile = slice(start, start + step)
        out[:, tile] = _trend_of_rows(rows[tile], count[tile], x, level)
    out[:, count < MIN_PAIRS] = np.nan
    return (*(row.reshape(shape) for row in out), count.reshape(shape))


def _trend_of_rows(rows: Array, count: NDArray[np.intp], x: Array, level: float) -> Array:
    """Slope, bounds and p value (4, P) of rows (P, N), some of which may be too short."""
    first, second = np.triu_indices(x.size, 1)
    difference = rows[:, second] - rows[:, first]
    slopes = np.sort(difference / (x[second] - x[first]), axis=1)  # NaN at the end
    pairs = count * (count - 1) // 2
    last = np.maximum(pairs - 1, 0)
    middle = np.stack([last // 2, (last + 1) // 2])

    def at(index: NDArray[np.intp]) -> Array:
        if not slopes.shape[1]:
            return np.full(count.size, np.nan)
        return np.take_along_axis(slopes, index[:, None], axis=1)[:, 0]

    slope = 0.5 * (at(middle[0]) + at(middle[1]))
    equal = (rows[:, :, None] == rows[:, None, :]).sum(axis=2)  # of each value, itself included
    ties = np.where(equal > 0, (equal - 1) * (2 * equal + 5), 0).sum(axis=1)
    variance = (count * (count - 1) * (2 * count + 5) - ties) / 18.0
    sigma = np.sqrt(np.maximum(variance, 0.0))
    half = -ndtri((1 - level) / 2) * sigma
    low = np.maximum(np.round((pairs - half) / 2).astype(np.intp) - 1, 0)
    high = np.minimum(np.round((pairs + half) / 2).astype(np.intp), last)
    score = np.nansum(np.sign(difference), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (score - np.sign(score)) / sigma
    p = np.where(sigma > 0, 2.0 * ndtr(-np.abs(np.where(sigma > 0, z, 0.0))), 1.0)
    return np.stack([slope, at(np.minimum(low, last)), at(high), p])

"""Predictors and target of some cells as arrays, for a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.align import coordinate_of_cells
from xsm.conventions.grid import time_of
from xsm.conventions.predictors import available_predictors, find_predictors
from xsm.conventions.products import DAY_OF_YEAR, product_of
from xsm.conventions.units import to_m3m3_factor
from xsm.errors import InputError
from xsm.estimation.pixels import loop_shape, make_plan, sequences


class Samples(NamedTuple):
    """P cells with a target on some of T days in a row."""

    x: NDArray[np.float32]  # (P, T, F), units of the rows; NaN where missing
    y: NDArray[np.float32]  # (P, T), m3 m-3; NaN where missing
    lat: NDArray[np.floating]  # (P,), degrees, or rows where there are none
    lon: NDArray[np.floating]
    rows: list[dict[str, Any]]  # of the card, one a predictor
    title: str
    period: tuple[str, str]

    @property
    def targets(self) -> int:
        """Number of targets."""
        return int(np.isfinite(self.y).sum())


def read_samples(
    ds: xr.Dataset,
    target: str | xr.DataArray,
    features: Sequence[str] | Mapping[str, Any] | None,
    *,
    names: Sequence[str] | None = None,
    every: int = 1,
    gap: int = 8,
) -> Samples:
    """Read what a network is to learn from.

    Parameters
    ----------
    ds : Dataset
    target : str or DataArray
    features : sequence of str, mapping or None
        See :func:`xsm.fit_estimator`.
    names : sequence of str, optional
        All predictors, where `features` tells of some of them only.
    every : int
        Every so many rows and columns.
    gap : int
        Longest gap in a daily predictor to interpolate, days.

    Raises
    ------
    InputError
        If the target is not there, or on other cells or days; and what
        :func:`xsm.conventions.predictors.find_predictors` raises.
    """
    check_whole({"every": (every, 1), "gap": (gap, 0)})
    y, ds = _target(ds, target)
    if isinstance(features, str):
        raise InputError(f"features={features!r}: expected a list of names, or a mapping.")
    mapping = features if isinstance(features, Mapping) else {}
    if names is None:
        names = (
            available_predictors(ds, mapping) if features is None else list(dict.fromkeys(features))
        )
    if not names:
        raise InputError(
            f"no predictor is known among {[str(n) for n in ds.data_vars]}: name them, features=..."
        )
    found = find_predictors(ds, names, mapping)
    base = found.base
    space = [dim for dim in base.dims if dim != found.time]
    if not {found.time} <= set(y.dims) <= set(base.dims):
        raise InputError(
            f"target {y.name!r} has the dimensions {y.dims}, the predictors {base.dims}: expected "
            f"{found.time!r} and no others. Rename or select."
        )
    thin = {dim: slice(None, None, every) for dim in space}
    y = _on_cells(y, base, found.time).isel(thin)
    arrays = [
        da.isel({d: s for d, s in thin.items() if d in da.dims})
        .broadcast_like(base.isel(thin).isel({found.time: 0}, drop=True), exclude=[found.time])
        .transpose(*space, *([found.time] if found.time in da.dims else []))
        .values
        for da in found.arrays.values()
    ]
    rows = [
        {"name": n, "units": found.units[n], "static": n in found.static, "gap": gap} for n in names
    ]
    plan = make_plan(found, rows)
    shape = loop_shape(arrays, plan.static)
    factor = to_m3m3_factor(
        y.attrs.get("units"), str(y.name), attrs=y.attrs, product=product_of(str(y.name))
    )
    truth = y.transpose(*space, found.time).values.reshape(-1, found.days.size)
    truth = np.where(np.isfinite(truth), truth * factor, np.nan).astype(np.float32)
    _check_range(truth, str(y.name))
    cells = np.flatnonzero(np.isfinite(truth).any(axis=1))
    x = sequences(arrays, plan, cells, shape)
    lasting = [f for f, n in enumerate(names) if n in (*found.static, *DAY_OF_YEAR)]
    usable = np.isfinite(x[:, :, lasting]).all(axis=(1, 2)) & np.isfinite(x).any(axis=(1, 2))
    cells, x = cells[usable], x[usable]
    all_days = np.full((cells.size, x.shape[1]), np.nan, np.float32)
    all_days[:, found.days] = truth[cells]
    lat, lon = _places(base.isel(thin), ds, space)
    time = time_of(base, found.time).values
    return Samples(
        x,
        all_days,
        lat[cells],
        lon[cells],
        rows,
        str(y.name),
        (str(time[0])[:10], str(time[-1])[:10]),
    )


def check_whole(numbers: Mapping[str, tuple[Any, int]]) -> None:
    """Raise an InputError if one of (value, least) by name is neither None nor a whole number."""
    for name, (value, least) in numbers.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise InputError(f"{name}={value!r}: expected a whole number, {least} or more.")


def _target(ds: xr.Dataset, target: str | xr.DataArray) -> tuple[xr.DataArray, xr.Dataset]:
    if not isinstance(ds, xr.Dataset):
        raise InputError(f"the predictors are a {type(ds).__name__}: expected a Dataset.")
    if isinstance(target, xr.DataArray):
        return target.rename(target.name or "target"), ds
    if not isinstance(target, str) or target not in ds.data_vars:
        shown = repr(target) if isinstance(target, str) else f"<{type(target).__name__}>"
        raise InputError(
            f"target={shown} is no variable of the predictors; expected one of "
            f"{[str(n) for n in ds.data_vars]}, or a DataArray."
        )
    return ds[target], ds.drop_vars(target)


def _on_cells(y: xr.DataArray, base: xr.DataArray, time: str) -> xr.DataArray:
    """The target on the cells and days of the predictors."""
    for dim in y.dims:
        if dim == time:
            if not np.isin(y.indexes[dim], base.indexes[dim]).any():
                raise InputError(
                    f"target {y.name!r} has no day in common with the predictors: expected the "
                    "same period, stamped at the same time of day."
                )
            y = y.reindex({dim: base[dim]})
        elif (
            dim in y.indexes
            and dim in base.indexes
            and not y.indexes[dim].equals(base.indexes[dim])
        ):
            raise InputError(
                f"target {y.name!r} has other {dim} than the predictors: bring them on one grid, "
                f'such as predictors.interp({dim}=target["{dim}"]).'
            )
    return y


def _check_range(values: NDArray[np.floating], name: str) -> None:
    seen = values[np.isfinite(values)]
    if seen.size and (seen.min() < -0.5 or seen.max() > 1.5):
        raise InputError(
            f"target {name!r} goes from {seen.min():g} to {seen.max():g} m3 m-3: expected 0 to 1. "
            "Its units attribute is wrong, or a fill value was not decoded."
        )


def _places(
    base: xr.DataArray, ds: xr.Dataset, space: list[Any]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Latitude and longitude of every cell, flat; rows and columns where there are none."""
    shape = tuple(base.sizes[dim] for dim in space)
    like = xr.DataArray(np.zeros(shape), dims=space)
    found = []
    for n, kind in enumerate(("latitude", "longitude")):
        own = coordinate_of_cells(base, ds, kind)
        if own is None and space:
            dim = space[min(n, len(space) - 1)]
            own = xr.DataArray(np.arange(like.sizes[dim], dtype=float), dims=dim)
        plain = xr.Variable((), 0.0) if own is None else own.variable
        placed = xr.DataArray(plain.values, dims=plain.dims).broadcast_like(like)
        found.append(placed.transpose(*space).values.ravel())
    return found[0], found[1]

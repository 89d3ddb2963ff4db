"""Predictors and target of cells as arrays, for a fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_whole
from xsm.conventions.align import (
    check_unlabelled,
    coordinate_of_cells,
    match_labels,
    numeric_labels,
    on_days,
)
from xsm.conventions.daily import daily_values
from xsm.conventions.filled import observed_values
from xsm.conventions.grid import time_of, wrap_longitude
from xsm.conventions.predictor_names import POSITION, predictor_spec
from xsm.conventions.predictors import Predictors, find_predictors
from xsm.conventions.products import repeat_cycle_of
from xsm.conventions.valid_values import DeclaredValues, declared_invalid, declared_range
from xsm.conventions.variables import read_variable, to_m3m3
from xsm.errors import InputError
from xsm.estimation.inputs import classes_of
from xsm.estimation.pixels import (
    pixel_shape,
    predictor_layout,
    predictor_sequences,
    usable_days,
)
from xsm.estimation.predictor_choice import (
    check_precipitation,
    choose_predictors,
    present_position,
)

logger = logging.getLogger(__name__)

LARGE_OFFSET = 4096  # standard deviations: of the 24 bits of float32, 12 are left for these
MOSTLY = 0.5  # of the days and cells of the target


class Samples(NamedTuple):
    """P cells with a target on some of T consecutive days."""

    x: NDArray[np.float32]  # (P, T, F), units of the rows; NaN where missing
    y: NDArray[np.float32]  # (P, T), m3 m-3; NaN where missing
    lat: NDArray[np.floating]  # (P,), degrees; row numbers where there is no latitude
    lon: NDArray[np.floating]  # (P,), degrees; column numbers where there is no longitude
    rows: list[dict[str, Any]]  # of the card, one for each predictor
    title: str  # name of the target
    period: tuple[str, str]  # first and last day of the target
    first_day: int = 0  # since 1970-01-01
    repeat_cycle: int | None = None  # of the satellite, days, if the product of the target is known
    # (P,), flat positions among the rows and columns of the predictors
    cells: NDArray[np.intp] = np.empty(0, np.intp)

    @property
    def targets(self) -> int:
        """Number of target values."""
        return int(np.isfinite(self.y).sum())


def read_samples(
    ds: xr.Dataset,
    target: str | xr.DataArray,
    features: Sequence[str] | Mapping[str, Any] | None,
    *,
    fitted: Sequence[Mapping[str, Any]] | None = None,
    extra: Sequence[str] = (),
    stride: int = 1,
    max_interp_gap: int = 8,
) -> Samples:
    """Read the predictors and the target of a fit.

    Parameters
    ----------
    ds : Dataset
    target : str or DataArray
    features : sequence of str, mapping or None
        See :func:`xsm.fit_estimator`.
    fitted : sequence of mapping, optional
        Entries ``predictors`` of the card of a model: its predictors, in its units and less its
        references, where `features` maps some of them only.
    extra : sequence of str
        Predictors of the calendar and the position to take too; those of the position only where
        the cells have coordinates.
    stride : int
        Take every `stride`-th row and column.
    max_interp_gap : int
        Longest gap in a daily predictor to interpolate, days.

    Raises
    ------
    InputError
        If the target does not exist, or is on other cells or days; and what
        :func:`xsm.conventions.predictors.find_predictors` raises.
    """
    check_whole({"stride": (stride, 1), "max_interp_gap": (max_interp_gap, 0)})
    y, ds = _find_target(ds, target)
    if isinstance(features, str):
        raise InputError(f"features={features!r}: expected a list of names, or a mapping.")
    if fitted is not None and features is not None and not isinstance(features, Mapping):
        raise InputError(
            f"features={features!r}: expected a mapping, predictor of the model -> variable."
        )
    mapping = features if isinstance(features, Mapping) else {}
    if fitted is not None:
        names = [str(row["name"]) for row in fitted]
    else:
        listed = isinstance(features, Sequence)
        names = (
            list(dict.fromkeys(features or ()))
            if listed
            else choose_predictors(ds, y, features if isinstance(features, Mapping) else None)
        )
    if not names:
        raise InputError(
            f"no predictor is known among {[str(n) for n in ds.data_vars]}: name them, features=..."
        )
    position = present_position(ds, y)
    extra = [name for name in extra if name not in POSITION or name in position]
    names = list(dict.fromkeys([*names, *extra]))
    units = {str(row["name"]): str(row["units"]) for row in fitted or ()}
    predictors = find_predictors(ds, names, mapping, units=units)
    base, time = predictors.base, predictors.time
    space = [dim for dim in base.dims if dim != time]
    if set(y.dims) != set(base.dims):
        raise InputError(
            f"target {y.name!r} has the dimensions {y.dims}, the predictors {base.dims}: expected "
            "the same. Rename or select."
        )
    thin = {dim: slice(None, None, stride) for dim in space}
    cells = base.isel(thin).isel({time: 0}, drop=True)
    arrays = [
        da.isel({d: s for d, s in thin.items() if d in da.dims})
        .broadcast_like(cells, exclude=[time])
        .transpose(*space, *([time] if time in da.dims else []))
        .values
        for da in predictors.arrays.values()
    ]
    rows: list[dict[str, Any]] = [
        {
            "name": n,
            "units": predictors.units[n],
            "static": n in predictors.static,
            "max_interp_gap": max_interp_gap,
        }
        for n in names
    ]
    if fitted is None:
        references = _references(dict(zip(predictors.arrays, arrays, strict=True)), predictors)
    else:
        references = {str(r["name"]): r["reference"] for r in fitted if "reference" in r}
    for row in rows:
        if row["name"] in references:
            row["reference"] = references[row["name"]]
    layout = predictor_layout(predictors, rows)
    y = _on_cells(y, base, time).isel(thin).transpose(*space, time)
    values = _target_values(y).reshape(-1, layout.days.size)
    with_target = np.flatnonzero(np.isfinite(values).any(axis=1))
    lat, lon = _cell_coordinates(base.isel(thin), ds, space)
    # from north to south, so that random draws do not depend on the order of rows and columns
    with_target = with_target[north_to_south(lat[with_target], lon[with_target])]
    x = predictor_sequences(arrays, layout, with_target, pixel_shape(arrays, layout.static))
    _check_present(x, rows)
    usable = usable_days(np.isfinite(x), layout.dynamic, layout.static_predictors).any(axis=1)
    with_target, x = with_target[usable], x[usable]
    daily = np.full((with_target.size, layout.record_days), np.nan, np.float32)
    daily[:, layout.days] = values[with_target]
    dates = time_of(base, time).values
    if (observed := np.isfinite(daily[:, layout.days]).any(axis=0)).any():
        dates = dates[observed]
    check_precipitation(x, rows, predictors.arrays)
    _warn_of_missing(x, names)
    for f, row in enumerate(rows):
        if row["static"] and predictor_spec(row["name"]) is None and row["name"] not in POSITION:
            if (classes := classes_of(x[:, 0, f])) is not None:
                row["classes"] = classes
    return Samples(
        x=x,
        y=daily,
        lat=lat[with_target],
        lon=lon[with_target],
        rows=rows,
        title=str(y.name),
        period=(str(dates[0])[:10], str(dates[-1])[:10]),
        first_day=layout.first_day,
        repeat_cycle=repeat_cycle_of(str(y.name), y.attrs),
        cells=with_target,
    )


def north_to_south(lat: NDArray[np.floating], lon: NDArray[np.floating]) -> NDArray[np.intp]:
    """Order of cells (P,) from north to south, in a row from 180 W, however they are stored."""
    return np.lexsort((from_180_west(lon), -np.asarray(lat, np.float64)))


def from_180_west(lon: NDArray[np.floating]) -> NDArray[np.float64]:
    """Longitudes from -180; numbers of columns stay."""
    lon = np.asarray(lon, np.float64)
    east = lon if lon.max(initial=0) > 360 else wrap_longitude(lon)
    return east.astype(np.float64)


def _check_present(x: NDArray[np.float32], rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise an InputError if predictors (P, T, F) have no value, so that no cell is left."""
    names = [row["name"] for f, row in enumerate(rows) if not np.isfinite(x[:, :, f]).any()]
    if names and x.size:
        raise InputError(
            f"predictors {names} have no value on the cells of the target, or none within their "
            "declared valid range: leave them out, or correct the attribute."
        )


def _references(arrays: Mapping[str, NDArray[Any]], predictors: Predictors) -> dict[str, float]:
    """A whole number near the mean of predictors whose variation would be lost in float32.

    Such as the pressure of the air, or a height on an ellipsoid in mm. Those of the catalogue have
    a meaning that antecedent predictors rely on, and are left as they are.
    """
    references = {}
    for name, values in arrays.items():
        exact = values.dtype.itemsize <= (2 if values.dtype.kind in "iu" else 4)  # in float32
        if exact or predictor_spec(name) is not None or name in POSITION:
            continue
        factor, offset = predictors.factors[name]
        mean, std = _mean_and_std(values, predictors.ranges[name])
        mean, std = factor * mean + offset, abs(factor) * std
        if std > 0 and abs(mean) > LARGE_OFFSET * std:
            references[name] = float(np.rint(mean))
    return references


def _mean_and_std(values: NDArray[Any], declared: DeclaredValues) -> tuple[float, float]:
    """Of the valid values, in float64, by blocks of the first axis; NaN if there are none."""
    values = np.atleast_1d(values)
    count, shift, total, square = 0, np.nan, 0.0, 0.0
    for block in values:
        valid = np.isfinite(block) & ~declared_invalid(block, declared)
        block = block[valid].astype(np.float64)
        if block.size and count == 0:
            shift = float(block[0])
        count += block.size
        total += float((block - shift).sum())
        square += float(((block - shift) ** 2).sum())
    if count == 0:
        return np.nan, np.nan
    mean = total / count
    return shift + mean, float(np.sqrt(max(square / count - mean**2, 0.0)))


def _warn_of_missing(x: NDArray[np.float32], names: Sequence[str]) -> None:
    """Warn of predictors (P, T, F) that are missing on most days: a constant with a date is one."""
    for f, name in enumerate(names):
        there = float(np.isfinite(x[:, :, f]).mean()) if x.size else 1.0
        if 0 < there < MOSTLY:
            logger.warning(
                "predictor %r has values on %.2g %% of the days and cells of the target, after "
                "interpolation too: the fit sees it there alone. If it is a constant, drop its "
                "time: .isel(time=0, drop=True). Or leave it out: features=[...].",
                *(name, 100 * there),
            )


def _find_target(ds: xr.Dataset, target: str | xr.DataArray) -> tuple[xr.DataArray, xr.Dataset]:
    """The target, of a filled one its observed values, and the Dataset without it."""
    if not isinstance(ds, xr.Dataset):
        raise InputError(f"the predictors are a {type(ds).__name__}: expected a Dataset.")
    if isinstance(target, xr.DataArray):
        return _observed(target.rename(target.name or "target"), None), ds
    if not isinstance(target, str) or target not in ds.data_vars:
        shown = repr(target) if isinstance(target, str) else f"<{type(target).__name__}>"
        raise InputError(
            f"target={shown} is no variable of the predictors; expected one of "
            f"{[str(n) for n in ds.data_vars]}, or a DataArray."
        )
    return _observed(ds[target], ds), ds.drop_vars(target)


def _observed(da: xr.DataArray, ds: xr.Dataset | None) -> xr.DataArray:
    """The observed values of a target, without a valid range in another unit."""
    out = observed_values(da, ds)
    if declared_range(out).any:
        out = out.copy(deep=False)
        out.attrs = read_variable(out, ds).usable_attrs
    return out


def _on_cells(y: xr.DataArray, base: xr.DataArray, time: str) -> xr.DataArray:
    """The target on the cells and days of the predictors."""
    for dim in y.dims:
        if dim == time:
            y = on_days(daily_values(y, time, steady=True), base, time)
            continue
        if dim not in y.indexes or dim not in base.indexes:
            check_unlabelled(y, str(dim), base, f"target {y.name!r}")
        matched = match_labels(y, str(dim), base, same_spacing=True)
        if matched is None:
            numeric = numeric_labels(str(dim), y, base)
            raise InputError(
                f"target {y.name!r} has other {dim} than the predictors: bring them on one grid, "
                f'such as predictors.{"interp" if numeric else "sel"}({dim}=target["{dim}"]).'
            )
        y = matched
    return y


def _target_values(y: xr.DataArray) -> NDArray[np.float32]:
    """Values of the target in m3 m-3; NaN where missing."""
    values = to_m3m3(y).values
    values = np.where(np.isfinite(values), values, np.nan).astype(np.float32)
    return values


def _cell_coordinates(
    base: xr.DataArray, ds: xr.Dataset, space: list[Any]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Latitude and longitude of every cell, flat; rows and columns where there are none."""
    shape = tuple(base.sizes[dim] for dim in space)
    grid = xr.DataArray(np.zeros(shape), dims=space)
    flat = []
    for n, name in enumerate(("latitude", "longitude")):
        coord = coordinate_of_cells(base, ds, name)
        if coord is None and space:
            dim = space[min(n, len(space) - 1)]
            coord = xr.DataArray(np.arange(grid.sizes[dim], dtype=float), dims=dim)
        variable = xr.Variable((), 0.0) if coord is None else coord.variable
        on_grid = xr.DataArray(variable.values, dims=variable.dims).broadcast_like(grid)
        flat.append(on_grid.transpose(*space).values.ravel())
    return flat[0], flat[1]

"""Validation against another gridded product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import xsm.metrics as statistics
from xsm.conventions.ancillary import grid_field
from xsm.conventions.cf import with_attrs
from xsm.conventions.record import GriddedRecord
from xsm.conventions.regrid import coarsest, cropped, on_grid, same_grid
from xsm.errors import InputError, TimeAxisError
from xsm.metrics.status import OK
from xsm.validation.reference_options import ProductOptions
from xsm.validation.scoring import (
    ScoreOptions,
    scale_and_deseasonalize,
    score_days,
    score_pairs,
    status_before_scaling,
    with_status,
)
from xsm.validation.strata import StratumContext, build_strata

QUANTILES = {"p25": 0.25, "median": 0.5, "p75": 0.75}


def validate_product(
    record: GriddedRecord,
    reference: GriddedRecord,
    score_options: ScoreOptions,
    product_options: ProductOptions,
    *,
    by: Any = None,
    keep_pairs: bool = False,
) -> xr.Dataset:
    """Scores per cell of the coarser grid, and their summaries; lazy if either record is.

    Returns
    -------
    Dataset
        Metrics on (y, x, strata ...); ``summary_<metric>`` (statistic, strata ...): area-weighted
        mean and quartiles over the cells with status ok; ``summary_spatial_r`` (time): correlation
        of the two maps of a day, area-weighted; for each region the daily area means over the cells
        that both observed, ``summary_region_estimate`` and ``summary_region_reference`` (region,
        time).
    """
    (est, ref), target = align_records([record, reference], product_options.regrid)
    return score_maps(
        est,
        ref,
        target,
        (record, reference),
        score_options,
        regions=product_options.regions,
        by=by,
        keep_pairs=keep_pairs,
    )


def score_maps(
    est: xr.DataArray,
    ref: xr.DataArray,
    target: GriddedRecord,
    records: Sequence[GriddedRecord],
    score_options: ScoreOptions,
    *,
    regions: Mapping[str, Sequence[float]] | None = None,
    by: Any = None,
    keep_pairs: bool = False,
    observed: xr.DataArray | None = None,
) -> xr.Dataset:
    """Scores of two aligned records (time, y, x) on the grid of `target`; see `validate_product`.

    records : the two as they were opened, whose variables may define strata
    observed : the reference as it was observed, where `ref` is scaled already
    """
    area = area_weights(target)
    maps = {"estimate": est, "reference": ref}
    unscaled = status_before_scaling(est, ref, score_options, "time")
    est, ref = scale_and_deseasonalize(est, ref, score_options, "time")
    context = StratumContext(
        est["time"],
        target.lat,
        maps["reference"] if observed is None else observed,
        lambda name, definition: _categories(name, definition, target, records),
    )
    if score_options.across == "space":
        scores = score_days(est, ref, build_strata(by, context), score_options, target.space)
        if keep_pairs:
            scores = in_input_order(scores.assign(estimate=est, reference=ref), target)
        return scores
    scores = with_status(score_pairs(est, ref, build_strata(by, context), score_options), unscaled)
    scores = scores.assign_coords(grid_coordinates(target))
    scores = scores.transpose(*target.space, ...)
    scores = scores.assign(_summaries(scores, area, score_options, target))
    spatial = statistics.pearson_r(
        maps["estimate"], maps["reference"], dim=list(target.space), weights=area
    )
    long_name = "correlation of the two maps of a day, area-weighted"
    scores["summary_spatial_r"] = with_attrs(spatial, long_name=long_name, units="1")
    if regions:
        scores = scores.assign(_region_means(maps, target, area, regions))
    if keep_pairs:
        scores = scores.assign(estimate=est, reference=ref)
    return in_input_order(scores, target)


def common_grid(records: Sequence[GriddedRecord]) -> GriddedRecord:
    """The record with the coarsest grid, without the cells outside of the others."""
    first = records[0]
    if all(same_grid(first, other) for other in records[1:]):
        return first
    return cropped(coarsest(records), records)


def align_records(
    records: Sequence[GriddedRecord], regrid: str, target: GriddedRecord | None = None
) -> tuple[list[xr.DataArray], GriddedRecord]:
    """Records on their common days and one grid, and the record of that grid.

    `target`: a record of that grid; default the coarsest of their grids.

    Raises
    ------
    TimeAxisError
        If no day is common to all.
    """
    days = common_days(records)
    first = records[0]
    target = common_grid(records) if target is None else target
    time = xr.Variable("time", first.time.values[days[0]], first.time.attrs)
    out = []
    for record, index in zip(records, days, strict=True):
        da = on_grid(record, target, index, regrid).assign_coords(time=time)
        axes = {dim: target.da[dim].variable for dim in target.space if dim in target.da.coords}
        out.append(da.assign_coords(axes).transpose("time", *target.space))
    return out, target


def common_days(records: Sequence[GriddedRecord]) -> list[NDArray[np.intp]]:
    """Positions in each record of the days that all have."""
    shared = records[0].days[~np.isnat(records[0].days)]
    for record in records[1:]:
        shared = np.intersect1d(shared, record.days)
    if shared.size == 0:
        periods = "; ".join(f"{r.name} {r.days[0]} to {r.days[-1]}" for r in records)
        raise TimeAxisError(
            f"the records have no day in common: {periods}. Select periods that overlap."
        )
    return [np.flatnonzero(np.isin(record.days, shared)) for record in records]


def in_input_order(scores: xr.Dataset, target: GriddedRecord) -> xr.Dataset:
    """Rows and columns in the order of the input object."""
    return target.layout.to_stored_order(scores)


def area_weights(record: GriddedRecord) -> xr.DataArray:
    """Weights (y, x) proportional to the area of cells; equal if there are no latitudes."""
    shape = tuple(record.da.sizes[dim] for dim in record.space)
    if record.lat is None:
        return xr.DataArray(np.ones(shape), dims=record.space)
    weight = np.cos(np.deg2rad(np.asarray(record.lat.values, np.float64)))
    if not record.regular:  # cells of projected grids are assumed to have equal areas
        weight = np.where(np.isfinite(weight), 1.0, 0.0)
        return xr.DataArray(weight, dims=record.lat.dims).transpose(*record.space)
    return xr.DataArray(np.repeat(weight[:, None], shape[1], axis=1), dims=record.space)


def grid_coordinates(target: GriddedRecord) -> dict[str, Any]:
    """Latitude and longitude of a grid as coordinates, if it has them."""
    if target.lat is None or target.lon is None:
        return {}
    return {str(c.name): c.variable for c in (target.lat, target.lon)}


def _categories(
    name: str, definition: Any, target: GriddedRecord, records: Sequence[GriddedRecord]
) -> xr.DataArray | None:
    """Categories on the target grid: an array, or a variable of the first record that has it."""
    if definition is not None and not isinstance(definition, str):
        return grid_field(name, definition, target)
    label = name if definition is None else definition
    for record in records:
        categories = grid_field(name, label, record)
        if categories is not None:
            if same_grid(record, target):
                return xr.DataArray(categories.values, dims=target.space, attrs=categories.attrs)
            lat, lon = record.coordinates()
            categories = categories.assign_coords({str(c.name): c for c in (lat, lon)})
            return grid_field(name, categories, target)
    return None


def _summaries(
    scores: xr.Dataset, area: xr.DataArray, options: ScoreOptions, target: GriddedRecord
) -> dict[str, xr.DataArray]:
    """Area-weighted mean and quartiles of each metric over the cells with status ok."""
    out = {}
    labels = ["mean", *QUANTILES]
    for name in options.metrics:
        if name == "n_obs":
            continue
        values = scores[name].where(scores["status"] == OK)
        if values.chunks is not None:
            values = values.chunk(dict.fromkeys(target.space, -1))
        weighted = values.weighted(area)
        mean = weighted.mean(target.space).expand_dims(statistic=["mean"])
        quantiles = weighted.quantile(list(QUANTILES.values()), dim=target.space)
        quantiles = quantiles.rename(quantile="statistic").assign_coords(statistic=[*QUANTILES])
        summary = xr.concat([mean, quantiles], dim="statistic", coords="minimal", compat="override")
        summary = summary.assign_coords(statistic=labels).rename(f"summary_{name}")
        long_name = f"{scores[name].attrs.get('long_name', name)}, area-weighted over the cells"
        attrs = dict(scores[name].attrs) | {"long_name": long_name}
        out[f"summary_{name}"] = with_attrs(summary, **attrs)
    return out


def _region_means(
    maps: Mapping[str, xr.DataArray],
    target: GriddedRecord,
    area: xr.DataArray,
    regions: Mapping[str, Sequence[float]],
) -> dict[str, xr.DataArray]:
    """Daily means of both records over the cells that both observed, (region, time)."""
    lat, lon = target.coordinates()
    if target.regular:
        lat, lon = (xr.DataArray(c.values, dims=c.dims) for c in (lat, lon))
    observed = maps["estimate"].notnull() & maps["reference"].notnull()
    parts: dict[str, list[xr.DataArray]] = {name: [] for name in maps}
    for region, box in regions.items():
        inside = in_box(lat, lon, box).reset_coords(drop=True).transpose(*target.space)
        if not bool(inside.any()):
            raise InputError(
                f"product: regions: {region!r} {tuple(box)!r} holds no cell of the grid."
            )
        for name, da in maps.items():
            parts[name].append(da.where(observed & inside).weighted(area).mean(target.space))
    out = {}
    for name, means in parts.items():
        joined = xr.concat(means, dim="region")
        joined = joined.assign_coords(region=list(regions), time=maps[name]["time"])
        joined.attrs = {"units": "m3 m-3", "long_name": f"area mean of the {name}"}
        out[f"summary_region_{name}"] = joined
    return out


def in_box(lat: Any, lon: Any, box: Sequence[float]) -> Any:
    """Whether positions are in a box (south, north, west, east), borders included.

    A box that is 360 degrees wide or wider includes all longitudes.

    Examples
    --------
    >>> lon = np.array([-170.0, 5.0, 359.0])
    >>> in_box(0.0, lon, (-90, 90, -180, 180)).tolist(), in_box(0.0, lon, (-9, 9, 350, 6)).tolist()
    ([True, True, True], [False, True, True])
    """
    south, north, west, east = box
    inside = (lat >= south) & (lat <= north)
    if east - west >= 360.0:
        return inside & np.isfinite(lon)
    return inside & ((lon - west) % 360.0 <= (east - west) % 360.0)

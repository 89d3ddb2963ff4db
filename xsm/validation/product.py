"""Validation against another gridded product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import xsm.metrics as statistics
from xsm.conventions.ancillary import grid_field
from xsm.conventions.record import GriddedRecord
from xsm.conventions.regrid import coarsest, cropped, on_grid, same_grid
from xsm.errors import InputError, TimeAxisError
from xsm.metrics.status import OK
from xsm.validation.scoring import Request, explained, prepared, scored, unscaled_status
from xsm.validation.strata import Frame, strata

STATISTICS = {"p25": 0.25, "median": 0.5, "p75": 0.75}


def validate_product(
    record: GriddedRecord,
    reference: GriddedRecord,
    request: Request,
    *,
    by: Any = None,
    regrid: str = "conservative",
    regions: Mapping[str, Sequence[float]] | None = None,
    keep_pairs: bool = False,
) -> xr.Dataset:
    """Scores per cell of the coarser grid, and their summaries; lazy if either is.

    Returns
    -------
    Dataset
        Metrics on (y, x, strata ...); ``summary_<metric>`` (statistic, strata ...): area-weighted
        mean and quartiles over the cells with status ok; ``summary_spatial_r`` (time): correlation
        of the two maps of a day, area-weighted; with `regions` the daily area means of what both
        have, ``summary_region_estimate`` and ``summary_region_reference`` (region, time).
    """
    (est, ref), target = aligned([record, reference], regrid)
    area = areas(target)
    maps = {"estimate": est, "reference": ref}
    before = unscaled_status(est, ref, request, "time")
    est, ref = prepared(est, ref, request, "time")
    lat = target.lat
    frame = Frame(
        est["time"], lat, ref, lambda name, spec: _field(name, spec, target, (record, reference))
    )
    scores = explained(scored(est, ref, strata(by, frame), request), before)
    scores = scores.assign_coords(_places(target))
    scores = scores.transpose(*target.space, ...)
    scores = scores.assign(_summaries(scores, area, request, target))
    spatial = statistics.pearson_r(
        maps["estimate"], maps["reference"], dim=list(target.space), weights=area
    )
    spatial.attrs |= {"long_name": "correlation of the two maps of a day, area-weighted"}
    scores["summary_spatial_r"] = spatial
    if regions:
        scores = scores.assign(_region_means(maps, target, area, regions))
    if keep_pairs:
        scores = scores.assign(estimate=est, reference=ref)
    return as_counted(scores, target)


def aligned(
    records: Sequence[GriddedRecord], regrid: str
) -> tuple[list[xr.DataArray], GriddedRecord]:
    """Records on their common days and the coarsest of their grids, and the record of that grid.

    Raises
    ------
    TimeAxisError
        If no day is common to all.
    """
    days = common_days(records)
    first = records[0]
    alike = all(same_grid(first, other) for other in records[1:])
    target = first if alike else coarsest(records)
    if not alike:
        within = cropped(target, records)
        records = [within if record is target else record for record in records]
        target = within
    time = first.time.values[days[0]]
    out = []
    for record, index in zip(records, days, strict=True):
        da = on_grid(record, target, index, regrid).assign_coords(time=time)
        axes = {dim: target.da[dim].variable for dim in target.space if dim in target.da.coords}
        out.append(da.assign_coords(axes).transpose("time", *target.space))
    return out, target


def common_days(records: Sequence[GriddedRecord]) -> list[NDArray[np.intp]]:
    """Positions, in each record, of the days that all have."""
    shared = records[0].days[~np.isnat(records[0].days)]
    for record in records[1:]:
        shared = np.intersect1d(shared, record.days)
    if shared.size == 0:
        periods = "; ".join(f"{r.name} {r.days[0]} to {r.days[-1]}" for r in records)
        raise TimeAxisError(
            f"the records have no day in common: {periods}. Select periods that overlap."
        )
    return [np.flatnonzero(np.isin(record.days, shared)) for record in records]


def as_counted(scores: xr.Dataset, target: GriddedRecord) -> xr.Dataset:
    """Columns in the order in which the user counts them, where all of `target` are there."""
    return target.layout.to_stored_order(scores)


def areas(record: GriddedRecord) -> xr.DataArray:
    """Weights (y, x) in proportion to the area of cells; equal where there are no latitudes."""
    shape = tuple(record.da.sizes[dim] for dim in record.space)
    if record.lat is None:
        return xr.DataArray(np.ones(shape), dims=record.space)
    weight = np.cos(np.deg2rad(np.asarray(record.lat.values, np.float64)))
    if not record.regular:  # projected grids are taken as of equal area
        weight = np.where(np.isfinite(weight), 1.0, 0.0)
        return xr.DataArray(weight, dims=record.lat.dims).transpose(*record.space)
    return xr.DataArray(np.repeat(weight[:, None], shape[1], axis=1), dims=record.space)


def _places(target: GriddedRecord) -> dict[str, Any]:
    if target.lat is None or target.lon is None:
        return {}
    return {str(c.name): c.variable for c in (target.lat, target.lon)}


def _field(
    name: str, spec: Any, target: GriddedRecord, others: Sequence[GriddedRecord]
) -> xr.DataArray | None:
    if spec is not None and not isinstance(spec, str):
        return grid_field(name, spec, target)
    label = name if spec is None else spec
    for record in others:
        found = grid_field(name, label, record)
        if found is not None:
            if same_grid(record, target):
                return xr.DataArray(found.values, dims=target.space, attrs=found.attrs)
            lat, lon = record.coordinates()
            placed = found.assign_coords({str(c.name): c for c in (lat, lon)})
            return grid_field(name, placed, target)
    return None


def _summaries(
    scores: xr.Dataset, area: xr.DataArray, request: Request, target: GriddedRecord
) -> dict[str, xr.DataArray]:
    """Area-weighted mean and quartiles of each metric over the cells with status ok."""
    out = {}
    labels = ["mean", *STATISTICS]
    for name in request.metrics:
        if name == "n_obs":
            continue
        values = scores[name].where(scores["status"] == OK)
        if values.chunks is not None:
            values = values.chunk(dict.fromkeys(target.space, -1))
        weighted = values.weighted(area)
        mean = weighted.mean(target.space).expand_dims(statistic=["mean"])
        rest = weighted.quantile(list(STATISTICS.values()), dim=target.space)
        rest = rest.rename(quantile="statistic").assign_coords(statistic=list(STATISTICS))
        both = xr.concat([mean, rest], dim="statistic", coords="minimal", compat="override")
        both = both.assign_coords(statistic=labels).rename(f"summary_{name}")
        long_name = f"{scores[name].attrs.get('long_name', name)}, area-weighted over the cells"
        out[f"summary_{name}"] = both.assign_attrs(scores[name].attrs | {"long_name": long_name})
    return out


def _region_means(
    maps: Mapping[str, xr.DataArray],
    target: GriddedRecord,
    area: xr.DataArray,
    regions: Mapping[str, Sequence[float]],
) -> dict[str, xr.DataArray]:
    """Daily means of both over what both have, (region, time)."""
    lat, lon = target.coordinates()
    if target.regular:
        lat, lon = (xr.DataArray(c.values, dims=c.dims) for c in (lat, lon))
    both = maps["estimate"].notnull() & maps["reference"].notnull()
    parts: dict[str, list[xr.DataArray]] = {name: [] for name in maps}
    for region, box in regions.items():
        if len(box) != 4 or not box[0] < box[1]:
            raise InputError(
                f"regions: {region!r} is {box!r}; expected (south, north, west, east) in degrees."
            )
        south, north, west, east = box
        inside = (lat >= south) & (lat <= north) & ((lon - west) % 360.0 <= (east - west) % 360.0)
        inside = inside.reset_coords(drop=True).transpose(*target.space)
        if not bool(inside.any()):
            raise InputError(f"regions: {region!r} {tuple(box)!r} holds no cell of the grid.")
        for name, da in maps.items():
            parts[name].append(da.where(both & inside).weighted(area).mean(target.space))
    out = {}
    for name, means in parts.items():
        joined = xr.concat(means, dim="region").assign_coords(region=list(regions))
        joined.attrs = {"units": "m3 m-3", "long_name": f"area mean of the {name}"}
        out[f"summary_region_{name}"] = joined
    return out

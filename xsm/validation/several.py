"""Several products against one reference: scores of each, and triple collocation of every two."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import xsm.metrics as statistics
from xsm.argument_checks import check_choice
from xsm.conventions.record import GriddedRecord
from xsm.conventions.time_axis import daily_axis
from xsm.errors import TimeAxisError
from xsm.metrics.status import NOT_IN_THE_TRIPLE
from xsm.validation.in_situ import collocate, score_stations
from xsm.validation.joined_scores import join_scores
from xsm.validation.product import align_records, common_grid, in_input_order, score_maps
from xsm.validation.reference_options import ProductOptions, SeveralOptions, StationOptions
from xsm.validation.scoring import RECORDS, ScoreOptions, status_before_scaling, with_status
from xsm.validation.strata import column_names
from xsm.validation.triple import unique_labels

PRODUCT, TRIPLE, DATASET = "product", "triple", "dataset"
ROLES = ("estimate", "reference")
PREFIX = "tc_"  # of the results of triple collocation

Series = dict[str, xr.DataArray]  # of each product


def several_at_stations(
    records: Mapping[str, GriddedRecord],
    references: Sequence[Any],
    score_options: ScoreOptions,
    station_options: StationOptions,
    several_options: SeveralOptions,
    *,
    triple_options: Mapping[str, Any],
    by: Any = None,
    var: str | None = None,
    keep_pairs: bool = False,
) -> xr.Dataset:
    """Scores of several records at the same stations, (product, station, strata ...)."""
    pairs = {
        name: collocate(record, references, station_options, var=var, columns=column_names(by))
        for name, record in records.items()
    }
    pairs = {name: ds.assign_coords(time=_dates(ds["time"])) for name, ds in pairs.items()}
    if several_options.pairs == "common":
        pairs = _common_pairs(pairs)
    est, ref = ({name: ds[role] for name, ds in pairs.items()} for role in ROLES)
    scaled_est, scaled_ref, own_options = _scaled_to_product(est, ref, score_options)
    parts = []
    for name, record in records.items():
        ds = pairs[name].assign(estimate=scaled_est[name], reference=scaled_ref[name])
        scores = score_stations(
            ds, record, own_options, by=by, keep_pairs=keep_pairs, observed=ref[name]
        )
        parts.append(_with_status_before_scaling(scores, est[name], ref[name], score_options))
    scores = join_scores(parts, list(records), PRODUCT)
    if several_options.triples:
        first = next(iter(ref.values()))
        scores = scores.assign(_triples(est, first, "in situ", triple_options))
    return scores


def several_maps(
    records: Mapping[str, GriddedRecord],
    reference: GriddedRecord,
    score_options: ScoreOptions,
    product_options: ProductOptions,
    several_options: SeveralOptions,
    *,
    triple_options: Mapping[str, Any],
    finish: Callable[[xr.Dataset], xr.Dataset],
    by: Any = None,
    keep_pairs: bool = False,
) -> xr.Dataset:
    """Scores of several records per cell of the coarsest grid, (product, y, x, strata ...).

    Lazy if a record is.

    finish : function of the scores of one product, and of each triple, which computes those of
        records in files: one after the other, so that they need the memory of one
    """
    everything = [*records.values(), reference]
    target = common_grid(everything)
    est: Series = {}
    ref: Series = {}
    if several_options.pairs == "common":
        (*aligned, aligned_reference), _ = align_records(everything, product_options.regrid, target)
        complete = reduce(lambda a, b: a & b, (da.notnull() for da in aligned))
        est = {name: da.where(complete) for name, da in zip(records, aligned, strict=True)}
        ref = dict.fromkeys(records, aligned_reference)
    else:
        for name, record in records.items():
            both, _ = align_records([record, reference], product_options.regrid, target)
            est[name], ref[name] = (da.assign_coords(time=_dates(da["time"])) for da in both)
    scaled_est, scaled_ref, own_options = _scaled_to_product(est, ref, score_options)
    parts = []
    for name, record in records.items():
        scores = score_maps(
            scaled_est[name],
            scaled_ref[name],
            target,
            (record, reference),
            own_options,
            regions=product_options.regions,
            by=by,
            keep_pairs=keep_pairs,
            observed=ref[name],
        )
        scores = _with_status_before_scaling(scores, est[name], ref[name], score_options)
        parts.append(finish(scores))
    scores = join_scores(parts, list(records), PRODUCT)
    if several_options.triples:
        widest = max(ref.values(), key=lambda da: da.sizes["time"])
        errors = _triples(est, widest, reference.name, triple_options, finish)
        scores = scores.assign(in_input_order(xr.Dataset(errors), target).data_vars)
    return scores


def _dates(time: xr.DataArray) -> xr.Variable:
    """Dates without time of day, which are the same for all products."""
    return xr.Variable("time", daily_axis(time).dates.astype("datetime64[ns]"))


def _with_status_before_scaling(
    scores: xr.Dataset, est: xr.DataArray, ref: xr.DataArray, options: ScoreOptions
) -> xr.Dataset:
    """Scores of series that were scaled to a product, with the reason where that was impossible."""
    if options.scaling is None or not options.scaling.to_product or options.across == "space":
        return scores
    return with_status(scores, status_before_scaling(est, ref, options, "time"))


def _common_pairs(pairs: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Pairs on the days that all products have, missing where any product or reference is."""
    days = reduce(np.intersect1d, (ds["time"].values for ds in pairs.values()))
    if days.size == 0:
        periods = "; ".join(
            f"{name} {str(ds['time'].values[0])[:10]} to {str(ds['time'].values[-1])[:10]}"
            for name, ds in pairs.items()
        )
        raise TimeAxisError(
            f"the products have no day in common within the period of the stations: {periods}. "
            "Select periods that overlap, or use several={'pairs': 'each'}."
        )
    on_days = {name: ds.sel(time=days) for name, ds in pairs.items()}
    complete = reduce(
        lambda a, b: a & b,
        (ds[role].notnull() for ds in on_days.values() for role in ROLES),
    )
    return {
        name: ds.assign({role: ds[role].where(complete) for role in ROLES})
        for name, ds in on_days.items()
    }


def _scaled_to_product(
    est: Series, ref: Series, options: ScoreOptions
) -> tuple[Series, Series, ScoreOptions]:
    """All series scaled to one of the products, where the options name one.

    Returns
    -------
    tuple
        Estimates and references, and the options for what remains to be done.
    """
    scaling = options.scaling
    if scaling is None or not scaling.to_product:
        return est, ref, options
    check_choice("scaling: to", scaling.to, (*RECORDS, *est))
    target = est[scaling.to]

    scaled_est = {
        name: da if name == scaling.to else scaling.scale(da, target, "time")
        for name, da in est.items()
    }
    scaled_ref = {name: scaling.scale(da, target, "time") for name, da in ref.items()}
    return scaled_est, scaled_ref, replace(options, scaling=None)


def _triples(
    est: Series,
    reference: xr.DataArray,
    reference_name: str,
    options: Mapping[str, Any],
    finish: Callable[[xr.Dataset], xr.Dataset] = lambda errors: errors,
) -> dict[str, xr.DataArray]:
    """Triple collocation of the reference with every two products, on (triple, dataset, ...).

    The scale of ``err_std`` and ``beta`` is that of the reference.
    """
    labels = unique_labels([reference_name, *est])
    names = dict(zip(est, labels[1:], strict=True))
    results = {}
    for a, b in itertools.combinations(est, 2):
        triple = [labels[0], names[a], names[b]]
        errors = statistics.triple_collocation(
            reference, est[a], est[b], dim="time", names=triple, reference=0, **options
        )
        errors = finish(errors)
        absent = {"status": np.int8(NOT_IN_THE_TRIPLE)}
        fill = {str(n): absent.get(str(n), np.nan) for n in errors.data_vars}
        results[", ".join(triple)] = errors.reindex({DATASET: labels}, fill_value=fill)
    joined = xr.concat(
        list(results.values()),
        dim=pd.Index(list(results), name=TRIPLE, dtype=object),
        data_vars="all",
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )
    joined = joined.transpose(..., TRIPLE, DATASET)
    return {f"{PREFIX}{name}": da for name, da in joined.data_vars.items()}

"""Fit an ensemble whose members each leave out other months, and the local part to their errors.

Every member sees all cells. On the days that it leaves out its errors are those of new weather:
they give the scores and the calibration in the card, the weights of networks of several kinds, and
are what the Gaussian process of each cell is fitted to. The estimate is the mean of all members of
a kind, and the weighted mean of the kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.nearest_cells import unit_vectors
from xsm.estimation.inputs import network_inputs
from xsm.estimation.local import (
    CELL_MEAN,
    CELL_STD,
    LocalPart,
    add_local_inputs,
    anomalies,
    climate_of,
    local_rows,
    same_cell_tolerance,
    shrunk_variance,
)
from xsm.estimation.samples import Samples
from xsm.metrics.score_table import scores
from xsm.networks.model import Model, make_model
from xsm.networks.registry import ENSEMBLE
from xsm.networks.sequence_inference import estimate_sequences
from xsm.training.ensemble import NetworkFit, OnEpoch, numbered_params, prepare, subsample
from xsm.training.estimator_card import cut, normalisation, rounded_scores, with_statistics
from xsm.training.interval_factor import interval_factor
from xsm.training.local_fit import (
    ResidualDays,
    fit_response,
    random_frequencies,
    response_weights,
)
from xsm.training.network_choice import (
    Component,
    ensemble_weights,
    estimates_new_cells,
    members_of,
)
from xsm.training.sequence_fit import Sequences
from xsm.training.splits import FOLD_GUARD, with_guard

REGIONAL_FRACTION = 0.25  # of the samples that are shown without what is known of their cell
TARGET_SHRINKAGE = 0.3  # of the variance of the target in a cell towards that of all cells
MIN_CELL_TARGETS = 20  # of a cell with a local part
RESPONSE_STEPS = 100
ERROR_DAYS = 50  # weight of all cells in the error of a cell, in days
MOST_SCATTER = 0.5  # of the variance of an error that is taken for the scatter of networks


class CellData(NamedTuple):
    """Inputs and targets of P cells on the T days around the targets."""

    base: NDArray[np.float32]  # (P, T, G), inputs without those of the local part
    x: NDArray[np.float32]  # (P, T, G'), all inputs
    regional: NDArray[np.float32] | None  # the same, as if no cell were fitted
    y: NDArray[np.float32]  # (P, T), m3 m-3
    folds: NDArray[np.int8]  # (T,)
    first_day: int  # since 1970-01-01
    part: LocalPart | None  # without weights
    fitted: NDArray[np.bool_]  # (P,), cells with a local part


class LeftOutEstimates(NamedTuple):
    """Estimates of each day by networks and a local part that were fitted to other days."""

    mean: NDArray[np.floating]  # (P, T), m3 m-3; NaN outside the days of the folds
    first: int  # position of their first day among those of the samples


class KindEstimates(NamedTuple):
    """What the members of one kind estimate, (2, P, T): with the cell's own statistics, without.

    `left_out` holds the estimates of days that a member left out, NaN on other days, and `scatter`
    the variance that these have beyond that of the mean of all members; the others are those of all
    members. A kind that is not for cells without statistics has zeros there.
    """

    left_out: NDArray[np.float64]
    scatter: NDArray[np.float64]
    mean: NDArray[np.float64]
    mean_square: NDArray[np.float64]
    variance: NDArray[np.float64]


class FittedKind(NamedTuple):
    """Networks of one kind after their fit."""

    fit: NetworkFit
    members: list[dict[str, NDArray[Any]]]  # parameters of each
    curves: list[dict[str, list[float]]]
    estimates: KindEstimates


class LeftOut(NamedTuple):
    """What all networks estimate, (P, T): on days that they left out, and their spread.

    `scatter` is the variance of `mean` beyond that of the estimate of new days, which is of all
    networks.
    """

    mean: NDArray[np.float64]
    regional_mean: NDArray[np.float64]
    scatter: NDArray[np.float64]
    regional_scatter: NDArray[np.float64]
    std: NDArray[np.float64]
    regional_std: NDArray[np.float64]


def fit_by_months(
    samples: Samples,
    folds: NDArray[np.int8],
    components: Sequence[Component],
    *,
    local: bool,
    antecedent: bool,
    repeat_cycle: int = 0,
    ensemble_size: int = 1,
    seed: int = 0,
    fraction: float = 1.0,
    location: str | None = None,
    scale: str | None = None,
    scaling: str = "moments",
    on_epoch: OnEpoch = None,
) -> tuple[Model, LeftOutEstimates]:
    """Fit a model whose members leave out months in turn, and estimate what each leaves out.

    Parameters
    ----------
    samples : Samples
    folds : ndarray of int, (T,)
        From :func:`xsm.training.splits.month_folds`.
    components : sequence of Component
        From :func:`xsm.training.network_choice.choose_networks`.
    local, antecedent, repeat_cycle, ensemble_size, seed, fraction, location, scale, scaling
        As in :func:`xsm.fit_estimator`; `local` excludes `location` and `scale`. Of a single kind
        there are at least as many members as folds.
    on_epoch : callable, optional
    """
    everywhere = np.zeros(len(samples.y), np.int8)
    card = normalisation(samples, everywhere, location, scale, scaling, antecedent)
    data, card = _cell_data(samples, folds, card, local, repeat_cycle, scaling)
    size = members(folds, ensemble_size)
    is_regional = [data.regional is None or r for r in estimates_new_cells(components)]
    of_kinds = []
    for component, regional in zip(components, is_regional, strict=True):
        fit = prepare(component.kind, card, component.options)
        count = members_of(component, components, size)
        of_kind = data if regional else data._replace(regional=None)
        of_kinds.append(_fit_members(of_kind, card, fit, count, seed, fraction, on_epoch))
    weights = ensemble_weights(
        [kind.estimates.left_out[0] for kind in of_kinds],
        data.y,
        [component.weight for component in components],
        is_regional,
    )
    left_out = combine_kinds([kind.estimates for kind in of_kinds], weights)
    params = numbered_params([member for kind in of_kinds for member in kind.members])
    common = {
        "ensemble_size": size,
        "seed": seed,
        "fraction": fraction,
        "scaling": scaling,
        "antecedent": antecedent,
    }
    card = {**_network_entries(of_kinds, weights, common), **card}
    estimated: NDArray[np.floating] = left_out.mean
    if data.part is not None:
        part, unexplained = _fit_part(data, left_out, seed)
        low, high = card["target"]["range"]
        estimated = np.clip(estimated + unexplained, low, high)
        error = _error_factors(estimated, left_out, data)
        part = replace(part, **error)
        card["local"] = part.entry()
        params |= part.params()
    else:
        factor = calibration_factor(estimated - data.y, left_out.std, left_out.scatter)
        card["calibration"] = {"scale": round(factor, 4), "n": int(np.isfinite(data.y).sum())}
    card["scores"] = month_scores(estimated, data.y)
    first = data.first_day - samples.first_day
    return make_model("fitted", card, params), LeftOutEstimates(estimated, first)


def members(folds: NDArray[np.int8], ensemble_size: int) -> int:
    """Number of networks: each fold is left out at least once."""
    return max(ensemble_size, int(folds.max()) + 1)


def _cell_data(
    samples: Samples,
    folds: NDArray[np.int8],
    card: dict[str, Any],
    local: bool,
    repeat_cycle: int,
    scaling: str,
) -> tuple[CellData, dict[str, Any]]:
    """Inputs of the network, and the card with those of the local part."""
    days = np.flatnonzero(folds >= 0)
    context = card["sequence"]["context"]
    first = max(days[0] - context, 0)
    period = slice(first, days[-1] + 1 + context)
    inputs = network_inputs(samples.x, card)[:, period]
    y, folds = samples.y[:, period], folds[period]
    first_day = samples.first_day + first
    fitted = np.isfinite(y).sum(axis=1) >= MIN_CELL_TARGETS
    if not local or not fitted.any():
        return CellData(inputs, inputs, None, y, folds, first_day, None, fitted), card
    rows = card.get("inputs") or [
        {"name": r["name"], "predictor": r["name"], "static": r["static"], "mean": r["mean"],
         "std": r["std"]} for r in card["predictors"]
    ]  # fmt: skip
    columns = tuple(g for g, row in enumerate(rows) if not row["static"])
    global_std = np.array([rows[g]["std"] for g in columns], np.float32)
    of_target = slice(days[0] - first, days[-1] + 1 - first)
    climate = climate_of(inputs[:, of_target][:, :, list(columns)], global_std)
    none = np.full(len(y), np.nan, np.float32)
    mean = np.where(fitted, np.nanmean(y, axis=1), none).astype(np.float32)
    variance = np.full(len(y), np.nan)
    variance[fitted] = shrunk_variance(y[fitted], TARGET_SHRINKAGE)
    std = np.sqrt(variance).astype(np.float32)
    x = add_local_inputs(inputs, columns, *climate, mean, std)
    regional = add_local_inputs(inputs, columns, *climate, none, none)
    target = card["target"]
    card = card | {
        "inputs": with_statistics([*rows, *local_rows(rows)], x, scaling),
        "target": target
        | {
            "location": CELL_MEAN,
            "scale": CELL_STD,
            "regional_location": target["location"],
            "regional_scale": target["scale"],
            "range": [float(np.nanmin(y)), float(np.nanmax(y))],
        },
    }
    empty = np.zeros((0, 0), np.float32)
    part = LocalPart(  # the fit of the response gives the rest
        position=unit_vectors(samples.lat[fitted], samples.lon[fitted]),
        tolerance=same_cell_tolerance(unit_vectors(samples.lat, samples.lon)),
        mean=mean[fitted],
        std=std[fitted],
        input_mean=climate[0][fitted],
        input_scale=climate[1][fitted],
        weights=empty,
        linear=empty,
        frequencies=empty,
        global_std=global_std,
        error=empty,
        regional_error=1.0,
        amplitude=0.0,
        constant=0.0,
        track=0.0,
        repeat_cycle=repeat_cycle,
        inputs=columns,
    )
    return CellData(inputs, x, regional, y, folds, first_day, part, fitted), card


def _fit_members(
    data: CellData,
    card: Mapping[str, Any],
    fit: NetworkFit,
    size: int,
    seed: int,
    fraction: float,
    on_epoch: OnEpoch,
) -> FittedKind:
    """Fit the members of one kind, and collect their estimates.

    Each leaves out one fold, see :func:`fold_of`.
    """
    params: list[dict[str, NDArray[Any]]] = []
    curves = []
    card = {"task": "estimate", "network": fit.row.kind, "config": fit.config, **card}
    n_folds = int(data.folds.max()) + 1
    shape = (2, *data.y.shape)  # with the cell's own statistics, and without
    total, square, variance, unseen = (np.zeros(shape) for _ in range(4))
    total_seen, square_seen = (np.zeros(shape) for _ in range(2))  # of members fitted to a day
    left_out_by, seen_by = (np.zeros(data.y.shape[1]) for _ in range(2))
    for member in range(size):
        left_out = data.folds == fold_of(member, size, n_folds)
        used = ~with_guard(left_out, FOLD_GUARD)
        y = np.where(used, data.y, np.float32(np.nan))
        training = cut(data.x, y, card, fit.row.days_alone)
        if data.regional is not None:
            without = cut(data.regional, y, card, fit.row.days_alone)
            without = subsample(without, REGIONAL_FRACTION, seed + member)
            both = zip(training, without, strict=True)
            training = Sequences(*(np.concatenate(pair) for pair in both))
        training = subsample(training, fraction, seed)
        of_member, curve = fit.run(training, None, seed + member, on_epoch)
        curves.append(curve)
        params.append(of_member)
        alone = make_model("member", card, numbered_params([of_member]))
        left_out_by += left_out
        seen_by += used
        for n, x in enumerate((data.x, data.regional)):
            if x is None:
                continue
            mean, std = (field.astype(np.float64) for field in estimate_sequences(x, alone))
            total[n] += mean
            square[n] += mean**2
            total_seen[n] += mean * used
            square_seen[n] += mean**2 * used
            variance[n] += std**2
            unseen[n][:, left_out] += mean[:, left_out]
    with np.errstate(invalid="ignore", divide="ignore"):
        of_left_out = unseen / left_out_by
    if fit.trainer.scale_variance is not None:  # that of errors on the days of the fit
        factor = variance_factor(of_left_out[0] - data.y, variance[0] / size)
        params = [fit.trainer.scale_variance(of_member, factor) for of_member in params]
        variance *= factor
    # a member that was fitted to a day is closer to its target than those that left it out
    scatter = scatter_of_few(sample_variance(total_seen, square_seen, seen_by), left_out_by, size)
    estimates = KindEstimates(of_left_out, scatter, total / size, square / size, variance / size)
    return FittedKind(fit, params, curves, estimates)


def variance_factor(error: NDArray[np.floating], variance: NDArray[np.floating]) -> float:
    """Mean squared error, NaN where there is none, in units of the mean of a variance."""
    observed = np.isfinite(error)
    if not observed.any():
        return 1.0
    return float(np.mean(error[observed] ** 2) / np.mean(variance[observed]))


def sample_variance(
    total: NDArray[np.float64], square: NDArray[np.float64], count: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Unbiased variance from sums of values and of their squares; 0 of fewer than two."""
    mean_square = square - total**2 / np.maximum(count, 1)
    return np.where(count > 1, np.maximum(mean_square, 0.0) / np.maximum(count - 1, 1), 0.0)


def scatter_of_few(
    variance: NDArray[np.float64], few: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Variance of the mean of `few` of `size` members beyond that of the mean of all.

    ``s^2 (1 / n - 1 / N)`` with the variance s^2 between N members (..., T) and the number n (T,)
    of those that left out a day; 0 where none did.

    Examples
    --------
    >>> scatter_of_few(np.array([1.0, 1.0]), np.array([1.0, 0.0]), 10)
    array([0.9, 0. ])
    """
    inverse = np.divide(1.0, few, out=np.full_like(few, 1 / size), where=few > 0)
    return variance * (inverse - 1 / size)


def fold_of(member: int, size: int, n_folds: int) -> int:
    """Fold that a member leaves out; fewer members than folds leave out some, evenly spaced.

    These are not at the ends of a record, where the fewest days of the season are around.

    Examples
    --------
    >>> [fold_of(n, 2, 12) for n in range(2)], [fold_of(n, 5, 3) for n in range(5)]
    ([3, 9], [0, 1, 2, 0, 1])
    """
    return member % n_folds if size >= n_folds else (2 * member + 1) * n_folds // (2 * size)


def combine_kinds(estimates: Sequence[KindEstimates], weights: NDArray[np.floating]) -> LeftOut:
    """The mean of all kinds with weights (2, K), and its standard deviation.

    On days that no member of a kind left out, the mean of the other kinds.
    """
    of_kinds, scatters, *moments = (np.stack(field) for field in zip(*estimates, strict=True))
    has_estimate = np.isfinite(of_kinds)
    total = _weighted(np.where(has_estimate, of_kinds, 0.0), weights)
    with np.errstate(invalid="ignore"):
        used = _weighted(has_estimate.astype(np.float64), weights)
        left_out = total / used
        scatter = _weighted(np.where(has_estimate, scatters, 0.0), weights**2) / used**2
    mean, mean_square, variance = (_weighted(field, weights) for field in moments)
    between = np.maximum(mean_square - mean**2, 0.0)
    return LeftOut(*left_out, *scatter, *np.sqrt(variance + between))


def _weighted(of_kinds: NDArray[np.float64], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum over K kinds (K, 2, P, T) with weights (2, K)."""
    return np.asarray(np.einsum("kspt,sk->spt", of_kinds, weights))


def _network_entries(
    of_kinds: Sequence[FittedKind], weights: NDArray[np.floating], common: Mapping[str, Any]
) -> dict[str, Any]:
    """Entries of the card that describe the networks, ``training`` and ``curves``."""
    entries: dict[str, Any] = {"task": "estimate"}
    fit = of_kinds[0].fit
    if len(of_kinds) == 1:
        entries |= {"network": fit.row.kind, "config": fit.config}
        return entries | {"training": {**fit.settings, **common}, "curves": of_kinds[0].curves}
    networks = [
        {
            "network": kind.fit.row.kind,
            "config": kind.fit.config,
            "ensemble_size": len(kind.members),
            "weight": round(float(weight), 4),
            "regional_weight": round(float(regional), 4),
            "training": kind.fit.settings,
        }
        for kind, weight, regional in zip(of_kinds, *weights, strict=True)
    ]
    config = {"kind": ENSEMBLE, "features": fit.config["features"]}
    entries |= {"network": ENSEMBLE, "config": config, "networks": networks}
    curves = [curve for kind in of_kinds for curve in kind.curves]
    return entries | {"training": dict(common), "curves": curves}


def _fit_part(
    data: CellData, left_out: LeftOut, seed: int
) -> tuple[LocalPart, NDArray[np.float64]]:
    """The local part, and what it adds on days that its fit has not used, (P, T)."""
    assert data.part is not None
    part, fitted = data.part, data.fitted
    z = anomalies(
        data.base[fitted][:, :, list(part.inputs)],
        part.input_mean[:, None],
        part.input_scale[:, None],
    )
    residual = (data.y - left_out.mean)[fitted]
    residuals = ResidualDays(residual)
    at = (data.first_day, part.repeat_cycle)
    days = data.y.shape[1]
    settings = fit_response(residuals.at(z), residuals, days, *at, steps=RESPONSE_STEPS, seed=seed)
    frequencies = random_frequencies(settings.nonlinear, seed)
    part = replace(
        part,
        linear=settings.linear,
        frequencies=frequencies,
        amplitude=settings.amplitude,
        constant=settings.constant,
        track=settings.track,
    )
    weights = response_weights(residuals.at(z), residuals, settings, frequencies, *at)
    added = np.full(data.y.shape, 0.0)
    own = np.full(residual.shape, np.nan)
    for fold in range(int(data.folds.max()) + 1):
        days_of_fold = data.folds == fold
        others = residual.copy()
        others[:, with_guard(days_of_fold, FOLD_GUARD)] = np.nan
        of_others = ResidualDays(others)
        w = response_weights(of_others.at(z), of_others, settings, frequencies, *at)
        chosen = np.flatnonzero(days_of_fold)
        for n in range(len(z)):
            own[n, chosen] = part.features(z[n, chosen], chosen + data.first_day) @ w[n]
    added[fitted] = own
    return replace(part, weights=weights), added


def _error_factors(
    estimated: NDArray[np.floating], left_out: LeftOut, data: CellData
) -> dict[str, Any]:
    """Factors of the standard deviation of the networks, for each fitted cell and for others."""
    error = estimated - data.y
    ratio = abs(error) / left_out.std
    observed = np.isfinite(ratio)
    squared = np.where(observed, ratio, 0.0) ** 2
    everywhere = squared.sum() / max(observed.sum(), 1)
    count = observed.sum(axis=1)
    own = np.sqrt((squared.sum(axis=1) + ERROR_DAYS * everywhere) / (count + ERROR_DAYS))
    factor = own * calibration_factor(error, left_out.std * own[:, None], left_out.scatter)
    regional = calibration_factor(
        left_out.regional_mean - data.y, left_out.regional_std, left_out.regional_scatter
    )
    return {"error": factor[data.fitted].astype(np.float32), "regional_error": regional}


def calibration_factor(
    error: NDArray[np.floating], std: NDArray[np.floating], scatter: NDArray[np.floating]
) -> float:
    """Factor of the standard deviation, from errors on days that few networks left out.

    The estimate of a new day is of all networks, so the part of the variance of these errors that
    is the `scatter` of the few is taken off.
    """
    observed = np.isfinite(error)
    ratio = abs(error[observed]) / std[observed]
    part = np.mean(scatter[observed] / std[observed] ** 2) / np.mean(ratio**2)
    return interval_factor(ratio) * float(np.sqrt(1 - min(part, MOST_SCATTER)))


def month_scores(
    estimated: NDArray[np.floating], y: NDArray[np.floating]
) -> dict[str, float | int | str | None]:
    """Entry ``scores``: of all days together, and medians over the cells."""
    pair = (xr.DataArray(values, dims=("cell", "time")) for values in (estimated, y))
    cells = scores(*pair, dim="time", metrics=("rmsd", "ubrmsd", "pearson_r"))
    entry: dict[str, Any] = {"left_out": "months", **rounded_scores(estimated, y)}
    for name, metric in (("rmse", "rmsd"), ("ubrmse", "ubrmsd"), ("r", "pearson_r")):
        if np.isfinite(values := cells[metric].values).any():
            entry[f"median_{name}"] = round(float(np.nanmedian(values)), 5)
    return entry

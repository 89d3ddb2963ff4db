"""Experiments on estimators: error against the length of the sequence and the number of samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_whole
from xsm.errors import InputError
from xsm.estimation.samples import Samples, read_samples
from xsm.metrics.score_table import pooled_scores
from xsm.networks.registry import network
from xsm.options import get_option

BASELINE = "cdf_matching"  # name in the dimension "estimate"
Scores = Mapping[str, float]


class Coordinate(NamedTuple):
    """The dimension of a result along which the experiment varies."""

    name: str
    values: NDArray[Any]
    attrs: dict[str, str]


def sequence_length(
    predictors: xr.Dataset,
    target: str | xr.DataArray,
    days: Sequence[int] = (0, 1, 3, 7, 15, 30),
    *,
    model: str = "atlstm",
    features: Any = None,
    baseline: str | None = "swvl1",
    split: str = "random",
    stride: int = 1,
    days_per_cell: int = 24,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
) -> xr.Dataset:
    """Error of an estimator against the number of days in its sequences.

    For each number of days, a model is fitted to sequences with this many days before and after
    the day to estimate, and scored on test cells. All fits use the same days of each cell, drawn
    at random.

    Parameters
    ----------
    predictors, target, features, split, stride
        As for :func:`xsm.fit_estimator`.
    days : sequence of int
        Days before the one that is estimated, and after it if the network uses later days.
    model : str
        A kind of network of sequences.
    baseline : str, optional
        A predictor that is itself soil moisture. Its distribution is matched to that of the
        target over all training cells; None for no baseline.
    days_per_cell : int
        Number of days to estimate in each cell.
    seed : int
    progress : bool, optional
    **options
        Sizes and settings as for :func:`xsm.fit_estimator`: ``hidden_size``, ``epochs``,
        ``learning_rate``, ...

    Returns
    -------
    Dataset, (estimate, days)
        ``rmse`` (m3 m-3), ``bias`` and ``r2`` on the test cells, of the model and of the baseline.
        Plot it with ``.sm.plot.curve()``.

    Raises
    ------
    InputError
        If the record is too short for the days; and the errors of :func:`xsm.fit_estimator`.

    References
    ----------
    Reichle and Koster (2004), doi 10.1029/2004GL020938, for the baseline.

    Examples
    --------
    >>> xsm.experiments.sequence_length(predictors, "smap").sm.plot.curve()       # doctest: +SKIP
    """
    from xsm.training.ensemble import check_applicable, check_ranges, fit_ensemble

    lengths = _numbers(days, "days", 0, np.inf, whole=True)
    check_whole({"days_per_cell": (days_per_cell, 1), "stride": (stride, 1), "seed": (seed, 0)})
    row = network(model, argument="model")
    if row.days_alone:
        raise InputError(
            f"model={model!r} uses the inputs of a single day, whatever the length: expected a "
            "network of sequences, such as 'atlstm' or 'lstm'."
        )
    looks_ahead = row.looks_ahead
    check_ranges(options | {"seed": seed})
    common, options = _split_options(options)
    options = check_applicable(model, options)
    samples, part = _read(predictors, target, features, split, stride, seed, common | options)
    longest = int(max(lengths))
    if samples.y.shape[1] <= 2 * longest:
        raise InputError(
            f"days={list(days)}: the record has {samples.y.shape[1]} days, expected more than "
            f"{2 * longest}. Use fewer days, or a longer record."
        )
    chosen = _draw_days(samples.y, days_per_cell, longest, np.random.default_rng(seed))
    parts = np.repeat(part, chosen.shape[1])
    rows: dict[str, list[Scores]] = {model: []}
    if baseline is not None:
        scores = _baseline_scores(_sequences_around(samples, chosen, 0, 0), parts, baseline)
        rows[BASELINE] = [scores] * len(lengths)
    for length in _with_progress(lengths, progress, "sequence_length"):
        after = int(length) if looks_ahead else 0
        cut = _sequences_around(samples, chosen, int(length), after)
        fitted = fit_ensemble(cut, parts, model, seed=seed, **common, **options)
        rows[model].append(fitted.card["scores"])
    note = "days before and after" if looks_ahead else "days before"
    attrs = {"units": "day", "long_name": f"context, {note}"}
    return _table(rows, Coordinate("days", np.array(lengths, int), attrs), samples, part)


def reduced_samples(
    predictors: xr.Dataset,
    target: str | xr.DataArray,
    fractions: Sequence[float] = (1.0, 0.3, 0.1, 0.03),
    *,
    models: Sequence[str] = ("atlstm", "xgboost"),
    features: Any = None,
    baseline: str | None = "swvl1",
    split: str = "random",
    stride: int = 1,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
) -> xr.Dataset:
    """Error of estimators that are fitted to a fraction of the training cells.

    Parameters
    ----------
    predictors, target, features, baseline, split, stride, seed, progress
        As for :func:`sequence_length`.
    fractions : sequence of float
        Fractions of the training cells, with all their days. Held-out and test cells are always
        the same.
    models : sequence of str
        Kinds of model.
    **options
        Sizes and settings as for :func:`xsm.fit_estimator`. Each model takes those that apply to
        it; each option must apply to one of the models.

    Returns
    -------
    Dataset, (estimate, fraction)
        ``rmse`` (m3 m-3), ``bias`` and ``r2`` on the test cells. Plot it with
        ``.sm.plot.curve()``.

    Raises
    ------
    InputError
        If a fraction is not above 0 and up to 1; and the errors of :func:`xsm.fit_estimator`.

    References
    ----------
    Reichle and Koster (2004), doi 10.1029/2004GL020938, for the baseline.

    Examples
    --------
    >>> xsm.experiments.reduced_samples(predictors, "smap").sm.plot.curve()       # doctest: +SKIP
    """
    from xsm.training.ensemble import check_ranges, fit_ensemble
    from xsm.training.network_choice import options_of_kinds

    values = _numbers(fractions, "fractions", 1e-9, 1.0)
    check_whole({"stride": (stride, 1), "seed": (seed, 0)})
    if isinstance(models, str) or not isinstance(models, Sequence) or not models:
        raise InputError(f"models={models!r}: expected a list of kinds of model, one or more.")
    for name in models:
        network(name, argument="models")
    if len({*models}) < len(models):
        raise InputError(f"models={models!r}: expected each kind once.")
    common, options = _split_options(options)
    check_ranges(options)
    options_of = options_of_kinds(models, options)
    samples, part = _read(predictors, target, features, split, stride, seed, common | options)
    rows: dict[str, list[Scores]] = {name: [] for name in models}
    if baseline is not None:
        rows[BASELINE] = []
    for fraction in _with_progress(values, progress, "reduced_samples"):
        reduced = _reduce_training_cells(part, fraction, seed)
        for name in models:
            fitted = fit_ensemble(samples, reduced, name, seed=seed, **common, **options_of[name])
            rows[name].append(fitted.card["scores"])
        if baseline is not None:
            rows[BASELINE].append(_baseline_scores(samples, reduced, baseline))
    attrs = {"units": "1", "long_name": "fraction of the training cells"}
    return _table(rows, Coordinate("fraction", np.array(values, float), attrs), samples, part)


def _split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options that all models take, and those that depend on the kind of network."""
    common = ("ensemble_size", "fraction", "location", "scale", "scaling")
    return (
        {name: value for name, value in options.items() if name in common},
        {name: value for name, value in options.items() if name not in common},
    )


def _read(
    predictors: Any,
    target: Any,
    features: Any,
    split: str,
    stride: int,
    seed: int,
    options: Mapping[str, Any],
) -> tuple[Samples, NDArray[np.int8]]:
    from xsm.networks.device import torch_device
    from xsm.training.fit_estimator import check_samples
    from xsm.training.splits import split_cells

    if options.get("device") is not None:
        torch_device(options["device"])

    if split in ("months", "none"):
        raise InputError(f"split={split!r}: an experiment needs test cells, 'random' or 'blocked'.")
    samples = read_samples(predictors, target, features, stride=stride)
    check_samples(samples, options.get("location"), options.get("scale"))
    return samples, split_cells(samples.lat, samples.lon, split, seed)


def _draw_days(
    y: NDArray[np.floating], count: int, margin: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Random days (P, D) of each cell, if possible with a target, `margin` from the ends."""
    inner = y[:, margin : y.shape[1] - margin]
    order = np.argsort(np.where(np.isfinite(inner), rng.random(inner.shape), 2.0), axis=1)
    return np.sort(order[:, :count], axis=1) + margin


def _sequences_around(samples: Samples, days: NDArray[np.intp], before: int, after: int) -> Samples:
    """A sequence around each day (P, D) as a cell of its own, with a target on this day only."""
    count = days.shape[1]
    sequence_days = (days[:, :, None] + np.arange(-before, after + 1)).reshape(days.size, -1)
    cell = np.repeat(np.arange(len(days)), count)[:, None]
    y = np.full(sequence_days.shape, np.nan, np.float32)
    y[:, before] = samples.y[cell[:, 0], days.ravel()]
    lat, lon = (np.repeat(a, count) for a in (samples.lat, samples.lon))
    return samples._replace(x=samples.x[cell, sequence_days], y=y, lat=lat, lon=lon)


def _reduce_training_cells(part: NDArray[np.int8], fraction: float, seed: int) -> NDArray[np.int8]:
    """The split with a fraction of its training cells; the others become part 3, not used."""
    training = np.flatnonzero(part == 0)
    order = np.random.default_rng(seed).permutation(training)
    reduced = part.copy()
    reduced[order[max(1, round(fraction * training.size)) :]] = 3
    return reduced


def _baseline_scores(samples: Samples, part: NDArray[np.int8], name: str) -> Scores:
    """Scores on the test cells of a predictor matched to the target over the training cells."""
    names = [row["name"] for row in samples.rows]
    if name not in names:
        raise InputError(f"baseline={name!r}: expected one of the predictors {names}, or None.")
    predictor = samples.x[:, :, names.index(name)]
    matched = matched_by_distribution(predictor, samples.y, part == 0)
    return pooled_scores(matched[part == 2], samples.y[part == 2])


def matched_by_distribution(
    x: NDArray[np.floating], y: NDArray[np.floating], training: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Match a soil moisture (P, T) to a target by the distributions over all training cells.

    All cells share one relation, because test cells have no target. See
    :func:`xsm.metrics.scaling.fit`, method ``cdf``.
    """
    from xsm.metrics.scaling import apply, fit

    valid = np.isfinite(x[training]) & np.isfinite(y[training])
    est, ref = (xr.DataArray(a[training][valid], dims="sample") for a in (x, y))
    whole = xr.DataArray(x, dims=("cell", "time"))
    return apply(whole, fit(est, ref, dim="sample", method="cdf")).values.astype(np.float32)


def _numbers(values: Any, name: str, low: float, high: float, *, whole: bool = False) -> list[Any]:
    """The values as a list; an InputError if they are not all numbers within the limits."""
    array = np.atleast_1d(np.asarray(values))
    valid = array.dtype.kind in "iuf" and array.size and ((array >= low) & (array <= high)).all()
    if not valid or (whole and (array % 1).any()):
        expected = "whole numbers" if whole else "numbers"
        raise InputError(f"{name}={values!r}: expected {expected} from {low:g} to {high:g}.")
    return list(array.tolist())


def _with_progress(values: list[Any], progress: bool | None, title: str) -> Iterator[Any]:
    from xsm.progress import bar

    with bar(title, len(values), get_option("progress", progress), "fit") as progress_bar:
        for value in values:
            yield value
            progress_bar.update()


def _table(
    rows: Mapping[str, Sequence[Scores]],
    coordinate: Coordinate,
    samples: Samples,
    part: NDArray[np.int8],
) -> xr.Dataset:
    """The scores of all estimates along the coordinate."""
    metrics = {"rmse": ("m3 m-3", "RMSE"), "bias": ("m3 m-3", "bias"), "r2": ("1", "R2")}
    data = {}
    for metric, (units, title) in metrics.items():
        values = np.array([[scores[metric] for scores in row] for row in rows.values()], float)
        attrs = {"units": units, "long_name": title}
        data[metric] = (("estimate", coordinate.name), values, attrs)
    coords = {"estimate": list(rows), coordinate.name: tuple(coordinate)}
    cells = np.bincount(part, minlength=3)
    counts = {"cells_train": int(cells[0]), "cells_test": int(cells[2])}
    return xr.Dataset(data, coords, {"target": samples.title, **counts})

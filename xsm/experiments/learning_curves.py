"""Experiments on an estimator: how long a sequence, and how many samples, does it need?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.estimation.samples import Samples, check_whole, read_samples
from xsm.metrics.score_table import pooled_scores
from xsm.networks.model import check_kind
from xsm.options import get_option

RIVAL = "cdf_matching"


def sequence_length(
    predictors: xr.Dataset,
    target: str | xr.DataArray,
    days: Sequence[int] = (0, 1, 3, 7, 15, 30),
    *,
    model: str = "atlstm",
    features: Any = None,
    rival: str | None = "swvl1",
    split: str = "random",
    every: int = 1,
    per_cell: int = 24,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
) -> xr.Dataset:
    """Error of an estimator that sees so many days around the one it estimates.

    For each length a model is fitted to sequences of those days alone, all of the same `per_cell`
    days drawn in each cell, and scored on test cells.

    Parameters
    ----------
    predictors, target, features, split, every
        As for :func:`xsm.fit_estimator`.
    days : sequence of int
        Days before, and but for ``lstm`` after, the one that is estimated.
    model : str
        A kind of network.
    rival : str, optional
        A predictor that is soil moisture itself, whose distribution is matched to that of the
        target over all training cells; None for no rival.
    per_cell : int
        Days estimated in each cell.
    seed : int
    progress : bool, optional
    **options
        Sizes and settings as for :func:`xsm.fit_estimator`: ``hidden``, ``epochs``, ``rate``, ...

    Returns
    -------
    Dataset, (estimate, days)
        ``rmse`` (m3 m-3), ``bias`` and ``r2`` on the test cells, of the model and of its rival.
        Draw it with ``.sm.plot.curve()``.

    Raises
    ------
    InputError
        If the record is too short for the days, and what :func:`xsm.fit_estimator` raises.

    References
    ----------
    Reichle and Koster (2004), doi 10.1029/2004GL020938, for the rival.

    Examples
    --------
    >>> xsm.experiments.sequence_length(predictors, "smap").sm.plot.curve()       # doctest: +SKIP
    """
    from xsm.training.ensemble import fit_samples

    lengths = _numbers(days, "days", 0, np.inf, whole=True)
    check_whole({"per_cell": (per_cell, 1), "seed": (seed, 0)})
    check_kind(model)
    samples, part = _read(predictors, target, features, split, every, seed)
    longest = int(max(lengths))
    if samples.y.shape[1] <= 2 * longest:
        raise InputError(
            f"days={list(days)}: the record has {samples.y.shape[1]} days, expected more than "
            f"{2 * longest}. Ask for fewer, or open a longer record."
        )
    chosen = _draw_days(samples.y, per_cell, longest, np.random.default_rng(seed))
    parts = np.repeat(part, chosen.shape[1])
    rows: dict[str, list[dict[str, float]]] = {model: []}
    if rival is not None:
        rows[RIVAL] = [_rival(_around(samples, chosen, 0, 0), parts, rival)]
        rows[RIVAL] *= len(lengths)
    for length in _shown(lengths, progress, "sequence_length"):
        after = 0 if model == "lstm" else int(length)
        cut = _around(samples, chosen, int(length), after)
        rows[model].append(fit_samples(cut, parts, model, seed=seed, **options).card["scores"])
    note = "days before" if model == "lstm" else "days before and after"
    attrs = {"units": "day", "long_name": f"context, {note}"}
    return _table(rows, ("days", np.array(lengths, int), attrs), samples, part)


def reduced_samples(
    predictors: xr.Dataset,
    target: str | xr.DataArray,
    shares: Sequence[float] = (1.0, 0.3, 0.1, 0.03),
    *,
    models: Sequence[str] = ("atlstm", "xgboost"),
    features: Any = None,
    rival: str | None = "swvl1",
    split: str = "random",
    every: int = 1,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
) -> xr.Dataset:
    """Error of estimators that learn from a share of the training cells.

    Parameters
    ----------
    predictors, target, features, rival, split, every, seed, progress
        As for :func:`sequence_length`.
    shares : sequence of float
        Of the training cells, with all their days. Held-out and test cells stay the same.
    models : sequence of str
        Kinds of model.
    **options
        Sizes and settings as for :func:`xsm.fit_estimator`; those of networks are left out for
        ``xgboost``.

    Returns
    -------
    Dataset, (estimate, share)
        ``rmse`` (m3 m-3), ``bias`` and ``r2`` on the test cells. Draw it with
        ``.sm.plot.curve()``.

    Raises
    ------
    InputError
        If a share is not above 0 and up to 1, and what :func:`xsm.fit_estimator` raises.

    References
    ----------
    Reichle and Koster (2004), doi 10.1029/2004GL020938, for the rival.

    Examples
    --------
    >>> xsm.experiments.reduced_samples(predictors, "smap").sm.plot.curve()       # doctest: +SKIP
    """
    from xsm.training.ensemble import fit_samples

    parts = _numbers(shares, "shares", 1e-9, 1.0)
    check_whole({"seed": (seed, 0)})
    for name in models:
        check_kind(name, "models")
    samples, part = _read(predictors, target, features, split, every, seed)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    if rival is not None:
        rows[RIVAL] = []
    for share in _shown(parts, progress, "reduced_samples"):
        less = _fewer(part, share, seed)
        for name in models:
            rows[name].append(fit_samples(samples, less, name, seed=seed, **options).card["scores"])
        if rival is not None:
            rows[RIVAL].append(_rival(samples, less, rival))
    attrs = {"units": "1", "long_name": "share of the training cells"}
    return _table(rows, ("share", np.array(parts, float), attrs), samples, part)


def _read(predictors, target, features, split, every, seed) -> tuple[Samples, NDArray[np.int8]]:
    from xsm.training.splits import split_cells

    if split == "none":
        raise InputError("split='none': an experiment needs test cells, 'random' or 'blocked'.")
    samples = read_samples(predictors, target, features, every=every)
    return samples, split_cells(samples.lat, samples.lon, split, seed)


def _draw_days(
    y: NDArray[np.floating], count: int, margin: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Days (P, D) of each cell, with a target where there are enough, `margin` from the ends."""
    inner = y[:, margin : y.shape[1] - margin]
    order = np.argsort(np.where(np.isfinite(inner), rng.random(inner.shape), 2.0), axis=1)
    return np.sort(order[:, :count], axis=1) + margin


def _around(samples: Samples, days: NDArray[np.intp], before: int, after: int) -> Samples:
    """Sequences around some days (P, D) of each cell as cells of their own; targets of those."""
    count = days.shape[1]
    there = (days[:, :, None] + np.arange(-before, after + 1)).reshape(days.size, -1)
    cell = np.repeat(np.arange(len(days)), count)[:, None]
    y = np.full(there.shape, np.nan, np.float32)
    y[:, before] = samples.y[cell[:, 0], days.ravel()]
    places = (np.repeat(a, count) for a in (samples.lat, samples.lon))
    lat, lon = places
    return samples._replace(x=samples.x[cell, there], y=y, lat=lat, lon=lon)


def _fewer(part: NDArray[np.int8], share: float, seed: int) -> NDArray[np.int8]:
    """The split with a share of its training cells; part 3 is of no use to any."""
    train = np.flatnonzero(part == 0)
    gone = np.random.default_rng(seed).permutation(train)[max(1, round(share * train.size)) :]
    out = part.copy()
    out[gone] = 3
    return out


def _rival(samples: Samples, part: NDArray[np.int8], name: str) -> dict[str, float]:
    """Scores on the test cells of a predictor matched to the target over the training cells."""
    names = [row["name"] for row in samples.rows]
    if name not in names:
        raise InputError(f"rival={name!r}: expected one of the predictors {names}, or None.")
    whole = matched_by_distribution(samples.x[:, :, names.index(name)], samples.y, part == 0)
    return pooled_scores(whole[part == 2], samples.y[part == 2])


def matched_by_distribution(
    x: NDArray[np.floating], y: NDArray[np.floating], train: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """A soil moisture (P, T) matched to a target by the distributions over all training cells.

    One relation for all: a test cell has no target to match its own distribution with. See
    :func:`xsm.metrics.scaling.fit`, ``cdf``.
    """
    from xsm.metrics.scaling import apply, fit

    known = np.isfinite(x[train]) & np.isfinite(y[train])
    est, ref = (xr.DataArray(a[train][known], dims="sample") for a in (x, y))
    whole = xr.DataArray(x, dims=("cell", "time"))
    return apply(whole, fit(est, ref, dim="sample", method="cdf")).values.astype(np.float32)


def _numbers(values: Any, name: str, low: float, high: float, *, whole: bool = False) -> list[Any]:
    found = np.atleast_1d(np.asarray(values))
    good = found.dtype.kind in "iuf" and found.size and ((found >= low) & (found <= high)).all()
    if not good or (whole and (found % 1).any()):
        what = "whole numbers" if whole else "numbers"
        raise InputError(f"{name}={values!r}: expected {what} from {low:g} to {high:g}.")
    return list(found.tolist())


def _shown(values: list[Any], progress: bool | None, title: str):
    from xsm.progress import bar

    with bar(title, len(values), get_option("progress", progress), "fit") as shown:
        for value in values:
            yield value
            shown.update()


def _table(rows, coordinate, samples: Samples, part) -> xr.Dataset:
    """The scores of all estimates along one coordinate (name, values, attributes)."""
    name, values, attrs = coordinate
    words = {"rmse": ("m3 m-3", "RMSE"), "bias": ("m3 m-3", "bias"), "r2": ("1", "R2")}
    data = {}
    for key, (units, title) in words.items():
        table = np.array([[row[key] for row in found] for found in rows.values()], float)
        data[key] = (("estimate", name), table, {"units": units, "long_name": title})
    coords = {"estimate": list(rows), name: (name, values, attrs)}
    counts = np.bincount(part, minlength=3)
    told = {"target": samples.title, "cells_train": int(counts[0]), "cells_test": int(counts[2])}
    return xr.Dataset(data, coords, told)

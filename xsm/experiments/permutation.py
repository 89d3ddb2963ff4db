"""What a model draws on: predictors shuffled, or left out of a new fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError

if TYPE_CHECKING:
    from xsm.networks.model import Model

HOW = ("permutation", "ablation")
OVER = ("cells", "days", "both")
CELLS = ("all", "test")
LEAST_SHIFT = 30  # days


def importance(
    model: str | Path | Model,
    data: xr.Dataset,
    target: str | xr.DataArray | None = None,
    *,
    how: str = "permutation",
    groups: Mapping[str, Sequence[str]] | None = None,
    over: str = "cells",
    cells: str = "all",
    repeats: int | None = None,
    every: int = 1,
    features: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.Dataset:
    """How much worse an estimate gets without each predictor.

    Parameters
    ----------
    model : str, Path or Model
        As :func:`xsm.estimate` takes it.
    data : Dataset
        The predictors of the model, as for :func:`xsm.estimate`.
    target : str or DataArray, optional
        What to compare with; its name if it is a variable of `data`. Default: the variable the
        model was fitted to.
    how : {"permutation", "ablation"}
        ``permutation`` gives the model the predictor of another place or time. ``ablation`` fits
        the model again to `data`, with all predictors and without each, in the way of its card,
        and scores on cells held out: slow, but it asks what the others could make up for.
    groups : mapping, optional
        Name -> predictors to take away together, such as all bands of albedo, each of which can
        stand in for the others. Predictors in no group stand alone.
    over : {"cells", "days", "both"}
        Permute whole series between cells; or shift each series in time by 30 days or more, the
        end going on at the beginning, which static predictors do not feel; or both.
    cells : {"all", "test"}
        Of the permutation: score on all cells of `data`, or, if they are those of the fit, on its
        test cells alone.
    repeats : int, optional
        Draws, 5 unless said otherwise; fits of an ablation, with seeds of their own, 1.
    every : int
        Use every so many rows and columns.
    features : mapping, optional
        As for :func:`xsm.estimate`.
    seed : int
    progress : bool, optional

    Returns
    -------
    Dataset, (predictor, repeat)
        ``rmse_increase``, m3 m-3, and ``r2_decrease``; attributes ``rmse`` and ``r2`` of the whole
        model. Draw it with ``.sm.plot.importance()``.

    Raises
    ------
    InputError
        If an argument or a group is not as above; and what :func:`xsm.estimate` raises.

    Notes
    -----
    Permutation after Breiman (2001), doi 10.1023/A:1010933404324. It tells what this model uses,
    not what the soil depends on; predictors that say the same share their importance.

    Examples
    --------
    >>> xsm.experiments.importance(model, predictors).sm.plot.importance()        # doctest: +SKIP
    """
    for name, value, allowed in (("how", how, HOW), ("over", over, OVER), ("cells", cells, CELLS)):
        if value not in allowed:
            raise InputError(f"{name}={value!r}: expected one of {', '.join(map(repr, allowed))}.")
    repeats = (5 if how == "permutation" else 1) if repeats is None else repeats
    from xsm.estimation.samples import check_whole, read_samples
    from xsm.networks.model import load_estimator

    check_whole({"repeats": (repeats, 1), "seed": (seed, 0)})
    found = load_estimator(model)
    names = [row["name"] for row in found.card["predictors"]]
    sets = _sets(names, groups or {})
    if target is None:
        target = str(found.card["target"].get("variable", "soil_moisture"))
    gap = max(int(row.get("gap", 0)) for row in found.card["predictors"])
    samples = read_samples(data, target, features, names=names, every=every, gap=gap)
    if how == "permutation":
        part = _part(samples, found) if cells == "test" else None
        result = _permuted(samples, part, found, sets, over, repeats, seed, progress)
    else:
        result = _left_out(samples, found, sets, repeats, seed, progress)
    result.attrs |= {"how": how, "estimate_model": found.identity, "target": samples.title}
    if how == "permutation":
        result.attrs |= {"over": over, "cells": cells}
    return result


def _sets(names: list[str], groups: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """Name -> places of the predictors that go away together."""
    if not isinstance(groups, Mapping) or any(isinstance(g, str) for g in groups.values()):
        raise InputError(f"groups={groups!r}: expected a mapping, name -> list of predictors.")
    grouped = [name for group in groups.values() for name in group]
    if lost := [name for name in grouped if name not in names]:
        raise InputError(f"groups name {lost}: expected predictors of the model, {names}.")
    found = {key: [names.index(name) for name in group] for key, group in groups.items()}
    return found | {name: [f] for f, name in enumerate(names) if name not in grouped}


def _part(samples: Any, model: Model) -> NDArray[np.bool_]:
    """Test cells of the fit, if the samples are those that it saw."""
    from xsm.training.splits import split_cells

    split = model.card.get("split", {"kind": "none", "cells": []})
    part = split_cells(samples.lat, samples.lon, split["kind"], model.card["training"]["seed"])
    if np.bincount(part, minlength=3).tolist() != split["cells"] or not (part == 2).any():
        raise InputError(
            "cells='test': the model was not fitted on these cells with a split that left some "
            f"(its card says {split}). Pass the data of the fit, or cells='all'."
        )
    return part == 2


def _errors(estimate: NDArray[np.floating], truth: NDArray[np.floating]) -> tuple[float, float]:
    """RMSE and R2 over what is known."""
    from xsm.metrics.score_table import pooled_scores

    found = pooled_scores(estimate, truth)
    return found["rmse"], found["r2"]


def _permuted(samples, part, model, sets, over, repeats, seed, progress) -> xr.Dataset:
    from xsm.networks.sequence_inference import estimate_sequences
    from xsm.options import get_option
    from xsm.progress import bar

    x, y = (a if part is None else a[part] for a in (samples.x, samples.y))
    if len(x) < 2 and over != "days":
        raise InputError(f"over={over!r} with {len(x)} cell: expected 2 or more, or over='days'.")
    whole = _errors(estimate_sequences(x, model)[0], y)
    rng = np.random.default_rng(seed)
    change = np.empty((2, len(sets), repeats))
    with bar("importance", change[0].size, get_option("progress", progress), "run") as shown:
        for s, places in enumerate(sets.values()):
            for r in range(repeats):
                worse = _errors(estimate_sequences(_shuffled(x, places, over, rng), model)[0], y)
                change[:, s, r] = worse[0] - whole[0], whole[1] - worse[1]
                shown.update()
    return _table(change, list(sets), whole)


def _shuffled(
    x: NDArray[np.float32], places: list[int], over: str, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Predictors (P, T, F), of which some come from another cell, or another time, or both."""
    out = x.copy()
    taken = x[:, :, places]
    if over in ("cells", "both"):
        taken = taken[_derangement(len(x), rng)]
    if over in ("days", "both"):
        days = x.shape[1]
        least = min(LEAST_SHIFT, days // 2)
        shifts = rng.integers(least, max(days - least, least + 1), len(x))
        there = (np.arange(days) + shifts[:, None]) % days
        taken = np.take_along_axis(taken, there[:, :, None], axis=1)
    out[:, :, places] = taken
    return out


def _derangement(count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """An order in which none stays: a cycle through all, drawn."""
    cycle = rng.permutation(count)
    order = np.empty(count, np.intp)
    order[cycle] = np.roll(cycle, 1)
    return order


def _left_out(samples, model, sets, repeats, seed, progress) -> xr.Dataset:
    from xsm.options import get_option
    from xsm.progress import bar
    from xsm.training.refit import again, without
    from xsm.training.splits import split_cells

    kind = model.card.get("split", {}).get("kind", "random")
    part = split_cells(samples.lat, samples.lon, "random" if kind == "none" else kind, seed)
    base = {model.card["target"][key] for key in ("location", "scale")}
    for name, places in sets.items():
        if lost := base & {samples.rows[f]["name"] for f in places}:
            raise InputError(
                f"{name!r} cannot be left out: the model learnt departures from {sorted(lost)}."
            )
        if len(places) == len(samples.rows):
            raise InputError(f"{name!r} cannot be left out: the model takes nothing else.")
    change = np.empty((2, len(sets), repeats))
    wholes = []
    runs = repeats * (1 + len(sets))
    with bar("importance", runs, get_option("progress", progress), "fit") as shown:
        for r in range(repeats):
            full = again(samples, part, model, seed + r).card["scores"]
            wholes.append((full["rmse"], full["r2"]))
            shown.update()
            for s, places in enumerate(sets.values()):
                less = again(without(samples, places), part, model, seed + r).card["scores"]
                change[:, s, r] = less["rmse"] - full["rmse"], full["r2"] - less["r2"]
                shown.update()
    return _table(change, list(sets), tuple(np.mean(wholes, axis=0)))


def _table(change: NDArray[np.floating], names: list[str], whole: tuple[float, ...]) -> xr.Dataset:
    dims = ("predictor", "repeat")
    return xr.Dataset(
        {
            "rmse_increase": (
                dims, change[0], {"units": "m3 m-3", "long_name": "increase of RMSE"}
            ),
            "r2_decrease": (dims, change[1], {"units": "1", "long_name": "decrease of R2"}),
        },
        {"predictor": names, "repeat": np.arange(change.shape[2])},
        {"rmse": float(whole[0]), "r2": float(whole[1])},
    )  # fmt: skip

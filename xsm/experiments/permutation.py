"""Importance of the predictors of an estimator, by permutation or by ablation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_choice, check_whole
from xsm.errors import InputError
from xsm.options import get_option
from xsm.progress import bar

if TYPE_CHECKING:
    from xsm.estimation.samples import Samples
    from xsm.networks.model import Model

logger = logging.getLogger(__name__)

HOW = ("permutation", "ablation")
PERMUTE = ("cells", "days", "both")
CELLS = ("all", "test")
MIN_SHIFT = 30  # days


def importance(
    model: str | Path | Model,
    data: xr.Dataset,
    target: str | xr.DataArray | None = None,
    *,
    how: str = "permutation",
    groups: Mapping[str, Sequence[str]] | None = None,
    permute: str | None = None,
    cells: str | None = None,
    repeats: int | None = None,
    stride: int = 1,
    features: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.Dataset:
    """Increase of the error of an estimate without each predictor.

    Parameters
    ----------
    model : str, Path or Model
        As for :func:`xsm.estimate`.
    data : Dataset
        The predictors of the model, as for :func:`xsm.estimate`.
    target : str or DataArray, optional
        What to compare with; its name if it is a variable of `data`. Default: the variable that
        the model was fitted to.
    how : {"permutation", "ablation"}
        ``permutation`` replaces the predictor by that of another cell or time. ``ablation`` fits
        the model again to `data` with the settings in its card, with all predictors and without
        each, and scores on held-out cells. It is slow, but shows what the other predictors cannot
        compensate.
    groups : mapping, optional
        Name -> predictors to permute or leave out together, such as all bands of albedo, which
        carry the same information. Predictors in no group are treated one by one.
    permute : {"cells", "days", "both"}
        Permute whole series between cells (default), which does not change predictors that are the
        same in all cells, such as the day of the year; or shift each series in time by 30 days or
        more, cyclically, which does not change static predictors; or both. Only for a permutation.
    cells : {"all", "test"}
        Score on all cells of `data` (default); or only on the test cells of the fit, whose
        coordinates the card of the model lists: other cells are refused. Only for a permutation.
    repeats : int, optional
        Number of permutations, default 5; or of fits with different seeds in an ablation,
        default 1.
    stride : int
        Use every `stride`-th row and column.
    features : mapping, optional
        As for :func:`xsm.estimate`.
    seed : int
    progress : bool, optional

    Returns
    -------
    Dataset, (predictor, repeat)
        ``rmse_increase``, m3 m-3, and ``r2_decrease``; attributes ``rmse`` and ``r2`` of the model
        with all predictors. Plot it with ``.sm.plot.importance()``.

    Raises
    ------
    InputError
        If an argument or a group is not as above; and the errors of :func:`xsm.estimate`.

    Notes
    -----
    Permutation after Breiman (2001), doi 10.1023/A:1010933404324. It shows which predictors this
    model uses, not what soil moisture depends on; correlated predictors share their importance.

    Examples
    --------
    >>> xsm.experiments.importance(model, predictors).sm.plot.importance()        # doctest: +SKIP
    """
    check_choice("how", how, HOW)
    check_choice("permute", permute, PERMUTE, optional=True)
    check_choice("cells", cells, CELLS, optional=True)
    if how == "ablation":
        for name, value in (("permute", permute), ("cells", cells)):
            if value is not None:
                raise InputError(
                    f"{name}={value!r}: not applicable to how='ablation'. Leave it out."
                )
    permute, cells = permute or "cells", cells or "all"
    repeats = (5 if how == "permutation" else 1) if repeats is None else repeats
    from xsm.estimation.samples import read_samples
    from xsm.networks.model import load_model

    check_whole({"repeats": (repeats, 1), "stride": (stride, 1), "seed": (seed, 0)})
    loaded = load_model(model, "estimate")
    rows = loaded.card["predictors"]
    names = [row["name"] for row in rows]
    sets = _predictor_sets(names, groups or {})
    if target is None:
        target = str(loaded.card["target"].get("variable", "soil_moisture"))
    gap = max(int(row.get("max_interp_gap", 0)) for row in rows)
    samples = read_samples(data, target, features, fitted=rows, stride=stride, max_interp_gap=gap)
    if samples.targets == 0:
        raise InputError(
            f"target {samples.title!r} has no value on the cells and days of the predictors: use a "
            "longer target, or stride=1."
        )
    if how == "permutation":
        test_cells = _test_cells(samples, loaded) if cells == "test" else None
        result = _permutation(samples, test_cells, loaded, sets, permute, repeats, seed, progress)
    else:
        result = _ablation(samples, loaded, sets, repeats, seed, progress)
    result.attrs |= {"how": how, "estimate_model": loaded.identity, "target": samples.title}
    if how == "permutation":
        result.attrs |= {"permute": permute, "cells": cells}
    return result


def _predictor_sets(names: list[str], groups: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """Name -> numbers of the predictors to permute or leave out together."""
    if not isinstance(groups, Mapping) or not all(map(_is_list, groups.values())):
        raise InputError(
            f"groups={groups!r}: expected a mapping, name -> list of one predictor or more."
        )
    grouped = [name for group in groups.values() for name in group]
    if unknown := [name for name in grouped if name not in names]:
        raise InputError(f"groups name {unknown}: expected predictors of the model, {names}.")
    if taken := [key for key in groups if key in names and key not in grouped]:
        raise InputError(
            f"groups are named {taken}, as predictors that are in no group: choose other names."
        )
    sets = {key: [names.index(name) for name in group] for key, group in groups.items()}
    return sets | {name: [f] for f, name in enumerate(names) if name not in grouped}


def _is_list(group: Any) -> bool:
    return isinstance(group, Sequence) and not isinstance(group, str) and len(group) > 0


def _test_cells(samples: Samples, model: Model) -> NDArray[np.bool_]:
    """Test cells of the fit, if the samples are those of the fit."""
    from xsm.training.splits import are_test_cells, split_cells

    split = model.card.get("split", {"kind": "none", "cells": []})
    part = split_cells(samples.lat, samples.lon, split["kind"], model.card["training"]["seed"])
    numbers = np.bincount(part, minlength=3).tolist()
    test = part == 2
    listed = model.card.get("test_cells")
    if numbers != split["cells"] or not test.any():
        why = f"the split in its card: {split}; that of these cells: {numbers}"
    elif listed is not None and not are_test_cells(listed, samples.lat[test], samples.lon[test]):
        why = (
            f"as many cells, elsewhere: {_extent(listed['latitude'], listed['longitude'])} in its "
            f"card, {_extent(samples.lat[test], samples.lon[test])} here"
        )
    else:
        if listed is None:
            logger.warning(
                "cells='test': the card of %s has no coordinates of its test cells, and only their "
                "number was compared. Check that the data are those of the fit, or fit it anew.",
                model.identity,
            )
        return test
    raise InputError(
        f"cells='test': the model was not fitted on these cells, or without test cells ({why}). "
        "Use the data of the fit, or cells='all'."
    )


def _extent(lat: Any, lon: Any) -> str:
    return f"{min(lat):g} to {max(lat):g} N, {min(lon):g} to {max(lon):g} E"


def _rmse_and_r2(
    estimate: NDArray[np.floating], truth: NDArray[np.floating]
) -> tuple[float, float]:
    """RMSE and R2 over all pairs."""
    from xsm.metrics.score_table import pooled_scores

    scores = pooled_scores(estimate, truth)
    return scores["rmse"], scores["r2"]


def _permutation(
    samples: Samples,
    test_cells: NDArray[np.bool_] | None,
    model: Model,
    sets: Mapping[str, list[int]],
    permute: str,
    repeats: int,
    seed: int,
    progress: bool | None,
) -> xr.Dataset:
    from xsm.estimation.pixels import estimate_cells, fitted_cells

    x, y = (a if test_cells is None else a[test_cells] for a in (samples.x, samples.y))
    if len(x) < 2 and permute != "days":
        raise InputError(
            f"permute={permute!r} with {len(x)} cell: expected 2 or more, or permute='days'."
        )
    fixed: dict[str, Any] = {"first_day": samples.first_day, "cells": fitted_cells(x, model)}
    rmse, r2 = _rmse_and_r2(estimate_cells(x, model, **fixed)[0], y)
    rng = np.random.default_rng(seed)
    change = np.empty((2, len(sets), repeats))
    with bar("importance", change[0].size, get_option("progress", progress), "run") as progress_bar:
        for s, columns in enumerate(sets.values()):
            for r in range(repeats):
                permuted = _permuted(x, columns, permute, rng)
                scores = _rmse_and_r2(estimate_cells(permuted, model, **fixed)[0], y)
                change[:, s, r] = scores[0] - rmse, r2 - scores[1]
                progress_bar.update()
    return _table(change, list(sets), rmse, r2)


def _permuted(
    x: NDArray[np.float32], columns: list[int], permute: str, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Predictors (P, T, F), some of them from another cell, or another time, or both."""
    out = x.copy()
    values = x[:, :, columns]
    if permute in ("cells", "both"):
        values = values[_derangement(len(x), rng)]
    if permute in ("days", "both"):
        days = x.shape[1]
        least = min(MIN_SHIFT, days // 2)
        shifts = rng.integers(least, max(days - least, least + 1), len(x))
        shifted = (np.arange(days) + shifts[:, None]) % days
        values = np.take_along_axis(values, shifted[:, :, None], axis=1)
    out[:, :, columns] = values
    return out


def _derangement(count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """A random permutation without fixed points: one cycle through all."""
    cycle = rng.permutation(count)
    order = np.empty(count, np.intp)
    order[cycle] = np.roll(cycle, 1)
    return order


def _ablation(
    samples: Samples,
    model: Model,
    sets: Mapping[str, list[int]],
    repeats: int,
    seed: int,
    progress: bool | None,
) -> xr.Dataset:
    from xsm.training.ensemble import drop_predictors, refit
    from xsm.training.splits import split_cells

    kind = model.card.get("split", {}).get("kind", "random")
    part = split_cells(
        samples.lat, samples.lon, "random" if kind in ("months", "none") else kind, seed
    )
    normalisation = {model.card["target"][key] for key in ("location", "scale")}
    for name, columns in sets.items():
        if required := normalisation & {samples.rows[f]["name"] for f in columns}:
            raise InputError(
                f"{name!r} cannot be left out: the model was fitted to departures from "
                f"{sorted(required)}. Choose other groups."
            )
        if len(columns) == len(samples.rows):
            raise InputError(
                f"{name!r} cannot be left out: the model has no other predictors. Use smaller "
                "groups."
            )
    change = np.empty((2, len(sets), repeats))
    with_all = []
    runs = repeats * (1 + len(sets))
    with bar("importance", runs, get_option("progress", progress), "fit") as progress_bar:
        for r in range(repeats):
            full = refit(samples, part, model, seed + r).card["scores"]
            with_all.append((full["rmse"], full["r2"]))
            progress_bar.update()
            for s, columns in enumerate(sets.values()):
                reduced = refit(drop_predictors(samples, columns), part, model, seed + r)
                scores = reduced.card["scores"]
                change[:, s, r] = scores["rmse"] - full["rmse"], full["r2"] - scores["r2"]
                progress_bar.update()
    rmse, r2 = np.mean(with_all, axis=0)
    return _table(change, list(sets), rmse, r2)


def _table(change: NDArray[np.floating], names: list[str], rmse: float, r2: float) -> xr.Dataset:
    dims = ("predictor", "repeat")
    return xr.Dataset(
        {
            "rmse_increase": (
                dims, change[0], {"units": "m3 m-3", "long_name": "increase of RMSE"}
            ),
            "r2_decrease": (dims, change[1], {"units": "1", "long_name": "decrease of R2"}),
        },
        {"predictor": names, "repeat": np.arange(change.shape[2])},
        {"rmse": float(rmse), "r2": float(r2)},
    )  # fmt: skip

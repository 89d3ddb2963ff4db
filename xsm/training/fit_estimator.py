"""Fit an estimator of soil moisture to a target: xarray in, model out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_choice
from xsm.conventions.grid import wrap_longitude
from xsm.conventions.predictor_names import DAY_OF_YEAR, POSITION
from xsm.conventions.units import conversion
from xsm.errors import InputError
from xsm.estimation.predictor_choice import has_weather
from xsm.estimation.samples import Samples, read_samples
from xsm.networks.model_checks import LARGEST_NUMBER
from xsm.options import get_option
from xsm.progress import bar
from xsm.training.splits import FOLD_DAYS, SPLITS, card_of_test_cells, month_folds, split_cells

if TYPE_CHECKING:
    from xsm.networks.model import Model

logger = logging.getLogger(__name__)

# entries of the card that the fit itself writes
RESERVED_ENTRIES = {
    "calibration", "config", "curves", "inputs", "local", "network", "networks", "predictors",
    "scores", "sequence", "split", "target", "task", "test_cells", "training",
}  # fmt: skip
MAX_INTERP_GAP = 8  # days: predictors every eight days become daily
MIN_TARGETS = 500
N_FOLDS = 12  # parts of the months; each network leaves out one of them


def fit_estimator(
    predictors: xr.Dataset,
    target: str | xr.DataArray,
    path: str | Path | None = None,
    *,
    model: str | Sequence[str] | None = None,
    features: Sequence[str] | Mapping[str, Any] | None = None,
    antecedent: bool | None = None,
    local: bool | None = None,
    repeat_cycle: int | None = None,
    split: str | None = None,
    stride: int = 1,
    location: str | None = None,
    scale: str | None = None,
    scaling: str = "moments",
    hidden_size: int | None = None,
    input_size: int | None = None,
    attention_window: int | None = None,
    ensemble_size: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    dropout: float | None = None,
    min_crop_days: int | None = None,
    fraction: float = 1.0,
    density_power: float | None = None,
    trees: Mapping[str, Any] | None = None,
    max_interp_gap: int = MAX_INTERP_GAP,
    seed: int = 0,
    device: str | None = None,
    card: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Model:
    """Fit a model that estimates a target, such as a satellite product, from predictors.

    Parameters
    ----------
    predictors : Dataset
        Daily and static predictors, with units, as for :func:`xsm.estimate`. Loaded into memory,
        with every `stride`-th cell only. Values outside their declared valid range are missing.
    target : str or DataArray
        Soil moisture with a unit, on the same cells; NaN where missing. Its name if it is a
        variable of `predictors`; of a filled one, with its flags, the observed values. It may cover
        only some of the days. A cell that is there twice counts twice, and excludes a local part.
    path : str or Path, optional
        Where to save the model, for ``estimate(model=path)``.
    model : str or sequence of str, optional
        Kind of network, one of ``atlstm``, ``bilstm``, ``lstm``, ``transformer``, ``dense`` and
        ``xgboost``. ``dense`` and ``xgboost`` use the inputs of a single day: they suit antecedent
        predictors. ``ensemble`` averages ``dense`` networks and a quarter as many ``bilstm``, with
        weights near 0.7 and 0.3, in cells with targets of their own; elsewhere, beside a local
        part, it is the mean of the ``dense`` networks. Several kinds, such as ``("dense",
        "atlstm")``, are averaged likewise, with nearly equal weights; see
        ``xsm.training.network_choice.ensemble_weights``. Both need months left out. Default:
        with antecedent predictors ``ensemble``, or ``dense`` if no months are left out; else
        ``atlstm``.
    features : sequence of str, or mapping, optional
        Names of the predictors to use, or predictor -> variable of `predictors` or DataArray.
        Default: all numeric variables but the target: known ones by their meaning, the others as
        they are, 3 to 32 different whole numbers that do not vary in time as classes. A message of
        the logger ``xsm`` at level INFO lists them. Variables of the target, such as its flags (by
        its attribute ``ancillary_variables``, or named ``<target>_...``), are left out.
    antecedent : bool, optional
        Give the network antecedent predictors instead of the weather of the day: sums of past
        precipitation, snow, water balance, evaporative demand; see ``xsm.estimation.memory``.
        Default: where `predictors` have precipitation.
    local : bool, optional
        Add a local part: mean and spread of each cell's own target, and a Gaussian process of what
        the networks leave unexplained there; see ``xsm.estimation.local``. Cells that were not
        fitted get the regional part alone, and a flag. Default: with `split` "months" or "none",
        where the target is long enough and the cells have coordinates.
    repeat_cycle : int, optional
        Days until the satellite of the target repeats its ground track, for the offsets of tracks
        in the local part; 0 for none. Default: that of SMAP (8) or AMSR2 (16), by the name or the
        attributes of the target; else none.
    split : {"months", "random", "blocked", "none"}, optional
        What is held out. ``months``: every cell is fitted, and each network of the ensemble leaves
        out other months of 30 days, which give scores, calibration and the local part; needs 120
        days of target. ``random`` and ``blocked`` hold out cells for early stopping (20 %) and for
        the scores in the card (10 %): random ones, or whole boxes of 5 degrees, which separates
        regions. ``none`` holds nothing out, unless there is a local part, which needs months left
        out; the stated uncertainty is then that of the days of the fit, too small elsewhere, as a
        warning says. Default: ``months``, or ``random`` if the target is too short.
    stride : int
        Use every `stride`-th row and column.
    location, scale : str, optional
        Names of static predictors, m3 m-3: the network then learns ``(target - location) /
        scale``, such as departures from the mean of each cell. Default: mean and standard
        deviation of all training targets. Not with a local part, which has its own.
    scaling : {"moments", "quartiles"}
        Scale predictors by mean and standard deviation, or by median and quartiles. With
        quartiles, a few extremes, such as the albedo of snow, do not compress the other values.
    hidden_size : int, optional
        Units of the hidden layer, default 64; 256 for ``dense``. Networks only.
    input_size : int, optional
        Units of a layer before the recurrence, or of the first layer of ``dense``; 0 for none
        before the recurrence. Default `hidden_size`. Not for ``transformer``.
    attention_window : int, optional
        Days before and after that attention covers; default the whole sequence. Only for
        ``atlstm`` and ``transformer``.
    ensemble_size : int, optional
        Number of models, fitted with different seeds, whose estimates are averaged. Default 12
        where months are left out, each leaving out another twelfth (at least 2 then), else 1. An
        ensemble of several kinds has so many of ``dense`` and ``xgboost``, and beside these a
        quarter as many of the others, which take longer.
    epochs, batch_size, learning_rate, weight_decay, dropout : optional
        Of each kind of network to which they apply.
        Passes over the training data (30; 20 for ``dense``), sequences (days for ``dense``) per
        step (a hundredth of all, from 4 to 32, or from 32 to 512 days), peak learning rate (4e-3;
        3e-3 for ``transformer``) and weight decay (1e-2; 1e-3) of AdamW, fraction of units dropped
        (0.3; 0.4 for ``dense``, 0.2 for ``transformer``). Networks only.
    min_crop_days : int, optional
        Train on random crops of the sequences, each of this length or longer, so that the network
        also works on short records. Only for networks of sequences.
    fraction : float
        Fraction of the training samples (sequences; days for ``dense`` and ``xgboost``) to use.
    density_power : float, optional
        Weight errors by the density of their target to the power of minus `density_power`, from 0
        (equal weights, the default) to 1. Very wet soil, which is rare, is then less
        underestimated, with slightly larger errors elsewhere; see
        ``xsm.training.losses.density_weights``.
    trees : mapping, optional
        Parameters of xgboost besides ``xsm.training.xgboost_fit.DEFAULT_PARAMETERS``, and
        ``rounds``. Only for ``xgboost``.
    max_interp_gap : int
        Longest gap in a daily predictor to interpolate, days.
    seed : int
    device : str, optional
        Device of torch, such as ``"cuda"``; default ``"cpu"``. Networks only.
    card : mapping, optional
        Further entries of the model's card: ``description``, ``licence``, ...
    progress : bool, optional
        Show a progress bar; default on a terminal.

    Returns
    -------
    Model
        Its card holds the normalisation, the split, the training curves and the scores, on the
        test cells or the months left out.

    Raises
    ------
    InputError
        If there are too few targets, or an argument is out of range or does not apply to `model`;
        and the errors of :func:`xsm.estimate` for the predictors.
    ModelError
        If `path` is the bare name of a shipped model.
    MissingPackageError
        If torch, or for ``xgboost`` that package, is not installed.

    References
    ----------
    Zhang et al. (2025), doi 10.5194/essd-17-5181-2025: the AtLSTM and its sequences of a year.

    Examples
    --------
    >>> model = xsm.fit_estimator(predictors, "smap", "mine")       # doctest: +SKIP
    >>> model.card["scores"]                                         # doctest: +SKIP
    >>> sm = predictors.sm.estimate(model="mine")                    # doctest: +SKIP
    """
    from xsm.networks.device import torch_device
    from xsm.networks.model import make_model, model_path, save_model
    from xsm.training.ensemble import check_ranges, drop_predictors, fit_ensemble
    from xsm.training.estimator_card import SCALINGS
    from xsm.training.months_fit import fit_by_months, members
    from xsm.training.network_choice import choose_networks, default_model, total_passes

    check_choice("scaling", scaling, SCALINGS)
    check_choice("split", split, SPLITS, optional=True)
    options: dict[str, Any] = {
        "hidden_size": hidden_size, "input_size": input_size, "attention_window": attention_window,
        "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate,
        "weight_decay": weight_decay, "dropout": dropout, "min_crop_days": min_crop_days,
        "density_power": density_power, "trees": trees, "device": device,
    }  # fmt: skip
    common: dict[str, Any] = {"fraction": fraction, "seed": seed}
    numbers = {
        "ensemble_size": ensemble_size, "stride": stride, "max_interp_gap": max_interp_gap,
        "repeat_cycle": repeat_cycle,
    }  # fmt: skip
    check_ranges(common | options | numbers)
    for name, value in (("antecedent", antecedent), ("local", local)):
        if value not in (None, True, False):
            raise InputError(f"{name}={value!r}: expected True, False or None.")
    if model is not None:
        components = choose_networks(model, options)
    if path is not None:
        model_path(path)
    card = _further_entries(card or {})
    if device is not None:
        torch_device(device)
    _check_combination(split, local, location, scale)
    samples = read_samples(
        predictors,
        target,
        features,
        extra=_extra(features, antecedent, local, split),
        stride=stride,
        max_interp_gap=max_interp_gap,
    )
    names = [row["name"] for row in samples.rows]
    antecedent = _use_antecedent(antecedent, names)
    check_samples(samples, location, scale)
    plan = _plan(samples, split, local, location, scale, ensemble_size)
    if model is None:
        components = choose_networks(default_model(antecedent, plan.folds is not None), options)
    if len(components) > 1 and plan.folds is None:
        raise InputError(
            f"model={model!r} with split={plan.split!r}: networks of several kinds are weighted by "
            "months left out. Use split='months', or one kind of network."
        )
    for component in components:
        _check_length(samples, component.kind)
    if not plan.local:  # the position was read for the local part
        read_for_it = {*POSITION} - {*(features or ())}
        positions = [n for n, name in enumerate(names) if name in read_for_it]
        samples = drop_predictors(samples, positions)
    common |= {"location": location, "scale": scale, "scaling": scaling, "antecedent": antecedent}
    size = ensemble_size or 1
    if plan.folds is not None:
        size = members(plan.folds, ensemble_size or N_FOLDS)
    part = split_cells(samples.lat, samples.lon, plan.split, seed)
    if plan.folds is None and not (part == 1).any():
        logger.warning(
            "split=%r holds nothing out: the stated uncertainty will be that of the samples of the "
            "fit, which is too small for others. split='months' or 'random' calibrates it.",
            plan.split,
        )
    with bar(
        "fit", total_passes(components, size), get_option("progress", progress), "epoch"
    ) as progress_bar:

        def on_epoch(_epoch: int, error: float) -> None:
            progress_bar.set_postfix_str(f"RMSE {error:.4f} standard deviations", refresh=False)
            progress_bar.update()

        common |= {"ensemble_size": size, "on_epoch": on_epoch}
        if plan.folds is None:
            only = components[0]
            fitted = fit_ensemble(samples, part, only.kind, **common, **only.options)
        else:
            cycle = samples.repeat_cycle if repeat_cycle is None else repeat_cycle
            fitted, _ = fit_by_months(
                samples, plan.folds, components, local=plan.local, repeat_cycle=cycle or 0,
                **common,
            )  # fmt: skip
    split_entry = {
        "kind": plan.split, "cells": np.bincount(part, minlength=3).tolist(), "stride": stride,
    }  # fmt: skip
    entries: dict[str, Any] = {
        "description": f"estimates {samples.title}",
        "licence": "that of the data",
        "trained_on": {samples.title: f"{samples.period[0]} to {samples.period[1]}"},
        **fitted.card, "split": split_entry, **card,
    }  # fmt: skip
    if (part == 2).any():
        entries["test_cells"] = card_of_test_cells(samples.lat, samples.lon, part)
    if path is not None:
        return save_model(path, entries, fitted.params)
    return make_model("fitted", entries, fitted.params)


def _further_entries(card: Any) -> dict[str, Any]:
    """Entries of the card that the caller gives, as JSON has them."""
    from xsm.networks.model import as_json

    if not isinstance(card, Mapping):
        raise InputError(f"card is a {type(card).__name__}: expected a mapping, entry -> value.")
    if reserved := sorted(RESERVED_ENTRIES & {*card}):
        raise InputError(f"card holds {reserved}, which the fit itself writes: leave them out.")
    return as_json(card)


def _use_antecedent(antecedent: bool | None, names: list[str]) -> bool:
    """Whether the network takes antecedent predictors: as asked, else where there is weather."""
    if antecedent and not has_weather(names):
        raise InputError(
            f"antecedent=True needs the predictor 'precipitation'; the predictors are {names}. "
            "Name its variable, features={'precipitation': ...}, or leave antecedent out."
        )
    return has_weather(names) if antecedent is None else antecedent


class Plan(NamedTuple):
    """What a fit holds out."""

    split: str
    folds: NDArray[np.int8] | None  # of each day, if months are left out
    local: bool


def _plan(
    samples: Samples,
    split: str | None,
    local: bool | None,
    location: str | None,
    scale: str | None,
    ensemble_size: int | None,
) -> Plan:
    """Resolve the defaults of `split` and `local` for these samples."""
    if split in ("random", "blocked"):
        return Plan(split, None, False)
    observed, span = target_days(samples)
    long_enough = span >= 4 * FOLD_DAYS
    if not long_enough and (local or split == "months"):
        argument = "local=True" if local else "split='months'"
        raise InputError(
            f"{argument} with a target over {span} days: expected {4 * FOLD_DAYS} or more, to "
            "leave out months. Use a longer target, or leave the argument out."
        )
    located = any(row["name"] == POSITION[0] for row in samples.rows)
    if local and not located:
        raise InputError(
            "local=True: the cells have no latitude and longitude, by which an estimate finds "
            "them. Add coordinates lat and lon, or leave local out."
        )
    given = location is not None or scale is not None
    use_local = local if local is not None else long_enough and located and not given
    if use_local and (repeated := repeated_cells(samples)):
        raise InputError(
            f"the cell at {repeated} is there more than once, so it has no single local part: "
            "drop the copies, or use local=False."
        )
    if split is None:
        split = "months" if long_enough else "random"
        if not long_enough:
            logger.info("the target covers %d days: no local part, and split='random'", span)
    if not (use_local or split == "months"):
        return Plan(split, None, False)
    n_folds = min(max(ensemble_size or N_FOLDS, 2), N_FOLDS, span // FOLD_DAYS)
    return Plan(split, month_folds(observed, n_folds), use_local)


def target_days(samples: Samples) -> tuple[NDArray[np.bool_], int]:
    """Days with a target (T,), and the number of days from the first of these to the last."""
    observed = np.asarray(np.isfinite(samples.y).any(axis=0))
    days = np.flatnonzero(observed)
    return observed, int(days[-1] - days[0]) + 1 if days.size else 0


def repeated_cells(samples: Samples) -> str:
    """Latitude and longitude of a cell that occurs twice; empty if none does."""
    position = np.stack([samples.lat, wrap_longitude(samples.lon)], axis=-1)
    unique, count = np.unique(position, axis=0, return_counts=True)
    twice = unique[count > 1]
    return f"{twice[0, 0]:g}, {twice[0, 1]:g}" if len(twice) else ""


def _check_combination(
    split: str | None, local: bool | None, location: str | None, scale: str | None
) -> None:
    """Raise an InputError if arguments exclude each other."""
    if local and split in ("random", "blocked"):
        raise InputError(
            f"local=True with split={split!r}: cells that are held out have no local part. Use "
            "split='months', or leave local out."
        )
    if local and not (location is None and scale is None):
        raise InputError(
            "local=True has a location and a scale of its own: leave out location and scale, or "
            "use local=False."
        )


def _extra(features: Any, antecedent: bool | None, local: bool | None, split: str | None) -> list:
    """Predictors of the calendar and the position that a fit takes without being asked."""
    position = [] if local is False or split in ("random", "blocked") else [*POSITION]
    calendar = [] if features is not None or antecedent is False else [*DAY_OF_YEAR]
    return [*calendar, *position]


def _check_length(samples: Samples, model: str) -> None:
    """Raise an InputError if the record is too short for the network."""
    from xsm.networks.registry import kinds, network

    least = network(model).min_days()
    if samples.y.shape[1] < least:
        short = ", ".join(repr(k) for k in kinds("estimate") if network(k).min_days() < least)
        raise InputError(
            f"the predictors are {samples.y.shape[1]} days long: expected {least} or more for "
            f"model={model!r}. Use a longer record, or one of the models {short}."
        )


def check_samples(samples: Samples, location: str | None, scale: str | None) -> None:
    """Raise an InputError unless a network can be fitted to targets, predictors and scaling."""
    if samples.targets < MIN_TARGETS:
        raise InputError(
            f"the target has {samples.targets} values on cells and days with predictors: expected "
            f"{MIN_TARGETS} or more to learn from. Use a longer target, or stride=1."
        )
    names = [row["name"] for row in samples.rows]
    if missing := [n for n in (location, scale) if n is not None and n not in names]:
        raise InputError(f"location and scale name {missing}: expected predictors, of {names}.")
    for argument, name in (("location", location), ("scale", scale)):
        units = next((row["units"] for row in samples.rows if row["name"] == name), "m3 m-3")
        if conversion(units, "m3 m-3", f"{argument}={name!r}") != (1.0, 0.0):
            raise InputError(f"{argument}={name!r} is in {units!r}: convert it to m3 m-3 first.")
        if name is not None and not samples.rows[names.index(name)]["static"]:
            raise InputError(
                f"{argument}={name!r} varies in time: expected a static predictor, such as "
                f'predictors["{name}"].mean("time", keep_attrs=True).'
            )
    if scale is not None and (least := np.nanmin(samples.x[:, 0, names.index(scale)])) <= 0:
        raise InputError(
            f"scale={scale!r} has values down to {least:g}: expected only values above 0, by which "
            "the target is divided. Set the others to missing."
        )
    check_values(samples)


def check_values(samples: Samples) -> None:
    """Raise an InputError if the target does not vary, or a predictor has no or huge values."""
    if np.nanmin(samples.y) == np.nanmax(samples.y):
        raise InputError(
            f"target {samples.title!r} is {np.nanmin(samples.y):g} everywhere: expected values "
            "that vary. Use another target."
        )
    names = [row["name"] for row in samples.rows]
    if empty := [n for f, n in enumerate(names) if not np.isfinite(samples.x[:, :, f]).any()]:
        raise InputError(f"predictors {empty} have no value on the cells of the target: leave out.")
    for f, name in enumerate(names):
        values = samples.x[:, :, f]
        largest = float(np.max(np.abs(values), where=np.isfinite(values), initial=0))
        if largest >= LARGEST_NUMBER:
            raise InputError(
                f"predictor {name!r} has values up to {largest:.3g}: expected less than "
                f"{LARGEST_NUMBER:g}. Is a fill value not decoded? Mask it, such as "
                f'ds["{name}"].where(abs(ds["{name}"]) < {LARGEST_NUMBER:g}).'
            )

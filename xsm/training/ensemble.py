"""Fit an estimator to samples that have been read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.estimation.samples import Samples, check_whole
from xsm.networks.model import Model, make_model
from xsm.networks.registry import network
from xsm.training.estimator_card import cut_sequences, normalisation, scores
from xsm.training.sequence_loop import Sequences, Settings, fit_sequences
from xsm.training.xgboost_fit import fit_boosted

SIZES = ("hidden", "input", "window", "heads")
WHOLE = {  # -> least
    "hidden": 1, "input": 1, "window": 0, "heads": 1, "members": 1, "epochs": 1, "batch": 1,
    "shortest": 1, "seed": 0,
}  # fmt: skip
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "rate": (lambda v: v > 0, "a number above 0"),
    "decay": (lambda v: v >= 0, "a number of 0 or more"),
    "dropout": (lambda v: 0 <= v < 1, "a share from 0 to below 1"),
    "balance": (lambda v: 0 <= v <= 1, "a power from 0 to 1"),
    "share": (lambda v: 0 < v <= 1, "a share of the samples, above 0 and up to 1"),
}


def fit_samples(
    samples: Samples,
    part: NDArray[np.int8],
    kind: str = "atlstm",
    *,
    members: int = 1,
    seed: int = 0,
    share: float = 1.0,
    location: str | None = None,
    scale: str | None = None,
    scaling: str = "moments",
    trees: Mapping[str, Any] | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
    **options: Any,
) -> Model:
    """Fit a model whose card holds normalisation, curves, calibration and scores.

    Parameters
    ----------
    samples : Samples
    part : ndarray of int, (P,)
        Of each cell: 0 train, 1 held out, 2 test.
    kind : str
    members, seed, share, location, scale, scaling, trees
        As in :func:`xsm.fit_estimator`.
    on_epoch : callable, optional
        Called with the number of an epoch (or tree) and the error of the check.
    **options
        Sizes of the kind, see :mod:`xsm.networks.registry`, and fields of
        :class:`xsm.training.sequence_loop.Settings`.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        If an option is out of range.
    ImportError
        If what the kind needs is not installed.
    """
    if strange := sorted({*options} - {*Settings._fields, *SIZES}):
        known = sorted({*Settings._fields, *SIZES})
        raise InputError(f"unknown options {strange}: expected some of {known}.")
    check_numbers({"members": members, "seed": seed, "share": share} | options)
    check_packages(kind)
    settings = Settings(**{k: options.pop(k) for k in Settings._fields if k in options})
    config = configuration(kind, [row["name"] for row in samples.rows], **options)
    card = normalisation(samples, part, location, scale, scaling)
    row = network(kind)
    single = row.days_alone
    train, held_out = (cut_sequences(samples, card, part == n, single=single) for n in (0, 1))
    train, check = thinned(train, share, seed), held_out if len(held_out.x) else None
    params: dict[str, np.ndarray] = {}
    curves = []
    for member in range(members):
        if not row.gradient_trained:
            found, curve = fit_boosted(
                train, check, trees or {}, seed + member, on_epoch, settings.balance
            )
        else:
            found, curve = fit_sequences(config, train, check, settings, seed + member, on_epoch)
        params |= {f"{member}/{name}": value for name, value in found.items()}
        curves.append(curve)
    used: dict[str, Any] = (
        settings._asdict() if row.gradient_trained else {"trees": dict(trees or {})}
    )
    whole: dict[str, Any] = {
        "task": "estimate",
        "network": kind,
        "config": config,
        **card,
        "training": used | {"members": members, "seed": seed, "share": share, "scaling": scaling},
        "curves": curves,
    }
    whole |= scores(samples, make_model("fitted", whole, params), part)
    return make_model("fitted", whole, params)


def configuration(kind: str, names: list[str], **sizes: Any) -> dict[str, Any]:
    """Configuration of a kind of model for predictors.

    Raises
    ------
    InputError
        If the kind is unknown or the sizes do not fit.
    """
    row = network(kind)
    return row.default_config(names, **{k: v for k, v in sizes.items() if k in row.sizes})


def check_packages(kind: str) -> None:
    """Raise an ImportError that says what to install, if a fit of this kind cannot run."""
    network(kind).import_for_training()


def thinned(data: Sequences, share: float, seed: int) -> Sequences:
    """A share of the sequences, drawn; at least one."""
    if share >= 1:
        return data
    count = max(1, round(share * len(data.x)))
    kept = np.sort(np.random.default_rng(seed).permutation(len(data.x))[:count])
    return Sequences(data.x[kept], data.y[kept])


def check_numbers(options: Mapping[str, Any]) -> None:
    """Raise an InputError unless all options are None or numbers within their ranges."""
    check_whole({name: (options.get(name), least) for name, least in WHOLE.items()})
    for name, (inside, expected) in RANGES.items():
        value = options.get(name)
        if value is not None and not (isinstance(value, Number) and inside(value)):
            raise InputError(f"{name}={value!r}: expected {expected}.")

"""Fit an ensemble of estimators to samples in memory, and fit it again to other samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.argument_checks import check_whole
from xsm.errors import InputError
from xsm.estimation.samples import Samples
from xsm.networks.model import Model, make_model
from xsm.networks.registry import SequenceNetwork, network
from xsm.networks.sequence_inference import input_rows
from xsm.networks.xgboost_model import scaled_variance
from xsm.training.estimator_card import cut_sequences, normalisation, skill
from xsm.training.sequence_fit import Sequences, TrainingSettings, fit_sequences
from xsm.training.xgboost_fit import DEFAULT_ROUNDS, fit_xgboost

Settings = dict[str, Any]
OnEpoch = Callable[[int, float], None] | None

SIZES = {  # argument -> entry of the configuration
    "hidden_size": "hidden", "input_size": "input", "attention_window": "window",
    "attention_heads": "heads",
}  # fmt: skip
WHOLE_NUMBERS = {  # -> least
    "hidden_size": 1, "input_size": 0, "attention_window": 0, "attention_heads": 1,
    "ensemble_size": 1, "epochs": 1, "batch_size": 1, "patience": 1, "min_crop_days": 1, "seed": 0,
    "stride": 1, "max_interp_gap": 0, "repeat_cycle": 0,
}  # fmt: skip
NEVER_NONE = {"seed", "stride", "max_interp_gap", "fraction"}  # None is no default of theirs
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "learning_rate": (lambda v: v > 0, "a number above 0"),
    "weight_decay": (lambda v: v >= 0, "a number of 0 or more"),
    "dropout": (lambda v: 0 <= v < 1, "a fraction from 0 to below 1"),
    "density_power": (lambda v: 0 <= v <= 1, "a power from 0 to 1"),
    "fraction": (lambda v: 0 < v <= 1, "a fraction of the samples, above 0 and up to 1"),
}


class Trainer(NamedTuple):
    """How models that are trained with one package are fitted."""

    options: frozenset[str]  # that it takes, besides the sizes of the network
    settings: Callable[[Mapping[str, Any]], Settings]  # options -> entries of the card
    passes: Callable[[Settings], int]  # number of calls of on_epoch, at most
    fit: Callable[..., tuple[dict[str, np.ndarray], dict[str, list[float]]]]
    # of models without a variance of each day: multiplies the one that they have
    scale_variance: Callable[[Mapping[str, np.ndarray], float], dict[str, np.ndarray]] | None = None


def _fit_network(
    row: SequenceNetwork, config: Mapping[str, Any], training: Sequences,
    held_out: Sequences | None, settings: Settings, seed: int, on_epoch: OnEpoch,
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:  # fmt: skip
    return fit_sequences(
        row, config, training, held_out, TrainingSettings(**settings), seed, on_epoch
    )


def _fit_trees(
    _row: SequenceNetwork, _config: Mapping[str, Any], training: Sequences,
    held_out: Sequences | None, settings: Settings, seed: int, on_epoch: OnEpoch,
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:  # fmt: skip
    return fit_xgboost(
        training, held_out, settings["trees"], seed, on_epoch, settings["density_power"]
    )


TRAINERS = {  # by Network.training_package
    "torch": Trainer(
        options=frozenset(TrainingSettings._fields),
        settings=lambda options: TrainingSettings(**options)._asdict(),
        passes=lambda settings: settings["epochs"],
        fit=_fit_network,
    ),
    "xgboost": Trainer(
        options=frozenset({"trees", "density_power"}),
        settings=lambda options: {
            "trees": dict(options.get("trees", {})),
            "density_power": options.get("density_power", 0.0),
        },
        passes=lambda settings: int(settings["trees"].get("rounds", DEFAULT_ROUNDS)),
        fit=_fit_trees,
        scale_variance=scaled_variance,
    ),
}
OPTIONS = frozenset(SIZES).union(*(trainer.options for trainer in TRAINERS.values()))


def fit_ensemble(
    samples: Samples,
    part: NDArray[np.int8],
    kind: str = "atlstm",
    *,
    ensemble_size: int = 1,
    seed: int = 0,
    fraction: float = 1.0,
    location: str | None = None,
    scale: str | None = None,
    scaling: str = "moments",
    antecedent: bool = False,
    on_epoch: OnEpoch = None,
    **options: Any,
) -> Model:
    """Fit a model whose card holds normalisation, curves, calibration and scores.

    Parameters
    ----------
    samples : Samples
    part : ndarray of int, (P,)
        Of each cell: 0 training, 1 held out, 2 test; cells of any other number are not used.
    kind : str
        A kind of network for the task "estimate", see :mod:`xsm.networks.registry`.
    ensemble_size, seed, fraction, location, scale, scaling, antecedent
        As in :func:`xsm.fit_estimator`.
    on_epoch : callable, optional
        Called with the number of an epoch (or tree) and the error on held-out cells.
    **options
        Those of :data:`OPTIONS` that apply to the kind; None is the default of each.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        If an option is unknown, out of range, or does not apply to the kind.
    MissingPackageError
        If the package that the fit needs is not installed.
    """
    check_ranges({"ensemble_size": ensemble_size, "seed": seed, "fraction": fraction} | options)
    options = check_applicable(kind, options)
    card = normalisation(samples, part, location, scale, scaling, antecedent)
    fit = prepare(kind, card, options)
    row = fit.row
    training, held_out = (
        cut_sequences(samples, card, part == number, days_alone=row.days_alone) for number in (0, 1)
    )
    training, check = subsample(training, fraction, seed), held_out if len(held_out.x) else None
    members = [fit.run(training, check, seed + n, on_epoch) for n in range(ensemble_size)]
    params = numbered_params([member for member, _ in members])
    card = {
        "task": "estimate",
        "network": kind,
        "config": fit.config,
        **card,
        "training": {
            **fit.settings,
            "ensemble_size": ensemble_size,
            "seed": seed,
            "fraction": fraction,
            "scaling": scaling,
            "antecedent": antecedent,
        },
        "curves": [curve for _, curve in members],
    }
    card |= skill(samples, make_model("fitted", card, params), part)
    return make_model("fitted", card, params)


class NetworkFit(NamedTuple):
    """What the fits of all members of an ensemble have in common."""

    row: SequenceNetwork
    trainer: Trainer
    config: Settings
    settings: Settings

    def run(
        self, training: Sequences, held_out: Sequences | None, seed: int, on_epoch: OnEpoch
    ) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
        """Parameters and training curve of one member."""
        return self.trainer.fit(
            self.row, self.config, training, held_out, self.settings, seed, on_epoch
        )


def prepare(kind: str, card: Mapping[str, Any], options: Mapping[str, Any]) -> NetworkFit:
    """Configuration and settings for the inputs of a card; what is not given has its default."""
    row = network(kind, argument="model")
    row.import_for_training()
    trainer = TRAINERS[row.training_package]
    sizes = {SIZES[name]: value for name, value in options.items() if name in SIZES}
    config = row.default_config([entry["name"] for entry in input_rows(card)], **sizes)
    rest = {name: value for name, value in options.items() if name not in SIZES}
    return NetworkFit(row, trainer, config, trainer.settings({**row.training, **rest}))


def numbered_params(members: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Parameters of all members, by names such as ``0/output.weight``.

    :func:`xsm.networks.sequence_inference.ensemble_params` takes them apart.
    """
    return {f"{n}/{k}": value for n, member in enumerate(members) for k, value in member.items()}


def refit(samples: Samples, part: NDArray[np.int8], model: Model, seed: int) -> Model:
    """Fit a model of the same kind, sizes and settings to other samples, without a local part.

    Of networks of several kinds, those with the most weight in cells without targets of their own.
    """
    config, training = model.config, model.card["training"]
    if len(model.components) > 1:
        weights = model.regional_weights
        entry = max(model.card["networks"], key=lambda entry: weights[entry["network"]])
        size = {"ensemble_size": entry["ensemble_size"]}
        config, training = entry["config"], training | entry["training"] | size
    row = network(config["kind"])
    common = ("ensemble_size", "fraction", "scaling", "antecedent")
    names = (*common, *applicable_options(row.kind))
    options: dict[str, Any] = {name: training[name] for name in names if name in training}
    options |= {
        name: 0 if entry == "input" and config[entry] is None else config[entry]
        for name, entry in SIZES.items()
        if entry in row.sizes and entry in config
    }
    target, predictors = model.card["target"], {row["name"] for row in samples.rows}
    departure = {key: target[key] for key in ("location", "scale") if target[key] in predictors}
    return fit_ensemble(samples, part, row.kind, seed=seed, **options, **departure)


def drop_predictors(samples: Samples, dropped: Sequence[int]) -> Samples:
    """The samples without some predictors, given by their numbers."""
    columns = [f for f in range(len(samples.rows)) if f not in dropped]
    return samples._replace(x=samples.x[:, :, columns], rows=[samples.rows[f] for f in columns])


def subsample(data: Sequences, fraction: float, seed: int) -> Sequences:
    """A random fraction of the sequences, at least one."""
    if fraction >= 1:
        return data
    count = max(1, round(fraction * len(data.x)))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data.x))[:count])
    return Sequences(data.x[chosen], data.y[chosen])


def applicable_options(kind: str) -> frozenset[str]:
    """Options of a fit that apply to a kind of network."""
    row = network(kind, argument="model")
    options = TRAINERS[row.training_package].options
    options |= {name for name, entry in SIZES.items() if entry in row.sizes}
    return options - {"min_crop_days"} if row.days_alone else options


def training_passes(kind: str, options: Mapping[str, Any]) -> int:
    """Epochs (or trees) of the fit of one model, at most."""
    trainer = TRAINERS[network(kind).training_package]
    settings = {name: value for name, value in options.items() if name in trainer.options}
    return trainer.passes(trainer.settings({**network(kind).training, **settings}))


def check_applicable(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not None.

    Raises
    ------
    InputError
        If one of them is unknown or does not apply to the kind.
    """
    if unknown := sorted({*options} - OPTIONS):
        raise InputError(f"unknown options {unknown}: expected some of {sorted(OPTIONS)}.")
    given = {name: value for name, value in options.items() if value is not None}
    applicable = applicable_options(kind)
    if refused := [f"{name}={given[name]!r}" for name in given if name not in applicable]:
        raise InputError(
            f"{', '.join(refused)}: not applicable to model={kind!r}. Leave it out; this model "
            f"takes {', '.join(sorted(applicable))}."
        )
    return given


def check_ranges(options: Mapping[str, Any]) -> None:
    """Raise an InputError unless all options are within their ranges, or None if they may be."""
    given = {k: v for k, v in options.items() if v is not None or k in NEVER_NONE}
    check_whole({k: (given[k], least) for k, least in WHOLE_NUMBERS.items() if k in given})
    for name, (inside, expected) in RANGES.items():
        if name in given and not is_real(value := given[name], inside):
            raise InputError(f"{name}={value!r}: expected {expected}.")
    trees = given.get("trees", {})
    if not isinstance(trees, Mapping):
        raise InputError(f"trees={trees!r}: expected a mapping, parameter of xgboost -> value.")
    if "rounds" in trees:
        check_whole({"trees['rounds']": (trees["rounds"], 1)})


def is_real(value: Any, inside: Callable[[Any], bool]) -> bool:
    """Whether a value is a finite number inside a range."""
    return isinstance(value, Real) and math.isfinite(value) and inside(value)

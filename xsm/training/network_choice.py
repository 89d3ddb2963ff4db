"""Which networks a fit trains: their kinds, the options of each, their number and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.networks.registry import ENSEMBLE, kinds, network
from xsm.training.ensemble import applicable_options, check_applicable, training_passes

DAYS_PER_SEQUENCE_MEMBER = 4  # networks of single days for each one of sequences, in an ensemble
WEIGHT_SHRINKAGE = 0.5  # of fitted weights of the kinds towards the expected ones


class Component(NamedTuple):
    """Networks of one kind in a fit."""

    kind: str
    options: dict[str, Any]  # of the fit that apply to the kind
    weight: float  # that is expected of the kind, see ensemble_weights


# model="ensemble": kind -> weight; chosen by months left out of a year of SMAP
# (benchmarks/skill/smap_left_out.py)
DEFAULT_ENSEMBLE = {"dense": 0.7, "bilstm": 0.3}


def choose_networks(model: str | Sequence[str], options: Mapping[str, Any]) -> list[Component]:
    """Kinds of networks that `model` of :func:`xsm.fit_estimator` names, with their options.

    Parameters
    ----------
    model : str or sequence of str
        A kind, ``"ensemble"``, or several kinds.
    options : mapping
        Options of the fit; None is the default of each. Where there are several kinds, each gets
        those that apply to it.

    Raises
    ------
    InputError
        If there is no such kind, one is named twice, or an option applies to none of them.
    MissingPackageError
        If a package that the fit needs is not installed.

    Examples
    --------
    >>> [(c.kind, c.weight) for c in choose_networks("ensemble", {})]
    [('dense', 0.7), ('bilstm', 0.3)]
    """
    if model == ENSEMBLE:
        names = [*DEFAULT_ENSEMBLE]
    else:
        names = [model] if isinstance(model, str) else _several(model)
    for name in names:
        _network_of(name).import_for_training()
    of_kind = options_of_kinds(names, options)
    equal = dict.fromkeys(names, 1 / len(names))
    weights = DEFAULT_ENSEMBLE if model == ENSEMBLE else equal
    return [Component(name, of_kind[name], weights[name]) for name in names]


def default_model(antecedent: bool, months: bool) -> str:
    """`model` of a fit that names none: of sequences, unless there are antecedent predictors."""
    if not antecedent:
        return "atlstm"
    return ENSEMBLE if months else "dense"


def options_of_kinds(names: Sequence[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options that apply to each kind, without those that are None.

    Raises
    ------
    InputError
        If an option is unknown or applies to no kind.
    """
    applicable = {name: applicable_options(name) for name in names}
    of_none = {
        option: value
        for option, value in options.items()
        if not any(option in of_kind for of_kind in applicable.values())
    }
    for name in names:
        check_applicable(name, of_none)
    return {
        name: {o: v for o, v in options.items() if o in of_kind and v is not None}
        for name, of_kind in applicable.items()
    }


def members_of(component: Component, components: Sequence[Component], size: int) -> int:
    """Number of networks of a component where `size` networks of single days are fitted.

    A network of sequences takes several times as long: beside others there are fewer of them.
    """
    of_days = [network(c.kind).days_alone for c in components]
    if network(component.kind).days_alone or not any(of_days):
        return size
    return max(size // DAYS_PER_SEQUENCE_MEMBER, min(size, 2))


def estimates_new_cells(components: Sequence[Component]) -> list[bool]:
    """Whether each component is for cells without targets of their own, beside a local part.

    A network of sequences beside networks of single days is not: it would have to see samples
    without what is known of their cell, which makes it worse in the cells that are known.
    """
    of_days = [network(component.kind).days_alone for component in components]
    return of_days if any(of_days) else [True] * len(components)


def ensemble_weights(
    estimates: Sequence[NDArray[np.floating]],
    y: NDArray[np.floating],
    expected: Sequence[float],
    is_regional: Sequence[bool],
) -> NDArray[np.float64]:
    """Weights (2, K) of K kinds of networks, in cells with targets of their own and in others.

    The non-negative least squares of left-out days, `y` less the mean of the cell, averaged with
    the expected weights: on a short record the fitted ones vary. The sum of each row is 1.

    Parameters
    ----------
    estimates : sequence of ndarray, (P, T)
        Of each kind, on days that it left out; NaN elsewhere.
    y : ndarray, (P, T)
    expected : sequence of float
        Weights with the sum 1.
    is_regional : sequence of bool
        From :func:`estimates_new_cells`; the weights in other cells are those of these kinds.
    """
    own = _fitted_weights(estimates, y, np.asarray(expected, np.float64))
    regional = np.where(is_regional, own, 0.0)
    if regional.sum() <= 0:
        regional = np.where(is_regional, expected, 0.0)
    return np.stack([own, regional / regional.sum()])


def _fitted_weights(
    estimates: Sequence[NDArray[np.floating]], y: NDArray[np.floating], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy.optimize import nnls

    complete = np.isfinite(np.stack([*estimates, y])).all(axis=0)
    if len(prior) == 1 or not complete.any():
        return prior
    count = np.maximum(complete.sum(axis=1, keepdims=True), 1)
    mean = np.where(complete, y, 0.0).sum(axis=1, keepdims=True) / count
    fitted, _ = nnls(
        np.stack([(e - mean)[complete] for e in estimates], axis=-1), (y - mean)[complete]
    )
    if fitted.sum() <= 0:
        return prior
    return (1 - WEIGHT_SHRINKAGE) * fitted / fitted.sum() + WEIGHT_SHRINKAGE * prior


def total_passes(components: Sequence[Component], size: int) -> int:
    """Epochs (or trees) of the fits of all networks, at most."""
    return sum(
        members_of(c, components, size) * training_passes(c.kind, c.options) for c in components
    )


def _several(model: Any) -> list[str]:
    """Names of several kinds, of which one is enough."""
    names = list(model) if isinstance(model, Sequence) else [model]
    if not names or len(set(map(str, names))) < len(names):
        raise InputError(
            f"model={model!r}: expected {ENSEMBLE!r}, one of {', '.join(map(repr, _names()))}, or "
            "several of these, each once."
        )
    return names


def _network_of(name: Any) -> Any:
    if not isinstance(name, str) or name not in _names():
        raise InputError(
            f"model={name!r}: expected {ENSEMBLE!r}, one of {', '.join(map(repr, _names()))}, or "
            "several of these."
        )
    return network(name, argument="model")


def _names() -> list[str]:
    return kinds("estimate")

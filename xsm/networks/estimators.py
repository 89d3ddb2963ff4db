"""Models that estimate soil moisture from predictors: found, checked, named."""

from __future__ import annotations

from pathlib import Path

from xsm.errors import InputError, ModelError
from xsm.networks.boosted import KIND
from xsm.networks.cards import Model, load_model
from xsm.networks.recurrent import KINDS
from xsm.networks.sequences import CONTEXT

TASK = "estimate"
NEEDED = ("name", "config", "predictors", "target", "sequence")  # of the card


def load_estimator(model: str | Path | Model) -> Model:
    """Load a model that :func:`xsm.estimate` takes.

    Parameters
    ----------
    model : str, Path or Model
        ``"default"``, the name of a shipped one, the path of a model of
        :func:`xsm.fit_estimator`, or a model itself.

    Raises
    ------
    ModelError
        If there is no such model, or it is one of another task or of another form.
    """
    found = load_model(model, TASK)
    if lost := [key for key in NEEDED if key not in found.card]:
        raise ModelError(
            f"the card of model {str(model)!r} lacks {lost}: not one of xsm.fit_estimator, or "
            "changed. Fit it again."
        )
    wanted = [row.get("name") for row in found.card["predictors"]]
    if found.config.get("kind") not in (*KINDS, KIND) or found.config.get("features") != wanted:
        raise ModelError(
            f"the card of model {found.name!r} does not fit its network: kind "
            f"{found.config.get('kind')!r}, features {found.config.get('features')} against "
            f"predictors {wanted}. Fit it again with xsm.fit_estimator."
        )
    return found


def check_kind(kind: str, argument: str = "model") -> None:
    """Raise an InputError if there is no such kind of model."""
    if kind not in (*KINDS, KIND):
        kinds = ", ".join(map(repr, (*KINDS, KIND)))
        raise InputError(f"{argument}={kind!r}: expected one of {kinds}.")


def shortest_record(kind: str, context: int = CONTEXT) -> int:
    """Days that a record must have for a kind of model: those of the context, if it looks ahead."""
    return 1 if kind in ("lstm", "dense", KIND) else context

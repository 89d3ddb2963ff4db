"""Models that estimate soil moisture from predictors: found, checked, named."""

from __future__ import annotations

from pathlib import Path

from xsm.errors import ModelError
from xsm.networks.cards import Model, load_model
from xsm.networks.recurrent import KINDS

TASK = "estimate"


def load_estimator(model: str | Path | Model) -> Model:
    """Load a model that :func:`xsm.estimate` takes.

    Parameters
    ----------
    model : str, Path or Model
        The path of a model of :func:`xsm.fit_estimator`, or a model itself.

    Raises
    ------
    ModelError
        If there is no such model, or it is one of another task or of another form.
    """
    found = load_model(model)
    if found.card.get("task") != TASK:
        raise ModelError(
            f"model={found.name!r} does not estimate from predictors but does "
            f"{found.card.get('task', 'gapfill')!r}: expected one of xsm.fit_estimator."
        )
    wanted = [row.get("name") for row in found.card.get("predictors", [])]
    if found.config.get("kind") not in KINDS or found.config.get("features") != wanted:
        raise ModelError(
            f"the card of model {found.name!r} does not fit its network: kind "
            f"{found.config.get('kind')!r}, features {found.config.get('features')} against "
            f"predictors {wanted}. Fit it again with xsm.fit_estimator."
        )
    return found

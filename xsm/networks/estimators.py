"""Models that estimate soil moisture from predictors: found, checked, named."""

from __future__ import annotations

from pathlib import Path

from xsm.errors import ModelError
from xsm.networks.boosted import KIND
from xsm.networks.cards import Model, load_model
from xsm.networks.recurrent import KINDS

TASK = "estimate"


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
    wanted = [row.get("name") for row in found.card.get("predictors", [])]
    if found.config.get("kind") not in (*KINDS, KIND) or found.config.get("features") != wanted:
        raise ModelError(
            f"the card of model {found.name!r} does not fit its network: kind "
            f"{found.config.get('kind')!r}, features {found.config.get('features')} against "
            f"predictors {wanted}. Fit it again with xsm.fit_estimator."
        )
    return found

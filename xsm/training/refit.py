"""Fit a model again in the way of its card, to other samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.estimation.samples import Samples
from xsm.networks.model import Model
from xsm.training.ensemble import fit_samples
from xsm.training.sequence_loop import Settings


def without(samples: Samples, places: list[int]) -> Samples:
    """The samples less some predictors."""
    kept = [f for f in range(len(samples.rows)) if f not in places]
    return samples._replace(x=samples.x[:, :, kept], rows=[samples.rows[f] for f in kept])


def again(samples: Samples, part: NDArray[np.int8], model: Model, seed: int) -> Model:
    """A model of the same kind, sizes and settings."""
    config, training = model.config, model.card["training"]
    known = (*Settings._fields, "members", "share", "scaling", "trees")
    options: dict[str, Any] = {k: training[k] for k in known if k in training}
    options |= {k: config[k] for k in model.network.sizes if k in config}
    target = {
        key: model.card["target"][key]
        for key in ("location", "scale")
        if isinstance(model.card["target"][key], str)
    }
    return fit_samples(samples, part, config["kind"], seed=seed, **options, **target)

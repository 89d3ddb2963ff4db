"""A small gap-filling model, and samples for it."""

import numpy as np

from xsm.networks.features import channels
from xsm.networks.model import Model
from xsm.networks.partial_conv import default, initial_params
from xsm.training.patches import Sampler, TrainingRecord


def small_model():
    config = default(width=4, hidden=8)
    config |= {"scales": [3, 7], "features": channels([3, 7])}
    return Model({"name": "small", "config": config, "sha256": "0" * 64}, initial_params(config))


def weather(days=24, height=40, width=44, seed=0):
    """Smooth fields that persist, half of them missing."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((days, height // 10, width // 10)).cumsum(0) / 4
    values = 0.4 + 0.1 * np.repeat(np.repeat(field, 10, 1), 11, 2)
    values += 0.005 * rng.standard_normal(values.shape)
    values = np.clip(values, 0, 1).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    return values


def sampler(seed=0, **options):
    options = {"patch": 16, "days": 6, **options}
    return Sampler([TrainingRecord(weather())], small_model(), seed=seed, **options)

"""Small sequence networks of random weights, and predictors for them."""

import numpy as np

from xsm.networks.device import operations
from xsm.networks.registry import network

FEATURES = ["a", "b", "c"]
SIZES = {"hidden": 8, "heads": 2}


def predictors(batch=3, days=17, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, days, len(FEATURES))).astype(np.float32)


def random_network(kind, **sizes):
    """Parameters and configuration."""
    row = network(kind)
    sizes = {key: value for key, value in (SIZES | sizes).items() if key in row.sizes}
    config = row.default_config(FEATURES, **sizes)
    rng = np.random.default_rng(1)
    params = {
        key: value + 0.2 * rng.standard_normal(value.shape).astype(np.float32)
        for key, value in row.initial_params(config, seed=2).items()
    }
    return params, config


def run(net, x, **options):
    params, config = net
    row = network(config["kind"])
    return row.apply(params, x, config, operations(row.operations), **options)

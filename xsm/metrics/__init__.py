"""Statistics of two or three records of the same thing: pure functions, lazy on Dask.

A metric is ``metric(est, ref, *, dim, weights=None)``; `METRICS` lists them, `scores` computes
many at once. Nothing here knows of stations, products or files.
"""

from xsm.metrics import scaling
from xsm.metrics.anomaly import anomalies
from xsm.metrics.correlation import anomaly_r, kendall_tau, pearson_r, r2, spearman_rho
from xsm.metrics.deviation import (
    bias,
    mae,
    mse,
    mse_bias,
    mse_corr,
    mse_var,
    n_obs,
    rmsd,
    ubrmsd,
)
from xsm.metrics.efficiency import kge, nse, std_ratio
from xsm.metrics.intervals import interval
from xsm.metrics.scoring import scores
from xsm.metrics.significance import effective_sample_size, p_value
from xsm.metrics.table import METRICS, Metric
from xsm.metrics.triple import triple_collocation

__all__ = [
    "METRICS",
    "Metric",
    "anomalies",
    "anomaly_r",
    "bias",
    "effective_sample_size",
    "interval",
    "kendall_tau",
    "kge",
    "mae",
    "mse",
    "mse_bias",
    "mse_corr",
    "mse_var",
    "n_obs",
    "nse",
    "p_value",
    "pearson_r",
    "r2",
    "rmsd",
    "scaling",
    "scores",
    "spearman_rho",
    "std_ratio",
    "triple_collocation",
    "ubrmsd",
]

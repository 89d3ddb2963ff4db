"""Statistics that compare two or three records of one quantity: pure functions, lazy on Dask.

A metric is ``metric(est, ref, *, dim, weights=None)``. `METRICS` lists all metrics, `scores`
computes many at once. Stations, products and files are left to `xsm.validation`.
"""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "METRICS": "xsm.metrics.table:METRICS",
        "Metric": "xsm.metrics.table:Metric",
        "anomalies": "xsm.metrics.anomaly:anomalies",
        "anomaly_r": "xsm.metrics.correlation:anomaly_r",
        "bias": "xsm.metrics.error:bias",
        "effective_sample_size": "xsm.metrics.significance:effective_sample_size",
        "interval": "xsm.metrics.intervals:interval",
        "kendall_tau": "xsm.metrics.correlation:kendall_tau",
        "crps_ensemble": "xsm.metrics.probabilistic:crps_ensemble",
        "crps_gaussian": "xsm.metrics.probabilistic:crps_gaussian",
        "kge": "xsm.metrics.error:kge",
        "mae": "xsm.metrics.error:mae",
        "mse": "xsm.metrics.error:mse",
        "mse_bias": "xsm.metrics.error:mse_bias",
        "mse_corr": "xsm.metrics.error:mse_corr",
        "mse_var": "xsm.metrics.error:mse_var",
        "n_obs": "xsm.metrics.error:n_obs",
        "nse": "xsm.metrics.error:nse",
        "p_value": "xsm.metrics.significance:p_value",
        "pearson_r": "xsm.metrics.correlation:pearson_r",
        "r2": "xsm.metrics.correlation:r2",
        "rmsd": "xsm.metrics.error:rmsd",
        "rss": "xsm.metrics.error:rss",
        "scaling": "xsm.metrics.scaling",
        "scores": "xsm.metrics.score_table:scores",
        "spearman_rho": "xsm.metrics.correlation:spearman_rho",
        "std_ratio": "xsm.metrics.error:std_ratio",
        "trend": "xsm.metrics.theil_sen:trend",
        "triple_collocation": "xsm.metrics.collocation:triple_collocation",
        "ubrmsd": "xsm.metrics.error:ubrmsd",
    },
)

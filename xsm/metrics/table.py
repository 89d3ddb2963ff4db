"""The table of metrics: one row for each function."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from xsm.errors import InputError


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes
    ----------
    function : str
        ``"module:function"``, imported on first use.
    long_name : str
    units : {"data", "data2", "1"}
        Those of the data, their square, or none.
    best : float
        Value of a perfect estimate; NaN where there is none.
    ranks : bool
        Needs whole series instead of moments: slower, and without weights.
    any_units : bool
        Independent of the units of the series, which may differ.
    """

    function: str
    long_name: str
    units: str
    best: float
    ranks: bool = False
    any_units: bool = False

    def load(self) -> Any:
        """The function."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(module), name)

    def units_for(self, data: str | None) -> str | None:
        """Unit of the metric, of series in the unit `data`; None where `data` is None.

        Examples
        --------
        >>> METRICS["mse"].units_for("m3 m-3"), METRICS["kge"].units_for("m3 m-3")
        ('(m3 m-3)2', '1')
        """
        if self.units == "1" or data is None:
            return None if data is None and self.units != "1" else "1"
        return f"({data})2" if self.units == "data2" and data != "1" else data


_ERROR = "xsm.metrics.error:"
_CORRELATION = "xsm.metrics.correlation:"
METRICS: dict[str, Metric] = {
    "bias": Metric(_ERROR + "bias", "bias", "data", 0.0),
    "rmsd": Metric(_ERROR + "rmsd", "root-mean-square difference", "data", 0.0),
    "ubrmsd": Metric(_ERROR + "ubrmsd", "unbiased root-mean-square difference", "data", 0.0),
    "mae": Metric(_ERROR + "mae", "mean absolute difference", "data", 0.0),
    "pearson_r": Metric(
        _CORRELATION + "pearson_r", "Pearson correlation", "1", 1.0, any_units=True
    ),
    "spearman_rho": Metric(
        _CORRELATION + "spearman_rho", "Spearman rank correlation", "1", 1.0, True, True
    ),
    "kendall_tau": Metric(
        _CORRELATION + "kendall_tau", "Kendall rank correlation (tau-b)", "1", 1.0, True, True
    ),
    "r2": Metric(_CORRELATION + "r2", "squared Pearson correlation", "1", 1.0, any_units=True),
    "kge": Metric(_ERROR + "kge", "Kling-Gupta efficiency", "1", 1.0),
    "std_ratio": Metric(_ERROR + "std_ratio", "ratio of standard deviations", "1", 1.0),
    "nse": Metric(_ERROR + "nse", "Nash-Sutcliffe efficiency", "1", 1.0),
    "mse": Metric(_ERROR + "mse", "mean squared difference", "data2", 0.0),
    "mse_corr": Metric(
        _ERROR + "mse_corr", "mean squared difference from lack of correlation", "data2", 0.0
    ),
    "mse_bias": Metric(_ERROR + "mse_bias", "mean squared difference from bias", "data2", 0.0),
    "mse_var": Metric(
        _ERROR + "mse_var", "mean squared difference from unequal variability", "data2", 0.0
    ),
    "rss": Metric(_ERROR + "rss", "residual sum of squares", "data2", 0.0),
    "anomaly_r": Metric(
        _CORRELATION + "anomaly_r", "Pearson correlation of anomalies", "1", 1.0, any_units=True
    ),
    "n_obs": Metric(_ERROR + "n_obs", "number of pairs", "1", float("nan"), any_units=True),
}


def metric_of(name: str) -> Metric:
    """The row of a metric.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in METRICS:
        raise InputError(f"metric {name!r} is unknown: expected one of {', '.join(METRICS)}.")
    return METRICS[name]

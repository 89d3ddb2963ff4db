"""Stability of scores: their trend over the years, per decade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

import xsm.metrics as statistics
from xsm.argument_checks import check_whole
from xsm.conventions.cf import CONVENTIONS, estimate_name, history_line, with_attrs
from xsm.errors import InputError
from xsm.metrics.status import OK, STATUS_ATTRS, TOO_FEW_PAIRS
from xsm.validation.scoring import chosen_metrics

YEARS = "period"  # the stratum
PER_DECADE = 10.0


def stability(
    scores: xr.Dataset,
    *,
    metrics: str | Sequence[str] | None = None,
    min_years: int = 5,
    level: float = 0.95,
) -> xr.Dataset:
    """Trend of the scores of single years: is a record as good at its end as at its beginning?

    Parameters
    ----------
    scores : Dataset
        From ``validate(..., by="period")``: scores for each year.
    metrics : str or sequence of str, optional
        Default: all of ``xsm.metrics.METRICS`` among the scores.
    min_years : int
        Series with scores in fewer years have a status instead of a trend; at least 3. With four
        years no trend can be significant at 0.05.
    level : float
        Of the intervals of the slopes.

    Returns
    -------
    Dataset
        On the dimensions of the scores but ``period``: ``<metric>_slope``, the Theil-Sen slope per
        decade, with ``_slope_low`` and ``_slope_high``; ``p_<metric>_slope`` of the Mann-Kendall
        test; ``n_years`` and ``status``. Lazy if the scores are.

    Raises
    ------
    InputError
        If there are no scores of years, a metric is not among them, or `min_years` is below 3.

    References
    ----------
    Sen (1968), doi 10.1080/01621459.1968.10480934; QA4SM 4.0 reports the stability of R, ubRMSD
    and bias in this form.

    Examples
    --------
    >>> years = {"period": ["2015", "2016", "2017", "2018", "2019"]}
    >>> bias = ("period", [0.01, 0.02, 0.03, 0.04, 0.05], {"units": "m3 m-3"})
    >>> result = stability(xr.Dataset({"bias": bias}, years))
    >>> round(float(result.bias_slope), 3), result.bias_slope.attrs["units"]
    (0.1, 'm3 m-3 decade-1')
    """
    years = _years(scores)
    of_years = scores[[name for name, da in scores.data_vars.items() if YEARS in da.dims]]
    names = chosen_metrics(metrics, [of_years], "among the scores of years")
    check_whole({"min_years": (min_years, 3)})
    variables: dict[str, Any] = {}
    counts = []
    for name in names:
        result = statistics.trend(scores[name], years, dim=YEARS, level=level)
        enough = result["n_values"] >= min_years
        counts.append(result["n_values"])
        units = str(scores[name].attrs.get("units", "1"))
        long_name = str(scores[name].attrs.get("long_name", name))
        for part in ("slope", "slope_low", "slope_high"):
            text = {"slope": "trend", "slope_low": "lower bound of the trend"}
            attrs = {
                "long_name": f"{text.get(part, 'upper bound of the trend')} of the {long_name}",
                "units": "decade-1" if units == "1" else f"{units} decade-1",
            }
            value = (PER_DECADE * result[part]).where(enough)
            variables[f"{name}_{part}"] = with_attrs(value, **attrs)
        attrs = {"long_name": f"p value of the trend of the {long_name}", "units": "1"}
        variables[f"p_{name}_slope"] = with_attrs(result["p_value"].where(enough), **attrs)
    n_years = counts[0]
    for count in counts[1:]:
        n_years = np.maximum(n_years, count)
    status = xr.where(n_years >= min_years, np.int8(OK), np.int8(TOO_FEW_PAIRS)).astype(np.int8)
    variables["n_years"] = with_attrs(n_years, long_name="years with a score", units="1")
    variables["status"] = with_attrs(status, **STATUS_ATTRS)
    attrs = {k: scores.attrs[k] for k in ("reference_name",) if k in scores.attrs}
    attrs |= {"estimate_name": name} if (name := estimate_name(scores)) else {}
    call = f"stability(min_years={min_years})"
    history = history_line(call, str(scores.attrs.get("history", "")))
    return xr.Dataset(variables).assign_attrs(
        attrs, Conventions=CONVENTIONS, xsm_scores="stability", history=history
    )


def _years(scores: xr.Dataset) -> xr.DataArray:
    """The years of the scores as numbers, (period)."""
    expected = 'expected the scores of years, from validate(..., by="period")'
    if not isinstance(scores, xr.Dataset) or YEARS not in scores.dims:
        held = tuple(scores.dims) if isinstance(scores, xr.Dataset) else type(scores).__name__
        raise InputError(f"scores has no dimension {YEARS!r} ({held}): {expected}.")
    labels = [str(label) for label in scores[YEARS].values]
    if not all(label.isdigit() and len(label) == 4 for label in labels):
        raise InputError(
            f"scores: the periods are {labels[:6]}: {expected}, without other periods."
        )
    years = np.array([int(label) for label in labels], np.float64)
    if (np.diff(years) <= 0).any():
        raise InputError(f"scores: the years are {labels[:6]}: expected them in order, each once.")
    return xr.DataArray(years, dims=YEARS)

"""Pictures of what an estimator needs: bars of importance, curves of experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.plotting.style import COLOURS, INK, QUIET, axes_for, heading, label, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASELINES = ("cdf_matching",)  # drawn dashed


def importance(
    result: xr.Dataset,
    *,
    metric: str = "rmse_increase",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the result of :func:`xsm.experiments.importance`: a bar per predictor, the greatest on top.

    Parameters
    ----------
    result : Dataset
    metric : {"rmse_increase", "r2_decrease"}
    ax : Axes, optional
        Where to draw; default a new figure.
    title : str, optional

    Returns
    -------
    Axes
        Means over the repeats; the thin lines go from the least to the greatest.

    Raises
    ------
    InputError
        If `result` is something else.
    """
    da = _part_of(result, metric, "predictor", "xsm.experiments.importance")
    da = da if "repeat" in da.dims else da.expand_dims(repeat=1)
    da = da.transpose("predictor", "repeat")
    mean = da.mean("repeat").values
    order = np.argsort(mean)[::-1]
    mean, low, high = (a[order] for a in (mean, da.min("repeat").values, da.max("repeat").values))
    ax = axes_for(ax, (6.0, 1.3 + 0.27 * mean.size))
    places = np.arange(mean.size)
    ax.barh(places, mean, 0.72, color=COLOURS[0])
    if da.sizes["repeat"] > 1:
        ax.errorbar(
            mean, places, xerr=[mean - low, high - mean], fmt="none", ecolor=INK, elinewidth=1.0
        )
    ax.set_yticks(places, [str(n).replace("_", " ") for n in da["predictor"].values[order]])
    ax.invert_yaxis()
    ax.axvline(0.0, color=QUIET, lw=0.8)
    ax.set_xlabel(label(da), fontsize=10)
    tidy(ax).tick_params(axis="y", length=0)
    how = {"permutation": "permuted", "ablation": "left out"}.get(result.attrs.get("how", ""), "")
    score, what = ("rmse", "RMSE") if metric == "rmse_increase" else ("r2", "R2")
    usual = (
        f"predictors {how}; {what} of the whole model {result.attrs[score]:.3g}" if how else None
    )
    heading(ax, title, usual)
    return ax


def curve(
    result: xr.Dataset,
    *,
    metric: str = "rmse",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the result of an experiment: a line per estimate, baselines dashed.

    Parameters
    ----------
    result : Dataset
        Of :func:`xsm.experiments.sequence_length` or :func:`xsm.experiments.reduced_samples`.
    metric : {"rmse", "bias", "r2"}
    ax : Axes, optional
        Where to draw; default a new figure.
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `result` is something else.
    """
    da = _part_of(
        result,
        metric,
        "estimate",
        "xsm.experiments.sequence_length or xsm.experiments.reduced_samples",
    )
    along = next(str(dim) for dim in da.dims if dim != "estimate")
    da = da.transpose("estimate", along).sortby(along)
    ax = axes_for(ax, (5.6, 3.8))
    for n, name in enumerate(str(v) for v in da["estimate"].values):
        baseline = name in BASELINES
        ax.plot(
            da[along].values,
            da.values[n],
            marker=None if baseline else "o",
            ls="--" if baseline else "-",
            ms=4,
            lw=1.6,
            color=QUIET if baseline else COLOURS[n % len(COLOURS)],
            label=name.replace("_", " "),
        )
    if along == "fraction":
        ax.set_xscale("log")
        ax.set_xticks(da[along].values, [f"{fraction:g}" for fraction in da[along].values])
        ax.minorticks_off()
    if metric == "rmse":
        ax.set_ylim(0.0, 1.08 * float(da.max()))
    ax.grid(axis="y", color="#e3e3e3", lw=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel(label(da[along]), fontsize=10)
    ax.set_ylabel(label(da), fontsize=10)
    ax.legend(fontsize=9, frameon=False)
    heading(tidy(ax), title)
    return ax


def _part_of(result: xr.Dataset, metric: str, dim: str, origin: str) -> xr.DataArray:
    if not isinstance(result, xr.Dataset) or dim not in result.dims:
        raise InputError(
            f"a {type(result).__name__} without the dimension {dim!r}: expected the Dataset of "
            f"{origin}."
        )
    if metric not in result.data_vars:
        raise InputError(
            f"metric={metric!r}: expected one of {[str(n) for n in result.data_vars]}."
        )
    return result[metric]

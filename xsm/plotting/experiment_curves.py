"""Results of experiments with an estimator: bars of importance, curves of skill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.plotting.style import (
    COLOURS,
    GREY,
    axes_for,
    axis_label,
    grid_colour,
    ink,
    plain_text,
    set_title,
    style_axes,
    style_rows,
)

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
    """Draw the result of :func:`xsm.experiments.importance`: a bar per predictor, largest on top.

    The bars are means over the repeats, the thin lines span minimum to maximum.

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

    Raises
    ------
    InputError
        If `result` is not the result of that experiment.
    MissingPackageError
        If matplotlib is not installed.
    """
    da = _select(result, metric, "predictor", "xsm.experiments.importance")
    da = da if "repeat" in da.dims else da.expand_dims(repeat=1)
    da = da.transpose("predictor", "repeat")
    mean = da.mean("repeat").values
    order = np.argsort(mean)[::-1]
    mean, low, high = (a[order] for a in (mean, da.min("repeat").values, da.max("repeat").values))
    ax = axes_for(ax, (6.0, 1.3 + 0.27 * mean.size))
    rows = np.arange(mean.size)
    ax.barh(rows, mean, 0.72, color=COLOURS[0])
    if da.sizes["repeat"] > 1:
        ax.errorbar(
            mean, rows, xerr=[mean - low, high - mean], fmt="none", ecolor=ink(ax), elinewidth=1.0
        )
    ax.set_yticks(
        rows, [plain_text(str(n).replace("_", " ")) for n in da["predictor"].values[order]]
    )
    ax.invert_yaxis()
    ax.axvline(0.0, color=GREY, lw=0.8)
    style_rows(ax, da)
    change = {"permutation": "permuted", "ablation": "left out"}.get(result.attrs.get("how", ""))
    attr, name = ("rmse", "RMSE") if metric == "rmse_increase" else ("r2", "R2")
    default = f"predictors {change}; {name} of the whole model {result.attrs[attr]:.3g}"
    set_title(ax, title, default if change else None)
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
        If `result` is not the result of such an experiment.
    MissingPackageError
        If matplotlib is not installed.
    """
    da = _select(
        result,
        metric,
        "estimate",
        "xsm.experiments.sequence_length or xsm.experiments.reduced_samples",
    )
    x_dim = next(str(dim) for dim in da.dims if dim != "estimate")
    da = da.transpose("estimate", x_dim).sortby(x_dim)
    ax = axes_for(ax, (5.6, 3.8))
    for n, name in enumerate(str(v) for v in da["estimate"].values):
        baseline = name in BASELINES
        ax.plot(
            da[x_dim].values,
            da.values[n],
            marker=None if baseline else "o",
            ls="--" if baseline else "-",
            ms=4,
            lw=1.6,
            color=GREY if baseline else COLOURS[n % len(COLOURS)],
            label=plain_text(name.replace("_", " ")),
        )
    if x_dim == "fraction":
        ax.set_xscale("log")
        ax.set_xticks(da[x_dim].values, [f"{fraction:g}" for fraction in da[x_dim].values])
        ax.minorticks_off()
    if metric == "rmse":
        ax.set_ylim(0.0, 1.08 * float(da.max()))
    ax.grid(axis="y", color=grid_colour(ax), lw=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel(axis_label(da[x_dim]), fontsize=10)
    ax.set_ylabel(axis_label(da), fontsize=10)
    ax.legend(fontsize=9, frameon=False)
    set_title(style_axes(ax), title)
    return ax


def _select(result: xr.Dataset, metric: str, dim: str, origin: str) -> xr.DataArray:
    """Return the variable `metric`, which must lie along `dim`."""
    if not isinstance(result, xr.Dataset) or dim not in result.dims:
        raise InputError(
            f"result is a {type(result).__name__} without the dimension {dim!r}: expected the "
            f"Dataset of {origin}."
        )
    if metric not in result.data_vars:
        raise InputError(
            f"metric={metric!r} is not in result: expected one of "
            f"{[str(n) for n in result.data_vars]}."
        )
    return result[metric]

"""One score per filler and kind of simulated gap, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xsm.plotting.selection import one_stratum
from xsm.plotting.style import COLOURS, INK, axes_for, badness, heading, label, middle, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bars(
    scores: xr.Dataset | xr.DataArray,
    da: xr.DataArray,
    *,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw `da` (filler, kind) as one group of bars per filler, the best on top.

    Parameters
    ----------
    scores : Dataset or DataArray
        Where `da` is from: ``<metric>_low`` and ``<metric>_high`` become whiskers.
    da : DataArray
        (filler, kind), or (filler,).
    """
    da = one_stratum(da, {"filler", "kind"})
    da = (da if "kind" in da.dims else da.expand_dims(kind=[""])).transpose("filler", "kind")
    kinds = [str(kind) for kind in da["kind"].values]
    order = _best_first(da)
    da = da.isel(filler=order)
    ax = axes_for(ax, (6.0, 1.2 + 0.16 * da.size + 0.14 * da.sizes["filler"]))
    height = 0.82 / len(kinds)
    for k, kind in enumerate(kinds):
        y = np.arange(da.sizes["filler"]) + (k - (len(kinds) - 1) / 2) * height
        colour = INK if kind == "all" else COLOURS[k % len(COLOURS)]
        ax.barh(y, da.values[:, k], 0.86 * height, color=colour, label=kind.replace("_", " "))
        if (ends := _interval(scores, da, kind)) is not None:
            far = np.clip(np.stack([da.values[:, k] - ends[0], ends[1] - da.values[:, k]]), 0, None)
            ax.errorbar(da.values[:, k], y, xerr=far, fmt="none", ecolor="#999999", elinewidth=1.2)
    ax.set_yticks(range(da.sizes["filler"]), [str(name) for name in da["filler"].values])
    ax.invert_yaxis()
    if (best := middle(da)) is not None:
        ax.axvline(best, color=INK, lw=0.8)
    ax.grid(axis="x", color="#e3e3e3", lw=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel(label(da), fontsize=10)
    tidy(ax).tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if len(kinds) > 1:
        ax.figure.legend(
            *ax.get_legend_handles_labels(),
            loc="outside upper right",
            ncols=len(kinds),
            fontsize=9,
            frameon=False,
            title="hidden as",
            title_fontsize=9,
        )
    heading(ax, title)
    return ax


def _best_first(da: xr.DataArray) -> np.ndarray:
    """Order of the methods: by all kinds together, or the mean over them."""
    kinds = [str(kind) for kind in da["kind"].values]
    total = da.isel(kind=kinds.index("all")) if "all" in kinds else da.mean("kind")
    return np.argsort(badness(da, total.values), kind="stable")


def _interval(scores, da: xr.DataArray, kind: str) -> np.ndarray | None:
    """Lower and upper ends (2, filler) of one kind, where scores has them."""
    names = [f"{da.name}_low", f"{da.name}_high"]
    if not isinstance(scores, xr.Dataset) or not set(names) <= set(scores.data_vars):
        return None
    ends = (one_stratum(scores[name], {"filler", "kind"}) for name in names)
    chosen = [end.sel(kind=kind) if "kind" in end.dims else end for end in ends]
    return np.stack([end.sel({"filler": da["filler"]}).values for end in chosen])

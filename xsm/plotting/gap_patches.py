"""Patches of simulated gaps: observed, hidden and filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm._lazy import optional_import
from xsm.errors import InputError
from xsm.plotting.geography import format_degree_axes
from xsm.plotting.style import COLOURS, add_colour_bar, axis_label, colour_scale, plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 4  # cells around a patch
SMALL = 0.05  # of the cells of the map: larger gaps cannot be enlarged


def patches(
    scores: xr.Dataset,
    *,
    day: int = 0,
    fill_method: str | Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a patch of a simulated gap: observed, with the gap, and filled, enlarged.

    The edge of the patch is outlined; a good fill continues the texture across it. It is the form
    of Fig. 10 of Zhang et al. (2021), doi 10.5194/essd-13-1385-2021.

    Parameters
    ----------
    scores : Dataset
        From ``validate(gaps={"keep_patches": 1})``.
    day : int
        Position among the kept days.
    fill_method : str or sequence of str, optional
        Default: all, at most three.
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If `scores` holds no patches, or no such day or fill method.
    MissingPackageError
        If matplotlib is not installed.
    """
    if not isinstance(scores, xr.Dataset) or "patch_filled" not in scores:
        raise InputError(
            "scores holds no patches: keep them with validate(gaps={'keep_patches': 1})."
        )
    if not -scores.sizes["patch_time"] <= day < scores.sizes["patch_time"]:
        raise InputError(
            f"day={day!r}: expected a position below {scores.sizes['patch_time']}, the kept days."
        )
    ds = scores.isel(patch_time=day)
    available = [str(name) for name in ds["fill_method"].values]
    wanted = available[:3] if fill_method is None else fill_method
    wanted = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    if missing := [name for name in wanted if name not in available]:
        raise InputError(f"fill_method={missing}: expected some of {available}.")
    dims = ds["patch_observed"].dims
    box = _patch_window(ds["patch_hidden"].values)
    hidden = ds["patch_hidden"].values[box] > 0
    window = dict(zip(dims, box, strict=True))
    observed = ds["patch_observed"].isel(window)
    fields = {"observed": observed, "with the gap": observed.where(~hidden)}
    for name in wanted:
        fields[f"filled, {name}"] = ds["patch_filled"].sel(fill_method=name).isel(window)
    pyplot = optional_import("matplotlib.pyplot", "a picture of xsm.plotting", "plot")
    style, extend = colour_scale(observed.rename("soil_moisture"))
    figure, axes = pyplot.subplots(
        1, len(fields), figsize=(2.9 * len(fields) + 0.3, 3.6), layout="constrained", squeeze=False
    )
    y, x = (
        observed[d].values if d in observed.coords else np.arange(observed.sizes[d]) for d in dims
    )
    for ax, (name, da) in zip(axes[0], fields.items(), strict=True):
        ax.set_facecolor("#d9d9d9")
        mesh = ax.pcolormesh(x, y, da.values, shading="nearest", **style)
        _outline(ax, hidden, y, x)
        ax.set_title(plain_text(name), fontsize=10, loc="left")
        if ax is not axes[0, 0]:
            ax.set_yticklabels([])
        if {"lat", "lon"} == set(dims):
            format_degree_axes(ax, float(np.mean(y)))
            ax.locator_params(nbins=3)
    bar: dict[str, Any] = {"location": "bottom", "shrink": 0.5, "aspect": 36, "extend": extend}
    add_colour_bar(list(axes[0]), mesh, axis_label(observed), **bar)
    date = str(ds["patch_time"].values)[:10]
    figure.suptitle(date if title is None else title, fontsize=11, x=0.01, ha="left")
    return figure


def _patch_window(pattern: NDArray[np.integer]) -> tuple[slice, slice]:
    """The window around the largest connected gap of one pattern that is small on the map."""
    from scipy.ndimage import find_objects, label

    candidates = []
    for code in np.unique(pattern[pattern > 0]):
        labels, _ = label(pattern == code, structure=np.ones((3, 3), int))
        sizes = np.bincount(labels.ravel())
        candidates += [(sizes[i + 1], box) for i, box in enumerate(find_objects(labels))]
    if not candidates:
        raise InputError("scores: nothing is hidden on this day; take another one.")
    small = [c for c in candidates if c[0] <= SMALL * pattern.size]
    _, (rows, columns) = max(small or candidates, key=lambda candidate: candidate[0])
    margin = max(MARGIN, (rows.stop - rows.start) // 2, (columns.stop - columns.start) // 2)
    y, x = (
        slice(max(part.start - margin, 0), min(part.stop + margin, size))
        for part, size in zip((rows, columns), pattern.shape, strict=True)
    )
    return y, x


def _outline(ax: Any, hidden: NDArray[np.bool_], y: NDArray[Any], x: NDArray[Any]) -> None:
    """Draw the edges of cells between hidden and other ones."""
    from matplotlib.collections import LineCollection

    half = [np.diff(axis).mean() / 2 if axis.size > 1 else 0.5 for axis in (y, x)]
    lines = []
    padded = np.pad(hidden, 1)
    for row, column in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]):
        edge = (y[row] - half[0]) if row < y.size else y[-1] + half[0]
        lines.append([(x[column] - half[1], edge), (x[column] + half[1], edge)])
    for row, column in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]):
        edge = (x[column] - half[1]) if column < x.size else x[-1] + half[1]
        lines.append([(edge, y[row] - half[0]), (edge, y[row] + half[0])])
    ax.add_collection(LineCollection(lines, colors=COLOURS[1], linewidths=1.1, zorder=3))

"""What the pictures share: matplotlib on first use, colours, labels with units, colour limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): told apart by the colour-blind and, but for the last two, in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4d4d4d")
INK, QUIET = "#222222", "#8c8c8c"
SKILL, ERROR, COUNT, SIGNED = "viridis", "magma_r", "cividis", "BrBG"  # BrBG: dry to wet
ERRORS = ("rmsd", "ubrmsd", "mae", "mse", "mse_corr", "mse_bias", "mse_var", "err_std")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def axes_for(ax: Axes | None, size: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """`ax`, or the axes of a new figure of `size` inches.

    Raises
    ------
    ImportError
        If matplotlib is not there.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'xsm[plot]'") from error
    return plt.subplots(figsize=size, layout="constrained")[1]


def units_text(units: str) -> str:
    r"""Units as they are printed, not to be broken at the end of a line.

    Examples
    --------
    >>> units_text("m3 m-3"), units_text("(m3 m-3)2"), units_text("1")
    ('m³\xa0m⁻³', '(m³\xa0m⁻³)²', '')
    """
    if units in ("1", "-", "dimensionless"):
        return ""
    units = re.sub(r"(?<=[A-Za-z)])-?\d+", lambda found: found[0].translate(_SUPERSCRIPT), units)
    return units.replace(" ", "\xa0")


def label(da: xr.DataArray) -> str:
    """Long name and units of `da`, for an axis."""
    name = str(da.attrs.get("long_name") or da.name or "").replace("_", " ")
    units = units_text(str(da.attrs.get("units", "1")))
    return f"{name} ({units})" if units else name


def middle(da: xr.DataArray) -> float | None:
    """The value between two bad sides: 0 of a bias or a difference of scores, 1 of a ratio."""
    if da.name in ERRORS:  # a root-mean-square difference below 0 is a difference of two
        return 0.0 if (da < 0).any() else None
    words = f"{da.name} {da.attrs.get('long_name', '')}".lower()
    if "ratio" in words:
        return 1.0
    return 0.0 if "bias" in words or "difference" in words else None


def badness(da: xr.DataArray, values: Any) -> Any:
    """`values` of the metric `da` so that less is better: best first when sorted."""
    if (best := middle(da)) is not None:
        return abs(values - best)
    return values if da.name in ERRORS else -values


def colours(
    da: xr.DataArray,
    *,
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    center: float | None = None,
) -> tuple[dict[str, Any], str]:
    """Colour map and limits of `da`, and on which ends of the colour bar values lie beyond.

    The limits are the 2nd and 98th percentile, so that one odd cell does not take the colours of
    all others; symmetric about `center` where there is one (see :func:`middle`).

    Raises
    ------
    InputError
        If no value is finite.
    """
    values = da.values[np.isfinite(da.values)]
    if values.size == 0:
        raise InputError(
            f"{da.name} has no finite value to draw: see scores['status'] for the reasons."
        )
    center = middle(da) if center is None else center
    low, high = (float(edge) for edge in np.percentile(values, [2, 98]))
    if center is not None:
        half = max(abs(low - center), abs(high - center))
        if center > 0 and values.min() >= 0:
            half = min(half, center)  # a ratio has no negative side
        low, high = center - half, center + half
    if high - low < 1e-6:
        low, high = low - 0.01, high + 0.01
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    under, over = values.min() < low - 1e-9, values.max() > high + 1e-9
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[under, over]
    if cmap is None:
        cmap = SKILL if da.dtype.kind == "f" else COUNT
        cmap = ERROR if da.name in ERRORS else cmap
        cmap = cmap if center is None else SIGNED
    return {"cmap": cmap, "vmin": low, "vmax": high}, extend


def tidy(ax: Axes) -> Axes:
    """Quiet ticks, and no frame at the top and the right."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET)
    ax.tick_params(labelsize=9, color=QUIET)
    return ax


def heading(ax: Axes, text: str | None, usual: str | None = None) -> None:
    """The title, left, as a text begins: `text`, or the `usual` one if it is None."""
    if text := usual if text is None else text:
        ax.set_title(text, loc="left", fontsize=11, color=INK)

"""What all pictures share: matplotlib on first use, colours, labels with units, legends."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm._lazy import optional_import
from xsm.conventions.cf import meanings_of_codes
from xsm.conventions.products import STANDARD_NAMES, product_of
from xsm.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): distinct for colour-blind readers and, but for the last two, in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4d4d4d")
DARK, GREY, GRID = "#222222", "#8c8c8c", "#e3e3e3"
LIGHT, DARK_GRID = "#eeeeee", "#3d3d3d"  # on a dark background
SEA, SEA_FLAGS = "#eef3f6", ("not_land",)
# Of flags: grey for the first one, then those above and others that differ from them.
FLAG_COLOURS = ("#cfd8dc", *COLOURS, "#882255", "#999933", "#332288", "#ddcc77")
# BrBG: brown for dry, green for wet.
CMAP_SKILL, CMAP_ERROR, CMAP_COUNT, CMAP_DIVERGING = "viridis", "magma_r", "cividis", "BrBG"
CMAP_MOISTURE = "YlGnBu"  # yellow for dry, blue for wet
COUNT = "n_obs"
TICK_LABELS = 0.3  # inches below axes
ERROR_METRICS = (
    "rmsd",
    "ubrmsd",
    "mae",
    "mse",
    "rss",
    "mse_corr",
    "mse_bias",
    "mse_var",
    "err_std",
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def axes_for(ax: Axes | None, size: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """Return `ax`, or the axes of a new figure of `size` inches.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    pyplot = optional_import("matplotlib.pyplot", "a picture of xsm.plotting", "plot")
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def is_dark(ax: Axes) -> bool:
    """Whether a picture has a dark background, as in a notebook with a dark style."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb

    red, green, blue, alpha = ax.figure.get_facecolor()
    if alpha == 0:  # what is behind shines through: the text tells
        red, green, blue = (1.0 - part for part in to_rgb(rcParams["text.color"]))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5


def ink(ax: Axes) -> str:
    """Colour of lines and text that stand out from the background."""
    return LIGHT if is_dark(ax) else DARK


def grid_colour(ax: Axes) -> str:
    """Colour of lines that stay in the background."""
    return DARK_GRID if is_dark(ax) else GRID


def format_units(units: str) -> str:
    r"""Units as they are printed, with spaces that do not break at the end of a line.

    Examples
    --------
    >>> format_units("m3 m-3"), format_units("(m3 m-3)2"), format_units("1")
    ('m³\xa0m⁻³', '(m³\xa0m⁻³)²', '')
    """
    if units in ("1", "-", "dimensionless"):
        return ""
    if units == "percent":
        return "%"
    units = re.sub(r"(?<=[A-Za-z)])-?\d+", lambda match: match[0].translate(_SUPERSCRIPT), units)
    return units.replace(" ", "\xa0")


def without_controls(text: str) -> str:
    r"""Text with control characters and lone surrogates, which no page and picture holds, replaced.

    Examples
    --------
    >>> without_controls("a\x00b\ud800c")
    'a�b�c'
    """
    return _CONTROLS.sub("\ufffd", text)


def plain_text(text: Any) -> str:
    r"""Text of data for matplotlib, which takes dollars for mathematics and hides ``_`` names.

    Examples
    --------
    >>> plain_text("cost in $ and $"), plain_text("_private")
    ('cost in \\$ and \\$', '\xa0_private')
    """
    plain = without_controls(str(text)).replace("$", r"\$")
    return f"\xa0{plain}" if plain.startswith("_") else plain


def axis_label(da: xr.DataArray) -> str:
    """Long name and units of `da`, for matplotlib."""
    return plain_text(name_with_units(da))


def units_label(da: xr.DataArray) -> str:
    """Soil moisture with the units of `da`, for matplotlib."""
    units = format_units(str(da.attrs.get("units", "1")))
    return plain_text(f"soil moisture ({units})" if units else "soil moisture")


def name_with_units(da: xr.DataArray) -> str:
    """Long name and units of `da`."""
    name = str(da.attrs.get("long_name") or da.name or "").replace("_", " ")
    units = format_units(str(da.attrs.get("units", "1")))
    return f"{name} ({units})" if units else name


def neutral_value(da: xr.DataArray) -> float | None:
    """The value without error: 0 for a bias or a difference of scores, 1 for a ratio, else None."""
    if da.name in ERROR_METRICS:  # a negative error metric is a difference of two
        return 0.0 if (da < 0).any() else None
    text = f"{da.name} {da.attrs.get('long_name', '')}".lower()
    if "ratio" in text:
        return 1.0
    return 0.0 if "bias" in text or "difference" in text else None


def default_cmap(da: xr.DataArray) -> str:
    """Colour map of a variable that has no neutral value, by what it is."""
    standard_name, _, modifier = str(da.attrs.get("standard_name", "")).partition(" ")
    name = str(da.name)
    if da.name in ERROR_METRICS or modifier == "standard_error" or name.endswith("_uncertainty"):
        return CMAP_ERROR
    if standard_name in STANDARD_NAMES or product_of(name) is not None:
        return CMAP_MOISTURE
    return CMAP_SKILL if da.dtype.kind == "f" and not name.endswith(COUNT) else CMAP_COUNT


def lower_is_better(da: xr.DataArray, values: Any) -> Any:
    """Transform `values` of the metric `da` so that they sort from best to worst."""
    if (neutral := neutral_value(da)) is not None:
        return abs(values - neutral)
    return values if da.name in ERROR_METRICS else -values


def colour_scale(
    da: xr.DataArray,
    *,
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    center: float | None = None,
) -> tuple[dict[str, Any], str]:
    """Return colour map and limits of `da`, and the ends at which the colour bar has arrows.

    The limits are the 2nd and 98th percentile, so that a single outlier does not compress the
    scale. They are symmetric about `center` where there is one (see :func:`neutral_value`).

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
    center = neutral_value(da) if center is None else center
    low, high = (float(edge) for edge in np.percentile(values, [2, 98]))
    if center is not None:
        half_range = max(abs(low - center), abs(high - center))
        if center > 0 and values.min() >= 0:
            half_range = min(half_range, center)  # a ratio has no negative side
        low, high = center - half_range, center + half_range
    if high - low < 1e-6:
        low, high = low - 0.01, high + 0.01
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    below, above = values.min() < low - 1e-9, values.max() > high + 1e-9
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    if cmap is None:
        cmap = default_cmap(da) if center is None else CMAP_DIVERGING
    return {"cmap": cmap, "vmin": low, "vmax": high}, extend


def flag_labels(da: xr.DataArray) -> dict[int, str]:
    """Code -> meaning of the flags that occur in `da`; empty if it holds no flags."""
    meaning_of = meanings_of_codes(da.attrs) if da.dtype.kind in "iu" else {}
    present = set(np.unique(da.values).tolist()) if meaning_of else set()
    return {
        int(code): plain_text(text.replace("_", " "))
        for code, text in meaning_of.items()
        if code in present
    }


def flag_style(da: xr.DataArray) -> dict[str, Any]:
    """Colour map and norm of flags: a colour for each code, see :func:`flag_colours`."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    colours = flag_colours(da)
    codes = list(colours)
    edges = [codes[0] - 0.5, *((np.array(codes[1:]) + codes[:-1]) / 2), codes[-1] + 0.5]
    return {
        "cmap": ListedColormap(list(colours.values())),
        "norm": BoundaryNorm(edges, len(codes)),
    }


def flag_colours(da: xr.DataArray) -> dict[int, str]:
    """Code -> colour, of all codes of a flag: the same code has the same colour in every picture.

    The first one, such as ok or observed, is grey; the sea has the colour of the sea.
    """
    meaning_of = {int(code): text for code, text in meanings_of_codes(da.attrs).items()}
    first, *others = sorted(meaning_of)
    colours = {first: FLAG_COLOURS[0]}
    for i, code in enumerate(others):
        is_sea = meaning_of[code] in SEA_FLAGS
        colours[code] = SEA if is_sea else FLAG_COLOURS[1 + i % (len(FLAG_COLOURS) - 1)]
    return colours


def legend_below(axes: Axes | list[Axes], flags: dict[int, str], colours: dict[int, str]) -> None:
    """A legend of the flags that occur, below one axes or a figure of several."""
    from matplotlib.patches import Patch

    edge: dict[str, Any] = {"edgecolor": GREY, "linewidth": 0.4}
    handles = [Patch(facecolor=colours[code], label=text, **edge) for code, text in flags.items()]
    options: dict[str, Any] = {
        "handles": handles, "fontsize": 9, "frameon": False, "handlelength": 1.4,
        "columnspacing": 1.2,
    }  # fmt: skip
    if isinstance(axes, list):
        axes[0].figure.legend(loc="outside lower center", ncols=3, **options)
        return
    figure = axes.figure
    room = axes.get_window_extent().width / figure.dpi
    inches = max((len(text) for text in flags.values()), default=0) * 0.066 + 0.45
    columns = min(max(int(room / inches), 1), 3)
    axes.legend(loc="upper center", ncols=columns, **place_below(axes, 0.5, TICK_LABELS), **options)


def place_below(ax: Axes, x: float, inches: float) -> dict[str, Any]:
    """Arguments of a legend whose upper edge is so far below the axes, at a fraction `x` of them.

    The distance does not depend on the size of the axes.
    """
    from matplotlib.transforms import ScaledTranslation

    shift = ScaledTranslation(0, -inches, ax.figure.dpi_scale_trans)
    return {
        "bbox_to_anchor": (x, 0.0),
        "bbox_transform": ax.transAxes + shift,
        "borderaxespad": 0.0,
    }


def style_axes(ax: Axes) -> Axes:
    """Grey ticks, and no frame at the top and the right."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(labelsize=9, color=GREY)
    return ax


def style_rows(ax: Axes, da: xr.DataArray) -> None:
    """Axes of a chart with a labelled row per group and the values of `da` along x."""
    if (neutral := neutral_value(da)) is not None:
        ax.axvline(neutral, color=ink(ax), lw=0.8, zorder=0.9)
    ax.grid(axis="x", color=grid_colour(ax), lw=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel(axis_label(da), fontsize=10)
    style_axes(ax).tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def legend_above(ax: Axes, handles: list[Any], *, title: str | None = None) -> None:
    """A legend in one line or two at the top right of the figure, outside of the axes."""
    ax.figure.legend(
        handles=handles,
        loc="outside upper right",
        ncols=min(len(handles), 4),
        fontsize=9,
        frameon=False,
        title=title,
        title_fontsize=9,
    )


def add_colour_bar(axes: Axes | list[Axes], mappable: Any, text: str, **options: Any) -> None:
    """A colour bar beside one or several axes; `options` are those of ``Figure.colorbar``.

    A label that is longer than the axes is wrapped.
    """
    first = axes[0] if isinstance(axes, list) else axes
    figure = first.figure
    options = {"shrink": 0.8, "aspect": 28, "pad": 0.02} | options
    if figure.get_layout_engine() is None and options.get("orientation") == "horizontal":
        # nothing else keeps it off the tick labels
        options["pad"] = TICK_LABELS * figure.dpi / first.get_window_extent().height
    bar = figure.colorbar(mappable, ax=axes, **options)
    extent = figure.bbox if isinstance(axes, list) else first.get_window_extent()
    length = extent.width if bar.orientation == "horizontal" else extent.height
    bar.set_label(wrapped(text, 0.95 * length / figure.dpi, 9), fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set(edgecolor=GREY, linewidth=0.4)  # the end of a scale may be nearly white


def wrapped(text: str, inches: float, points: float) -> str:
    """Text in lines that are not wider than so many inches, in letters of so many points."""
    return textwrap.fill(text, max(int(inches * 130 / points), 20))


def set_title(ax: Axes, title: str | None, default: str | None = None) -> None:
    """Set the title, left-aligned: `title`, or `default` where it is None; "" draws none.

    Long titles are wrapped to the width of the axes. Dollars in `title` are mathematics, as in
    matplotlib; `default` is text of the data.
    """
    default = None if default is None else plain_text(default)
    if text := default if title is None else without_controls(title):
        inches = ax.get_window_extent().width / ax.figure.dpi
        ax.set_title(wrapped(text, inches, 11), loc="left", fontsize=11, color=ink(ax))

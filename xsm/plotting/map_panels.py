"""Maps side by side with one colour scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm._lazy import optional_import
from xsm.errors import InputError
from xsm.plotting.maps import draw_map
from xsm.plotting.selection import label_text, select_metric
from xsm.plotting.style import (
    add_colour_bar,
    axis_label,
    colour_scale,
    flag_colours,
    flag_labels,
    flag_style,
    legend_below,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_PANELS = 12


def panels(
    scores: xr.Dataset | xr.DataArray | Mapping[str, Any],
    metric: str | None = None,
    *,
    along: str | None = None,
    region: Sequence[float] | None = None,
    mask: xr.DataArray | None = None,
    columns: int | None = None,
    **options: Any,
) -> Figure:
    """Draw maps side by side with one colour scale and one colour bar.

    Parameters
    ----------
    scores : Dataset, DataArray, or mapping of names to them
        Results of ``validate``, or fields with latitudes and longitudes. Of one Dataset, a map for
        each label along a dimension.
    metric : str, optional
        Name of the variable; the correlation or the first one where not given.
    along : str, optional
        The dimension, such as "product", "season", "layer"; default the first that is neither
        station nor of the grid.
    region : (south, north, west, east), optional
        Degrees: draw this part of the maps.
    mask : DataArray of bool, optional
        On the grid of the maps: what is not drawn, such as water, snow and ice.
    columns : int, optional
        Maps in a row.
    **options
        ``cmap``, ``vmin``, ``vmax``, ``center`` and ``land`` of :func:`xsm.plotting.map`.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is no such dimension, no finite value, or more than twelve maps.
    MissingPackageError
        If matplotlib is not installed.
    """
    fields = _fields(scores, metric, along)
    if len(fields) > MAX_PANELS:
        raise InputError(f"scores has {len(fields)} maps: select at most {MAX_PANELS}.")
    if mask is not None:
        fields = {name: da.where(~mask.astype(bool)) for name, da in fields.items()}
    pyplot = optional_import("matplotlib.pyplot", "a picture of xsm.plotting", "plot")
    first = next(iter(fields.values()))
    values = xr.DataArray(
        np.concatenate([np.asarray(da.values, float).ravel() for da in fields.values()]),
        dims="value", name=first.name, attrs=first.attrs,
    )  # fmt: skip
    land = options.pop("land", None)
    flags = {k: v for da in fields.values() for k, v in flag_labels(da).items()}
    style, extend = (flag_style(first), "") if flags else colour_scale(values, **options)
    columns = columns or min(len(fields), 3 if len(fields) != 4 else 2)
    rows = -(-len(fields) // columns)
    figure = pyplot.figure(layout="constrained")
    axes = []
    for i, da in enumerate(fields.values()):
        ax = figure.add_subplot(rows, columns, i + 1)
        mappable, shape = draw_map(ax, da, style, land=land, region=region)
        axes.append(ax)
    height = float(np.clip(3.6 * shape, 1.8, 5.0))
    figure.set_size_inches(3.6 * columns + 0.6, (height + 0.35) * rows + 0.8)
    for ax, name in zip(axes, fields, strict=True):
        set_title(ax, None, name)
    if flags:
        legend_below(axes, dict(sorted(flags.items())), flag_colours(first))
    else:
        bar: dict[str, Any] = {"location": "bottom", "shrink": 0.6, "aspect": 36}
        add_colour_bar(axes, mappable, axis_label(first), extend=extend, **bar)
    return figure


def _fields(
    scores: xr.Dataset | xr.DataArray | Mapping[str, Any], metric: str | None, along: str | None
) -> dict[str, xr.DataArray]:
    """Name -> field of each panel."""
    if isinstance(scores, Mapping) and not isinstance(scores, xr.Dataset):
        if not scores:
            raise InputError("scores is an empty mapping: expected name -> scores Dataset.")
        return {str(name): select_metric(ds, metric).compute() for name, ds in scores.items()}
    da = select_metric(scores, metric)
    grid = {"station"} | {
        str(d) for d in da.dims if d in ("lat", "lon", "latitude", "longitude", "y", "x")
    }
    free = [str(d) for d in da.dims if d not in grid]
    along = along or next(iter(free), None)
    if along is None:
        return {"": da.compute()}
    if along not in free or len(free) > 1:
        raise InputError(
            f"along={along!r}: {da.name} has the dimensions {da.dims} beside the places: select "
            f"all but one of {free} first."
        )
    labels = da[along].values if along in da.coords else range(da.sizes[along])
    return {label_text(label): da.isel({along: i}).compute() for i, label in enumerate(labels)}

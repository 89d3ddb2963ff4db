"""What xsm takes an object for: variable, unit, product, grid, days; nothing is computed."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.predictors import available_predictors
from xsm.conventions.products import recognise
from xsm.conventions.record import GriddedRecord, gridded_record
from xsm.conventions.variables import UNNAMED, choose, is_file_backed, units_of
from xsm.errors import XsmError

Rows = list[tuple[str, str]]

COUNTED_VALUES = 20_000_000  # of an array in memory whose missing values are counted for display


def summary(obj: Any) -> Rows:
    """Rows (label, text) that describe an object; what cannot be read says why."""
    if isinstance(obj, xr.DataTree):
        return [(node.path, _one_line(node.to_dataset())) for node in obj.subtree if node.data_vars]
    try:
        da, ds = choose(obj)
    except XsmError as error:
        return _without_soil_moisture(obj, error)
    name = str(da.name or UNNAMED)
    rows = [("variable", name), ("unit", units_of(da) or _unit_of_data(da) or "none")]
    product = recognise(da.to_dataset(name=name) if ds is None else ds, name)
    rows.append(("product", "unknown" if product is None else product.title))
    try:
        record = gridded_record(obj)
    except XsmError as error:
        return [*rows, ("cannot be used", str(error))]
    rows += [("grid", _grid(record)), ("days", _days(record)), ("missing", _missing(record))]
    if record.layout.others:
        rows.append(("other dimensions", ", ".join(record.layout.others)))
    if (rules := da.attrs.get("screening_rules")) is not None:
        removed = da.attrs.get("screening_removed")
        rows.append(("screened", f"{rules}; removed {removed}" if removed else str(rules)))
    rows.append(("chunks", _chunks(da)))
    return rows


def summary_text(obj: Any, title: str) -> str:
    """The summary as text."""
    return "\n".join([title, *(f"  {label:<16} {text}" for label, text in summary(obj))])


def summary_html(obj: Any, title: str) -> str:
    """The summary as an HTML table."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(label)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for label, text in summary(obj)
    )
    return f"<table><caption style='text-align:left'>{escape(title)}</caption>{rows}</table>"


def _one_line(ds: xr.Dataset) -> str:
    rows = dict(summary(ds))
    shown = [rows[key] for key in ("variable", "grid", "days", "cannot be used") if key in rows]
    return "; ".join(shown) or "; ".join(rows.values())


def _without_soil_moisture(obj: Any, error: XsmError) -> Rows:
    if (kind := obj.attrs.get("xsm_scores")) is not None:
        names = "estimate_name", "reference_name"
        compared = " against ".join(str(obj.attrs[name]) for name in names if name in obj.attrs)
        variables = list(obj.data_vars) if isinstance(obj, xr.Dataset) else [obj.name]
        return [
            ("scores", str(kind).replace("_", " ")),
            ("compared", compared or "unknown"),
            ("variables", ", ".join(map(str, variables))),
            ("drawn by", "plot, such as .sm.plot.map() or .sm.plot.box()"),
        ]
    predictors = available_predictors(obj, {}) if isinstance(obj, xr.Dataset) else []
    if predictors:
        return [("soil moisture", "none"), ("predictors", ", ".join(predictors))]
    return [("cannot be used", str(error))]


def _unit_of_data(da: xr.DataArray) -> str:
    return "" if is_file_backed(da) else str(getattr(da.data, "units", ""))


def _grid(record: GriddedRecord) -> str:
    height, width = record.shape
    size = f"{height} x {width} ({record.layout.y}, {record.layout.x})"
    if record.lat is None or record.lon is None:
        return f"{size}, without latitudes and longitudes"
    if not record.regular:
        return f"{size}, latitudes and longitudes in two dimensions"
    lat, lon = (np.asarray(c.values, np.float64) for c in (record.lat, record.lon))
    step = f", {abs(lat[0] - lat[-1]) / (height - 1):.4g} degrees" if height > 1 else ""
    return (
        f"{size}, {lat.min():.4g} to {lat.max():.4g} N, {lon.min():.4g} to {lon.max():.4g} E{step}"
    )


def _days(record: GriddedRecord) -> str:
    first, last = record.days[0], record.days[-1]
    absent = int(record.axis.numbers[-1]) + 1 - record.days.size
    lacking = f", {absent} absent" if absent else ""
    return f"{record.days.size}, {first} to {last}{lacking}"


def _missing(record: GriddedRecord) -> str:
    data = None if is_file_backed(record.da) else record.da.data
    if not isinstance(data, np.ndarray) or data.size > COUNTED_VALUES:
        return "not counted (the values are not in memory)"
    return f"{100 * (1 - np.isfinite(data).mean()):.1f} % of all cells and days"


def _chunks(da: xr.DataArray) -> str:
    if da.chunks is None:
        return "none, in the file" if is_file_backed(da) else "none, in memory"
    return ", ".join(f"{dim} {max(sizes)}" for dim, sizes in zip(da.dims, da.chunks, strict=True))

"""Name all that would be refused or is doubtful in a record, before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xsm.conventions.cf import check_unfilled
from xsm.conventions.grid import coordinate, layout_of, time_of
from xsm.conventions.groups import soil_moisture_groups
from xsm.conventions.products import recognise
from xsm.conventions.screening import applicable_rules
from xsm.conventions.time_axis import daily_axis
from xsm.conventions.valid_values import declared_invalid
from xsm.conventions.variables import choose, is_file_backed, read_variable, units_of
from xsm.errors import XsmError

if TYPE_CHECKING:
    import pandas as pd

OK, DOUBTFUL, REFUSED = "ok", "doubtful", "refused"
COLUMNS = ("check", "result", "finding", "next step")
REACH = 9  # days that the network of gapfill looks at
MANY_ABSENT = 0.5  # of the days between the first and the last
FEW_DAYS_IN_CHUNK = 5


class _Table:
    """The rows of the table, as they come."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def add(self, check: str, result: str, finding: str, next_step: str = "") -> None:
        self.rows.append((check, result, finding, next_step))

    def refuse(self, check: str, error: XsmError) -> None:
        finding, _, next_step = str(error).partition(". ")
        self.add(check, REFUSED, finding, next_step)


def check(obj: xr.Dataset | xr.DataArray | xr.DataTree, *, var: str | None = None) -> pd.DataFrame:
    """Check a record: all that the functions of xsm would refuse, or that is doubtful, as a table.

    The checks are those that ``gapfill`` and ``validate`` make. Values are looked at if they are in
    memory; of files and Dask arrays nothing is read.

    Parameters
    ----------
    obj : Dataset, DataArray or DataTree
        Daily soil moisture on a grid. Of a DataTree each group with soil moisture is checked; the
        index has the names of the groups.
    var : str, optional
        The variable, where neither a standard name nor a known product tells.

    Returns
    -------
    pandas.DataFrame
        One row for each finding: ``check`` (variable, unit, time, grid, coordinates, values,
        quality, output, chunks), ``result`` (ok, doubtful, refused), ``finding``, ``next step``.

    Examples
    --------
    ::

        ds.sm.check()
    """
    import pandas as pd

    if isinstance(obj, xr.DataTree):
        groups = soil_moisture_groups(obj, var)
        tables = [check(obj[path].to_dataset(), var=var) for path in groups]
        return pd.concat(tables, keys=groups, names=["group"])
    table = _Table()
    try:
        da, ds = choose(obj, var)
    except XsmError as error:
        table.refuse("variable", error)
        return pd.DataFrame(table.rows, columns=COLUMNS)
    table.add("variable", OK, f"{da.name}, dimensions {tuple(map(str, da.dims))}")
    _check_unit(da, ds, table)
    _check_grid(da, ds, table)
    _check_screening(da, ds, table)
    _check_output(da, ds, table)
    _check_chunks(da, table)
    return pd.DataFrame(table.rows, columns=COLUMNS)


def _check_unit(da: xr.DataArray, ds: xr.Dataset | None, table: _Table) -> None:
    """Unit and values."""
    try:
        variable = read_variable(da, ds)
    except XsmError as error:
        return table.refuse("unit", error)
    units = f"units {text!r}" if (text := units_of(da)) else "no units, those of the product"
    table.add("unit", OK, f"{units}: times {variable.to_m3m3_factor:g} is m3 m-3")
    if not variable.range_is_used:
        table.add(
            "values",
            DOUBTFUL,
            "the declared valid range is in another unit than the values: it is not used",
            f'Delete the attribute: del ds["{da.name}"].attrs["valid_range"].',
        )
    if is_file_backed(da) or da.chunks is not None:
        return table.add("values", OK, "not looked at: they are not in memory")
    values = np.asarray(variable.plain.values)
    try:
        variable.valid(values)
    except XsmError as error:
        return table.refuse("values", error)
    observed = np.isfinite(values)
    if excluded := int((declared_invalid(values, variable.declared) & observed).sum()):
        table.add(
            "values",
            DOUBTFUL,
            f"{excluded} values are outside the declared valid range or are flag codes",
            "They count as missing; correct the attribute if they should not.",
        )
    low, high = 0.0, 1.0 / variable.to_m3m3_factor
    if beyond := int(((values < low) | (values > high))[observed].sum()):
        table.add(
            "values",
            DOUBTFUL,
            f"{beyond} values are below 0 or above 1 m3 m-3",
            "Noise of a retrieval, or another quantity: look at a map of them.",
        )
    if not observed.any():
        return table.add("values", DOUBTFUL, "all are missing", "Check the selection made before.")
    table.add("values", OK, f"{100 * (1 - observed.mean()):.1f} % missing")


def _check_grid(da: xr.DataArray, ds: xr.Dataset | None, table: _Table) -> None:
    """Rows, columns, coordinates and days."""
    try:
        layout = layout_of(da, ds)
    except XsmError as error:
        return table.refuse("grid", error)
    size = f"{da.sizes[layout.y]} x {da.sizes[layout.x]} cells"
    table.add("grid", OK, f"{size}: rows along {layout.y}, columns along {layout.x}")
    if any(coordinate(da, ds, kind) is None for kind in ("latitude", "longitude")):
        table.add(
            "coordinates",
            DOUBTFUL,
            "there are no latitudes and longitudes",
            "gapfill works without; stations and other products need them: assign lat and lon.",
        )
    if layout.others:
        table.add(
            "grid",
            DOUBTFUL,
            f"further dimensions {layout.others}",
            "gapfill fills each element on its own; validate one at a time.",
        )
    try:
        axis = daily_axis(time_of(da, layout.time), consecutive=True)
    except XsmError as error:
        return table.refuse("time", error)
    days, span = axis.numbers.size, int(axis.numbers[-1]) + 1
    table.add("time", OK, f"{days} days, {axis.dates[0]} to {axis.dates[-1]}")
    if days < REACH:
        table.add(
            "time",
            DOUBTFUL,
            f"{days} days are fewer than the {REACH} that the network looks at",
            "Open some days before and after, and select those you need from the result.",
        )
    if span - days > MANY_ABSENT * span:
        table.add(
            "time",
            DOUBTFUL,
            f"{span - days} of {span} days are absent",
            "They count as missing. Check that all files were opened.",
        )


def _check_screening(da: xr.DataArray, ds: xr.Dataset | None, table: _Table) -> None:
    """Whether quality flags of the product are there and have been used."""
    product = None if ds is None else recognise(ds, str(da.name))
    if ds is None or product is None or not product.recommended:
        return
    if "screening_rules" in da.attrs:
        return table.add("quality", OK, f"screened by {da.attrs['screening_rules']}")
    if usable := applicable_rules(ds, str(da.name), product):
        table.add(
            "quality",
            DOUBTFUL,
            f"the rules {', '.join(usable)} of {product.title} have not been applied",
            "Remove retrievals of low quality: ds = ds.sm.screen().",
        )


def _check_output(da: xr.DataArray, ds: xr.Dataset | None, table: _Table) -> None:
    if ds is not None:
        try:
            check_unfilled(ds, str(da.name))
        except XsmError as error:
            table.refuse("output", error)


def _check_chunks(da: xr.DataArray, table: _Table) -> None:
    if da.chunks is None:
        return
    try:
        time = layout_of(da).time
    except XsmError:
        return
    longest = max(da.chunks[da.get_axis_num(time)])
    if longest < min(FEW_DAYS_IN_CHUNK, da.sizes[time]):
        table.add(
            "chunks",
            DOUBTFUL,
            f"chunks of {longest} days",
            f"Many small tasks are slow: ds.chunk({{{time!r}: 30}}).",
        )

"""Fill the gaps of a daily soil-moisture record: xarray in, xarray out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.blockwise.tiling import Job, numbers
from xsm.conventions.align import land_mask
from xsm.conventions.cf import assemble
from xsm.conventions.grid import layout_of, time_of
from xsm.conventions.time_axis import day_numbers, gap_days, year_length
from xsm.conventions.variables import UNNAMED, choose, read_variable
from xsm.errors import InputError
from xsm.options import get_option

if TYPE_CHECKING:
    from pathlib import Path

    from xsm.networks.block_inference import Model

FALLBACKS = (None, "climatology")


def gapfill(
    obj: xr.Dataset | xr.DataArray,
    *,
    var: str | None = None,
    model: str | Path | Model = "default",
    max_gap: Any = None,
    keep_observed: bool = True,
    uncertainty: bool = True,
    land: Any = None,
    fallback: str | None = None,
    backend: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Fill the gaps of a daily record from the four days before and after and from the neighbours.

    Parameters
    ----------
    obj : Dataset or DataArray
        Daily volumetric soil moisture on a grid, any order and names of dimensions, with a unit
        (m3 m-3, 1, %, percent). Dimensions other than time, rows and columns (orbit, depth) are
        filled one by one. Dask arrays stay lazy; what they come from is read five times, to keep
        memory small: persist an expensive computation.
    var : str, optional
        The variable, where neither a standard name nor a known product tells.
    model : str, Path or Model
        A name that :func:`xsm.models` lists, or the file of a model of your own.
    max_gap : span of time, optional
        ``"5D"``, a number of days, or a timedelta. A gap with more missing days in a row stays
        empty whole; so does one at the ends of the record. Default: no limit.
    keep_observed : bool
        Return observed values bit for bit. False replaces them by the network's estimate.
    uncertainty : bool
        Return ``<var>_uncertainty`` too.
    land : array of bool (rows, columns), or the name of a variable of `obj`, optional
        Where values may be filled in. Default: where something was ever observed.
    fallback : {None, "climatology"}
        What fills gaps for which nine days hold nothing within reach: the mean of what the cell
        showed within 15 days of that day of the year, in all years, if seen three times or more.
    backend, device, dtype, progress : optional
        See :class:`xsm.set_options`, which sets them for many calls.

    Returns
    -------
    Dataset
        All of `obj` (for a DataArray: its coordinates) with

        - the filled variable under its own name; attributes, encoding, chunks, dtype and order of
          dimensions as they came (integers become float32);
        - ``<var>_uncertainty``, one standard deviation in the same unit, missing where observed;
          where `obj` has a variable of this name, its values stay where nothing was filled;
        - ``<var>_flag``: observed, filled_by_network, filled_by_climatology, not_filled, not_land.

    Raises
    ------
    VariableNotFoundError, UnitError, TimeAxisError, GridError, ModelError, InputError
        All of them :class:`xsm.errors.XsmError`.

    Notes
    -----
    Days that the record lacks are worked on as missing and not returned. Infinite values count as
    missing. A record without any observation comes back empty, flagged not_land.
    The network is a 3-D partial convolution after Zhang et al. (2021), doi
    10.5194/essd-13-1385-2021.

    Examples
    --------
    ::

        filled = ds.sm.gapfill(max_gap="10D")
        filled = xsm.gapfill(ds, var="my_moisture")
    """
    if fallback not in FALLBACKS:
        raise InputError(f"fallback={fallback!r}: expected None or 'climatology'.")
    da, ds = choose(obj, var)
    found = read_variable(da)
    layout = layout_of(da, ds)
    time = time_of(da, layout.time)
    days = day_numbers(time)
    limit = gap_days(max_gap)
    job = Job(
        worth=found.worth,
        valid_range=found.valid_range,
        dtype=found.data.dtype if found.data.dtype.kind == "f" else np.dtype(np.float32),
        days=days,
        day_of_year=np.asarray(time.dt.dayofyear.values, np.int64),
        year=year_length(time),
        wrap=layout.wrap,
        model=numbers().load_model(model),
        land=_turned(land_mask(land, da, ds, layout), -layout.seam, -1),
        # no gap is longer than the record
        max_gap=None if limit is None or limit > days[-1] else limit,
        keep_observed=bool(keep_observed),
        climatology=fallback == "climatology",
        settings={
            "backend": get_option("backend", backend),
            "device": get_option("device", device),
            "dtype": get_option("dtype", dtype),
        },
        tile=get_option("tile"),
        progress=get_option("progress", progress),
        name=str(da.name or UNNAMED),
    )
    axes = [da.dims.index(dim) for dim in layout.order]
    if da.chunks is None:
        from xsm.gapfilling.fill import fill
    else:
        from xsm.gapfilling.dask_path import fill
    arrays = fill(_turned(found.data, -layout.seam, axes[-1]), axes, job)
    filled, spread, flag = (_turned(array, layout.seam, axes[-1]) for array in arrays)
    options = {"max_gap": max_gap, "fallback": fallback, "keep_observed": keep_observed}
    said = "".join(f", {k}={v!r}" for k, v in options.items() if v not in (None, True))
    return assemble(
        obj,
        found,
        (filled, spread if uncertainty else None, flag),
        model=job.model,
        call=f"gapfill({job.name!r}{said})",
    )


def _turned(array: Any, columns: int, axis: int) -> Any:
    """`array`, from a region across the edge of its longitudes, with its columns as they lie."""
    if array is None or columns == 0:
        return array
    turned = np.roll(array, columns, axis)
    return turned.rechunk(array.chunks) if hasattr(array, "chunks") else turned

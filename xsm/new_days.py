"""New days as they come: statistics of a record that are kept, and a filled store that grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.blockwise.zarr_days import GrowingStore
from xsm.conventions.cf import FILL_MODEL
from xsm.conventions.filled import observed_values
from xsm.conventions.record import gridded_record
from xsm.errors import InputError
from xsm.gapfill import gapfill


def record_statistics(obj: xr.Dataset | xr.DataArray, *, var: str | None = None) -> xr.Dataset:
    """Statistics of each cell of a record, which :func:`xsm.gapfill` takes for new days.

    A call of :func:`xsm.gapfill` works them out of the record it is given. For the days that come
    in one by one they are made once, stored, and made anew once in a while::

        statistics = xsm.record_statistics(ten_years)
        statistics.to_netcdf("statistics.nc")
        filled = xsm.gapfill(last_nine_days, statistics=statistics)

    Parameters
    ----------
    obj : Dataset or DataArray
        As for :func:`xsm.gapfill`, without other dimensions than time and space; of a filled record
        the observed values. Dask arrays are read four times, block by block.
    var : str, optional
        The variable, where neither a standard name nor a known product tells.

    Returns
    -------
    Dataset
        In memory; rows north first, columns west first. ``mean``, ``std``, ``lowest`` and
        ``highest`` (plausible value), m3 m-3; ``count``, ``persistence``, ``coherence``, see
        :func:`xsm.gapfilling.statistics.record_statistics`; ``seasonal_cycle`` (knot, rows,
        columns), m3 m-3.

    Raises
    ------
    VariableNotFoundError, UnitError, TimeAxisError, GridError, InputError
        See :func:`xsm.gapfill`.
    """
    from xsm.gapfilling.fill import statistics_of_record
    from xsm.gapfilling.given_statistics import to_dataset
    from xsm.gapfilling.stretches import positions_and_dates

    record = gridded_record(obj, var, consecutive=True)
    if record.layout.others:
        raise InputError(
            f"obj has the dimensions {record.layout.others} besides time and space: select one "
            "element, such as .isel."
        )
    positions, dates = positions_and_dates(record.axis.numbers)
    values: Any = record.variable.valid(observed_values(record.da, record.ds).data)
    planes, cycle = statistics_of_record(
        values, record.variable.to_m3m3_factor, positions, dates, record.layout.wrap
    )
    return to_dataset(record, np.asarray(planes), np.asarray(cycle), dates)


def append_zarr(
    obj: xr.Dataset | xr.DataArray,
    path: Any,
    *,
    statistics: xr.Dataset | None = None,
    var: str | None = None,
    model: Any = "default",
    **options: Any,
) -> Any:
    """Fill new days and append them to a store that :func:`xsm.gapfill` filled before.

    The observations of the last days of the store are the neighbours of the new ones. The last four
    days of the store, which had no days after them, are filled once more. An append that was
    interrupted is undone by the next call, which then appends.

    Parameters
    ----------
    obj : Dataset or DataArray
        The new days: the variable that was filled, on the same grid, rows in any order. Another
        unit is converted. If the store has other variables of each day, they are taken from here as
        they are.
    path : str, Path or Zarr store
        Of a filled record, as :func:`xsm.write_zarr` or ``to_zarr`` wrote it.
    statistics : Dataset, optional
        Of :func:`xsm.record_statistics`. Default: made of the observations in the store, which
        reads all of it.
    var : str, optional
        The variable, where neither a standard name nor a known product tells.
    model : str, Path or Model
        The one that filled the store.
    **options
        Further options of :func:`xsm.gapfill`, other than ``samples``.

    Returns
    -------
    Path, str or Zarr store
        `path`.

    Raises
    ------
    InputError
        If the store does not hold the variable with its flags, was filled by another model, lies on
        other cells or has variables that the new days lack, or if `obj` begins before its end.

    Notes
    -----
    The network alone fills the new days (``calibrate=False``).

    Examples
    --------
    ::

        statistics = xsm.record_statistics(ten_years)          # once a year
        xsm.append_zarr(yesterday, "filled.zarr", statistics=statistics)
    """
    from xsm.networks.block_inference import load_model

    if options.get("samples") is not None:
        raise InputError(
            f"samples={options['samples']!r}: a store that grows holds no samples, whose "
            "correlation is that of a whole record. Fill the record with xsm.gapfill(samples=...)."
        )
    network = load_model(model)
    identity = str(getattr(network, "identity", network.name))
    new = gridded_record(obj, var, consecutive=True)
    name, time = new.name, new.layout.time
    store = GrowingStore(path, name, time)
    days = network.halo[0]
    with store.open() as stored:
        if (by := stored[name].attrs.get(FILL_MODEL)) != identity:
            raise InputError(
                f"path={str(path)!r} was filled by the model {by}, not by {identity}: choose "
                "model=, or fill the whole record anew."
            )
        store.check_new(new.variable.da)
        added = observed_values(new.variable.da, obj if isinstance(obj, xr.Dataset) else None)
        added = store.on_own_cells(added)
        observed = observed_values(stored[name], stored)
        if statistics is None:
            statistics = record_statistics(observed.to_dataset(), var=name)
        before = observed.isel({time: slice(-2 * days, None)}).load()
        redone = min(days, stored.sizes[time])
        own_factor = gridded_record(stored, name).variable.to_m3m3_factor
    attrs, factor = dict(before.attrs), new.variable.to_m3m3_factor
    if factor != own_factor:
        added = added * (np.float64(factor) / own_factor)
    elif "units" in new.variable.da.attrs:
        attrs = {"units": new.variable.da.attrs["units"]} | attrs
    joined = xr.concat(
        [before, added.drop_encoding().astype(before.dtype)],
        time,
        join="exact",
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )
    joined.attrs = attrs
    filled = gapfill(
        joined.to_dataset(name=name),
        var=name,
        model=model,
        statistics=statistics,
        calibrate=False,
        **options,
    )
    last = filled.isel({time: slice(before.sizes[time] - redone, None)}).load()
    store.write(last, redone, obj if isinstance(obj, xr.Dataset) else xr.Dataset())
    return path

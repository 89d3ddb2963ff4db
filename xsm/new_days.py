"""New days as they come: statistics of a record that are kept, and a filled store that grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.blockwise.zarr_days import GrowingStore, lacking_days
from xsm.conventions.cf import BY_NETWORK, FILL_MODEL, flag_name
from xsm.conventions.filled import has_uncertainty, observed_uncertainty, observed_values
from xsm.conventions.products import product_of
from xsm.conventions.record import gridded_record
from xsm.conventions.units import to_m3m3_factor
from xsm.conventions.variables import units_of
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
        ``xsm.gapfilling.statistics.record_statistics``; ``seasonal_cycle`` (knot, rows,
        columns), m3 m-3. Cells that were never observed have a ``count`` of 0; their other values
        stand for nothing.

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
        they are, and so is the uncertainty of the observations, if the product gives one.
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
        Further options of :func:`xsm.gapfill`, other than ``samples``, ``calibrate`` and
        ``keep_observed``.

    Returns
    -------
    Path, str or Zarr store
        `path`.

    Raises
    ------
    InputError
        If the store does not hold the variable with its flags and observations, was filled by
        another model, lies on other cells or has variables that the new days lack, if `obj` begins
        before its end, or if the encoding in the store cannot hold a value, such as another time
        of day.

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
    if not options.get("keep_observed", True):
        raise InputError(
            "keep_observed=False: a store that grows keeps its observations, which are the "
            "neighbours of the days to come. Leave it out, or fill the whole record anew."
        )
    if options.pop("calibrate", None):
        raise InputError(
            "calibrate=True: the network alone fills new days. Leave it out, or fill the whole "
            "record anew."
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
        beside = obj if isinstance(obj, xr.Dataset) else new.variable.da.to_dataset(name=name)
        added = store.on_own_cells(observed_values(new.variable.da, beside))
        observed = observed_values(stored[name], stored)
        if statistics is None:
            statistics = record_statistics(observed.to_dataset(), var=name)
        last = {time: slice(-2 * days, None)}
        before = observed.isel(last).load()
        if not bool(before.notnull().any()):
            _check_observations(observed, stored[flag_name(name)], path)
        redone = min(days, stored.sizes[time])
        own_factor = gridded_record(stored, name).variable.to_m3m3_factor
        stds = None
        if options.get("uncertainty", True) and has_uncertainty(stored, name):
            stds = _uncertainties(stored.isel(last).load(), beside, store)
    attrs, factor = dict(before.attrs), new.variable.to_m3m3_factor
    if factor != own_factor:
        added = added * (np.float64(factor) / own_factor)
    elif "units" in new.variable.da.attrs:
        attrs = {"units": new.variable.da.attrs["units"]} | attrs
    joined = _joined(before, added, time).assign_attrs(attrs).to_dataset(name=name)
    if stds is not None:
        joined[stds[0].name] = _joined(*stds, time).variable
    filled = gapfill(
        joined,
        var=name,
        model=model,
        statistics=statistics,
        calibrate=False,
        **options,
    )
    last = filled.isel({time: slice(before.sizes[time] - redone, None)}).load()
    store.write(last, redone, beside)
    return path


def _check_observations(observed: xr.DataArray, flag: xr.DataArray, path: Any) -> None:
    """Raise an InputError if a network has filled a store that holds no observation."""
    if bool((flag == BY_NETWORK).any()) and not bool(observed.notnull().any()):
        raise InputError(
            f"path={str(path)!r} holds no observed value of {observed.name}: was it filled with "
            "keep_observed=False? Fill the whole record anew, without it."
        )


def _uncertainties(
    stored: xr.Dataset, beside: xr.Dataset, store: GrowingStore
) -> tuple[xr.DataArray, xr.DataArray]:
    """Uncertainties of the observations of the last days and of new ones, in the unit of the store.

    Raises
    ------
    InputError
        If the store has some and the new days have none.
    """
    name = store.name
    before, added = (observed_uncertainty(ds, name) for ds in (stored, beside))
    assert before is not None
    if added is None:
        if bool(before.notnull().any()):
            raise lacking_days([before.name])
        like = store.on_own_cells(beside[name])
        return before, like.where(False).rename(before.name)
    product = product_of(name)
    factors = [
        to_m3m3_factor(units_of(da), str(da.name), product=product) for da in (added, before)
    ]
    added = store.on_own_cells(added)
    return before, added if factors[0] == factors[1] else added * (factors[0] / factors[1])


def _joined(before: xr.DataArray, added: xr.DataArray, time: str) -> xr.DataArray:
    """Days of a store and the days after them; attributes and cells are those of the store."""
    of_days = [n for n, c in added.coords.items() if time in c.dims and n in before.coords]
    cells = {n: c.variable for n, c in before.coords.items() if time not in c.dims}
    added = added.drop_vars([n for n in added.coords if n not in of_days]).assign_coords(cells)
    return xr.concat(
        [before, added.drop_encoding().astype(before.dtype)],
        time,
        join="exact",
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )

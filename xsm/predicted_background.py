"""The background of a fill from predictors: estimates of the record by networks fitted to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.record import GriddedRecord
from xsm.conventions.regrid import on_record, uncertainty_on_record
from xsm.conventions.time_axis import daily_axis
from xsm.conventions.variables import to_m3m3
from xsm.errors import InputError
from xsm.gapfilling.background import Background
from xsm.gapfilling.gap_classes import days_to_observation

NAME = "soil_moisture"  # of estimates
GAP_DAYS = 1, 5  # to the nearest observation
OF_ALL = 0.4, 0.8  # weight of all networks on these days of a gap; linear between, constant beyond

Arrays = list[NDArray[Any]]


def predictor_dataset(predictors: Any, record: GriddedRecord) -> xr.Dataset:
    """The predictors: a Dataset as it is, or the named variables of the record's.

    Raises
    ------
    InputError
        If it is neither, or the record has no such variables.
    """
    if isinstance(predictors, xr.Dataset):
        return predictors
    names = [predictors] if isinstance(predictors, str) else predictors
    listed = isinstance(names, Sequence) and all(isinstance(name, str) for name in names)
    if not listed or not names:
        what = f"is a {type(predictors).__name__}"
        if isinstance(names, Sequence):
            what = "is empty" if not names else f"holds {[n for n in names if type(n) is not str]}"
        raise InputError(
            f"predictors {what}: expected a Dataset, or names of variables of the record's Dataset."
        )
    own = [] if record.ds is None else [str(name) for name in record.ds.data_vars]
    others = [name for name in own if name != record.name]
    if missing := [name for name in names if name not in others]:
        raise InputError(
            f"predictors={predictors!r}: {missing} are no variables beside {record.name}; expected "
            f"some of {others}, or a Dataset."
        )
    assert record.ds is not None
    return record.ds[list(names)]


def used_variables(predictors: xr.Dataset, record: GriddedRecord) -> list[str]:
    """Names of the variables of a Dataset that become predictors."""
    from xsm.conventions.predictors import recognised_variables
    from xsm.estimation.predictor_choice import choose_predictors

    recognised = recognised_variables(predictors)
    chosen = choose_predictors(predictors, record.da.rename(record.name), None)
    used = {recognised.get(n, n) for n in chosen}
    return [str(name) for name in predictors.data_vars if str(name) in used]


def _target(record: GriddedRecord) -> xr.DataArray:
    """A record as the target of a fit, with the names of the variables that belong to it."""
    target = to_m3m3(record.da, record.variable).rename(record.name)
    belonging = {k: v for k, v in record.da.attrs.items() if k == "ancillary_variables"}
    return target.assign_attrs(belonging)


def predicted_background(
    predictors: xr.Dataset,
    record: GriddedRecord,
    *,
    device: str | None = None,
    progress: bool | None = None,
) -> Background:
    """Estimates of a record from predictors and their errors, (..., time, y, x), m3 m-3.

    Where the record was observed, the estimate is from networks that were fitted without the days
    around, see :mod:`xsm.training.out_of_sample`. In gaps between the first and the last
    observation it is a mean of theirs and of all networks': the error of the first resembles that
    of the days around, from which it is filled, and that of the second is smaller. The weight of
    the second is 0.4 beside an observation and rises to 0.8 five days away from any. On other
    days and in cells without observations it is from all of them. NaN where there are no
    predictors, and on days colder than those with observations. In the working order of the record.

    Parameters
    ----------
    predictors : Dataset
    record : GriddedRecord
    device, progress
        As in :func:`xsm.fit_estimator`.

    Returns
    -------
    Background
        Dask arrays in one chunk if the record or a predictor is lazy. Each record of further
        dimensions (orbit, depth) has estimates of its own.

    Raises
    ------
    InputError, UnitError, TimeAxisError, MissingPackageError
        As :func:`xsm.training.out_of_sample.fit_out_of_sample`; on Dask those for values are raised
        when values are computed.
    """
    from xsm.networks.registry import network

    network("dense").import_for_training()  # before any work, also on Dask
    estimated = partial(_estimated, record=record, device=device, progress=progress)
    target = _target(record)
    lazy = target.chunks is not None or any(v.chunks is not None for v in predictors.values())
    if not lazy:
        return Background(*estimated(predictors, target))
    from xsm.blockwise import dask_engine as engine
    from xsm.conventions.predictors import find_predictors
    from xsm.estimation.predictor_choice import choose_predictors

    find_predictors(predictors, choose_predictors(predictors, target, None))  # raises early
    variables = [*predictors.data_vars.values(), target]
    templates = [(str(v.name), v.dims, v.attrs, _packing(v)) for v in variables]
    coords = predictors.coords.to_dataset().compute(), target.coords.to_dataset().compute()
    function = partial(_of_arrays, estimated, templates=templates, coords=coords)
    arrays = [engine.as_chunk(v.data) for v in variables]
    shape = (len(Background._fields), *target.shape)
    both = engine.shared(engine.combine_arrays(function, arrays, shape, np.float32))
    return Background(*both)


def _packing(da: xr.DataArray) -> dict[str, Any]:
    """The part of an encoding that decodes a valid range in packed numbers."""
    return {k: v for k, v in da.encoding.items() if k in ("scale_factor", "add_offset")}


def _of_arrays(estimated: Any, arrays: Arrays, *, templates: Any, coords: Any) -> NDArray[Any]:
    """:func:`_estimated` of the values of all predictors and, last, of the record."""
    *variables, target = (
        (name, xr.Variable(dims, np.asarray(values), attrs, packing))
        for (name, dims, attrs, packing), values in zip(templates, arrays, strict=True)
    )
    predictors = coords[0].assign(dict(variables))
    return estimated(predictors, xr.DataArray(target[1], coords[1].coords, name=target[0]))


def _estimated(
    predictors: xr.Dataset,
    target: xr.DataArray,
    *,
    record: GriddedRecord,
    device: str | None,
    progress: bool | None,
) -> NDArray[np.float32]:
    """The estimates of a record in memory and their errors, (2, ..., T, H, W)."""
    others = target.dims[:-3]
    single = replace(record, da=record.da.isel(dict.fromkeys(others, 0), drop=True))
    out = np.empty((len(Background._fields), *target.shape), np.float32)
    for index in np.ndindex(target.shape[:-3]):
        own = target.isel(dict(zip(others, index, strict=True)), drop=True)
        estimated = _estimate_of_record(predictors, own, device, progress)
        out[(0, *index)] = on_record(estimated[NAME], single, "predictors").values
        out[(1, *index)] = uncertainty_on_record(estimated, NAME, single, "predictors").values
    return out


def _estimate_of_record(
    predictors: xr.Dataset, target: xr.DataArray, device: str | None, progress: bool | None
) -> xr.Dataset:
    """Estimates and their uncertainty on the cells and days of the predictors."""
    from xsm.estimate import estimate
    from xsm.training.out_of_sample import fit_out_of_sample

    fitted = fit_out_of_sample(predictors, target, device=device, progress=progress)
    estimated = estimate(predictors, model=fitted.model, progress=False).drop_vars("depth")
    field = estimated[NAME]
    time = target.dims[0]  # of the predictors too, or the fit would have refused them
    space = [dim for dim in field.dims if dim != time]
    values = field.transpose(*space, time)
    flat = values.values.reshape(-1, values.sizes[time]).copy()
    present = daily_axis(field[time]).numbers
    of_all = flat[fitted.cells]
    own = fitted.values[:, present]
    own = np.where(np.isfinite(own), own, of_all)
    in_gap = own + _weight_of_all(fitted.observed)[:, present] * (of_all - own)
    own = np.where(fitted.observed[:, present], own, in_gap)
    flat[fitted.cells] = np.where(fitted.too_cold[:, present], np.nan, own)
    values = values.copy(data=flat.reshape(values.shape))
    return estimated.assign({NAME: values.transpose(*field.dims)})


def _weight_of_all(observed: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Weight of all networks in gaps (P, T), by days to the nearest observation."""
    distance = days_to_observation(np.where(observed, 0.0, np.nan).T).T
    return np.interp(distance, GAP_DAYS, OF_ALL)

"""Fill the gaps of a daily soil-moisture record: xarray in, xarray out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.conventions.cf import call_text, check_unfilled, filled_dataset, flag_name, samples_name
from xsm.conventions.filled import warn_without_flag
from xsm.conventions.groups import over_groups, soil_moisture_groups
from xsm.conventions.record import GriddedRecord, gridded_record
from xsm.conventions.time_axis import gap_days
from xsm.errors import InputError
from xsm.options import get_option
from xsm.sampled_fill import check_samples, samples_of_fill

if TYPE_CHECKING:
    from pathlib import Path

    from xsm.gapfilling.background import Background
    from xsm.gapfilling.fill_calibration import Calibration
    from xsm.gapfilling.task import GapfillTask
    from xsm.networks.model import Model

FALLBACKS = (None, "climatology")


def gapfill(
    obj: xr.Dataset | xr.DataArray | xr.DataTree,
    *,
    var: str | None = None,
    model: str | Path | Model = "default",
    max_gap: Any = None,
    keep_observed: bool = True,
    uncertainty: bool = True,
    land: Any = None,
    fallback: str | None = None,
    background: str | xr.Dataset | xr.DataArray | None = None,
    predictors: str | Sequence[str] | xr.Dataset | None = None,
    calibrate: bool | None = None,
    statistics: xr.Dataset | None = None,
    samples: int | None = None,
    seed: int = 0,
    backend: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    progress: bool | None = None,
) -> Any:
    """Fill the gaps of a daily record from its neighbours in space and the four days on each side.

    Parameters
    ----------
    obj : Dataset, DataArray or DataTree
        Daily volumetric soil moisture on a grid, any order and names of dimensions, with a unit
        (m3 m-3, 1, %, percent). Each element of other dimensions (orbit, depth) is filled on its
        own. Dask arrays stay lazy; their source is read five times, once more with calibration, and
        three times more where a chunk is as long as a block of work, so that memory stays small;
        two or three times more with a background, and five to ten more with its uncertainty:
        persist an expensive computation. A large file opened without chunks is read in blocks.
    var : str, optional
        The variable, where neither a standard name nor a known product tells.
    model : str, Path or Model
        A name that :func:`xsm.models` lists, or the path of your own model.
    max_gap : span of time, optional
        ``"5D"``, a number of days, or a timedelta. A gap with more missing days in a row stays
        empty as a whole, also at the ends of the record. Default: no limit.
    keep_observed : bool
        Return observed values bit for bit. False replaces them by the estimate of the network.
    uncertainty : bool
        Also return ``<var>_uncertainty``.
    land : array of bool (rows, columns), or the name of a variable of `obj`, optional
        Where values may be filled in. Default: cells observed at least once. ``"globe"``: these,
        and all other land of the GLOBE 1 km elevation model.
    fallback : {None, "climatology"}
        Fill gaps without any observation within reach of the network by the mean of the cell within
        15 days of that day of the year, in all years, from three observations or more.
    background : str, Dataset or DataArray, optional
        A daily field without gaps, such as a reanalysis or an ``estimate()``: a variable of `obj`
        or a gridded object of soil moisture, on the same or other cells. The network fills
        departures from it, brought to the climate of each cell by regression. Days and cells where
        it is missing are filled without it. What the network cannot fill (gaps out of its reach,
        and cells never observed where `land` allows them) is filled by the background alone. If a
        variable ``<name>_uncertainty`` is beside it in the same Dataset, departures are filled in
        units of it as far as they follow it, and so does the uncertainty of the fill.
    predictors : Dataset, str or sequence of str, optional
        Weather and constants, as for :func:`xsm.fit_estimator`: a Dataset on the cells of the
        record, or names of variables of `obj`. An estimator is fitted to the record, and its
        estimates are the background, where the record was observed by networks that were fitted to
        other days. Needs torch,
        the predictors and the record in memory while it is computed, and a record of 20 days and
        500 values or more. Not with `background`.
    calibrate : bool, default True
        Hide a few per cent of the observations of a sample, compare the network there with linear
        interpolation, climatology, temporal and space-time interpolation, and replace it
        where it does worse than they or a mixture of all: by days to the nearest observation, and
        whether a cell beside is observed that day. False: the network alone. See Notes.
    statistics : Dataset, optional
        Of :func:`xsm.record_statistics`, for a few new days of a long record. Default: those of
        `obj` itself.
    samples : int, optional
        Also return so many samples of the filled variable, whose errors are correlated in space and
        time: the spread of their area means and monthly means is the uncertainty of those. See
        Notes.
    seed : int
        Of the samples. The same seed gives the same samples, whatever the chunks; fewer samples are
        the first of more.
    backend, device, dtype, progress : optional
        See :class:`xsm.set_options`, which sets them for many calls.

    Returns
    -------
    Dataset
        `obj` (for a DataArray: its coordinates; for a DataTree: a tree, filled in each group that
        holds soil moisture) with

        - the filled variable under its own name; attributes, encoding, chunks, dtype and order of
          dimensions are kept (integers become float32); a packed encoding that cannot hold all
          filled values is widened or left out, with a warning;
        - ``<var>_uncertainty``, one standard deviation in the same unit, missing where observed; if
          `obj` has a variable of this name, its values are kept where nothing was filled;
        - ``<var>_flag``: observed, filled_by_network, filled_by_climatology, not_filled (of a cell
          that was observed on another day), not_land (by `land` or, without it, by GLOBE),
          never_observed (land, or a grid without latitudes and longitudes),
          filled_by_interpolation (the network has less than half of the weight, see
          `calibrate`; the others are interpolation in time, or in space and time);
          departure_from_background_filled_by_network and ..._by_interpolation, the same two where
          there is a background; filled_by_background;
        - ``<var>_samples``, if `samples` are asked for, with a first dimension ``sample``.

    Raises
    ------
    VariableNotFoundError, UnitError, TimeAxisError, GridError, ModelError, InputError
    MissingPackageError
        If `predictors` are given and torch is not installed. All are
        :class:`xsm.errors.XsmError`.

    Notes
    -----
    Absent days count as missing and are not returned. Infinite values count as missing. A record
    without any observation is returned empty. The order in which rows and columns are stored
    changes nothing. No filled value lies far outside what the cell and its neighbours have shown
    (see ``xsm.gapfilling.plausible_range.plausible_range``). Gaps of more than 90 absent days
    are not worked on.
    The calibration is for records of up to 64 million values; the network alone fills larger ones.
    A mixture has the least squared error at the hidden values and is used only if it is 2 % better
    than the network in cross-validation (15 % where no other method comes near the network). With
    fewer than 30 hidden values the network fills records of 25 observed cells or more, linear
    interpolation the others. The attribute ``gapfill_hidden_rmse`` of the filled variable has the
    errors. The same call on the same values gives the same result (see
    ``xsm.gapfilling.method_weights``).
    A sample is the filled value plus ``<var>_uncertainty`` times an error of unit variance;
    observed values are the same in all. The errors are Gaussian fields whose correlation is fitted
    to the errors at hidden values, see ``xsm.gapfilling.error_correlation``; near the limits of
    valid values they are rectified, with the same mean and standard deviation. They are those of
    what the sensor would have retrieved. Samples take as much memory as so many records; on Dask
    they stay lazy, each in the chunks of the record.
    The network is a 3-D partial convolution after Zhang et al. (2021), doi
    10.5194/essd-13-1385-2021.

    Examples
    --------
    ::

        filled = ds.sm.gapfill(max_gap="10D")
        filled = xsm.gapfill(ds, var="my_moisture")
        filled = ds.sm.gapfill(predictors=weather)
        filled = ds.sm.gapfill(background=reanalysis["swvl1"])
        filled = ds.sm.gapfill(samples=50)
        area = numpy.cos(numpy.deg2rad(filled["lat"]))
        means = filled["soil_moisture_samples"].weighted(area).mean(("lat", "lon"))
        means.std("sample")
    """
    if isinstance(obj, xr.DataTree):
        arguments = {k: v for k, v in locals().items() if k != "obj"}
        return over_groups(gapfill, obj, soil_moisture_groups(obj, var), **arguments)
    from xsm.blockwise.chunks import chunk_file_backed
    from xsm.blockwise.lazy_reductions import with_reductions_stored
    from xsm.conventions.land import land_mask, names_globe
    from xsm.gapfilling.background import departures, fill_departures
    from xsm.gapfilling.fill import fill
    from xsm.gapfilling.given_statistics import planes_and_cycle
    from xsm.gapfilling.task import GapfillTask
    from xsm.networks.block_inference import fill_block, load_model
    from xsm.networks.device import ExecutionConfig

    if fallback not in FALLBACKS:
        raise InputError(f"fallback={fallback!r}: expected None or 'climatology'.")
    if background is not None and predictors is not None:
        raise InputError(
            "background and predictors are both given: expected one of them, since predictors make "
            "a background. A field such as a reanalysis may be one of the predictors."
        )
    record = gridded_record(obj, var, consecutive=True)
    check_unfilled(obj, record.name)  # before any work
    warn_without_flag(record.da, record.ds)
    if samples is not None:
        check_samples(obj, record, samples, seed)
    network = load_model(model)
    settings = {
        "backend": get_option("backend", backend),
        "device": get_option("device", device),
        "dtype": get_option("dtype", dtype),
    }
    execution = ExecutionConfig(**settings)
    execution.check(network.network)  # before any work, also on Dask
    given = record.da
    data = chunk_file_backed(given, record.layout.time)
    limit = gap_days(max_gap)
    days = record.axis.numbers
    fill_globe = names_globe(land, record)
    mask = None if fill_globe else land_mask(land, record)
    task = GapfillTask(
        predict=partial(fill_block, model=network, **settings),
        halo=network.halo,
        to_m3m3_factor=record.variable.to_m3m3_factor,
        valid_range=record.variable.valid_range,
        dtype=data.dtype if data.dtype.kind == "f" else np.dtype(np.float32),
        days=days,
        day_of_year=record.day_of_year,
        year_length=record.year_length,
        wrap=record.layout.wrap,
        first_column=_first_column(record),
        land=mask,
        coordinates=_coordinates(record) if mask is None else None,
        fill_globe=fill_globe,
        # no gap is longer than the record
        max_gap=None if limit is None or limit > days[-1] else limit,
        keep_observed=bool(keep_observed),
        climatology=fallback == "climatology",
        calibrate=get_option("calibrate", calibrate),
        tile=get_option("tile"),
        progress=get_option("progress", progress),
        name=record.name,
        on_device=execution.on_gpu,
    )
    if statistics is not None:
        if record.layout.others or background is not None or predictors is not None:
            raise InputError(
                "statistics= is for a record of time and space alone, without background= and "
                "predictors=: leave it out, or select one element of the other dimensions."
            )
        given_planes = planes_and_cycle(statistics, record, task.dates)
        task = replace(task, statistics=given_planes)
    values = record.variable.valid(with_reductions_stored(data.data))
    field, origin = _background(background, predictors, record, settings["device"], task.progress)
    fitted_to = values, task
    if field is None:
        arrays, calibrations = fill(values, task)
    else:
        of = departures(values, field, task)
        fitted_to = of.values, of.task
        arrays, calibrations = fill_departures(values, of, task)
    drawn = None
    if samples is not None:
        drawn = samples_of_fill(arrays, calibrations, fitted_to, task, record, (samples, seed))
    filled, std, flag = map(record.to_stored_order, arrays)
    options = {
        "max_gap": max_gap,
        "land": _land_text(land),
        "fallback": fallback,
        "keep_observed": keep_observed,
        "background": background
        if isinstance(background, str)
        else getattr(background, "name", None),
        "predictors": None if predictors is None else origin,
        "calibrate": calibrate,
        "statistics": None if statistics is None else "given",
        "samples": samples,
        "seed": None if samples is None else seed,
    }
    result = filled_dataset(
        obj,
        record.variable,
        (filled, std if uncertainty else None, flag),
        identity=str(getattr(network, "identity", network.name)),
        call=call_text("gapfill", repr(record.name), options),
        coverage_factors=_coverage_factors(network.card),
        hidden_rmse=_hidden_rmse(calibrations, task, of_departures=field is not None),
        background=origin,
        samples=drawn,
    )
    if data is not given:  # a file that was read in blocks: the result is in memory, as for others
        names = [n for n in _output_names(record.name) if n in result]
        result = result.assign(result[names].compute())
    return result


def _background(
    background: Any,
    predictors: Any,
    record: GriddedRecord,
    device: str | None,
    progress: bool | None,
) -> tuple[Background | None, str | None]:
    """The background of a record in its working order, and what it is; None without one."""
    if predictors is not None:
        from xsm.predicted_background import (
            predicted_background,
            predictor_dataset,
            used_variables,
        )

        ds = predictor_dataset(predictors, record)
        names = ", ".join(used_variables(ds, record))
        estimated = predicted_background(ds, record, device=device, progress=progress)
        return estimated, f"estimates from {names}"
    if background is None:
        return None, None
    if isinstance(background, str) and background == record.name:
        raise InputError(
            f"background={background!r} is the record itself: expected a field without gaps that "
            "is independent of it, such as a reanalysis, or leave it out."
        )
    from xsm.conventions.filled import has_uncertainty
    from xsm.conventions.regrid import on_record, uncertainty_on_record
    from xsm.gapfilling.background import Background

    field = on_record(background, record, "background")
    beside: Any = record.ds if isinstance(background, str) else background
    name = str(background if isinstance(background, str) else field.name)
    error = None
    if isinstance(beside, xr.Dataset) and has_uncertainty(beside, name):
        error = uncertainty_on_record(beside, name, record, "background").data
    return Background(field.data, error), name


def _first_column(record: GriddedRecord) -> int:
    """The westernmost column from -180 on, so that a sample does not depend on the first stored."""
    if not record.layout.wrap or record.lon is None or record.lon.ndim != 1:
        return 0
    lon = np.asarray(getattr(record.lon.data, "magnitude", record.lon.data), np.float64)
    return int(np.argmin(np.round(lon + 180, 6) % 360))


def _coordinates(record: GriddedRecord) -> tuple[Any, Any] | None:
    """Latitudes and longitudes, (H,) and (W,) or both (H, W), where the record has both."""
    if record.lat is None or record.lon is None:
        return None
    dims = record.space if record.lat.ndim == 2 else None
    lat, lon = (c if dims is None else c.transpose(*dims) for c in (record.lat, record.lon))
    return getattr(lat.data, "magnitude", lat.data), getattr(lon.data, "magnitude", lon.data)


def _land_text(land: Any) -> str | None:
    """The argument in words; an array in memory by its checksum."""
    if land is None or isinstance(land, str):
        return land
    data = getattr(land, "data", land)
    if hasattr(data, "chunks"):
        return "lazy array"
    return f"array {zlib.crc32(np.asarray(data).tobytes()):08x}"


def _hidden_rmse(
    calibrations: list[Calibration] | None, task: GapfillTask, *, of_departures: bool
) -> str | None:
    """Errors at hidden values, in words; of each record if there are several."""
    if not task.calibrate:
        return None
    if calibrations is None:
        return "weights of the network and of simpler methods are chosen when values are computed"
    if not calibrations:
        return "the record is too large for a calibration: filled by the network alone"
    of_what = "departures from the background: " if of_departures else ""
    texts = [f"{of_what}{calibration.text()}" for calibration in calibrations]
    return "\n".join(dict.fromkeys(texts))


def _output_names(name: str) -> tuple[str, ...]:
    return name, f"{name}_uncertainty", flag_name(name), samples_name(name)


def _coverage_factors(card: Mapping[str, Any]) -> dict[str, float]:
    """How many standard deviations on each side hold 68 and 95 % of the errors."""
    calibration = card.get("calibration", {})
    return {k: calibration[f"factor_{k}"] for k in ("68", "95") if f"factor_{k}" in calibration}

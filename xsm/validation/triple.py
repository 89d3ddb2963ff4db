"""Triple collocation of three records, and the selection of representative stations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

import xsm.metrics as statistics
from xsm.conventions.cf import with_attrs
from xsm.conventions.record import GriddedRecord
from xsm.conventions.time_axis import daily_axis
from xsm.errors import InputError
from xsm.metrics.status import OK
from xsm.validation.in_situ import collocate, station_columns
from xsm.validation.product import align_records, grid_coordinates, in_input_order
from xsm.validation.reference_options import StationOptions
from xsm.validation.scoring import with_status

SIGNAL_FRACTION = 0.5  # of the variance: a signal-to-noise ratio of 0 dB


def triple_of_grids(
    records: Sequence[GriddedRecord], *, regrid: str, statistic_options: Mapping[str, Any]
) -> xr.Dataset:
    """Triple collocation per cell of the coarsest of three grids; lazy if they are."""
    (x, y, z), target = align_records(records, regrid)
    labels = unique_labels([record.name for record in records])
    errors = statistics.triple_collocation(x, y, z, dim="time", names=labels, **statistic_options)
    return in_input_order(errors.assign_coords(grid_coordinates(target)), target)


def triple_at_stations(
    records: Sequence[GriddedRecord],
    stations: Any,
    station_options: StationOptions,
    *,
    var: str | None,
    statistic_options: Mapping[str, Any],
) -> xr.Dataset:
    """Triple collocation of two gridded records and stations, at the stations."""
    pairs = [collocate(record, [stations], station_options, var=var) for record in records]
    days = [daily_axis(pair["time"]).dates for pair in pairs]
    shared = np.intersect1d(days[0], days[1])
    if shared.size == 0:
        raise InputError(
            "the two products have no day in common within the period of the stations."
        )
    first, second = (
        pair.isel(time=np.flatnonzero(np.isin(pair_days, shared)))
        for pair, pair_days in zip(pairs, days, strict=True)
    )
    second = second.assign_coords(time=first["time"])
    errors = statistics.triple_collocation(
        first["estimate"],
        second["estimate"],
        first["reference"],
        dim="time",
        names=unique_labels([*(record.name for record in records), "in situ"]),
        **statistic_options,
    )
    errors = errors.assign_coords(station_columns(first)).assign_attrs(pairs[0].attrs)
    status = first["matching_status"]
    return with_status(errors, status.where(status != OK, second["matching_status"]))


def unique_labels(names: list[str]) -> list[str]:
    """Names of datasets; equal names are numbered."""
    if len(set(names)) == len(names):
        return names
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def representative(result: xr.Dataset, threshold: float = SIGNAL_FRACTION) -> xr.DataArray:
    """Stations that are representative of the cell around them.

    Parameters
    ----------
    result : Dataset
        What :func:`xsm.validate` returns for a product and stations (triple collocation), or for
        stations alone.
    threshold : float
        Minimum fraction of the variance of a station's series that is the signal common to all
        three: the squared correlation with the unknown truth by extended triple collocation. 0.5 is
        a signal-to-noise ratio of 0 dB. For scores of stations alone it is the squared Pearson
        correlation with the product, which is lower because the errors of the product reduce it
        too.

    Returns
    -------
    DataArray of bool, (station)
        Select with ``scores.isel(station=representative(result))``.

    Raises
    ------
    InputError
        If `result` is neither, or `threshold` is not in 0..1.

    References
    ----------
    McColl et al. (2014), doi 10.1002/2014GL061322 (extended triple collocation); Gruber et al.
    (2020), doi 10.1016/j.rse.2020.111806 (thresholds); Zhang et al. (2025), doi
    10.5194/essd-17-5181-2025 (use for stations).

    Examples
    --------
    >>> result = xr.Dataset({"pearson_r": ("station", [0.9, 0.6])})
    >>> representative(result).values.tolist()
    [True, False]
    """
    if isinstance(threshold, bool) or not 0 <= threshold <= 1:
        raise InputError(f"threshold={threshold!r}: expected a fraction of the variance in 0..1.")
    if "station" in result.dims and "r2" in result and "dataset" in result["r2"].dims:
        fraction = result["r2"].isel(dataset=-1, drop=True)
        criterion = "squared correlation with the truth by extended triple collocation"
    elif "station" in result.dims and "pearson_r" in result:
        fraction, criterion = result["pearson_r"] ** 2, "squared Pearson correlation"
    else:
        raise InputError(
            f"result has the dimensions {tuple(result.dims)} and the variables "
            f"{list(result.data_vars)}: expected scores of stations with pearson_r, or a triple "
            "collocation at stations."
        )
    attrs = {"long_name": "representative station", "criterion": f"{criterion} >= {threshold:g}"}
    mask = (fraction >= threshold).reset_coords(drop=True)
    return with_attrs(mask.rename("representative"), **attrs)

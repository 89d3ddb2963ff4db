"""Triple collocation of three records, and the stations it calls representative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

import xsm.metrics as statistics
from xsm.conventions.record import GriddedRecord
from xsm.errors import InputError
from xsm.metrics.status import OK
from xsm.validation.in_situ import Collocation, collocate
from xsm.validation.product import _places, aligned
from xsm.validation.scoring import explained

REPRESENTATIVE = 0.5


def triple_of_grids(
    records: Sequence[GriddedRecord], *, regrid: str, options: Mapping[str, Any]
) -> xr.Dataset:
    """Triple collocation per cell of the coarsest of three grids; lazy if they are."""
    (x, y, z), target = aligned(records, regrid)
    labels = _labels([record.name for record in records])
    found = statistics.triple_collocation(x, y, z, dim="time", names=labels, **options)
    return found.assign_coords(_places(target))


def triple_at_stations(
    records: Sequence[GriddedRecord],
    stations: Any,
    collocation: Collocation,
    *,
    var: str | None,
    options: Mapping[str, Any],
) -> xr.Dataset:
    """Triple collocation of two products and stations, at the stations."""
    pairs = [collocate(record, [stations], collocation, var=var) for record in records]
    days = [pair["time"].values.astype("datetime64[D]") for pair in pairs]
    shared = np.intersect1d(days[0], days[1])
    if shared.size == 0:
        raise InputError(
            "the two products have no day in common within the period of the stations."
        )
    first, second = (
        pair.isel(time=np.flatnonzero(np.isin(own, shared)))
        for pair, own in zip(pairs, days, strict=True)
    )
    second = second.assign_coords(time=first["time"])
    found = statistics.triple_collocation(
        first["estimate"],
        second["estimate"],
        first["reference"],
        dim="time",
        names=_labels([*(record.name for record in records), "in situ"]),
        **options,
    )
    places = {name: c for name, c in first.coords.items() if c.dims == ("station",)}
    found = found.assign_coords(places)
    reason = first["reason"].where(first["reason"] != OK, second["reason"])
    return explained(found, reason)


def _labels(names: list[str]) -> list[str]:
    """Names of the three datasets, told apart."""
    if len(set(names)) == len(names):
        return names
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def representative(result: xr.Dataset, threshold: float = REPRESENTATIVE) -> xr.DataArray:
    """Stations that stand for the cell around them.

    Parameters
    ----------
    result : Dataset
        What :func:`xsm.validate` returns for two references of which one is stations (triple
        collocation), or for stations.
    threshold : float
        Least share of the variance of the station's series that is the signal common to all: the
        squared correlation with the unknown truth by extended triple collocation, which must be at
        least this for the stations. 0.5 is a signal-to-noise ratio of 0 dB. For plain scores the
        squared Pearson correlation with the product takes its place, which is lower: the product's
        own errors count too.

    Returns
    -------
    DataArray of bool, (station)
        Select with ``scores.isel(station=representative(result))``.

    Raises
    ------
    InputError
        If `result` is neither, or `threshold` is outside 0..1.

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
        raise InputError(f"threshold={threshold!r}: expected a share of the variance in 0..1.")
    if "station" in result.dims and "r2" in result and "dataset" in result["r2"].dims:
        share = result["r2"].isel(dataset=-1, drop=True)
        what = "squared correlation with the truth by extended triple collocation"
    elif "station" in result.dims and "pearson_r" in result:
        share, what = result["pearson_r"] ** 2, "squared Pearson correlation"
    else:
        raise InputError(
            f"result has the dimensions {tuple(result.dims)} and the variables "
            f"{list(result.data_vars)}: expected scores of stations with pearson_r, or a triple "
            "collocation at stations."
        )
    attrs = {"long_name": "representative station", "criterion": f"{what} >= {threshold:g}"}
    good = (share >= threshold).reset_coords(drop=True)
    return good.rename("representative").assign_attrs(attrs)

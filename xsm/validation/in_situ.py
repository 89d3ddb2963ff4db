"""Validation against stations: which cell, which days, which sensors; then the scores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.ancillary import field_at
from xsm.conventions.nearest_cells import find_cells, read_series
from xsm.conventions.record import GriddedRecord
from xsm.conventions.variables import UNITS
from xsm.errors import InputError
from xsm.metrics.status import ALL_MISSING, NO_OVERLAP_IN_TIME, OK, OUTSIDE_THE_GRID
from xsm.validation.scoring import Request, explained, prepared, scored, unscaled_status
from xsm.validation.station_reader import STATION, open_stations
from xsm.validation.strata import Frame, strata
from xsm.validation.temporal_matching import (
    PAIRINGS,
    centres,
    daily_index,
    local,
    match_daily,
    match_series,
    span,
    time_of_day,
)

logger = logging.getLogger(__name__)

SENSORS = ("mean", "each")


@dataclass(frozen=True)
class Collocation:
    """How stations meet a product; see :func:`xsm.validate`."""

    match: str | float = "nearest"
    window: Any = "12h"
    pairing: str = "mean"
    overpass: str | None = None
    depth: tuple[float, float] | None = (0.0, 0.05)
    flags: tuple[str, ...] | None = ("G",)
    sensors: str = "mean"

    def __post_init__(self) -> None:
        for name, known in (("pairing", PAIRINGS), ("sensors", SENSORS)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name}={getattr(self, name)!r}: expected one of {', '.join(known)}."
                )
        span("window", self.window)
        if self.overpass is not None:
            time_of_day(self.overpass)


def validate_stations(
    record: GriddedRecord,
    references: Sequence[Any],
    request: Request,
    collocation: Collocation,
    *,
    by: Any = None,
    var: str | None = None,
    keep_pairs: bool = False,
) -> xr.Dataset:
    """Scores of a product at stations, (station, strata ...)."""
    pairs = collocate(record, references, collocation, var=var)
    plain = pairs["estimate"], pairs["reference"]
    est, ref = prepared(*plain, request, "time")
    frame = Frame(
        pairs["time"], pairs["lat"], ref, lambda name, spec: field_at(name, spec, record, pairs)
    )
    scores = scored(est, ref, strata(by, frame), request)
    # a stratum called like a coordinate of the stations takes its name
    about = {str(n): c for n, c in pairs.coords.items() if c.dims == (STATION,)}
    names = {n: f"{STATION}_{n}" if n in scores.dims and n != STATION else n for n in about}
    scores = scores.assign_coords({names[n]: c.variable for n, c in about.items()})
    scores = explained(scores, unscaled_status(*plain, request, "time"))
    scores = explained(scores, pairs["reason"])
    if keep_pairs:
        scores = scores.assign({"estimate": est, "reference": ref})
    return scores


def collocate(
    record: GriddedRecord,
    references: Sequence[Any],
    collocation: Collocation,
    *,
    var: str | None = None,
) -> xr.Dataset:
    """Pairs of a product and stations on the days of the product.

    Returns
    -------
    Dataset
        ``estimate`` and ``reference`` (station, time) float32 in m3 m-3; ``reason`` (station) int8,
        a status that the pairs themselves cannot tell; coordinates of the stations.
    """
    sites = [
        open_stations(one, var, depth=collocation.depth, flags=collocation.flags)
        for one in references
    ]
    days = _common_days(record, sites)
    parts = [_at_sites(record, one, days, collocation) for one in sites]
    shared = set.intersection(*(set(part.coords) for part in parts))
    parts = [part.drop_vars(set(part.coords) - shared) for part in parts]
    pairs = xr.concat(parts, dim=STATION, data_vars="all", coords="minimal", join="exact")
    if collocation.sensors == "mean":
        pairs = _mean_of_sensors(pairs, apart=collocation.depth is None)
    return pairs.assign_coords({STATION: _labels(pairs)})


def _common_days(record: GriddedRecord, sites: Sequence[xr.DataArray]) -> NDArray[np.intp]:
    """Days of the product within the period of any stations; its first day if there are none."""
    within = np.zeros(record.days.size, bool)
    for one in sites:
        own = daily_index(one["time"])
        own = one["time"].values.astype("datetime64[D]") if own is None else own
        if own.size:
            # a day more: the first hour in UTC may belong to the day before at the station
            margin = np.timedelta64(1, "D")
            within |= (record.days >= own[0] - margin) & (record.days <= own[-1] + margin)
    found = np.flatnonzero(within)
    return found if found.size else np.arange(min(1, record.days.size))


def _at_sites(
    record: GriddedRecord, sites: xr.DataArray, days: NDArray[np.intp], how: Collocation
) -> xr.Dataset:
    lat, lon = (np.asarray(sites[name].values, np.float64) for name in ("lat", "lon"))
    cells = find_cells(record, lat, lon, how.match)
    values = np.asarray(sites.values)
    est = read_series(record, cells, days)
    own = daily_index(sites["time"])
    if own is not None:
        ref = match_daily(values, own, record.days[days])
    else:
        ref = np.empty(est.shape, np.float32)
        moments = centres(record, days, how.overpass)
        window, time = span("window", how.window), np.asarray(sites["time"].values)
        for place in range(lat.size):
            at = moments if how.overpass is None else local(moments, lon[place])
            ref[place] = match_series(values[place], time, at, window=window, pairing=how.pairing)
    reason = np.full(lat.size, OK, np.int8)
    reason[~np.isfinite(ref).any(axis=1)] = NO_OVERLAP_IN_TIME
    reason[~np.isfinite(values).any(axis=1)] = ALL_MISSING
    reason[~cells.inside] = OUTSIDE_THE_GRID
    attrs = {"units": UNITS}
    dims = (STATION, "time")
    return xr.Dataset(
        {
            "estimate": (dims, est, attrs | {"long_name": record.name}),
            "reference": (dims, ref, attrs | {"long_name": "soil moisture in situ"}),
            "reason": (STATION, reason),
            "cell": (STATION, cells.rows[:, 0] * record.da.sizes[record.layout.x]
                     + cells.columns[:, 0]),
        },
        coords={"time": record.time.values[days]}
        | {name: c.variable for name, c in sites.coords.items() if c.dims == (STATION,)},
    )  # fmt: skip


def _mean_of_sensors(pairs: xr.Dataset, *, apart: bool) -> xr.Dataset:
    """The sensors of a station as one: the mean of those with a value that day.

    `apart`: sensors of other layers stay apart.
    """
    if "station_name" not in pairs.coords:
        return pairs
    keys = ["network", "station_name", *(("depth_from", "depth_to") if apart else ())]
    columns = [pairs[key].values.tolist() for key in keys if key in pairs.coords]
    groups: dict[Any, list[int]] = {}
    for i, key in enumerate(zip(*columns, strict=True)):
        groups.setdefault(key, []).append(i)
    number = np.array([len(group) for group in groups.values()])
    first = pairs.isel({STATION: [group[0] for group in groups.values()]})
    if (number == 1).all():
        return first
    first = first.copy(deep=True)
    for i, group in enumerate(groups.values()):
        if len(group) == 1:
            continue
        several = pairs.isel({STATION: group})
        for name in ("estimate", "reference"):
            first[name].values[i] = several[name].mean(STATION).values
        first["reason"].values[i] = several["reason"].values.min()
        for name, choose in (("depth_from", np.min), ("depth_to", np.max)):
            if name in first.coords:
                first[name].values[i] = choose(several[name].values)
    logger.info("%d sensors were averaged to %d stations", int(number.sum()), number.size)
    attrs = {"long_name": "number of sensors averaged"}
    return first.drop_vars("sensor", errors="ignore").assign_coords(
        n_sensors=(STATION, number, attrs)
    )


def _labels(pairs: xr.Dataset) -> NDArray[Any]:
    """A text for each station, each once."""
    count = pairs.sizes[STATION]
    parts = [pairs[n].values.astype(str) for n in ("network", "station_name") if n in pairs.coords]
    if "station_name" in pairs.coords:
        texts = ["/".join(words) for words in zip(*parts, strict=True)]
    else:
        texts = [f"station {i + 1}" for i in range(count)]
    seen: dict[str, int] = {}
    out = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        out.append(text if seen[text] == 1 else f"{text} #{seen[text]}")
    return np.array(out, dtype=object)

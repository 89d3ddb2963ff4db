"""Validation against stations: cells, days and sensors are matched, then scored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.ancillary import field_at
from xsm.conventions.grid import wrap_longitude
from xsm.conventions.nearest_cells import (
    EARTH_RADIUS_KM,
    find_cells,
    read_series,
    unit_vectors,
)
from xsm.conventions.record import GriddedRecord
from xsm.conventions.time_axis import days_of, standard_dates
from xsm.conventions.variables import UNITS
from xsm.metrics.status import ALL_MISSING, NO_OVERLAP_IN_TIME, OK, OUTSIDE_THE_GRID
from xsm.validation.reference_options import StationOptions
from xsm.validation.scoring import (
    ScoreOptions,
    scale_and_deseasonalize,
    score_days,
    score_pairs,
    status_before_scaling,
    with_status,
)
from xsm.validation.station_reader import DROPPED, STATION, read_stations
from xsm.validation.strata import StratumContext, build_strata, column_names
from xsm.validation.temporal_matching import (
    daily_index,
    match_daily,
    match_series,
    observation_times,
    solar_to_utc,
    time_span,
)

logger = logging.getLogger(__name__)

STATION_EXTENT_KM = 1.0  # the sensors of one station are within this distance


def validate_stations(
    record: GriddedRecord,
    references: Sequence[Any],
    score_options: ScoreOptions,
    station_options: StationOptions,
    *,
    by: Any = None,
    var: str | None = None,
    keep_pairs: bool = False,
) -> xr.Dataset:
    """Scores of a record at stations, (station, strata ...)."""
    pairs = collocate(record, references, station_options, var=var, columns=column_names(by))
    return score_stations(pairs, record, score_options, by=by, keep_pairs=keep_pairs)


def score_stations(
    pairs: xr.Dataset,
    record: GriddedRecord,
    score_options: ScoreOptions,
    *,
    by: Any = None,
    keep_pairs: bool = False,
    observed: xr.DataArray | None = None,
) -> xr.Dataset:
    """Scores of pairs from :func:`collocate`, (station, strata ...); see `validate_stations`.

    observed : the reference as it was observed, where that of the pairs is scaled already
    """
    unscaled = pairs["estimate"], pairs["reference"]
    est, ref = scale_and_deseasonalize(*unscaled, score_options, "time")
    context = StratumContext(
        pairs["time"],
        pairs["lat"],
        unscaled[1] if observed is None else observed,
        lambda name, definition: field_at(name, definition, record, pairs),
    )
    if score_options.across == "space":
        scores = score_days(est, ref, build_strata(by, context), score_options, [STATION])
        return scores.assign({"estimate": est, "reference": ref} if keep_pairs else {})
    scores = score_pairs(est, ref, build_strata(by, context), score_options)
    # where a stratum has the name of a station coordinate, the coordinate is renamed
    metadata = station_columns(pairs)
    names = {n: f"{STATION}_{n}" if n in scores.dims and n != STATION else n for n in metadata}
    scores = scores.assign_coords({names[n]: variable for n, variable in metadata.items()})
    scores = with_status(scores, status_before_scaling(*unscaled, score_options, "time"))
    scores = with_status(scores, pairs["matching_status"])
    if keep_pairs:
        scores = scores.assign({"estimate": est, "reference": ref})
    return scores.assign_attrs(pairs.attrs)


def collocate(
    record: GriddedRecord,
    references: Sequence[Any],
    options: StationOptions,
    *,
    var: str | None = None,
    columns: Sequence[str] = (),
) -> xr.Dataset:
    """Pairs of a record and stations on the days of the record; `columns`: see `read_stations`.

    Returns
    -------
    Dataset
        ``estimate`` and ``reference`` (station, time) float32 in m3 m-3; ``matching_status``
        (station) int8, the status of stations that were not matched; ``cell`` (station), the index
        of the first cell in the flattened grid; coordinates of the stations. The attribute
        ``stations_dropped`` counts what depth and flags left out, if anything.
    """
    station_sets = [
        read_stations(reference, var, depth=options.depth, flags=options.flags, columns=columns)
        for reference in references
    ]
    days = _common_days(record, station_sets)
    parts = [_match_stations(record, stations, days, options) for stations in station_sets]
    parts = _with_equal_coordinates(parts)
    pairs = xr.concat(parts, dim=STATION, data_vars="all", coords="minimal", join="exact")
    if pairs.sizes[STATION] and (pairs["matching_status"] == OUTSIDE_THE_GRID).all():
        _warn_of_outside(record, pairs)
    if options.sensors == "cell_mean":
        pairs = _mean_of_cells(pairs, separate_layers=options.depth is None)
    if options.sensors == "mean":
        pairs = _mean_of_sensors(pairs, separate_layers=options.depth is None)
    dropped = [str(text) for stations in station_sets if (text := stations.attrs.get(DROPPED))]
    pairs.attrs = {DROPPED: "; ".join(dropped)} if dropped else {}
    return pairs.assign_coords({STATION: _station_labels(pairs)})


def station_columns(obj: xr.Dataset | xr.DataArray) -> dict[str, xr.Variable]:
    """The coordinates of the stations, such as their network."""
    return {str(n): c.variable for n, c in obj.coords.items() if c.dims == (STATION,)}


def _warn_of_outside(record: GriddedRecord, pairs: xr.Dataset) -> None:
    """Log where the grid and the stations are, none of which is in it."""
    lat, lon = record.coordinates()
    ends = [
        float(end) for c in (lat, lon, pairs["lat"], pairs["lon"]) for end in (c.min(), c.max())
    ]
    logger.warning(
        "all %d stations are outside the grid of %s, which has latitudes of %g to %g and "
        "longitudes of %g to %g: the stations have latitudes of %g to %g and longitudes of %g to "
        "%g. Check whether the two are exchanged",
        pairs.sizes[STATION],
        record.name,
        *ends,
    )


def _with_equal_coordinates(parts: list[xr.Dataset]) -> list[xr.Dataset]:
    """Sets of stations with the coordinates of any: empty texts and NaN where a set lacks one."""
    columns = {n: variable for part in parts for n, variable in station_columns(part).items()}
    filled = []
    for part in parts:
        size = part.sizes[STATION]
        blank = {
            name: (STATION, np.full(size, "" if c.dtype.kind in "OUST" else np.nan), c.attrs)
            for name, c in columns.items()
            if name not in part.coords
        }
        filled.append(part.assign_coords(blank))
    return filled


def _common_days(record: GriddedRecord, station_sets: Sequence[xr.DataArray]) -> NDArray[np.intp]:
    """Positions of the days of the record within the period of any stations; the first if none."""
    within = np.zeros(record.days.size, bool)
    for stations in station_sets:
        days = daily_index(stations["time"])
        days = days_of(standard_dates(stations["time"])) if days is None else days
        days = days[~np.isnat(days)]
        if days.size:
            # one more day: the first hour in UTC may belong to the previous day at the station
            margin = np.timedelta64(1, "D")
            within |= (record.days >= days[0] - margin) & (record.days <= days[-1] + margin)
    positions = np.flatnonzero(within)
    if not positions.size and record.days.size and station_sets:
        logger.warning(
            "no station has a value on a day of %s (%s to %s): all have the status "
            "no_overlap_in_time or all_missing",
            record.name,
            record.days[0],
            record.days[-1],
        )
    return positions if positions.size else np.arange(min(1, record.days.size))


def _match_stations(
    record: GriddedRecord,
    stations: xr.DataArray,
    days: NDArray[np.intp],
    options: StationOptions,
) -> xr.Dataset:
    """Pairs of a record and one set of stations on some days of the record."""
    lat, lon = (np.asarray(stations[name].values, np.float64) for name in ("lat", "lon"))
    cells = find_cells(record, lat, lon, options.match)
    values = np.asarray(stations.values)
    est = read_series(record, cells, days)
    station_days = daily_index(stations["time"])
    if station_days is not None:
        ref = match_daily(values, station_days, record.days[days])
    else:
        ref = np.empty(est.shape, np.float32)
        observed_at = observation_times(record, days, options.overpass)
        window, time = time_span("window", options.window), np.asarray(stations["time"].values)
        ref[~cells.inside] = np.nan
        for i in np.flatnonzero(cells.inside):
            times = observed_at if options.overpass is None else solar_to_utc(observed_at, lon[i])
            ref[i] = match_series(values[i], time, times, window=window, pairing=options.pairing)
    status = np.full(lat.size, OK, np.int8)
    status[~np.isfinite(ref).any(axis=1)] = NO_OVERLAP_IN_TIME
    status[~np.isfinite(values).any(axis=1)] = ALL_MISSING
    status[~cells.inside] = OUTSIDE_THE_GRID
    attrs = {"units": UNITS}
    dims = (STATION, "time")
    columns = record.da.sizes[record.layout.x]
    return xr.Dataset(
        {
            "estimate": (dims, est, attrs | {"long_name": record.name}),
            "reference": (dims, ref, attrs | {"long_name": "soil moisture in situ"}),
            "matching_status": (STATION, status),
            "cell": (STATION, cells.rows[:, 0] * columns + cells.columns[:, 0]),
        },
        coords={"time": ("time", record.time.values[days], record.time.attrs)}
        | station_columns(stations),
    )


def _mean_of_sensors(pairs: xr.Dataset, *, separate_layers: bool) -> xr.Dataset:
    """The sensors of each station as one series: the mean of the values of a day.

    A station has one network, name and place; sensors without a name are stations of their own.
    `separate_layers`: sensors in different layers are not averaged.
    """
    if "station_name" not in pairs.coords:
        return pairs
    keys = ["network"]
    keys += ["depth_from", "depth_to"] if separate_layers else []
    columns = [pairs[key].values.tolist() for key in keys if key in pairs.coords]
    names = pairs["station_name"].values.astype(str).tolist()
    columns.append([name or (i,) for i, name in enumerate(names)])
    return _mean_of_groups(pairs, _split_by_place(pairs, _groups(columns)))


def _split_by_place(pairs: xr.Dataset, groups: dict[Any, list[int]]) -> dict[Any, list[int]]:
    """Groups of rows, divided where places are more than `STATION_EXTENT_KM` apart."""
    position = EARTH_RADIUS_KM * unit_vectors(pairs["lat"].values, pairs["lon"].values)
    split: dict[Any, list[int]] = {}
    repeated = {}
    for key, group in groups.items():
        places: list[list[int]] = []
        for i in group:
            distance = [np.linalg.norm(position[i] - position[members[0]]) for members in places]
            near = [k for k, km in enumerate(distance) if not km > STATION_EXTENT_KM]
            if near:
                places[near[0]].append(i)
            else:
                places.append([i])
        if len(places) > 1:
            repeated[str(pairs["station_name"].values[group[0]])] = len(places)
        split |= {(key, k): members for k, members in enumerate(places)}
    if repeated:
        logger.warning(
            "stations of one name that are more than %g km apart are scored separately: %s",
            STATION_EXTENT_KM,
            ", ".join(f"{name} ({number} places)" for name, number in [*repeated.items()][:8]),
        )
    return split


def _groups(columns: list[list[Any]]) -> dict[Any, list[int]]:
    """Positions of the rows with equal values."""
    groups: dict[Any, list[int]] = {}
    for i, key in enumerate(zip(*columns, strict=True)):
        groups.setdefault(key, []).append(i)
    return groups


def _mean_of_cells(pairs: xr.Dataset, *, separate_layers: bool) -> xr.Dataset:
    """The sensors in each cell as one series at their mean position.

    `separate_layers`: sensors in different layers are not averaged.
    """
    cell = pairs["cell"].values
    columns = [[c if c >= 0 else (i,) for i, c in enumerate(cell.tolist())]]
    if separate_layers:
        columns += [
            pairs[n].values.tolist() for n in ("depth_from", "depth_to") if n in pairs.coords
        ]
    groups = _groups(columns)
    means = _mean_of_groups(pairs, groups)
    lat, lon = pairs["lat"].values, pairs["lon"].values
    means["lat"] = (STATION, np.array([lat[g].mean() for g in groups.values()]), pairs["lat"].attrs)
    # relative to the first: longitudes of a cell may be on both sides of the date line
    east = [lon[g[0]] + wrap_longitude(lon[g] - lon[g[0]]).mean() for g in groups.values()]
    means["lon"] = (STATION, np.array(east), pairs["lon"].attrs)
    for name in ("network", "station_name"):
        if name in pairs.coords:
            texts = [
                " + ".join(filter(None, dict.fromkeys(pairs[name].values[group].astype(str))))
                for group in groups.values()
            ]
            means[name] = (STATION, np.array(texts, dtype=object), pairs[name].attrs)
    return means.set_coords([n for n in ("lat", "lon", "network", "station_name") if n in means])


def _mean_of_groups(pairs: xr.Dataset, groups: dict[Any, list[int]]) -> xr.Dataset:
    """The daily mean of each group of sensors, with their number."""
    number = np.array([len(group) for group in groups.values()])
    means = pairs.isel({STATION: [group[0] for group in groups.values()]})
    if (number == 1).all():
        return means
    means = means.copy(deep=True)
    for i, group in enumerate(groups.values()):
        if len(group) == 1:
            continue
        sensors = pairs.isel({STATION: group})
        for name in ("estimate", "reference"):
            means[name].values[i] = sensors[name].mean(STATION).values
        means["matching_status"].values[i] = sensors["matching_status"].values.min()
        for name, extreme in (("depth_from", np.min), ("depth_to", np.max)):
            if name in means.coords:
                means[name].values[i] = extreme(sensors[name].values)
    logger.info("%d sensors were averaged to %d series", int(number.sum()), number.size)
    attrs = {"long_name": "number of sensors averaged"}
    return means.drop_vars("sensor", errors="ignore").assign_coords(
        n_sensors=(STATION, number, attrs)
    )


def _station_labels(pairs: xr.Dataset) -> NDArray[Any]:
    """A unique text for each station: "network/station_name", numbered where it repeats."""
    texts = [f"station {i + 1}" for i in range(pairs.sizes[STATION])]
    if "station_name" in pairs.coords:
        names = pairs["station_name"].values.astype(str)
        texts = [str(name) or text for name, text in zip(names, texts, strict=True)]
        if "network" in pairs.coords:
            networks = pairs["network"].values.astype(str)
            texts = [f"{n}/{text}" if n else text for n, text in zip(networks, texts, strict=True)]
    occurrences: dict[str, int] = {}
    labels = []
    for text in texts:
        n = occurrences[text] = occurrences.get(text, 0) + 1
        labels.append(text if n == 1 else f"{text} #{n}")
    return np.array(labels, dtype=object)

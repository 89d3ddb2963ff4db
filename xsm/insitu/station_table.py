"""Tables of stations, one row a value or one column a sensor, as a Dataset of stations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from xsm.argument_checks import check_choice
from xsm.errors import InputError
from xsm.insitu.station_dataset import (
    GOOD_FLAG,
    NO_FLAG,
    Sensor,
    SkippedFiles,
    join_series,
    report_removed,
    report_skipped,
    station_dataset,
    text_column,
)
from xsm.insitu.station_metadata import StationMetadata, place
from xsm.insitu.table_files import Table, list_tables, read_table
from xsm.insitu.table_sensors import DUPLICATES, TableOptions, read_sensors
from xsm.insitu.table_times import zone_of
from xsm.options import get_option
from xsm.progress import bar


def open_stations(
    table: str | Path | pd.DataFrame | Iterable[str | Path | pd.DataFrame],
    *,
    columns: Mapping[str, Any] | None = None,
    units: str | None = None,
    depth: Any = None,
    metadata: str | Path | pd.DataFrame | None = None,
    lat: float | None = None,
    lon: float | None = None,
    network: str | None = None,
    timezone: Any = None,
    time_format: str | None = None,
    duplicates: str = "error",
    good_flags: str | Iterable[Any] = (GOOD_FLAG,),
    progress: bool | None = None,
) -> xr.Dataset:
    """Open station series from tables: CSV files or pandas DataFrames.

    Parameters
    ----------
    table : str, Path, DataFrame, or iterable of these
        Text files (comma, semicolon, tab or blanks between the columns; gzipped too), folders of
        such files, or DataFrames. One row for each station and time, or one column for each sensor
        (``SWC_F_MDS_1``, ``VWC_5cm``), or one column for each station of `metadata`. Upper and
        lower case, blanks and units in brackets do not matter in the names of columns.
    columns : mapping, optional
        Role -> column, where a name is not recognized: ``{"soil_moisture": "Theta", "time":
        "Datum"}``. Roles: soil_moisture (one column or a list), time, station, sensor, network,
        lat, lon, elevation, depth, depth_from, depth_to, sensing_depth, flag, clock, year, month,
        day, doy, hour, minute, utc_offset, land_cover, climate_zone.
    units : str, optional
        Unit of the soil moisture. None: that of the header, or percent for names that are in
        percent by convention (FLUXNET, COSMOS-UK), or m3 m-3 if all values are within 0..1.
    depth : float, (float, float) or mapping, optional
        Depth, or upper and lower end of the layer, in m; of all sensors, or column -> depth.
    metadata : str, Path or DataFrame, optional
        Table with a row for each station: an identifier that occurs in `table`, lat, lon, and any
        other coordinate.
    lat, lon : float, optional
        Degrees, of a single station.
    network : str, optional
        Name of the network, where the table has none.
    timezone : str or float, optional
        Zone of times without one: a name, an offset ("UTC-8", "+01:00") or hours. None: UTC. Daily
        values keep the date of their zone.
    time_format : str, optional
        Form of the times, as of ``strptime``.
    duplicates : {"error", "first", "mean"}
        Several values of a sensor at one time: an error if they differ, the first, or their mean
        (of those with a good flag, if any has one).
    good_flags : str or iterable
        Flags of valid values in the table, such as ``("0", "")``; "" is an empty field. They become
        ``G``, which :func:`xsm.validate` uses by default.
    progress : bool, optional
        Show a progress bar. None: the option ``progress``.

    Returns
    -------
    Dataset
        As of :func:`xsm.open_ismn`: ``soil_moisture`` (station, time) in m3 m-3, times in UTC, and
        ``flag`` if the table has flags. An entry of ``station`` is a sensor. The attribute
        ``values_removed`` counts what became missing: codes such as -9999, values outside
        0..1 m3 m-3, and those at hours of local time that occur twice or never. Tables that cannot
        be read are left out, if others can be; ``skipped_files`` names them.

    Raises
    ------
    InputError
        If a table has no soil moisture, time or position, its entries are no numbers, or `depth`,
        `columns` or `metadata` do not fit it.
    UnitError
        If the unit is unknown or does not fit the values.
    TimeAxisError
        If there are no dates, or the order of day and month does not show.

    Notes
    -----
    FLUXNET and AmeriFlux: of several levels the first, which is the uppermost, is read; the depths
    of all are in the variable information of the site and are given by `depth`. Their times are
    local standard time: give `timezone`. Gap-filled values have other flags than ``G``: of
    half-hours quality 0 is measured, of days the fraction of measured and well-filled half-hours
    must be 0.75 or more.

    Examples
    --------
    ::

        sites = xsm.open_stations("soil_moisture.csv", metadata="stations.csv")
        sites = xsm.open_stations(
            "FLX_US-Var_FLUXNET2015_FULLSET_HH_2000-2014_1-4.csv", lat=38.41, lon=-120.95,
            timezone="UTC-8", depth={"SWC_F_MDS_1": 0.0, "SWC_F_MDS_2": 0.1},
        )
        scores = ds.sm.validate(sites)
    """
    check_choice("duplicates", duplicates, DUPLICATES)
    names_of_flags = [good_flags] if isinstance(good_flags, str) else [*good_flags]
    options = TableOptions(
        columns, units, depth, network, None if timezone is None else zone_of(timezone),
        time_format, duplicates, frozenset(text_column(names_of_flags).tolist()),
    )  # fmt: skip
    stations = None if metadata is None else StationMetadata(metadata)
    items = [table] if isinstance(table, str | Path | pd.DataFrame) else [*table]
    files: list[Any] = [item for item in items if isinstance(item, pd.DataFrame)]
    files += list_tables([Path(item) for item in items if not isinstance(item, pd.DataFrame)])
    sensors: list[Sensor] = []
    skipped = SkippedFiles()
    removed: Counter[str] = Counter()
    with bar("stations", len(files), get_option("progress", progress), "file") as progress_bar:
        for item in files:
            try:
                one = _as_table(item, columns)
                sensors += read_sensors(one, stations, options, removed)
            except (InputError, OSError, ValueError, EOFError) as error:
                skipped.add(_file_name(item), error)
            progress_bar.update(1)
    skipped.check_read(sensors)
    sensors = join_series(place(sensors, lat, lon))
    names = ", ".join(map(_file_name, files[:3]))
    has_flags = any((sensor.flags != NO_FLAG).any() for sensor in sensors)
    ds = station_dataset(
        sensors, source=names + (", ..." if len(files) > 3 else ""), has_flags=has_flags
    )
    notes = [f"{count} {what}" for what, count in removed.items() if count]
    if notes:
        report_removed(ds, names, ", ".join(notes), "set to missing or left out")
    return report_skipped(ds, skipped.reasons, len(files))


def _file_name(item: Path | pd.DataFrame) -> str:
    return item.name if isinstance(item, Path) else "a DataFrame"


def _as_table(item: Path | pd.DataFrame, columns: Mapping[str, Any] | None) -> Table:
    """A file, or a DataFrame with its index as columns."""
    if isinstance(item, Path):
        return read_table(item, columns)
    frame = item
    if not isinstance(frame.index, pd.RangeIndex):
        index = frame.index
        if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) and index.name is None:
            frame = frame.rename_axis("time")
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
    return Table("", frame.reset_index(drop=True))

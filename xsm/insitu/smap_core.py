"""Text files of the SMAP core validation sites (NSIDC-0712)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xsm.conventions.nearest_cells import is_on_earth
from xsm.errors import InputError
from xsm.insitu.station_dataset import (
    NO_FLAG,
    Sensor,
    SkippedFiles,
    report_removed,
    report_skipped,
    station_dataset,
)
from xsm.insitu.station_values import REPEATED, without_repeats

NETWORK = "SMAP core sites"
# site (4), grid in km (2) and pixel (2), then the product that was matched
FILE_NAME = re.compile(r"NSIDC-0712_(\d{4})(\d{2})(\d{2})_([^_]+)_.*\.txt$", re.IGNORECASE)
TIME_COLUMNS = {"Yr": "year", "Mo": "month", "Day": "day", "Hr": "hour", "Min": "minute"}
VALUE_COLUMN = "WASM"  # weighted average of the sensors in the pixel
LAYER = (0.0, 0.05)  # depth, m
MAX_HEADER_LINES = 10


def open_smap_core(
    path: str | Path, locations: Mapping[Any, tuple[float, float]], *, grid: int | None = None
) -> xr.Dataset:
    """Open upscaled soil moisture of SMAP core validation sites.

    Parameters
    ----------
    path : str or Path
        A text file of the SMAP/In Situ Core Validation Site Land Surface Parameters Match-Up Data
        (NSIDC-0712), or a folder with such files at any depth. Their names are kept as downloaded:
        ``NSIDC-0712_16013601_SMAPL2SMP_...txt`` is site 1601, grid of 36 km, pixel 01.
    locations : mapping
        Latitude and longitude, in degrees, of each pixel (``"16013601"``) or site (``"1601"``); the
        files do not contain them.
    grid : {3, 9, 36}, optional
        Read pixels of this grid only, km.

    Returns
    -------
    Dataset
        As of :func:`xsm.insitu.open_ismn`, without flags: ``soil_moisture`` (station, time) in
        m3 m-3, one station for each file, at the times of the matched overpasses. Values outside 0
        to 1 m3 m-3 are missing; of several at one time the first is taken, and the attribute
        ``values_removed`` counts the others. Files that cannot be read are left out and named in
        the attribute ``skipped_files``.

    Raises
    ------
    InputError
        If there is no such file, none of them can be read, or a location is missing.

    Notes
    -----
    Columns are found by name, in the line with ``Yr, Mo, Day, Hr, Min`` and ``WASM``; times are
    taken as UTC. The format follows other programs that read these files; this function has not
    been tested with a file of the archive yet.

    References
    ----------
    Colliander et al. (2017), doi 10.5067/DXAVIXLY18KM (data) and 10.1016/j.rse.2017.01.021.

    Examples
    --------
    ::

        sites = xsm.insitu.open_smap_core("NSIDC-0712", {"1601": (31.7, -110.0)}, grid=9)
        scores = ds.sm.validate(
            sites, stations={"match": "mean_2x2", "overpass": "06:00"}
        )
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"path={str(path)!r} is not there: expected a file or folder.")
    files = [path] if path.is_file() else sorted(path.rglob("*.txt"))
    matches = {file: match for file in files if (match := FILE_NAME.match(file.name))}
    if not matches:
        raise InputError(
            f"path={str(path)!r} holds no file named like NSIDC-0712_16013601_SMAPL2SMP_...txt; "
            "keep the names as downloaded."
        )
    selected = {f: m.groups() for f, m in matches.items() if grid is None or int(m[2]) == grid}
    if not selected:
        grids = sorted({int(match[2]) for match in matches.values()})
        raise InputError(f"grid={grid!r}: the pixels there are of {grids} km.")
    by_name = {str(key): location for key, location in locations.items()}
    sensors, grids, skipped, repeated = [], [], SkippedFiles(), 0
    for file, parts in selected.items():
        about = _pixel_metadata(file, parts, by_name)
        try:
            sensor, count = without_repeats(_read_pixel(file, about))
            sensors.append(sensor)
            repeated += count
            grids.append(int(parts[1]))
        except (InputError, OSError, ValueError) as error:
            skipped.add(file.name, error)
    skipped.check_read(sensors)
    ds = station_dataset(
        sensors, source="SMAP core validation sites, NSIDC-0712", has_flags=False
    ).assign_coords(grid=("station", grids, {"units": "km"}))
    if repeated:
        report_removed(ds, path, f"{repeated} {REPEATED}")
    return report_skipped(ds, skipped.reasons, len(selected))


def _pixel_metadata(
    file: Path, name_parts: tuple[Any, ...], locations: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    site, grid, number, product = name_parts
    pixel = f"{site}{grid}{number}"
    if pixel not in locations and site not in locations:
        raise InputError(
            f"locations holds neither {pixel!r} nor {site!r}, for {file.name}: expected the "
            f"latitude and longitude of each pixel or site, such as {{{site!r}: (31.7, -110.0)}}."
        )
    key = pixel if pixel in locations else site
    try:
        lat, lon = (float(number) for number in locations[key])
    except (TypeError, ValueError):
        lat, lon = np.nan, np.nan
    if not is_on_earth(lat, lon):
        raise InputError(
            f"locations[{key!r}]={locations[key]!r}: expected a latitude of -90 to 90 and a "
            "longitude, in this order, such as (31.7, -110.0)."
        )
    return {
        "network": NETWORK,
        "station_name": pixel,
        "sensor": product,
        "lat": lat,
        "lon": lon,
        "depth_from": LAYER[0],
        "depth_to": LAYER[1],
    }


def _read_pixel(file: Path, metadata: dict[str, Any]) -> Sensor:
    frame = _read_table(file)
    time = pd.to_datetime(frame[list(TIME_COLUMNS)].astype(int).rename(columns=TIME_COLUMNS))
    values = frame[VALUE_COLUMN].where(frame[VALUE_COLUMN].between(0, 1)).to_numpy(np.float32)
    return Sensor(metadata, time.to_numpy("datetime64[ns]"), values, np.full(len(frame), NO_FLAG))


def _read_table(file: Path) -> pd.DataFrame:
    """The rows of numbers below the line that names the columns."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        header = [
            [word.strip() for word in line.split(",")] for line in islice(lines, MAX_HEADER_LINES)
        ]
    columns = [*TIME_COLUMNS, VALUE_COLUMN]
    names_at = next((i for i, words in enumerate(header) if {*columns} <= {*words}), None)
    if names_at is None:
        raise InputError(
            f"path: the first lines of {file.name} name no columns {', '.join(TIME_COLUMNS)} and "
            f"{VALUE_COLUMN}: "
            "expected a file of NSIDC-0712."
        )
    frame = pd.read_csv(
        file, skiprows=names_at + 1, names=header[names_at], usecols=columns, dtype=str
    )
    # lines of units or notes may follow the names
    numbers = frame.apply(pd.to_numeric, errors="coerce")
    return numbers[numbers[list(TIME_COLUMNS)].notna().all(axis=1)]

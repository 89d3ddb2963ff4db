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
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.insitu.station_dataset import Sensor, assemble

NETWORK = "SMAP core sites"
# site (4), grid in km (2) and pixel (2), then the product that was matched
NAME = re.compile(r"NSIDC-0712_(\d{4})(\d{2})(\d{2})_([^_]+)_.*\.txt$", re.IGNORECASE)
TIME = {"Yr": "year", "Mo": "month", "Day": "day", "Hr": "hour", "Min": "minute"}
VALUES = "WASM"  # weighted average of the sensors in the pixel
LAYER = (0.0, 0.05)  # m
HEAD_LINES = 10


def open_smap_core(
    path: str | Path, places: Mapping[Any, tuple[float, float]], *, grid: int | None = None
) -> xr.Dataset:
    """Open upscaled soil moisture of SMAP core validation sites.

    Parameters
    ----------
    path : str or Path
        A text file of the SMAP/In Situ Core Validation Site Land Surface Parameters Match-Up Data
        (NSIDC-0712), or a folder with such files at any depth. Their names are kept as downloaded:
        ``NSIDC-0712_16013601_SMAPL2SMP_...txt`` is site 1601, grid of 36 km, pixel 01.
    places : mapping
        Latitude and longitude of each pixel (``"16013601"``) or site (``"1601"``), degrees, which
        the files do not hold.
    grid : {3, 9, 36}, optional
        Read pixels of this grid only, km.

    Returns
    -------
    Dataset
        Like :func:`xsm.insitu.open_ismn`, without flags: ``soil_moisture`` (station, time) in m3 m-3, a
        station per file, at the times of the matched overpasses. Values outside 0 to 1 m3 m-3 are
        missing.

    Raises
    ------
    InputError
        If there is no such file, a name or a header is another one, or a place is not given.

    Notes
    -----
    Columns are found by their names, in the line that holds ``Yr, Mo, Day, Hr, Min`` and ``WASM``;
    times are taken as UTC. The form is that which programs of others read; no file of the archive
    has been read with this function yet.

    References
    ----------
    Colliander et al. (2017), doi 10.5067/DXAVIXLY18KM (data) and 10.1016/j.rse.2017.01.021.

    Examples
    --------
    ::

        sites = xsm.insitu.open_smap_core("NSIDC-0712", {"1601": (31.7, -110.0)}, grid=9)
        scores = ds.sm.validate(sites, match="mean_2x2", overpass="06:00")
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"path={str(path)!r} is not there: expected a file or folder.")
    files = [path] if path.is_file() else sorted(path.rglob("*.txt"))
    named = {file: found for file in files if (found := NAME.match(file.name))}
    if not named:
        raise InputError(
            f"path={str(path)!r} holds no file named like NSIDC-0712_16013601_SMAPL2SMP_...txt; "
            "keep the names as downloaded."
        )
    chosen = {f: m.groups() for f, m in named.items() if grid is None or int(m[2]) == grid}
    if not chosen:
        grids = sorted({int(found[2]) for found in named.values()})
        raise InputError(f"grid={grid!r}: the pixels there are of {grids} km.")
    known = {str(key): place for key, place in places.items()}
    sensors = [_read(file, parts, known) for file, parts in chosen.items()]
    ds = assemble(sensors, source="SMAP core validation sites, NSIDC-0712")
    return ds.drop_vars("flag").assign_coords(
        grid=("station", [int(parts[1]) for parts in chosen.values()], {"units": "km"})
    )


def _read(file: Path, parts: tuple[Any, ...], places: Mapping[str, tuple[float, float]]) -> Sensor:
    site, grid, number, product = parts
    pixel = f"{site}{grid}{number}"
    if pixel not in places and site not in places:
        raise InputError(
            f"places holds neither {pixel!r} nor {site!r}, for {file.name}: expected the latitude "
            f"and longitude of each pixel or site, such as {{{site!r}: (31.7, -110.0)}}."
        )
    lat, lon = places.get(pixel, places.get(site, (np.nan, np.nan)))
    frame = _table(file)
    time = pd.to_datetime(frame[list(TIME)].astype(int).rename(columns=TIME))
    values = frame[VALUES].where(frame[VALUES].between(0, 1)).to_numpy(np.float32)
    order = np.argsort(time.to_numpy(), kind="stable")
    times: NDArray[Any] = time.to_numpy("datetime64[ns]")[order]
    first = np.r_[True, np.diff(times) > np.timedelta64(0)]
    about = {
        "network": NETWORK,
        "station_name": pixel,
        "sensor": product,
        "lat": float(lat),
        "lon": float(lon),
        "depth_from": LAYER[0],
        "depth_to": LAYER[1],
    }
    flags = np.full(int(first.sum()), "none")
    return Sensor(about, times[first], values[order][first], flags)


def _table(file: Path) -> pd.DataFrame:
    """The rows of numbers below the line that names the columns."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        head = [[word.strip() for word in line.split(",")] for line in islice(lines, HEAD_LINES)]
    at = next((i for i, words in enumerate(head) if {*TIME, VALUES} <= {*words}), None)
    if at is None:
        raise InputError(
            f"path: the first lines of {file.name} name no columns {', '.join(TIME)} and {VALUES}: "
            "expected a file of NSIDC-0712."
        )
    frame = pd.read_csv(file, skiprows=at + 1, names=head[at], usecols=[*TIME, VALUES], dtype=str)
    # units or notes may follow the names
    numbers = frame.apply(pd.to_numeric, errors="coerce")
    return numbers[numbers[list(TIME)].notna().all(axis=1)]

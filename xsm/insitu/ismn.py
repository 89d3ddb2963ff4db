"""Files of the International Soil Moisture Network, read with the package ismn."""

from __future__ import annotations

import logging
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xsm._lazy import optional_import
from xsm.conventions.archives import LARGEST_TEXT, extract_member
from xsm.errors import InputError
from xsm.insitu.ismn_files import (
    READ_ERRORS,
    SensorFile,
    list_files,
    may_match,
    select_networks,
)
from xsm.insitu.sensor_depth import within_layer
from xsm.insitu.station_dataset import (
    GOOD_FLAG,
    NO_FLAG,
    Sensor,
    daily_mean,
    join_series,
    report_removed,
    report_skipped,
    station_dataset,
)
from xsm.insitu.station_values import (
    REPEATED,
    SENTINEL_NOTE,
    period_bounds,
    remove_sentinels,
    without_repeats,
)
from xsm.options import get_option
from xsm.progress import bar

_log = logging.getLogger(__name__)

VARIABLE = "soil_moisture"
STATIC_END = "_static_variables.csv"
# name in the package -> coordinate
STATIC_VARIABLES = {"lc_2010": "land_cover", "climate_KG": "climate_zone"}


def open_ismn(
    path: str | Path | Iterable[str | Path],
    *,
    networks: Iterable[str] | str | None = None,
    depth: tuple[float, float] | None = None,
    period: tuple[Any, Any] | None = None,
    daily: bool = False,
    flags: str | Sequence[str] | None = (GOOD_FLAG,),
    progress: bool | None = None,
) -> xr.Dataset:
    """Open soil moisture of the International Soil Moisture Network (ISMN).

    Parameters
    ----------
    path : str, Path, or iterable of these
        A ``.stm`` file, a folder with such files at any depth, or the zip archive as downloaded;
        or several of these. Both formats of the ISMN, "CEOP in separate files" and "header +
        values". A sensor whose series continues in another download is joined to one.
    networks : str or iterable of str, optional
        Read these networks only. Upper and lower case, hyphens, underscores and blanks do not
        matter: ``"fr aqui"`` is ``FR_Aqui``.
    depth : (float, float), optional
        Read sensors within this layer only, m below the surface. Depths are nominal: either end of
        a sensor may lie outside by 5 mm or 2 %, so that 2 inches are 5 cm.
    period : (start, end), optional
        Read values of this period only, both ends included, such as ``("2015", "2018-06")``; None
        as an end leaves it open.
    daily : bool
        Read means of UTC days, as an archive of thousands of hourly series needs: with hourly
        values, 10,000 sensors of 20 years take 10 GB, with daily means 300 MB.
    flags : str, sequence of str, or None
        With ``daily=True``: the flags of the values that are averaged; None: all. Otherwise all
        values are returned beside their flags.
    progress : bool, optional
        Show a progress bar. None: the option ``progress`` of :func:`xsm.set_options`, which shows
        one on a terminal.

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time) in m3 m-3 and ``flag`` (station, time), integers whose
        meanings, the flags of the ISMN (``G`` good, ``D03,D05``, ...), are in its attribute
        ``flag_meanings``; daily means have no ``flag``. An entry of ``station`` is a sensor; the
        sensors of a station differ in ``sensor``, ``depth_from`` and ``depth_to``. Coordinates:
        network, station_name, lat, lon, elevation, depth_from, depth_to, sensor, and, where the
        archive has the static variables of the station, land_cover (CCI 2010) and climate_zone
        (Koeppen-Geiger). All series share one time axis (UTC), NaN where a sensor has no value. The
        layer of a cosmic-ray probe is that of the file: its mean sensing depth.

        Files that cannot be read, or have more than 128 MiB, are left out. The attribute
        ``skipped_files`` and a warning of the logger ``xsm`` name them and the reasons. The
        attribute ``sentinels_removed`` counts values such as -9999. Of several values at one time
        the first good one is taken; ``values_removed`` counts the others.

    Raises
    ------
    InputError
        If a path does not exist, there is no soil moisture, none of the files can be read, or
        `networks`, `depth` and `period` leave no sensor.
    MissingPackageError
        If the package ismn is not installed.

    Notes
    -----
    Networks, depths and periods are first selected by the names of the files; a file that is not
    selected is not read.

    References
    ----------
    Dorigo et al. (2021), Hydrol. Earth Syst. Sci. 25, 5749, doi 10.5194/hess-25-5749-2021.

    Examples
    --------
    ::

        stations = xsm.open_ismn("Data_separate_files_header_20150101_20201231.zip")
        stations = xsm.open_ismn(
            ["2015-2019.zip", "2020-2024.zip"], networks=["SCAN", "USCRN"], depth=(0, 0.05),
            daily=True,
        )
        scores = ds.sm.validate(stations)
    """
    handlers = optional_import("ismn.filehandlers", "open_ismn", "insitu")
    base = optional_import("ismn.base", "open_ismn", "insitu")
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(p) for p in path]
    bounds = period_bounds(period)
    selected_flags = _flag_names(flags)
    files, skipped = list_files(paths)
    n_files = len(files) + len(skipped)
    selection = {"networks": networks, "depth": depth, "period": period}
    if networks is not None:
        files = select_networks(files, [networks] if isinstance(networks, str) else [*networks])
    files = [file for file in files if may_match(file, depth, bounds)]
    sensors = []
    removed = repeated = 0
    show = get_option("progress", progress)
    with (
        warnings.catch_warnings(),
        closing(_Reader(handlers, base)) as reader,
        bar("ISMN", len(files), show, "file") as progress_bar,
    ):
        # the package calls functions of pandas that pandas 3 removes
        warnings.simplefilter("ignore", DeprecationWarning)
        for file in files:
            try:
                sensor = reader.read(file, depth, bounds)
            except READ_ERRORS as error:
                skipped.append((str(file.name), _reason(error)))
            else:
                if sensor is not None:
                    sensor, count = remove_sentinels(sensor)
                    removed += count
                    sensor, count = without_repeats(sensor)
                    repeated += count
                    sensors.append(daily_mean(sensor, selected_flags) if daily else sensor)
            progress_bar.update(1)
    if not sensors:
        raise InputError(_nothing_read(paths, n_files, skipped, selection))
    if not any(sensor.time.size for sensor in sensors):
        raise InputError(
            f"flags={flags!r}: none of the {len(sensors)} sensors has a value with one of these "
            "flags; flags=None averages all values."
        )
    sensors = join_series(sensors)
    _log.info("%s: %d sensors", ", ".join(map(str, paths[:3])), len(sensors))
    names = ", ".join(path.name for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
    ds = station_dataset(
        sensors,
        source=f"International Soil Moisture Network, {names}",
        has_flags=not daily,
        daily=daily,
    )
    if removed:
        ds.attrs["sentinels_removed"] = removed
        _log.info(SENTINEL_NOTE, removed)
    if repeated:
        report_removed(ds, names, f"{repeated} {REPEATED}")
    return report_skipped(ds, skipped, n_files)


class _Files:
    """The files of a folder, or of an archive, whose members are unpacked one at a time.

    The package ismn looks through the whole archive for each file that it reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = None if path.is_dir() else zipfile.ZipFile(path)
        self.temporary = tempfile.TemporaryDirectory(prefix="xsm-ismn-")
        self.static: dict[str, str] = {}  # folder -> file of static variables
        for name in self.archive.namelist() if self.archive else ():
            if name.endswith(STATIC_END):
                self.static.setdefault(str(PurePosixPath(name).parent), name)

    def close(self) -> None:
        """Remove what is unpacked."""
        if self.archive is not None:
            self.archive.close()
        self.temporary.cleanup()

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """A file on disk, which may be removed afterwards."""
        if self.archive is None:
            path = self.path / name
            if path.stat().st_size > LARGEST_TEXT:
                raise InputError(f"{name!r} has more than {LARGEST_TEXT:,} bytes")
            yield path
            return
        folder = Path(self.temporary.name)
        path = extract_member(self.archive, name, folder, flat=True, largest=LARGEST_TEXT)
        try:
            yield path
        finally:
            path.unlink()

    def static_file(self, folder: str) -> str | None:
        """The file of static variables of a station, by the folder of its series."""
        if self.archive is not None:
            return self.static.get(folder)
        files = sorted(p for p in (self.path / folder).iterdir() if p.name.endswith(STATIC_END))
        return files[0].relative_to(self.path).as_posix() if files else None


class _Reader:
    """Reads files one after the other; a folder or archive stays open until the next."""

    def __init__(self, handlers: Any, base: Any) -> None:
        self.handlers, self.base = handlers, base
        self.files: _Files | None = None
        self.static = lru_cache(maxsize=1024)(self._static_variables)

    def close(self) -> None:
        """Close the folder or archive that is open."""
        if self.files is not None:
            self.files.close()

    def read(
        self,
        file: SensorFile,
        depth: tuple[float, float] | None,
        bounds: tuple[pd.Timestamp, pd.Timestamp],
    ) -> Sensor | None:
        """One sensor; None if it is outside `depth` or has no value within `bounds`."""
        if self.files is None or self.files.path != file.root:
            self.close()
            self.files = _Files(file.root)
            self.static.cache_clear()
        with self.files.file(file.name) as path:
            data = self.handlers.DataFile(self.base.IsmnRoot(path.parent), path.name)
            metadata = _sensor_metadata(data.metadata, file.network)
            if depth is not None and not within_layer(
                metadata["depth_from"], metadata["depth_to"], depth
            ):
                return None
            frame = data.read_data()
        frame = frame[frame.index.notna()]
        frame = frame[(frame.index >= bounds[0]) & (frame.index <= bounds[1])]
        if frame.empty:
            if bounds == period_bounds(None):
                raise ValueError("no line with a time and a value")
            return None
        flags = frame[f"{VARIABLE}_flag"].astype(object)
        return Sensor(
            metadata | self.static(str(PurePosixPath(file.name).parent)),
            frame.index.to_numpy("datetime64[ns]"),
            frame[VARIABLE].to_numpy(np.float32),
            pd.Categorical(flags.where(flags.notna(), NO_FLAG).astype(str)),
        )

    def _static_variables(self, folder: str) -> dict[str, Any]:
        """Land cover and climate of the station, if its folder holds them."""
        if folder == "." or self.files is None:
            return {}
        file = self.files.static_file(folder)
        if file is None:
            return {}
        try:
            with self.files.file(file) as path:
                root = self.base.IsmnRoot(path.parent)
                metadata = self.handlers.StaticMetaFile(root, path.name).metadata
            values = {ours: metadata[theirs].val for theirs, ours in STATIC_VARIABLES.items()}
            return {name: value for name, value in values.items() if not pd.isna(value)}
        except READ_ERRORS as error:
            _log.warning("%s cannot be read (%s): no land cover and climate", file, error)
            return {}


def _flag_names(flags: Any) -> list[str] | None:
    """Flags as a list; None for all."""
    if flags is None:
        return None
    names = [flags] if isinstance(flags, str) or not isinstance(flags, Iterable) else [*flags]
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"flags={flags!r}: expected texts such as ('G', 'M'), or None for all.")
    return names


def _sensor_metadata(metadata: Any, network: str) -> dict[str, Any]:
    # the network of the file name: the package takes it from the folder, which a file alone lacks
    instrument = metadata["instrument"]
    return {
        "network": network,
        "station_name": metadata["station"].val,
        "lat": metadata["latitude"].val,
        "lon": metadata["longitude"].val,
        "elevation": metadata["elevation"].val,
        "depth_from": instrument.depth.start,
        "depth_to": instrument.depth.end,
        "sensor": instrument.val,
    }


def _reason(error: BaseException) -> str:
    """Why a file cannot be read, in one line."""
    if isinstance(error, InputError):
        return f"is not read: {error}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (
        "is empty or not in a format of the ISMN ('CEOP in separate files' or 'header + values'): "
        + lines[-1]
    )


def _nothing_read(
    paths: Sequence[Path], total: int, skipped: Sequence[tuple[str, str]], selection: dict[str, Any]
) -> str:
    """Message of the error if no sensor was read."""
    shown = ", ".join(repr(str(path)) for path in paths[:3])
    bad = "; ".join(f"{name!r} {reason}" for name, reason in skipped[:3])
    if len(skipped) == total:
        them = "it" if total == 1 else "them"
        number = "the file cannot" if total == 1 else f"none of the {total} files can"
        return (
            f"path={shown}: {number} be read: {bad}. Download {them} again, or take {them} out of "
            "the folder."
        )
    chosen = ", ".join(f"{name}={value!r}" for name, value in selection.items())
    return (
        f"{chosen}: none of the {total} sensors in {shown} matches"
        + (f" ({len(skipped)} files cannot be read: {bad})" if skipped else "")
        + "; leave one of the arguments out to see the sensors there."
    )

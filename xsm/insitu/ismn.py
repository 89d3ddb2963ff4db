"""Files of the International Soil Moisture Network, read with the package ismn."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xsm._lazy import optional_import
from xsm.errors import InputError
from xsm.insitu.station_dataset import NO_FLAG, Sensor, station_dataset

_log = logging.getLogger(__name__)

VARIABLE = "soil_moisture"
# name in the package -> coordinate
STATIC_VARIABLES = {"lc_2010": "land_cover", "climate_KG": "climate_zone"}


def open_ismn(
    path: str | Path,
    *,
    networks: Iterable[str] | str | None = None,
    depth: tuple[float, float] | None = None,
) -> xr.Dataset:
    """Open soil moisture of the International Soil Moisture Network (ISMN).

    Parameters
    ----------
    path : str or Path
        A ``.stm`` file, a folder with such files at any depth, or the zip archive as downloaded;
        both formats of the ISMN, "CEOP in separate files" and "header + values".
    networks : str or iterable of str, optional
        Read these networks only.
    depth : (float, float), optional
        Read sensors within this layer only, m below the surface.

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time) in m3 m-3 and ``flag`` (station, time), integers whose
        meanings, the flags of the ISMN (``G`` good, ``D03,D05``, ...), are in its attribute
        ``flag_meanings``. An entry of ``station`` is a sensor; the sensors of a station differ in
        ``sensor``, ``depth_from`` and ``depth_to``. Coordinates: network, station_name, lat, lon,
        elevation, depth_from, depth_to, sensor, and, where the archive has the static variables of
        the station, land_cover (CCI 2010) and climate_zone (Koeppen-Geiger). All series share one
        time axis (UTC), NaN where a sensor has no value. The layer of a cosmic-ray probe is that of
        the file: its mean sensing depth.

    Raises
    ------
    InputError
        If the path does not exist, holds no soil moisture, or a file is not of the ISMN.
    MissingPackageError
        If the package ismn is not installed.

    References
    ----------
    Dorigo et al. (2021), Hydrol. Earth Syst. Sci. 25, 5749, doi 10.5194/hess-25-5749-2021.

    Examples
    --------
    ::

        stations = xsm.insitu.open_ismn("Data_separate_files_header_20150101_20201231.zip")
        scores = ds.sm.validate(stations)
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"path={str(path)!r} is not there: expected an .stm file, folder or zip.")
    handlers = optional_import("ismn.filehandlers", "open_ismn", "insitu")
    base = optional_import("ismn.base", "open_ismn", "insitu")
    selected = [networks] if isinstance(networks, str) else networks and [*networks]
    folder = path.parent if path.suffix.lower() == ".stm" else path
    with base.IsmnRoot(folder) as root, warnings.catch_warnings():
        # the package calls functions of pandas that pandas 3 removes
        warnings.simplefilter("ignore", DeprecationWarning)
        names = [path.name] if path.suffix.lower() == ".stm" else _list_files(root)
        if not names:
            raise InputError(
                f"path={str(path)!r} holds no file whose name ends in .stm with variable sm: "
                "expected data of the ISMN (www.ismn.earth) as downloaded."
            )
        sensors = []
        for name in names:
            if (selected is None or name.rpartition("/")[2].split("_")[1] in selected) and (
                sensor := _read_sensor(handlers, root, name, depth)
            ):
                sensors.append(sensor)
    if not sensors:
        raise InputError(
            f"networks={networks!r}, depth={depth!r}: none of the {len(names)} sensors in "
            f"{str(path)!r} matches; leave one of the arguments out to see the sensors there."
        )
    _log.info("%s: %d sensors", path, len(sensors))
    return station_dataset(sensors, source=f"International Soil Moisture Network, {path.name}")


def _list_files(root: Any) -> list[str]:
    """Soil-moisture files below a folder or in an archive, in order."""
    if root.zip:
        names = root.zip.namelist()
    else:
        names = [p.relative_to(root.path).as_posix() for p in root.path.rglob("*.stm")]
    return sorted(name for name in names if _is_soil_moisture(name))


def _is_soil_moisture(name: str) -> bool:
    """Whether a name is CSE_Network_Station_sm_from_to_sensor_start_end.stm."""
    parts = name.rpartition("/")[2].split("_")
    return name.endswith(".stm") and len(parts) > 8 and parts[3] == "sm"


def _read_sensor(
    handlers: Any, root: Any, name: str, depth: tuple[float, float] | None
) -> Sensor | None:
    """One sensor; None if it is outside `depth`."""
    base = PurePosixPath(name).name
    if not _is_soil_moisture(base):
        raise InputError(
            f"path: {base!r} is not named like a soil-moisture file of the ISMN "
            "(CSE_Network_Station_sm_from_to_sensor_start_end.stm); keep the names as downloaded."
        )
    try:
        file = handlers.DataFile(root, name)
        metadata = _sensor_metadata(file.metadata, base)
        if depth is not None and not (
            depth[0] <= metadata["depth_from"] and metadata["depth_to"] <= depth[1]
        ):
            return None
        frame = file.read_data()
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise InputError(
            f"path: {name!r} is empty or not in a format of the ISMN ('CEOP in separate files' or "
            f"'header + values'): {str(error).strip().splitlines()[-1]}. Download it again, or "
            "take it out of the folder."
        ) from error
    metadata |= _static_variables(handlers, root, name)
    frame = frame[~frame.index.duplicated()].sort_index()
    flags = frame[f"{VARIABLE}_flag"].astype(object)
    return Sensor(
        metadata,
        frame.index.to_numpy("datetime64[ns]"),
        frame[VARIABLE].to_numpy(np.float32),
        flags.where(flags.notna(), NO_FLAG).to_numpy().astype(str),
    )


def _sensor_metadata(metadata: Any, base: str) -> dict[str, Any]:
    # from the file name: the package takes the network from the folder, which a single file lacks
    instrument = metadata["instrument"]
    return {
        "network": base.split("_")[1],
        "station_name": metadata["station"].val,
        "lat": metadata["latitude"].val,
        "lon": metadata["longitude"].val,
        "elevation": metadata["elevation"].val,
        "depth_from": instrument.depth.start,
        "depth_to": instrument.depth.end,
        "sensor": instrument.val,
    }


def _static_variables(handlers: Any, root: Any, name: str) -> dict[str, Any]:
    """Land cover and climate of the station, if its folder holds them."""
    folder = PurePosixPath(name).parent
    if str(folder) == ".":
        return {}
    for file in root.find_files(str(folder), "*_static_variables.csv"):
        metadata = handlers.StaticMetaFile(root, file).metadata
        values = {ours: metadata[theirs].val for theirs, ours in STATIC_VARIABLES.items()}
        return {name: value for name, value in values.items() if not pd.isna(value)}
    return {}

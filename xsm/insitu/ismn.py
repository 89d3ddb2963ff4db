"""Files of the International Soil Moisture Network, read through the package ismn."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import xarray as xr

from xsm.errors import InputError, MissingPackageError
from xsm.insitu.station_dataset import NO_FLAG, Sensor, assemble

logger = logging.getLogger(__name__)

VARIABLE = "soil_moisture"
STATIC = {"lc_2010": "land_cover", "climate_KG": "climate_zone"}


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
        ``soil_moisture`` (station, time) in m3 m-3 and ``flag`` (station, time), coded, with the
        ISMN's texts (``G`` good, ``D03,D05``, ...) in its attribute ``flag_meanings``. One entry of
        ``station`` is one sensor: several at the same place are told apart by ``sensor``,
        ``depth_from`` and ``depth_to``. Coordinates: network, station_name, lat, lon, elevation,
        depth_from, depth_to, sensor, and, where the archive has the static variables of the
        station, land_cover (CCI 2010) and climate_zone (Koeppen-Geiger). All series share one time
        axis (UTC); missing where a sensor has no value. The layer of a cosmic-ray probe is the one
        the file gives: its mean sensing depth.

    Raises
    ------
    InputError
        If there is no such path, no soil moisture in it, or a file that is not of the ISMN.
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
    handlers = _handlers()
    wanted = None if networks is None else {networks} if isinstance(networks, str) else {*networks}
    folder = path.parent if path.suffix.lower() == ".stm" else path
    with import_module("ismn.base").IsmnRoot(folder) as root, warnings.catch_warnings():
        # the package calls pandas in ways that pandas 3 announces to end
        warnings.simplefilter("ignore", DeprecationWarning)
        names = [path.name] if path.suffix.lower() == ".stm" else _listed(root)
        if not names:
            raise InputError(
                f"path={str(path)!r} holds no file whose name ends in .stm with variable sm: "
                "expected data of the ISMN (www.ismn.earth) as downloaded."
            )
        sensors = []
        for name in names:
            if (wanted is None or name.rpartition("/")[2].split("_")[1] in wanted) and (
                sensor := _read(handlers, root, name, depth)
            ):
                sensors.append(sensor)
    if not sensors:
        raise InputError(
            f"networks={networks!r}, depth={depth!r}: none of the {len(names)} sensors in "
            f"{str(path)!r} is one of these; leave one out to see what there is."
        )
    logger.info("%s: %d sensors", path, len(sensors))
    return assemble(sensors, source=f"International Soil Moisture Network, {path.name}")


def _handlers() -> Any:
    try:
        return import_module("ismn.filehandlers")
    except ImportError as error:
        raise MissingPackageError(
            f"open_ismn needs the package 'ismn', which cannot be imported ({error}); install it "
            "with: pip install 'xsm[insitu]'"
        ) from error


def _listed(root: Any) -> list[str]:
    """Soil-moisture files below a folder or in an archive, in order."""
    if root.zip:
        found = root.zip.namelist()
    else:
        found = [p.relative_to(root.path).as_posix() for p in root.path.rglob("*.stm")]
    return sorted(name for name in found if _is_soil_moisture(name))


def _is_soil_moisture(name: str) -> bool:
    """Whether a name is CSE_Network_Station_sm_from_to_sensor_start_end.stm."""
    parts = name.rpartition("/")[2].split("_")
    return name.endswith(".stm") and len(parts) > 8 and parts[3] == "sm"


def _read(handlers: Any, root: Any, name: str, depth: tuple[float, float] | None) -> Sensor | None:
    """One sensor; None if it is outside `depth`."""
    base = PurePosixPath(name).name
    if not _is_soil_moisture(base):
        raise InputError(
            f"path: {base!r} is not named like a soil-moisture file of the ISMN "
            "(CSE_Network_Station_sm_from_to_sensor_start_end.stm); keep the names as downloaded."
        )
    try:
        file = handlers.DataFile(root, name)
        about = _about(file.metadata, base)
        if depth is not None and not (
            depth[0] <= about["depth_from"] and about["depth_to"] <= depth[1]
        ):
            return None
        frame = file.read_data()
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise InputError(
            f"path: {name!r} is empty or not in a format of the ISMN ('CEOP in separate files' or "
            f"'header + values'): {str(error).strip().splitlines()[-1]}. Download it again, or "
            "take it out."
        ) from error
    about |= _static(handlers, root, name)
    frame = frame[~frame.index.duplicated()].sort_index()
    flags = frame[f"{VARIABLE}_flag"].astype(object)
    return Sensor(
        about,
        frame.index.to_numpy("datetime64[ns]"),
        frame[VARIABLE].to_numpy(np.float32),
        flags.where(flags.notna(), NO_FLAG).to_numpy().astype(str),
    )


def _about(metadata: Any, base: str) -> dict[str, Any]:
    # the package takes the network from the folder, which loose files do not have
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


def _static(handlers: Any, root: Any, name: str) -> dict[str, Any]:
    """Land cover and climate of the station, where its folder tells them."""
    folder = PurePosixPath(name).parent
    if str(folder) == ".":
        return {}
    for file in root.find_files(str(folder), "*_static_variables.csv"):
        found = handlers.StaticMetaFile(root, file).metadata
        values = {ours: found[theirs].val for theirs, ours in STATIC.items()}
        return {name: value for name, value in values.items() if _given(value)}
    return {}


def _given(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and np.isnan(value))

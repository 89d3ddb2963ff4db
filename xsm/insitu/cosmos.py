"""Tables of cosmic-ray neutron probes: COSMOS-UK, COSMOS-Europe, COSMOS (US)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr

from xsm.errors import InputError
from xsm.insitu.station_table import open_stations
from xsm.insitu.table_files import list_tables

_log = logging.getLogger(__name__)

METADATA_FILE = re.compile(r"site_?(metadata|info|list)|metadata", re.I)
OTHER_FILE = re.compile(r"qc_?flags?|_sh_|subhourly|readme|licen[cs]e", re.I)
RESOLUTIONS = ("daily", "hourly")


def open_cosmos(
    path: str | Path | Iterable[str | Path],
    *,
    resolution: str | None = None,
    network: str | None = None,
    **options: Any,
) -> xr.Dataset:
    """Open soil moisture of cosmic-ray neutron probes from the tables of their networks.

    Parameters
    ----------
    path : str, Path, or iterable of these
        CSV or text files, or folders with them. A file of site metadata in a folder (COSMOS-UK:
        ``COSMOS-UK_SiteMetadata_...csv``) gives the positions. Files of quality flags and of
        sub-hourly values are not read.
    resolution : {"daily", "hourly"}, optional
        Which files are read where the names tell it; None: daily, where there are both.
    network : str, optional
        Name of the network. None: COSMOS-UK where the names of files say so, else COSMOS.
    **options
        Of :func:`xsm.open_stations`: metadata, lat, lon, columns, units, timezone, ...

    Returns
    -------
    Dataset
        As of :func:`xsm.open_ismn`. The layer of a probe reaches from the surface to its mean
        sensing depth (D86), if the tables have it.

    Raises
    ------
    InputError, UnitError, TimeAxisError
        As :func:`xsm.open_stations`.

    Notes
    -----
    Recognized columns are DATE_TIME, SITE_ID, COSMOS_VWC (percent) and D86_75M (cm) of COSMOS-UK,
    with -9999 for missing values, both in the files of the data centre and in those of the portal,
    whose header lines name the site; and SOILM (percent) and DEP (cm) of COSMOS. Values with a
    flag in the column ``cosmos_vwc_flag`` of the portal are not taken as good. For other forms,
    state `columns` and `units`.

    References
    ----------
    Cooper et al. (2021), doi 10.5194/essd-13-1737-2021 (COSMOS-UK); Bogena et al. (2022), doi
    10.5194/essd-14-1125-2022 (COSMOS-Europe); Zreda et al. (2012), doi 10.5194/hess-16-4079-2012.

    Examples
    --------
    ::

        probes = xsm.open_cosmos("cosmos-uk_2013-2022")
        scores = ds.sm.validate(probes, stations={"depth": None})
    """
    if resolution is not None and resolution not in RESOLUTIONS:
        raise InputError(f"resolution={resolution!r}: expected daily, hourly or None.")
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(p) for p in path]
    files = list_tables(paths)
    metadata = [file for file in files if METADATA_FILE.search(file.name)]
    data = [f for f in files if f not in metadata and not OTHER_FILE.search(f.name)]
    by_name = {r: [f for f in data if r in f.name.lower()] for r in RESOLUTIONS}
    if resolution is None and all(by_name.values()):
        resolution = "daily"
        _log.info("daily files are read; resolution='hourly' reads the hourly ones")
    other = RESOLUTIONS[resolution == "daily"] if resolution else None
    if other is not None:
        data = [file for file in data if file not in by_name[other]]
    if not data:
        raise InputError(
            f"path: none of the {len(files)} files holds {resolution or 'daily or hourly'} values: "
            f"{', '.join(file.name for file in files[:5])}."
        )
    if metadata and "metadata" not in options and "lat" not in options:
        options["metadata"] = metadata[0]
    if network is None:
        network = "COSMOS-UK" if "cosmos-uk" in data[0].name.lower() else "COSMOS"
    # an empty field of the portal is a value without remarks
    return open_stations(data, network=network, **{"good_flags": ("G", ""), **options})

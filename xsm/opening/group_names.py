"""Groups of a file as its product has them: flattened names, repeated endings, outer coordinates.

Services that deliver parts of files (OPeNDAP, AppEEARS) put the variables of groups into the root,
as ``Geophysical_Data_sm_surface``. SMAP with Sentinel-1 ends each variable as its group:
``Soil_Moisture_Retrieval_Data_1km/soil_moisture_1km``. Coordinates that all groups share stand in
the root, as NetCDF-4 has it: names of outer groups are known in the inner ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xsm.conventions.grid import PLACE_NAMES, TIME_NAMES

CELL_PLACES = ("cell_lat", "cell_lon")
_FLATTENED = re.compile(r"((?:[A-Z][a-z]+_)+Data(?:_(?:Polar_)?(?:AM|PM)|_\d+km)?)_(\w+)")
_RESOLUTION = re.compile(r"_\d+km$")

Headers = dict[str, dict[str, Any]]
Stored = dict[tuple[str, str], tuple[str, str]]


def as_grouped(groups: Mapping[str, Mapping[str, Any]]) -> tuple[Headers, Stored]:
    """Groups -> variables as the product has them, and where the file has those that moved.

    Parameters
    ----------
    groups : mapping
        Path of a group in the file ("" is the root) -> name -> header, with ``dims``, ``shape``
        and ``attrs``.

    Returns
    -------
    groups : dict
        A group that is flattened in the file is a group of its own. A variable of an outer group
        that gives places or times of the data is in the inner group too.
    stored : dict
        (group, name) -> (group, name) in the file, where these differ.
    """
    out: Headers = {}
    stored: Stored = {}
    for origin, variables in groups.items():
        for own, header in variables.items():
            group, name = (origin, own) if origin else _unflattened(own, header.attrs)
            if (ending := _RESOLUTION.search(group)) and name != ending[0]:
                name = name.removesuffix(ending[0])
            out.setdefault(group, {})[name] = header
            if (group, name) != (origin, own):
                stored[group, name] = (origin, own)
    for group, variables in out.items():
        dims = {dim for header in variables.values() for dim in header.dims}
        for outer in _outer(group):
            for name, header in out.get(outer, {}).items():
                if name not in variables and _gives_places_or_times(name, header, dims):
                    variables[name] = header
                    stored[group, name] = stored.get((outer, name), (outer, name))
    return out, stored


def _unflattened(name: str, attrs: Mapping[str, Any]) -> tuple[str, str]:
    """Group and name of a variable of the root."""
    path = str(attrs.get("fullnamepath", ""))
    group, _, own = path.strip("/").rpartition("/")
    if group and own and name == f"{group.replace('/', '_')}_{own}":
        return group, own
    match = _FLATTENED.fullmatch(name)
    return (match[1], match[2]) if match else ("", name)


def _outer(group: str) -> list[str]:
    """The groups around one, the nearest first."""
    parts = group.split("/") if group else []
    return ["/".join(parts[:number]) for number in reversed(range(len(parts)))]


def _gives_places_or_times(name: str, header: Any, dims: set[str]) -> bool:
    single_time = name.lower() in TIME_NAMES and all(size == 1 for size in header.shape)
    named = header.dims == (name,) or name.lower() in (*PLACE_NAMES, *TIME_NAMES, *CELL_PLACES)
    return single_time or (named and bool(header.dims) and set(header.dims) <= dims)

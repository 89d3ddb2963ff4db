"""The encoding that a user gives for a store, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xsm.errors import InputError


def checked_encoding(obj: xr.Dataset, given: Any) -> dict[str, dict[str, Any]]:
    """The argument `encoding`, checked as far as Zarr does not check it."""
    options = given or {}
    if not isinstance(options, Mapping) or not all(
        isinstance(entry, Mapping) for entry in options.values()
    ):
        raise InputError(
            f"encoding={given!r}: expected a mapping of variables to mappings, such as "
            "{'sm': {'chunks': (30, 180, 360)}}."
        )
    if strange := sorted(set(map(str, options)) - set(map(str, obj.variables))):
        raise InputError(f"encoding: {strange} are no variables of obj.")
    for name, entry in options.items():
        for key in ("chunks", "shards"):
            if entry.get(key) is not None and len(np.atleast_1d(entry[key])) != obj[name].ndim:
                raise InputError(
                    f"encoding: {key}={entry[key]!r} of {name!r}: expected a size for each of its "
                    f"dimensions {obj[name].dims}."
                )
    return {str(name): dict(entry) for name, entry in options.items()}


def odd_attributes(obj: xr.Dataset) -> str:
    """Attributes of other types than Zarr has, in words."""
    simple = (str, int, float, bool, list, tuple, dict, type(None), np.ndarray, np.number, np.bool_)
    rows = [("the Dataset", obj.attrs)] + [(str(n), v.attrs) for n, v in obj.variables.items()]
    odd = [
        f"{key}={value!r} of {name}"
        for name, attrs in rows
        for key, value in attrs.items()
        if not isinstance(value, simple) or np.asarray(value).dtype.kind in "cMmV"
    ]
    return ", ".join(odd) or "one that is nested"

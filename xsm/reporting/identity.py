"""What a report is about, so that it can be told apart and made again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np
import xarray as xr

PACKAGES = ("xarray", "numpy", "pandas", "scipy", "numba", "dask", "netCDF4", "matplotlib")

Facts = list[tuple[str, str]]


def digest(ds: xr.Dataset) -> str:
    """SHA-256 of names, dimensions, types and values of all variables; not of attributes.

    Examples
    --------
    >>> digest(xr.Dataset({"a": ("x", [1.0, 2.0])}))[:12]
    '1674d640f6fa'
    """
    sha = hashlib.sha256()
    for name in sorted(map(str, ds.variables)):
        variable = ds[name].variable
        values = np.asarray(variable.values)
        sha.update(f"{name} {variable.dims} {values.shape} ".encode())
        if values.dtype.kind in "OSU":
            sha.update("\0".join(map(str, values.ravel().tolist())).encode())
        elif values.dtype.kind in "mM":
            sha.update(
                values.astype("<M8[ns]" if values.dtype.kind == "M" else "<m8[ns]").tobytes()
            )
        else:
            little = values.dtype.newbyteorder("<")
            sha.update(f"{little.str} ".encode() + values.astype(little).tobytes())
    return sha.hexdigest()


def identity(ds: xr.Dataset) -> Facts:
    """Names, shape, period, area, history and hash of a scores Dataset."""
    facts = [("Kind of validation", str(ds.attrs["xsm_scores"]).replace("_", " "))]
    for role in ("estimate", "reference"):
        if f"{role}_name" in ds.attrs:
            facts.append((role.capitalize(), str(ds.attrs[f"{role}_name"])))
    facts.append(("Shape", ", ".join(f"{n:,} {dim}" for dim, n in ds.sizes.items())))
    facts.append(("Variables", ", ".join(map(str, ds.data_vars))))
    if "time" in ds.coords and ds["time"].size:
        days = [str(day)[:10] for day in (ds["time"].values.min(), ds["time"].values.max())]
        facts.append(("Period", f"{days[0]} to {days[1]}"))
    if {"lat", "lon"} <= set(ds.coords):
        spans = [
            f"{n} {float(ds[n].min()):.2f} to {float(ds[n].max()):.2f}" for n in ("lat", "lon")
        ]
        facts.append(("Area (degrees)", ", ".join(spans)))
    if "n_obs" in ds:
        facts.append(("Pairs (all scores)", f"{int(ds['n_obs'].sum()):,}"))
    told = ("xsm_scores", "estimate_name", "reference_name", "settings", "history", "Conventions")
    facts += [(str(k).replace("_", " "), _text(v)) for k, v in ds.attrs.items() if k not in told]
    facts.append(("History", str(ds.attrs.get("history", "not recorded"))))
    facts.append(("SHA-256 of the scores", digest(ds)))
    return facts


def settings(ds: xr.Dataset) -> Facts:
    """The settings of the call, as ``validate`` wrote them down."""
    text = ds.attrs.get("settings", "{}")
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return [("settings", str(text))]
    if not isinstance(found, Mapping):
        return [("settings", _text(found))]
    return [(str(key), _text(value)) for key, value in found.items() if value is not None]


def versions() -> Facts:
    """Versions of what the scores and the report were made with."""
    from xsm._version import __version__

    facts = [("xsm", __version__), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            facts.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return [*facts, ("system", f"{platform.system()} {platform.machine()}")]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(one)}" for key, one in value.items())
    return str(value)

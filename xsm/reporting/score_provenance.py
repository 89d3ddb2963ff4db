"""What a report is about: names, period, area, settings, versions and hash of the scores."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import xarray as xr

from xsm._version import __version__
from xsm.conventions.cf import estimate_name

PACKAGES = ("xarray", "numpy", "pandas", "scipy", "numba", "dask", "netCDF4", "matplotlib")

# Attributes that have a row of their own, or none.
LISTED_SEPARATELY = (
    "xsm_scores", "estimate_name", "reference_name", "settings", "history", "Conventions",
)  # fmt: skip

# Arguments that do not apply to triple collocation, whose statistics are fixed.
NOT_OF_TRIPLES = ("metrics", "across", "p_values", "keep_pairs")

Facts = list[tuple[str, str]]


def digest(ds: xr.Dataset) -> str:
    """SHA-256 over names, dimensions, types and values of all variables, without attributes.

    Examples
    --------
    >>> digest(xr.Dataset({"a": ("x", [1.0, 2.0])}))[:12]
    '1674d640f6fa'
    """
    sha = hashlib.sha256()
    for name in sorted(map(str, ds.variables)):
        variable = ds[name].variable
        values = np.asarray(variable.values)
        sha.update(f"{name} {variable.dims} {values.shape} ".encode(errors="surrogatepass"))
        if values.dtype.kind in "OSUT":
            text = "\0".join(map(str, values.ravel().tolist()))
            sha.update(text.encode(errors="surrogatepass"))
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
    kind = str(ds.attrs.get("xsm_scores", "experiment")).replace("_", " ")
    facts = [("Kind of validation", kind)]
    if name := estimate_name(ds):
        facts.append(("Estimate", name))
    if "reference_name" in ds.attrs:
        facts.append(("Reference", str(ds.attrs["reference_name"])))
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
    facts += [
        (str(key).replace("_", " "), _text(value))
        for key, value in ds.attrs.items()
        if key not in LISTED_SEPARATELY
    ]
    facts.append(("History", str(ds.attrs.get("history", "not recorded"))))
    facts.append(("SHA-256 of the scores", digest(ds)))
    return facts


def settings(ds: xr.Dataset) -> Facts:
    """Settings of the call, from the attribute that ``validate`` writes."""
    text = ds.attrs.get("settings", "{}")
    try:
        values = json.loads(text)
    except (TypeError, ValueError):
        return [("settings", str(text))]
    if not isinstance(values, Mapping):
        return [("settings", _text(values))]
    unused = NOT_OF_TRIPLES if ds.attrs.get("xsm_scores") == "triple_collocation" else ()
    return [
        (str(key), _text(value))
        for key, value in values.items()
        if value is not None and key not in unused
    ]


def versions() -> Facts:
    """Versions of xsm, Python and the packages that it uses here."""
    return [*versions_of(PACKAGES), ("system", f"{platform.system()} {platform.machine()}")]


def versions_of(packages: Iterable[str], missing: str | None = None) -> Facts:
    """Versions of xsm, Python and `packages`; those not installed are `missing`, or left out."""
    facts = [("xsm", __version__), ("Python", platform.python_version())]
    for name in packages:
        try:
            facts.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            if missing is not None:
                facts.append((name, missing))
    return facts


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return str(value)

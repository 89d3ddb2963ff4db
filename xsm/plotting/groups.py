"""Scores sorted into groups: by network, stratum, filler, or the name of their Dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.plotting.selection import one_stratum
from xsm.plotting.style import badness

Groups = dict[str, NDArray[np.floating]]


def named(scores: Any) -> dict[str, Any]:
    """`scores` as a mapping of names to Datasets: one without a name is called ""."""
    if isinstance(scores, Mapping) and not isinstance(scores, xr.Dataset):
        if not scores:
            raise InputError("scores is an empty mapping: expected name -> scores Dataset.")
        return {str(name): one for name, one in scores.items()}
    return {"": scores}


def grouped(da: xr.DataArray, by: str | None) -> tuple[Groups, str]:
    """Finite values of `da` per group, and the name of what tells the groups apart.

    Parameters
    ----------
    da : DataArray
        One metric.
    by : str or None
        A dimension or a coordinate. None takes the stratum, else the network where there
        are several, else one group of all.

    Raises
    ------
    InputError
        If there is no such dimension or coordinate.
    """
    sample = sample_dims(da)
    if by is None:
        strata = [str(dim) for dim in da.dims if dim not in sample]
        networks = "network" in da.coords and np.unique(da["network"].values).size > 1
        by = strata[0] if strata else "network" if networks else None
    if by is None:
        return {"all": _finite(da)}, ""
    if by in da.dims:
        da = one_stratum(da, {by, *sample})
        parts = [(value, da.isel({by: i})) for i, value in enumerate(da[by].values)]
        return {str(value): _finite(part) for value, part in parts}, by
    if by not in da.coords or da[by].ndim != 1:
        known = [*da.dims, *(n for n, c in da.coords.items() if c.ndim == 1 and n not in da.dims)]
        raise InputError(f"by={by!r} is no group of {da.name}: expected one of {known}.")
    da, own = one_stratum(da, {str(da[by].dims[0]), *sample}), da[by]
    groups = {
        str(value): _finite(da.isel({own.dims[0]: np.flatnonzero(own.values == value)}))
        for value in np.unique(own.values)
    }
    filled = {name: values for name, values in groups.items() if values.size}
    order = sorted(filled, key=lambda name: float(badness(da, np.median(filled[name]))))
    return {name: groups[name] for name in dict.fromkeys([*order, *groups])}, by


def sample_dims(da: xr.DataArray) -> set[str]:
    """The dimensions that are no strata: stations; rows and columns; methods and kinds of gap."""
    for own in ({"station"}, {"filler", "kind"}):
        if found := {str(dim) for dim in da.dims} & own:
            return found
    bare = [dim for dim in da.dims if dim not in da.coords or da[dim].dtype.kind in "fiu"]
    numbers = {str(dim) for dim in bare}  # strata have names
    return numbers if len(numbers) > 1 else set()


def _finite(da: xr.DataArray) -> NDArray[np.floating]:
    values = da.values.ravel()
    return values[np.isfinite(values)]

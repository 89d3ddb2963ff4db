"""Scores of several records, or of several layers, along one new dimension."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xsm.metrics.status import NO_OVERLAP_IN_TIME

# what a part has where it lacks a station or stratum that another one has
ABSENT = {"n_obs": 0, "status": np.int8(NO_OVERLAP_IN_TIME)}


def join_scores(parts: Sequence[xr.Dataset], labels: list[str], dim: str) -> xr.Dataset:
    """Scores of `parts` along a first dimension `dim`; stations and strata are those of any part.

    A coordinate of the stations whose values differ between the parts, such as the depth, is on
    `dim` too.
    """
    order = _label_order(parts)
    parts = [_without_scalars(part, dim) for part in parts]
    joined = xr.concat(
        [part.reset_coords(drop=True) for part in parts],
        dim=pd.Index(labels, name=dim, dtype=object),
        data_vars="all",
        coords="minimal",
        compat="override",
        join="outer",
        combine_attrs="override",
        fill_value={str(n): ABSENT.get(str(n), np.nan) for n in parts[0].variables},
    ).sel(order)
    coords = {
        name: joined_coordinate(parts, str(name), joined, dim)
        for name in dict.fromkeys(n for part in parts for n in part.coords)
        if name not in joined.coords
    }
    joined = joined.assign_coords(coords)
    joined = joined.assign_coords({dim: (dim, labels, {"long_name": dim})})
    return joined.transpose(dim, ...)


def _without_scalars(part: xr.Dataset, dim: str) -> xr.Dataset:
    return part.drop_vars([n for n, c in part.coords.items() if c.ndim == 0 or n == dim])


def joined_coordinate(
    parts: Sequence[xr.Dataset], name: str, joined: xr.Dataset, dim: str
) -> xr.Variable:
    """A coordinate of the parts on the labels of `joined`; along `dim` where the parts differ."""
    present = [part[name] for part in parts if name in part.coords]
    index = {d: joined.indexes[d] for d in present[0].dims if d in joined.indexes}
    empty = "" if present[0].dtype.kind in "OUST" else np.nan
    on_labels = [
        part[name].reset_coords(drop=True).reindex(index, fill_value=empty)
        if name in part.coords
        else None
        for part in parts
    ]
    values = [None if da is None else np.asarray(da.values) for da in on_labels]
    given = [value for value in values if value is not None]
    merged, equal = given[0].copy(), True
    for value in given[1:]:
        lacking = (merged == empty) | (merged != merged)
        other = (value == empty) | (value != value)
        equal &= bool((lacking | other | (merged == value)).all())
        merged = np.where(lacking, value, merged)
    dims, attrs = present[0].dims, present[0].attrs
    if equal:
        return xr.Variable(dims, merged, attrs)
    blank = np.full_like(given[0], empty)
    stacked = np.stack([blank if value is None else value for value in values])
    return xr.Variable((dim, *dims), stacked, attrs)


def _label_order(parts: Sequence[xr.Dataset]) -> dict[str, list[Any]]:
    """Labels of the stations and strata in their own order, which an outer join would sort."""
    labels: dict[str, list[list[Any]]] = {}
    for part in parts:
        for dim, index in part.indexes.items():
            if index.dtype == object or pd.api.types.is_string_dtype(index.dtype):
                labels.setdefault(str(dim), []).append(index.tolist())
    return {
        dim: list(dict.fromkeys(itertools.chain(*sorted(lists, key=len, reverse=True))))
        for dim, lists in labels.items()
    }

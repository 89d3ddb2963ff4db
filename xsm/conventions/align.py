"""The one aligner: arrays brought to the days, rows and columns of another."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.conventions.daily import days_as_labels
from xsm.conventions.grid import coordinate, is_longitude, roll_longitude
from xsm.conventions.valid_values import apply_declared_range
from xsm.errors import GridError, TimeAxisError, VariableNotFoundError

TOLERANCE = 1e-4  # of labels, in their unit


def match_labels(
    da: xr.DataArray, dim: str, like: xr.DataArray, *, same_spacing: bool = False
) -> xr.DataArray | None:
    """`da` at the labels of ``like[dim]``, in their order; None if it lacks some of them.

    Longitudes are compared around the globe, labels that are no numbers, such as names of stations,
    as they are. Without labels on either side, `da` itself. With `same_spacing`, labels picked out
    of a finer grid do not match.
    """
    if (
        dim not in da.indexes
        or dim not in like.indexes
        or da.indexes[dim].equals(like.indexes[dim])
    ):
        return da
    if not numeric_labels(dim, da, like):
        own = da.indexes[dim]
        index = own.get_indexer(like.indexes[dim]) if own.is_unique else np.array([-1])
        return None if (index < 0).any() else da.isel({dim: index})
    want = np.asarray(like.indexes[dim], np.float64)
    if is_longitude(like[dim]):
        da = roll_longitude(da, dim, 0.5 * float(want.min() + want.max()))
    have = np.asarray(da.indexes[dim], np.float64)
    order = np.argsort(have)
    index = order[np.clip(np.searchsorted(have[order], want - TOLERANCE), 0, have.size - 1)]
    if not np.allclose(have[index], want, rtol=0, atol=TOLERANCE):
        return None
    if same_spacing and np.any(np.abs(np.diff(index)) > 1):
        return None
    if np.array_equal(index, np.arange(have.size)):
        return da.assign_coords({dim: like[dim]})
    return da.isel({dim: index}).assign_coords({dim: like[dim]})


def check_unlabelled(da: xr.DataArray, dim: str, like: xr.DataArray, what: str) -> None:
    """Raise a GridError if one of two arrays has no labels, or none has and their sizes differ.

    Parameters
    ----------
    da, like : DataArray
    dim : str
        One of the dimensions of both, along which one of them has no labels.
    what : str
        The name of `da` in the message, such as "predictor 'sand'".
    """
    if dim in da.indexes or dim in like.indexes:
        own, other = repr(da.name) if da.name else "it", repr(like.name)
        lacking, labelled = (own, other) if dim in like.indexes else (other, own)
        raise GridError(
            f"{what}: {lacking} has no coordinate {dim!r} and "
            f"{labelled} has one: rows and columns are not matched by their order. "
            f'Assign it, such as .assign_coords({dim}=other["{dim}"]) if they agree.'
        )
    if da.sizes[dim] != like.sizes[dim]:
        raise GridError(
            f"{what} has {da.sizes[dim]} {dim}, {like.name!r} has "
            f"{like.sizes[dim]}, and coordinates that tell which is which are lacking: "
            "bring them on one grid."
        )


def numeric_labels(dim: str, *arrays: xr.DataArray) -> bool:
    """Whether the labels of all arrays along a dimension are numbers, such as degrees."""
    return all(da.indexes[dim].dtype.kind in "iuf" for da in arrays)


def _range_of(da: xr.DataArray, dim: str) -> str:
    """First and last label and their number, for messages."""
    index = da.indexes[dim]
    first, last = (f"{index[n]:g}" if numeric_labels(dim, da) else str(index[n]) for n in (0, -1))
    return f"{first} ... {last}, {len(index)}"


def coordinate_of_cells(base: xr.DataArray, ds: xr.Dataset, kind: str) -> xr.DataArray | None:
    """Latitude or longitude of `base`: along its dimensions, or of its single cell."""
    scalars = [name for name, coord in base.coords.items() if coord.ndim == 0]
    coord = coordinate(base.expand_dims(scalars), ds, kind)
    if coord is None:
        return None
    return coord.isel({dim: 0 for dim in coord.dims if dim in scalars}).reset_coords(drop=True)


def position_predictor(base: xr.DataArray, ds: xr.Dataset, name: str) -> xr.DataArray:
    """:func:`coordinate_of_cells` as a predictor, degrees."""
    coord = coordinate_of_cells(base, ds, name)
    if coord is None:
        raise VariableNotFoundError(
            f"the model takes {name!r}, but the input has no such coordinate."
        )
    return coord.assign_attrs(units="degree")


def on_days(da: xr.DataArray, base: xr.DataArray, dim: str) -> xr.DataArray:
    """Daily `da` on the days of `base`, whatever their times of day; days it lacks are missing.

    Raises
    ------
    TimeAxisError
        If its days are repeated, or it has no day in common with `base`.
    """
    if dim not in da.dims or da[dim].equals(base[dim]):
        return da
    calendars = {str(getattr(x[dim].dt, "calendar", "")) for x in (da, base)}
    have, want = (days_as_labels(x, dim, standard=len(calendars) > 1) for x in (da, base))
    if np.unique(have).size < have.size:
        raise TimeAxisError(
            f"{da.name} has repeated days: expected one time a day. Average them first, such as "
            f'.resample({dim}="1D").mean(keep_attrs=True).'
        )
    if not np.isin(have, want).any():
        raise TimeAxisError(
            f"{da.name} ({da.indexes[dim][0]} ...) has no day in common with {base.name} "
            f"({base.indexes[dim][0]} ...): expected the same period."
        )
    if not np.array_equal(have, want):
        da = da.assign_coords({dim: have}).reindex({dim: want})
    return da.assign_coords({dim: base[dim]})


def on_cells(
    da: xr.DataArray, base: xr.DataArray, name: str, time: str, regrid: str | None
) -> xr.DataArray:
    """Predictor `name` on the rows and columns of `base`.

    Parameters
    ----------
    da, base : DataArray
    name : str
        Of the predictor, for messages.
    time : str
        Dimension to leave alone.
    regrid : {None, "nearest", "linear"}
        How other rows and columns are interpolated; None refuses them.

    Raises
    ------
    GridError
        If it has other dimensions, or other rows and columns and `regrid` is None.
    """
    if strange := [str(d) for d in da.dims if d not in base.dims]:
        raise GridError(
            f"predictor {name!r} has the dimensions {da.dims}, the others {base.dims}: "
            f"{strange} fits none. Select or rename."
        )
    for dim in map(str, da.dims):
        if dim == time:
            continue
        if dim not in da.indexes or dim not in base.indexes:
            check_unlabelled(da, dim, base, f"predictor {name!r}")
            continue
        matched = match_labels(da, dim, base, same_spacing=True)
        numeric = numeric_labels(dim, da, base)
        if matched is None and (regrid is None or not numeric):
            ask = 'bring them on one grid, or ask for it with regrid="linear" or "nearest".'
            select = f'select those of both, such as .sel({dim}=other["{dim}"]).'
            raise GridError(
                f"predictor {name!r} has other {dim} ({_range_of(da, dim)}) than {base.name!r} "
                f"({_range_of(base, dim)}): {ask if numeric else select}"
            )
        if matched is None:
            if is_longitude(base[dim]):
                want = base.indexes[dim]
                da = roll_longitude(da, dim, 0.5 * float(want.min() + want.max()))
            da = apply_declared_range(da)
            matched = da.interp({dim: base[dim]}, method=regrid)  # type: ignore[arg-type]
        da = matched
    return da

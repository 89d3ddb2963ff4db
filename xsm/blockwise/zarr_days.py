"""A Zarr store that grows by days, whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from xsm.blockwise.writer_lock import only_writer
from xsm.blockwise.zarr_log import dimension_names
from xsm.blockwise.zarr_store import consolidate, finish_writes, open_store
from xsm.conventions.align import match_labels
from xsm.conventions.cf import flag_name
from xsm.conventions.encoding import misread
from xsm.conventions.write_log import LOG
from xsm.errors import InputError

logger = logging.getLogger(__name__)

APPENDING = "xsm_append_log"  # group whose attribute has the days that the store had before


class GrowingStore:
    """A store that holds a filled variable and its flags.

    Parameters
    ----------
    path : str, Path or Zarr store
    name : str
        Of the variable.
    time : str
        Of its dimension.
    """

    def __init__(self, path: Any, name: str, time: str) -> None:
        self.path, self.name, self.time = path, name, time
        self.place, self.store = open_store(path, None)

    @contextmanager
    def open(self) -> Iterator[xr.Dataset]:
        """The Dataset in the store, after an interrupted append is undone; no other may write."""
        if isinstance(self.place, Path) and not self.place.exists():
            raise self._no_store()
        with only_writer(self.place), self._opened() as ds:
            yield ds

    def _no_store(self) -> InputError:
        return InputError(
            f"path={str(self.path)!r} holds no Zarr store: write one first, with "
            "xsm.write_zarr(filled, path)."
        )

    @contextmanager
    def _opened(self) -> Iterator[xr.Dataset]:
        import zarr

        try:
            group = zarr.open_group(self.store, mode="r+", use_consolidated=False)
        except FileNotFoundError as error:
            raise self._no_store() from error
        if APPENDING in group:
            count: Any = group[APPENDING].attrs.get("days")
            if count is not None:  # else the call ended before it appended
                self._shorten(group, int(count))
            del group[APPENDING]
            consolidate(self.store)
        with xr.open_zarr(self.store, consolidated=False) as ds:
            for name in (self.name, flag_name(self.name)):
                if name not in ds:
                    raise InputError(
                        f"path={str(self.path)!r} has no variable {name!r} (it has "
                        f"{sorted(map(str, ds.data_vars))}): expected a record that gapfill filled."
                    )
            if self.time not in ds[self.name].dims:
                raise InputError(
                    f"path={str(self.path)!r}: {self.name} has the dimensions "
                    f"{ds[self.name].dims}, the new days are along {self.time!r}."
                )
            self.stored = ds
            yield ds

    def check_new(self, da: xr.DataArray) -> None:
        """Raise an InputError if new days are not later than those stored, or lack coordinates."""
        stored = self.stored[self.name]
        if lacking := [
            n for n, c in stored.coords.items() if self.time in c.dims and n not in da.coords
        ]:
            raise lacking_days(lacking)
        last, first = stored[self.time].values[-1], da[self.time].values[0]
        try:
            later = first > last
        except TypeError as error:
            calendars = [str(x[self.time].dt.calendar) for x in (stored, da)]
            raise InputError(
                f"the store has dates of the calendar {calendars[0]!r}, the new days of "
                f"{calendars[1]!r}: convert them, such as .convert_calendar({calendars[0]!r})."
            ) from error
        if not later:
            raise InputError(
                f"obj begins at {first}, the store ends at {last}: expected later days. To replace "
                "days, write the whole record anew."
            )

    def on_own_cells(self, da: xr.DataArray) -> xr.DataArray:
        """`da` in the order of the cells of the store.

        Raises
        ------
        InputError
            If it lies on others.
        """
        stored = self.stored[self.name]
        for dim in map(str, da.dims):
            if dim == self.time:
                continue
            size = stored.sizes.get(dim)
            own = match_labels(da, dim, stored) if da.sizes[dim] == size else None
            if own is None:
                raise InputError(
                    f"obj lies on other cells than the store: {dim!r} of {da.name} differs. Bring "
                    "it to the same grid first."
                )
            da = own
        return da

    def write(self, filled: xr.Dataset, redone: int, beside: xr.Dataset) -> None:
        """Replace the last `redone` days by the first of `filled`, and append its others.

        `beside` may hold further variables of the days that are appended.
        """
        with only_writer(self.place):
            try:
                self._append(filled, redone, beside)
            except OSError:  # a full disk, a lost connection
                finish_writes()
                raise

    def _append(self, filled: xr.Dataset, redone: int, beside: xr.Dataset) -> None:
        import zarr

        count = self.stored.sizes[self.time]
        names = [str(n) for n, v in self.stored.data_vars.items() if self.time in v.dims]
        others = [name for name in names if name not in filled]
        if lacking := [name for name in others if name not in beside]:
            raise lacking_days(lacking)
        part = filled[[name for name in names if name not in others]].drop_encoding()
        part = part.drop_vars([n for n, c in part.coords.items() if self.time not in c.dims])
        more = {}
        for n in others:
            stored = self.stored[n]
            days = self.on_own_cells(beside[n]).transpose(*stored.dims).variable.load()
            self._check_readable(n, days)
            more[n] = (stored.dims, days.values.astype(stored.dtype))
        for key, variable in part.variables.items():
            appended = slice(redone if key == self.time else 0, None)
            self._check_readable(str(key), variable.isel({self.time: appended}))
        group = zarr.open_group(self.store, mode="r+", use_consolidated=False)
        axis = self.stored[self.name].dims.index(self.time)
        array: Any = group[self.name]
        if array.shape[axis] != count or APPENDING in group:
            raise InputError(
                f"path={str(self.path)!r}: another call has appended days meanwhile. Append those "
                "that are missing."
            )
        if LOG in group:  # of a write that the store no longer is
            del group[LOG]
        group.require_group(APPENDING).attrs["days"] = count
        late, early = (
            part.isel({self.time: days}) for days in (slice(redone, None), slice(redone))
        )
        if redone:
            early.drop_vars(self.time).to_zarr(
                self.store, region={self.time: slice(count - redone, count)}, consolidated=False
            )
        late = late.assign(more)
        late.to_zarr(self.store, append_dim=self.time, consolidated=False)
        consolidate(self.store)  # first, so that a call that fails here is undone as well
        del group[APPENDING]
        try:
            consolidate(self.store)
        except OSError as error:
            logger.warning(
                "%s: the days are appended, but the consolidated metadata still name the group "
                "%s: %s",
                *(self.path, APPENDING, error),
            )

    def _check_readable(self, name: str, variable: xr.Variable) -> None:
        """Raise an InputError if a value is not read as given where it is stored as the others."""
        stored = self.stored.variables[name]
        if change := misread(variable, stored):
            dtype, units = (stored.encoding.get(key) for key in ("dtype", "units"))
            kind = f"{dtype}" if units is None else f"{dtype}, {units}"
            advice = "write the whole record anew with an encoding that holds them"
            if name == self.time:
                advice = f"give them the time of day of the others, or {advice}"
            raise InputError(
                f"{name} of the new days does not fit the encoding in the store ({kind}): "
                f"{change}. Nothing was appended; {advice}."
            )

    def _shorten(self, group: Any, count: int) -> None:
        """Cut off what an interrupted append left."""
        for _, array in group.arrays():
            dims = dimension_names(array)
            if self.time in dims:
                axis = dims.index(self.time)
                if array.shape[axis] > count:
                    array.resize((*array.shape[:axis], count, *array.shape[axis + 1 :]))


def lacking_days(names: Sequence[Any]) -> InputError:
    """The error that new days lack variables or coordinates of the store."""
    return InputError(
        f"the store has {[str(name) for name in names]} of each day, which the new days lack: drop "
        "them from the store, or append to a store without them."
    )

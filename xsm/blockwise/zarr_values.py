"""Values that a write needs until its end, in its store instead of in memory.

What grows with a record, as its seasonal cycle does, would otherwise be held by the workers while
each of them reads a part of it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.zarr_log import with_dimensions
from xsm.conventions.write_log import LOG

VALUES = "values"  # name of their group, in the log


class StoredValue:
    """An array in a store. It is read whenever it is converted to NumPy."""

    def __init__(self, store: Any, name: str) -> None:
        self.store, self.name = store, name

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        import zarr

        array = zarr.open_array(self.store, path=f"{LOG}/{VALUES}/{self.name}", mode="r")
        return np.asarray(array[...], dtype)


@contextmanager
def values_in_store(store: Any) -> Iterator[Callable[[str, Any], StoredValue] | None]:
    """``save(name, array)``, which returns a :class:`StoredValue`; at the end they are removed.

    None for a store that only this process can write to, or from which nothing can be removed. The
    store has a log.
    """
    if hasattr(store, "commit") or not store.supports_deletes:
        yield None
        return
    _remove(store)  # what an interrupted call left
    try:
        yield partial(_save, store)
    except BaseException:
        with suppress(Exception):  # the store may be what failed
            _remove(store)
        raise
    _remove(store)


def _save(store: Any, name: str, value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value  # of a graph that xsm did not make: it stays in memory
    log = _log(store)
    array = log.create_array(
        f"{VALUES}/{name}",
        shape=value.shape,
        chunks=value.shape,
        dtype=value.dtype,
        fill_value=np.nan,  # a chunk of zeros is written too: some may be negative
        overwrite=True,
        **with_dimensions(log, *(f"{name}_{axis}" for axis in range(value.ndim))),
    )
    array[...] = value
    return StoredValue(store, name)


def _remove(store: Any) -> None:
    del _log(store)[VALUES]


def _log(store: Any) -> Any:
    import zarr

    return zarr.open_group(store, path=LOG, mode="r+", use_consolidated=False)

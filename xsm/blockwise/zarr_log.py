"""What a store holds already: the log of a write, beside the arrays in the same store.

The log is a group of the store. Its attributes describe what is written: call, input, and form. Its
array has a checksum for each region, 0 where it is not written. So it lies wherever the store lies,
and any kind of store replaces its parts as a whole.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.write_log import COMPLETE, CREATED, LOG

CHECKSUMS = "checksums"

Region = Mapping[Any, slice]


class WriteLog:
    """The log of a store.

    Attributes
    ----------
    identity : dict
        What is written, see :func:`identity_of`; empty if there is no log that can be read.
    """

    def __init__(self, store: Any) -> None:
        import zarr

        self.identity: dict[str, Any] = {}
        try:
            self._group = zarr.open_group(store, path=LOG, mode="r+")
            self._attrs: dict[str, Any] = dict(self._group.attrs)
            self.identity = dict(self._attrs["identity"])
            self._checksums: Any = self._group[CHECKSUMS]
        except Exception:  # whatever a store raises for a lost or damaged log
            self._attrs = {}

    @classmethod
    def create(
        cls, store: Any, identity: Mapping[str, Any], count: int, zarr_format: Any
    ) -> WriteLog:
        """A log of `count` regions in a store without one."""
        import zarr

        root = zarr.open_group(store, mode="a", zarr_format=zarr_format)
        group = root.require_group(LOG)
        _new_checksums(group, count)
        group.attrs.update({"identity": dict(identity)})
        return cls(store)

    @property
    def created(self) -> bool:
        """Whether the arrays are in the store, with all that is not written by regions."""
        return bool(self._attrs.get(CREATED))

    @property
    def complete(self) -> bool:
        """Whether all regions were written."""
        return bool(self._attrs.get(COMPLETE))

    def mark(self, state: str) -> None:
        """Note that the store is created, or complete."""
        self._group.attrs.update({state: True})
        self._attrs[state] = True

    def checksums(self) -> NDArray[np.uint64]:
        """Checksum of each region; 0 where it is not written."""
        try:
            return np.asarray(self._checksums[:])
        except Exception:  # damaged: the regions are written once more
            self._checksums = _new_checksums(self._group, *self._checksums.shape)
            return np.zeros(self._checksums.shape, np.uint64)

    def write_checksums(self, regions: Sequence[int], values: Sequence[int]) -> None:
        """Note that regions are written."""
        for region, value in zip(regions, values, strict=True):
            self._checksums[region] = np.uint64(value)


def _new_checksums(group: Any, count: int) -> Any:
    """The array of checksums of a log, without any."""
    return group.create_array(
        CHECKSUMS,
        shape=(count,),
        chunks=(min(count, 4096),),
        dtype="uint64",
        fill_value=0,
        overwrite=True,
        compressors=None,
        **with_dimensions(group, "region"),
    )


def with_dimensions(group: Any, *names: str) -> dict[str, Any]:
    """Arguments that name the dimensions of a new array: without, xarray opens no tree."""
    if group.metadata.zarr_format == 2:
        return {"attributes": {"_ARRAY_DIMENSIONS": list(names)}}
    return {"dimension_names": names}


def checksum(store: Any, names: Iterable[str], region: Region) -> int:
    """Checksum of what a store holds of some arrays in a region; 0 if it cannot be read."""
    import zarr

    group = zarr.open_group(store, mode="r", use_consolidated=False)
    value = 1
    try:
        for name in sorted(names):
            array = group[name]
            dims = dimension_names(array)
            for part in _pieces(array, [region.get(dim, slice(None)) for dim in dims]):
                values = np.ascontiguousarray(array[part])  # type: ignore[index]
                if values.dtype.kind in "OTU":
                    value = zlib.crc32(repr(values.tolist()).encode(), value)
                else:
                    value = zlib.crc32(values.tobytes(), value)
    except Exception:  # codecs and stores have errors of their own for damaged and lost chunks
        return 0
    return value + 1  # never 0


def dimension_names(array: Any) -> list[str]:
    """Names of the dimensions of a Zarr array that xarray wrote."""
    # a scalar has none
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(
        "_ARRAY_DIMENSIONS", ()
    )
    return [str(name) for name in names]


def _pieces(array: Any, region: Sequence[slice]) -> Iterable[tuple[slice, ...]]:
    """A region of an array in pieces of one chunk along the first axis."""
    axes = [part.indices(n)[:2] for part, n in zip(region, array.shape, strict=True)]
    if not axes:
        return [()]
    step = (getattr(array, "shards", None) or array.chunks)[0] or 1
    first = [slice(n, min(n + step, axes[0][1])) for n in range(*axes[0], step)]
    return product(first, *([slice(*axis)] for axis in axes[1:]))


def identity_of(obj: xr.Dataset, dims: Sequence[Hashable], source: str | None) -> dict[str, Any]:
    """What distinguishes one write from another that has the same form.

    The calls of xsm in the history without their times (with model, options and version), the
    dimensions of the regions, and a checksum of the input.
    """
    calls = re.findall(r"(?m)^\S+Z (xsm .*)$", str(obj.attrs.get("history", "")))
    return {"calls": calls, "region_dims": [str(d) for d in dims], "input": source}


def differing_identity(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs between two identities of the same form, in words; "" if nothing."""
    titles = {
        "calls": "the calls that made it",
        "input": "the checksum of the input, whose values have changed,",
        "region_dims": "region_dims",
    }
    for key, title in titles.items():
        if stored.get(key) != wanted.get(key):
            one, other = (json.dumps(identity.get(key)) for identity in (stored, wanted))
            return f"{title} is {one} in the store, {other} in obj"
    return ""


def form_of(store: Any) -> dict[str, Any]:
    """Metadata of a store: of the arrays by name, and its attributes without the history."""
    import zarr

    group = zarr.open_group(store, mode="r", use_consolidated=False)
    attrs = {k: v for k, v in dict(group.attrs).items() if k != "history"}
    arrays = {name: array.metadata.to_dict() for name, array in group.arrays()}
    return {"": {"attributes": attrs}, **arrays}


def differing_form(stored: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """What differs between two forms, in words; "" if nothing."""
    if lone := sorted(set(stored) - set(expected)):
        return f"the store has {', '.join(lone)}, obj has not"
    if lone := sorted(set(expected) - set(stored)):
        return f"obj has {', '.join(lone)}, the store has not"
    for name, wanted in sorted(expected.items()):
        have = stored[name]
        for key in ("shape", "data_type", "dtype", *sorted(set(have) | set(wanted))):
            one, other = (
                json.dumps(m.get(key), default=str, sort_keys=True) for m in (have, wanted)
            )
            if one != other and key == "attributes":
                names = {*have[key], *wanted[key]}
                key = next(n for n in sorted(names) if _text(have[key], n) != _text(wanted[key], n))
                one, other = _text(have["attributes"], key), _text(wanted["attributes"], key)
                key = f"the attribute {key!r}"
            if one != other:
                return f"{key} of {name or 'the Dataset'} is {one} in the store, {other} in obj"
    return ""


def _text(attrs: Mapping[str, Any], name: str) -> str:
    return json.dumps(attrs.get(name), default=str, sort_keys=True)

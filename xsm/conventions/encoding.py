"""How filled values are stored: the encoding of the file, unless it cannot hold them.

A file packed into its own range (``int16`` with a scale and an offset) cannot hold a filled value
beyond that range: the number wraps round when it is written. The decision is made from the range
that values may have, so no values are read.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.valid_values import LIMITS
from xsm.errors import InputError
from xsm.warn_once import warn_once

logger = logging.getLogger(__name__)

COARSEST_STEP = 0.01  # m3 m-3 between neighbouring packed numbers: whole percent, as in LPRM
WIDER = (np.dtype(np.int16), np.dtype(np.int32))
PACKING = ("dtype", "scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned")
REFERENCES = ("grid_mapping", "bounds", "cell_measures", "formula_terms", "climatology")
TIME = ("units", "calendar")
ZARR_CHUNKS = ("chunks", "shards", "preferred_chunks")
FLAG_NUMBERS = ("flag_values", "flag_masks")


class Stored(NamedTuple):
    """How a variable is stored.

    attrs, encoding : of the variable
    change : what differs from the encoding that it came with, for the history; "" if nothing
    """

    attrs: dict[str, Any]
    encoding: dict[str, Any]
    change: str


class _Packing(NamedTuple):
    """Numbers in a file: ``value = number * scale + offset``.

    `dtype` is the type of the numbers, `in_file` that of their bytes: the two differ in sign where
    the attribute ``_Unsigned`` has the bytes read as the other.
    """

    dtype: np.dtype[Any]
    in_file: np.dtype[Any]
    scale: float
    offset: float

    def pack(self, value: float) -> float:
        number = (value - self.offset) / self.scale
        return float(np.rint(number)) if self.dtype.kind in "iu" else number

    def unpack(self, number: float) -> float:
        return number * self.scale + self.offset


def storage_of(
    name: str,
    attrs: Mapping[str, Any],
    encoding: Mapping[str, Any],
    *,
    dtype: Any,
    value_range: tuple[float, float],
    to_m3m3_factor: float,
    chunks: Sequence[Sequence[int]] | None = None,
) -> Stored:
    """Attributes and encoding with which every value of a range can be written and read again.

    A packing that holds the range stays. Otherwise it becomes the next wider integer with the same
    scale and offset, if values are then read in the precision they have now, so that observed
    values are read bit for bit; else the values are stored unpacked. So are values whose packing is
    coarser than one percent of volume. A ``_FillValue`` that a value may have is replaced, a
    ``missing_value`` that differs from it is removed, and so is ``actual_range``. Limits of valid
    values are widened to the range, in the numbers that the file will hold. One warning for each
    variable and change tells of it.

    Parameters
    ----------
    name : str
        Of the variable, for the warning.
    attrs, encoding : mapping
        As the variable came; not changed.
    dtype : dtype
        Of the values in memory.
    value_range : (low, high)
        Of the values that may be written, in the unit of the variable.
    to_m3m3_factor : float
        m3 m-3 per unit of the variable.
    chunks : sequence, optional
        Those of a Dask array, for each dimension: Zarr chunks that do not divide them are left out.

    References
    ----------
    CF conventions 1.11, sections 2.5.1 (missing data, valid range) and 8.1 (packed data).
    """
    dtype = np.dtype(dtype)
    new = dict(encoding)
    old = _packing(new, dtype)
    packed, change = old, ""
    if old.dtype.kind in "iu":
        step = abs(old.scale) * to_m3m3_factor
        wider = [other for other in WIDER if other.itemsize > old.dtype.itemsize]
        numbers = sorted(map(old.pack, value_range))
        for candidate in [old.dtype, *wider] if step <= 1.001 * COARSEST_STEP else []:
            trial = _with_dtype(new, old, candidate, numbers)
            if trial is not None and (candidate == old.dtype or _decoded_dtype(trial) == dtype):
                packed, new = _packing(trial, dtype), trial
                break
        else:
            packed = _Packing(dtype, dtype, 1.0, 0.0)
            new = {k: v for k, v in new.items() if k not in PACKING}
        if packed.dtype != old.dtype:
            new.pop("filters", None)  # of Zarr: they are made for numbers of one type
            change = f"{name} is stored as {packed.dtype} instead of {old.dtype}"
            _report(name, change, old, value_range)
    else:
        new = _with_free_fill_value(new, old, value_range)
    new = _with_one_missing_value(new)
    if any(map(_packs, _items(new.get("filters")))):
        del new["filters"]
        change = f"{name} is stored without the packing filter of its Zarr store"
        _report(name, change, old, value_range)
    if chunks is not None and not _divides(new.get("chunks"), chunks):
        new = {k: v for k, v in new.items() if k not in ZARR_CHUNKS}
    return Stored(_with_limits(attrs, old, packed, dtype, value_range), new, change)


def without_layout(ds: xr.Dataset) -> xr.Dataset:
    """`ds` with the encodings that give numbers their meaning, without chunks and compression."""
    wanted = {*PACKING, *REFERENCES, *TIME}
    out = ds.drop_encoding()
    for key, variable in ds.variables.items():
        out[key].encoding = {k: v for k, v in variable.encoding.items() if k in wanted}
    return out


def misread(values: xr.Variable, stored: xr.Variable) -> str:
    """How values are read again that are appended to a stored variable, in words; "" if as given.

    They are stored as the others are, whose packing may not hold them: a number beyond the range of
    its type wraps round, and dates need units in which they are whole numbers.

    Parameters
    ----------
    values : Variable
        To be appended.
    stored : Variable
        As it was opened, with its encoding.
    """
    given = values.values
    if given.dtype.kind not in "biufMmO" or stored.dtype.kind not in "biufMmO":
        read = given.astype(stored.dtype)
    else:
        encoding = {k: v for k, v in stored.encoding.items() if k in {*PACKING, *TIME}}
        own = xr.Variable(values.dims, given, encoding=encoding)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of units that are not those of the store
                numbers = xr.conventions.encode_cf_variable(own)
                raw = numbers.values.astype(encoding.get("dtype", numbers.dtype))
                attrs = numbers.attrs | {k: v for k, v in encoding.items() if k != "dtype"}
                read = xr.decode_cf(xr.Dataset({"v": (values.dims, raw, attrs)}))["v"].values
        except (ValueError, TypeError, OverflowError) as error:
            return f"they cannot be stored ({error})"
    missing = pd.isnull(given) & pd.isnull(read)
    same = missing | (given == read)
    if given.dtype.kind == "f" and read.dtype.kind == "f":
        step = abs(_packing(stored.encoding, stored.dtype).scale)
        packed = np.dtype(stored.encoding.get("dtype", stored.dtype)).kind in "iu"
        with np.errstate(invalid="ignore"):
            rounding = 4 * np.finfo(read.dtype).eps * np.abs(given) + (
                0.501 * step if packed else 0
            )
            same = same | (np.abs(given - read) <= rounding)
    wrong = np.flatnonzero(~same.ravel())
    if not wrong.size:
        return ""
    one, other = given.ravel()[wrong[0]], read.ravel()[wrong[0]]
    return f"{one} would be read as {other}"


def is_packed(dtype: np.dtype[Any], encoding: Mapping[str, Any]) -> bool:
    """Whether values of a floating-point type are stored as integers."""
    return dtype.kind == "f" and _packing(encoding, dtype).dtype.kind in "iu"


def check_packed(values: NDArray[Any], name: str, encoding: Mapping[str, Any]) -> NDArray[Any]:
    """The values, if the integers that store them can hold them.

    xarray lets a number beyond the range of its type wrap round, and writes a missing value without
    a ``_FillValue`` as some number.

    Raises
    ------
    InputError
        If a value is beyond the range, would be read as missing, or is missing without a
        ``_FillValue``.
    """
    packing = _packing(encoding, values.dtype)
    fills = _fill_numbers(encoding)
    observed = ~np.isnan(values)
    text = f"{name} cannot be stored as {packing.dtype} of its encoding (scale_factor "
    text += f"{packing.scale:g}, add_offset {packing.offset:g}): "
    advice = " Nothing of this region was written. Give an encoding that holds all values."
    if not fills and not observed.all():
        raise InputError(f"{text}it has missing values, and there is no _FillValue.{advice}")
    given = values[observed]
    numbers = np.rint((given.astype(np.float64) - packing.offset) / packing.scale)
    limits = np.iinfo(packing.dtype)
    beyond = (numbers < limits.min) | (numbers > limits.max) | np.isin(numbers, fills)
    if beyond.any():
        one = given[np.flatnonzero(beyond)[0]]
        raise InputError(f"{text}{one:g} would be read as another value.{advice}")
    return values


def _packing(encoding: Mapping[str, Any], dtype: np.dtype[Any]) -> _Packing:
    in_file = stored = np.dtype(encoding.get("dtype") or dtype)
    unsigned = str(encoding.get("_Unsigned", "")).lower()
    if (stored.kind, unsigned) in (("i", "true"), ("u", "false")):
        stored = np.dtype(f"{'u' if stored.kind == 'i' else 'i'}{stored.itemsize}")
    scale, offset = encoding.get("scale_factor"), encoding.get("add_offset")
    return _Packing(
        stored,
        in_file,
        1.0 if scale is None else float(np.ravel(scale)[0]),
        0.0 if offset is None else float(np.ravel(offset)[0]),
    )


def _with_dtype(
    encoding: Mapping[str, Any],
    packing: _Packing,
    dtype: np.dtype[Any],
    numbers: Sequence[float],
) -> dict[str, Any] | None:
    """`encoding` in an integer type that holds `numbers` and one more for missing values, or None.

    `numbers` are the lowest and the highest one.
    """
    limits = np.iinfo(dtype)
    if numbers[0] < limits.min or numbers[-1] > limits.max:
        return None
    given = _fill_numbers(encoding)
    if "_Unsigned" in encoding:
        given = [int(np.array(n).astype(packing.dtype)) for n in given]
    free = [
        n
        for n in [*given, limits.min, limits.max]
        if limits.min <= n <= limits.max and not numbers[0] <= n <= numbers[-1]
    ]
    if not free:
        return None
    if dtype == packing.dtype and free[0] in given[:1]:
        return dict(encoding)
    out = {k: v for k, v in encoding.items() if k not in ("_Unsigned", "missing_value")}
    return out | {"dtype": dtype, "_FillValue": dtype.type(free[0])}


def _fill_numbers(encoding: Mapping[str, Any]) -> list[int]:
    """Numbers that mark missing values, the one that is written first."""
    given = [encoding.get(key) for key in ("_FillValue", "missing_value")]
    numbers = [n for value in given if value is not None for n in np.ravel(value).tolist()]
    return [int(n) for n in numbers if np.isfinite(n)]


def _with_free_fill_value(
    encoding: dict[str, Any], packing: _Packing, value_range: tuple[float, float]
) -> dict[str, Any]:
    """`encoding` of floating-point numbers whose fill value is none that a value may have."""
    low, high = sorted(map(packing.pack, value_range))
    taken = [key for key in ("_FillValue", "missing_value") if _in(encoding.get(key), low, high)]
    if not taken:
        return encoding
    others = {k: v for k, v in encoding.items() if k not in ("_FillValue", "missing_value")}
    return others | {"_FillValue": packing.dtype.type(np.nan)}


def _in(values: Any, low: float, high: float) -> bool:
    return values is not None and any(low <= v <= high for v in np.ravel(values).tolist())


def _with_one_missing_value(encoding: dict[str, Any]) -> dict[str, Any]:
    """`encoding` without a ``missing_value`` that xarray would refuse beside ``_FillValue``."""
    fill, missing = encoding.get("_FillValue"), encoding.get("missing_value")
    if missing is None or (np.ndim(missing) == 0 and fill is None):
        return encoding
    fill = np.ravel(missing)[0] if fill is None else fill
    if np.ndim(missing) == 0 and np.array_equal(fill, missing, equal_nan=True):
        return encoding
    return {k: v for k, v in encoding.items() if k != "missing_value"} | {"_FillValue": fill}


def _decoded_dtype(encoding: Mapping[str, Any]) -> np.dtype[Any]:
    """Type in which xarray reads values of this encoding."""
    shown = {k: v for k, v in encoding.items() if k in PACKING and k != "dtype"}
    numbers = xr.Variable("x", np.zeros(1, encoding["dtype"]), shown)
    return np.dtype(xr.decode_cf(xr.Dataset({"v": numbers}))["v"].dtype)


def _packs(codec: Any) -> bool:
    """Whether a Zarr filter packs numbers into others."""
    names = (getattr(codec, key, "") for key in ("codec_id", "codec_name"))
    return any("fixedscaleoffset" in str(name) for name in names)


def _items(filters: Any) -> Iterable[Any]:
    return filters if isinstance(filters, list | tuple) else ()


def _divides(chunks: Any, sizes: Sequence[Sequence[int]]) -> bool:
    """Whether no Zarr chunk would be written by two Dask chunks."""
    if not isinstance(chunks, list | tuple) or len(chunks) != len(sizes):
        return chunks is None
    return all(n % c == 0 for c, axis in zip(chunks, sizes, strict=True) for n in axis[:-1])


def _with_limits(
    attrs: Mapping[str, Any],
    old: _Packing,
    new: _Packing,
    dtype: np.dtype[Any],
    value_range: tuple[float, float],
) -> dict[str, Any]:
    """`attrs` with limits that include the range, in numbers of the new packing."""
    out = {k: v for k, v in attrs.items() if k != "actual_range"}
    low, high = (float(dtype.type(limit)) for limit in value_range)
    for key in LIMITS:
        given = np.ravel(np.asarray(out.get(key, ()), dtype=object)).tolist()
        if old.in_file != old.dtype and np.asarray(out.get(key, "")).dtype == old.in_file:
            given = out[key].astype(old.dtype).ravel().tolist()
        try:
            numbers = [float(v) for v in given]
        except (TypeError, ValueError):
            continue
        if len(numbers) != (2 if key == "valid_range" else 1):
            continue
        kind = np.asarray(out[key]).dtype.kind
        are_packed = kind in "iu" or old.dtype.kind not in "iu"
        values = [old.unpack(n) for n in numbers] if are_packed else numbers
        wanted = {"valid_range": (low, high), "valid_min": (low,), "valid_max": (high,)}[key]
        sides = {"valid_range": (min, max), "valid_min": (min,), "valid_max": (max,)}[key]
        if old.scale < 0 and are_packed and key == "valid_range":
            values.reverse()
        widened = [side(v, w) for side, v, w in zip(sides, values, wanted, strict=True)]
        if widened == values and new == old:
            continue
        if are_packed:
            limits = np.array(sorted(map(new.pack, widened))).astype(new.dtype)
            limits = limits.astype(new.in_file)
        else:
            limits = np.array(widened).astype(dtype)
        out[key] = limits if key == "valid_range" else limits[0]
    if new != old:
        for key in FLAG_NUMBERS:
            if key in out and new.dtype.kind in "iu":
                out[key] = np.asarray(out[key]).astype(new.dtype)
        if new.dtype.kind not in "iu":
            out = {k: v for k, v in out.items() if k not in (*FLAG_NUMBERS, "flag_meanings")}
    return out


def _report(name: str, change: str, old: _Packing, value_range: tuple[float, float]) -> None:
    warn_once(
        logger,
        (name, change),
        "%s: its encoding (%s, scale_factor %g, add_offset %g) cannot hold all values from %g to "
        "%g that a filled value may have.",
        *(change, old.dtype, old.scale, old.offset, *value_range),
    )

"""Attributes that say how numbers are packed, where files spell or store them otherwise than CF."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.errors import InputError

PACKING = ("scale_factor", "add_offset", "_FillValue", "missing_value")
_NUMBERS = (*PACKING, "valid_min", "valid_max", "valid_range")
# Names in small letters without "_" and blanks -> the name in CF. The scale and the offset are
# those of integers only: floating-point numbers are seldom packed, and the word may mean another.
_SPELLINGS = {
    "scalefactor": "scale_factor",
    "addoffset": "add_offset",
    "fillvalue": "_FillValue",
    "missingvalue": "missing_value",
    "validmin": "valid_min",
    "validmax": "valid_max",
    "validrange": "valid_range",
    "unit": "units",
    "units": "units",
}
_SEPARATORS = re.compile(r"[\s,;\[\]()]+")


def in_cf_attributes(ds: xr.Dataset) -> xr.Dataset:
    """`ds` with the attributes of packing named as in CF and as numbers; values are not touched.

    Raises
    ------
    InputError
        If a scale or an offset is text that is no number.
    """
    ds = ds.copy()
    for name, variable in ds.variables.items():
        variable.attrs = _cf_attributes(variable.attrs, variable.dtype, str(name))
    return ds


def repaired(ds: xr.Dataset) -> xr.Dataset:
    """An open `ds` with the packing decoded that xarray did not know by its spelling."""
    fixed = in_cf_attributes(ds)
    names = [
        name
        for name, variable in ds.variables.items()
        if any(k in fixed[name].attrs and k not in variable.attrs for k in PACKING)
    ]
    if not names:
        return fixed
    decoded = xr.decode_cf(
        fixed[names].drop_vars([n for n in fixed[names].variables if n not in names]),
        decode_times=False,
        decode_coords=False,
        decode_timedelta=False,
    )
    return fixed.assign({name: decoded[name].variable for name in names})


def _cf_attributes(attrs: dict[Any, Any], dtype: np.dtype[Any], name: str) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    for key, value in attrs.items():
        plain = re.sub(r"[\s_]", "", str(key)).lower()
        standard = _SPELLINGS.get(plain, key)
        if standard in attrs or standard in out:  # the name of CF counts
            standard = key
        if standard in PACKING[:2] and standard != key and dtype.kind not in "iu":
            standard = key
        number = _number(value, str(standard), dtype, name) if standard in _NUMBERS else value
        if number is not None:
            out[standard] = number
    return out


def _number(value: Any, key: str, dtype: np.dtype[Any], name: str) -> Any:
    """The number or numbers that a text holds; None where an attribute without them is ignored."""
    texts = value if isinstance(value, str | bytes) else None
    if (
        texts is None
        and isinstance(value, list | np.ndarray)
        and np.asarray(value).dtype.kind in "SUO"
    ):
        texts = " ".join(map(_text, np.ravel(np.asarray(value, object))))
    if texts is None:
        return value
    words = [word for word in _SEPARATORS.split(_text(texts).strip()) if word]
    try:
        numbers = np.array([float(word.rstrip("fFsSbBLl")) for word in words])
    except ValueError:
        numbers = np.empty(0)
    if numbers.size == (2 if key == "valid_range" else 1):
        own = numbers.astype(dtype) if dtype.kind in "iuf" and key in PACKING[2:] else numbers
        numbers = own if np.array_equal(own, numbers, equal_nan=True) else numbers
        return numbers if key == "valid_range" else numbers[0]
    if key in PACKING[:2]:
        raise InputError(
            f"{name} has {key}={value!r}: expected a number. Open the file with xarray and "
            f"mask_and_scale=False, correct the attribute, then use xr.decode_cf(ds)."
        )
    return None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

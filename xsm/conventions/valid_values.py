"""Which values of a variable count: its declared range, its flag codes, what soil can hold."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import UnitError
from xsm.warn_once import warn_once

PLAUSIBLE = (-0.5, 1.5)  # m3 m-3; beyond, the unit is wrong or a fill value was not decoded

NO_DATA = -99.0  # undecoded fill values, such as -9999, lie at or below
LEAST_MAXIMUM = 0.1  # m3 m-3, of a range declared as valid
USUAL = (0.1, 0.4)  # m3 m-3; a range that leaves out one of these may be in another unit
MOST = 0.5  # of the measurements are outside a range of soil moisture that is in another unit
SAMPLED_VALUES = 2**24  # that tell whether it is
LIMITS = ("valid_range", "valid_min", "valid_max")  # attributes
DECLARED = (*LIMITS, "flag_values", "flag_meanings")

FILL_CODES = 16  # different values outside a range that may be codes of missing values
OTHER_UNIT = 0.9  # of the different values are outside a range that is in another unit
MIN_REPORTED = 0.01  # of the values, if those outside vary as measurements do
NOT_USED, AS_MISSING = "the range is not used", "they count as missing"

logger = logging.getLogger(__name__)


class DeclaredValues(NamedTuple):
    """What the attributes of a variable say of its values, in its own unit after decoding.

    low, high : the range of valid values, None where nothing is declared
    codes : values that are flags
    """

    low: float | None
    high: float | None
    codes: tuple[float, ...]

    @property
    def any(self) -> bool:
        """Whether anything is declared."""
        return self.low is not None or self.high is not None or bool(self.codes)


def declared_values(da: xr.DataArray) -> DeclaredValues:
    """The attributes ``valid_range``, ``valid_min``, ``valid_max`` and ``flag_values`` of `da`.

    Whole numbers are in the packed numbers of the file, CF section 8.1, and are decoded here;
    fractions are in decoded ones. What cannot be read as numbers is not declared.
    """
    limits = _numbers(da, "valid_range")
    if len(limits) != 2:
        limits = [*(_numbers(da, "valid_min") or [None]), *(_numbers(da, "valid_max") or [None])]
    low, high = limits if len(limits) == 2 else (None, None)
    if low is not None and high is not None and low > high:
        low, high = (high, low) if float(da.encoding.get("scale_factor", 1)) < 0 else (None, None)
    return DeclaredValues(low, high, tuple(_numbers(da, "flag_values")))


def _numbers(da: xr.DataArray, key: str) -> list[Any]:
    """An attribute as decoded numbers; empty if it is not there or holds no numbers."""
    attribute = da.attrs.get(key)
    if attribute is None or isinstance(attribute, str | bytes):
        return []
    try:
        numbers = np.ravel(np.asarray(attribute))
        values = numbers.astype(np.float64)
    except (TypeError, ValueError):
        return []
    if not np.isfinite(values).all():
        return []
    if numbers.dtype.kind in "iu":
        values = _as_stored(values, da.encoding)
        scale, offset = da.encoding.get("scale_factor", 1), da.encoding.get("add_offset", 0)
        values = values * float(scale) + float(offset)
    return [float(v) for v in values]


def _as_stored(numbers: NDArray[np.float64], encoding: Mapping[Any, Any]) -> NDArray[np.float64]:
    """Packed numbers in the sign of the stored type: attributes are in that of its bytes.

    ``_Unsigned`` has the bytes of a type read as the type of the other sign, NUG appendix A.
    """
    dtype, unsigned = encoding.get("dtype"), str(encoding.get("_Unsigned", "")).lower()
    if dtype is None or np.dtype(dtype).kind not in "iu" or unsigned not in ("true", "false"):
        return numbers
    bits = 8 * np.dtype(dtype).itemsize
    if unsigned == "true":
        return np.where(numbers < 0, numbers + 2.0**bits, numbers)
    return np.where(numbers >= 2.0 ** (bits - 1), numbers - 2.0**bits, numbers)


def usable_range(declared: DeclaredValues, factor: float, name: str) -> DeclaredValues:
    """`declared` without a range that no soil moisture fits: it is of another unit than the values.

    `factor` is m3 m-3 per unit. Warns of a range that is not used.
    """
    low, high = _in_m3m3(declared, factor)
    if high >= LEAST_MAXIMUM and low < 1.0:
        return declared
    _report("that no soil moisture fits", NOT_USED, declared, name)
    return declared._replace(low=None, high=None)


def is_usual_range(declared: DeclaredValues, factor: float) -> bool:
    """Whether a range has dry and wet soils in it, as one in the unit of the values has.

    `factor` is m3 m-3 per unit.
    """
    low, high = _in_m3m3(declared, factor)
    return low <= USUAL[0] and high >= USUAL[1]


def _in_m3m3(declared: DeclaredValues, factor: float) -> tuple[float, float]:
    low = -np.inf if declared.low is None else declared.low * factor
    return low, np.inf if declared.high is None else declared.high * factor


def soil_moisture_range(da: xr.DataArray, factor: float, name: str) -> DeclaredValues:
    """What the attributes of soil moisture declare, without a range in another unit.

    Values are looked at only if dry or wet soils are outside the range. It is not used, with a
    warning, if most measurements are outside, as after a conversion that left the attribute.

    Parameters
    ----------
    da : DataArray
        Decoded soil moisture.
    factor : float
        m3 m-3 per unit.
    name : str
        Of the variable, for messages.

    Raises
    ------
    UnitError
        If values have to be looked at and are on Dask.
    """
    declared = usable_range(declared_values(da), factor, name)
    if is_usual_range(declared, factor):
        return declared
    low, high = _in_m3m3(declared, factor)
    if da.chunks is not None:
        raise UnitError(
            f"{name} declares a valid range of {low:.3g} to {high:.3g} m3 m-3 ({_limits(declared)} "
            "in its own unit), which leaves out usual soil moisture, and on Dask its values cannot "
            "be looked at. If the range is in another unit than the values, delete the attributes: "
            f'del ds["{name}"].attrs["valid_range"] (or {", ".join(LIMITS[1:])}). If it is right, '
            f'apply it before: ds["{name}"] = ds["{name}"].where((ds["{name}"] >= minimum) & '
            f'(ds["{name}"] <= maximum)).'
        )
    steps = max(SAMPLED_VALUES * da.shape[0] // max(da.size, 1), 1) if da.ndim else 1
    first = {} if not da.ndim else {da.dims[0]: slice(None, None, -(-da.shape[0] // steps))}
    values = da.isel(first).to_numpy()
    with np.errstate(invalid="ignore"):
        plausible = (values >= 0) & (values * factor <= 1.0)  # others may be codes
    values = values[plausible]
    outside = declared_invalid(values, declared._replace(codes=()))
    different = np.unique(values[outside])
    if not _are_measurements(different, outside):
        return declared
    share = float(outside.mean())
    of_other_unit = share > MOST
    if of_other_unit or share > MIN_REPORTED:
        what = NOT_USED if of_other_unit else AS_MISSING
        _report(_left_out(different, share), what, declared, name)
    return declared._replace(low=None, high=None) if of_other_unit else declared


def _are_measurements(different: NDArray[Any], outside: NDArray[np.bool_]) -> bool:
    """Whether the different values outside a range are more than the codes of missing values."""
    return different.size > min(FILL_CODES, max(2, int(outside.sum()) // 2))


def physical_range(declared: DeclaredValues, factor: float) -> tuple[float, float]:
    """Range of filled values in the unit of a variable: 0 to 1 m3 m-3, or the declared one in it.

    `factor` is m3 m-3 per unit.
    """
    low, high = 0.0, 1.0 / factor
    own_low = low if declared.low is None else max(low, declared.low)
    own_high = high if declared.high is None else min(high, declared.high)
    return (own_low, own_high) if own_low < own_high else (low, high)


def valid_values(data: Any, declared: DeclaredValues, factor: float, name: str) -> Any:
    """`data` with NaN where a value is declared invalid; checks that the others are soil moisture.

    Parameters
    ----------
    data : NumPy or Dask array
        In the unit of the variable. A Dask array is checked block by block, when it is computed.
    declared : DeclaredValues
    factor : float
        m3 m-3 per unit.
    name : str
        Of the variable, for messages.

    Returns
    -------
    array
        `data` itself where nothing has to be changed; of a floating dtype if values were declared.

    Raises
    ------
    UnitError
        If a value that counts is further from 0..1 m3 m-3 than noise can be.
    """
    if hasattr(data, "map_blocks"):
        dtype = data.dtype if data.dtype.kind == "f" or not declared.any else np.dtype(np.float32)
        meta = np.empty((0,) * data.ndim, dtype)
        return data.map_blocks(_checked, declared, factor, name, dtype=dtype, meta=meta)
    return _checked(np.asarray(data), declared, factor, name)


def _checked(
    values: NDArray[Any], declared: DeclaredValues, factor: float, name: str
) -> NDArray[Any]:
    if declared.any:
        values = values if values.dtype.kind == "f" else values.astype(np.float32)
        invalid = declared_invalid(values, declared)
        if invalid.any():
            values = np.where(invalid, values.dtype.type(np.nan), values)
    check_plausible(values, factor, name)
    return values


def declared_invalid(values: NDArray[Any], declared: DeclaredValues) -> NDArray[np.bool_]:
    """Where values are outside the declared range or are flag codes."""
    # decoding rounds: a limit is met within a few units of the last place of float32
    invalid = np.zeros(values.shape, bool)
    for limit, sign in ((declared.low, -1.0), (declared.high, 1.0)):
        if limit is not None:
            with np.errstate(invalid="ignore"):
                invalid |= sign * values > sign * limit + 1e-6 * max(abs(limit), 1e-3)
    for code in declared.codes:
        invalid |= np.isclose(values, code, rtol=1e-6, atol=0)
    return invalid


def check_plausible(values: NDArray[Any], factor: float, name: str) -> None:
    """Raise a UnitError if finite values are far outside 0..1 m3 m-3; `factor` is m3 m-3 per unit.

    An undecoded fill value (-9999), or percent taken for a fraction, are what this finds.
    """
    if values.size == 0:
        return
    low, high = (limit / factor for limit in PLAUSIBLE)
    with np.errstate(invalid="ignore"):
        smallest, largest = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if np.isinf(smallest) or np.isinf(largest):  # infinite values count as missing
        finite = values[np.isfinite(values)]
        smallest, largest = (finite.min(), finite.max()) if finite.size else (low, low)
    if not (smallest < low or largest > high):
        return
    beyond = values[np.isfinite(values) & ((values < low) | (values > high))]
    common, counts = np.unique(beyond, return_counts=True)
    worst = common[counts.argmax()]
    smallest, largest = float(smallest), float(largest)
    raise UnitError(
        f"{name} goes from {smallest:g} to {largest:g} in its own unit, which would be "
        f"{smallest * factor:g} to {largest * factor:g} m3 m-3: expected 0 to 1. "
        f"{beyond.size} of {values.size} values are beyond, such as {worst:g}. Either its units "
        "attribute is wrong (percent taken for a fraction?), or a fill value was not decoded: set "
        f'the attribute, or mask it: ds["{name}"].where(ds["{name}"] != {worst:g}).'
    )


def declared_range(da: xr.DataArray) -> DeclaredValues:
    """The range that the attributes of `da` declare as valid, without the codes of flags."""
    return declared_values(da)._replace(codes=())


def within_range(values: NDArray[Any], declared: DeclaredValues, name: str) -> NDArray[Any]:
    """`values` with NaN outside a declared range, for variables other than soil moisture.

    Parameters
    ----------
    values : ndarray
        In the unit of the variable.
    declared : DeclaredValues
        From :func:`declared_range`.
    name : str
        Of the variable, for messages.

    Returns
    -------
    ndarray
        `values` itself if none is outside; of a floating dtype that holds them otherwise. With a
        warning `values` as they are, if nine tenths of the different ones are outside and these are
        more than the codes of missing values: the range is in another unit, as after a conversion
        that left the attribute as it was.
    """
    if not declared.any:
        return values
    with np.errstate(invalid="ignore"):
        outside = declared_invalid(values, declared) & np.isfinite(values)
    if not outside.any():
        return values
    different = np.unique(values[outside])
    if _are_measurements(different, outside):
        number_valid = np.unique(values[np.isfinite(values) & ~outside]).size
        of_other_unit = different.size > OTHER_UNIT * (different.size + number_valid)
        share = float(outside.mean())
        if of_other_unit or share > MIN_REPORTED:
            what = NOT_USED if of_other_unit else AS_MISSING
            _report(_left_out(different, share), what, declared, name)
        if of_other_unit:
            return values
    dtype = np.result_type(values.dtype, np.float32)
    return np.where(outside, dtype.type(np.nan), values.astype(dtype, copy=False))


def _left_out(different: NDArray[Any], share: float) -> str:
    return (
        f"that leaves out values from {different[0]:g} to {different[-1]:g}, "
        f"{100 * share:.3g} % of those read"
    )


def _limits(declared: DeclaredValues) -> str:
    low, high = (
        "none" if limit is None else f"{limit:g}" for limit in (declared.low, declared.high)
    )
    return f"minimum {low}, maximum {high}"


def _report(why: str, what: str, declared: DeclaredValues, name: str) -> None:
    """Warn once of a range that may be in another unit."""
    warn_once(
        logger,
        (name, declared, what),
        "%s declares a valid range (%s) %s: %s. If the range is in another unit than the values (a "
        "conversion, packed numbers), delete the attributes %s, such as "
        'del ds["%s"].attrs["valid_range"].',
        *(name, _limits(declared), why, what, ", ".join(LIMITS), name),
    )


def apply_declared_range(da: xr.DataArray) -> xr.DataArray:
    """`da` with NaN outside its declared range and without the attributes that declare it.

    For what averages or interpolates: the attributes of its result would no longer be in its
    numbers. Lazy for Dask arrays; `da` itself if nothing is declared.
    """
    declared, name = declared_range(da), str(da.name)
    if not declared.any:
        return da
    if da.chunks is None:
        out = da.copy(data=within_range(da.to_numpy(), declared, name))
    else:
        dtype = np.result_type(da.dtype, np.float32)
        meta = np.empty((0,) * da.ndim, dtype)
        out = da.copy(data=da.data.map_blocks(_as_floating, declared, name, dtype=dtype, meta=meta))
    out.attrs = {key: value for key, value in da.attrs.items() if key not in LIMITS}
    return out


def _as_floating(values: NDArray[Any], declared: DeclaredValues, name: str) -> NDArray[Any]:
    dtype = np.result_type(values.dtype, np.float32)
    return within_range(values, declared, name).astype(dtype, copy=False)

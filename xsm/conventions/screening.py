"""Quality screening: retrievals that the guide of their product advises against become missing.

What each rule removed is recorded in a variable ``<var>_screening`` of CF bit flags beside the
soil moisture, lazily for Dask arrays, and counted in attributes for data in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.cf import call_text, fill_flag, history_line, with_attrs
from xsm.conventions.groups import over_groups, soil_moisture_groups
from xsm.conventions.products import PRODUCTS, Product, product_row, recognise
from xsm.conventions.quality_rules import QualityRule
from xsm.conventions.units import conversion
from xsm.conventions.valid_values import NO_DATA
from xsm.conventions.variables import check_decoded, is_file_backed, units_of, without_pint
from xsm.errors import InputError, VariableNotFoundError

logger = logging.getLogger(__name__)

RECOMMENDED = "recommended"
CHUNKED_BYTES = 8 * 2**20  # a larger variable of a file is screened in chunks, where Dask is there


def screen(
    ds: xr.Dataset | xr.DataTree,
    product: str | Product | None = None,
    quality: str | Sequence[str] | None = RECOMMENDED,
    var: str | None = None,
) -> Any:
    """Set retrievals of low quality to missing, by the flags that their product comes with.

    Parameters
    ----------
    ds : Dataset or DataTree
        Soil moisture with the flags of its product; decoded, any dimensions. Not changed. Of a
        DataTree each group with soil moisture is screened.
    product : str, optional
        Key of ``xsm.products()``. Default: recognised by variables and global attributes.
    quality : {"recommended", None} or sequence of str
        ``"recommended"``: the rules of the product's guide, as far as their variables are there.
        A sequence: these rules only. None: no screening.
    var : str, optional
        The soil moisture. Default: every variable of the product, such as each band of LPRM.

    Returns
    -------
    Dataset
        Soil moisture ``<var>`` with removed values missing, and ``<var>_screening``: a bit flag
        (``flag_masks``, ``flag_meanings``) for the rules that removed a value, 0 where none did.
        Attributes of ``<var>``: ``screening_product``; ``screening_rules``; for data in memory
        ``screening_removed``, how many values each rule removed; ``screening_not_applied``, rules
        whose variables are not in `ds`. A value may meet several rules. Dask arrays stay lazy:
        count with :func:`xsm.screening_counts`. To undo it, open the files with ``quality=None``.

    Raises
    ------
    VariableNotFoundError
        If `var`, or the variable of a rule asked for by name, is not in `ds`.
    InputError
        If `ds` is no Dataset, the product is not recognised, has no such rule, or the variable is
        filled already.
    UnitError
        If the unit of a flag cannot be converted to that of the rule.

    Notes
    -----
    ``xsm.quality_rules(product)`` lists the rules with their conditions and sources. A value whose
    flag is missing is not removed. Screening twice by the same rules changes nothing.
    """
    if isinstance(ds, xr.DataTree):
        groups = soil_moisture_groups(ds, var)
        return over_groups(screen, ds, groups, product=product, quality=quality, var=var)
    _check_object(ds)
    row = product_row(product) if product is not None else recognise(ds, var)
    if var is not None and var not in ds.data_vars:
        raise VariableNotFoundError(
            f"var={var!r} is no data variable; expected one of {list(map(str, ds.data_vars))}."
        )
    if quality is None:
        if screened := [name for name in map(str, ds.data_vars) if f"{name}_screening" in ds]:
            raise InputError(
                f"quality=None, but {screened} are screened already, and the removed values are "
                "gone: open the files again with quality=None."
            )
        return ds
    if row is None:
        raise InputError(
            f"the product was not recognised by variables ({list(map(str, ds.data_vars))}) or "
            f"global attributes: give product=, one of "
            f"{[row.key for row in PRODUCTS]}."
        )
    names = [var] if var is not None else [name for name in row.names if name in ds.data_vars]
    if not names:
        raise VariableNotFoundError(
            f"product={row.key!r} has the variables {list(row.names)}, none of which is in the "
            f"Dataset {list(map(str, ds.data_vars))}: name the soil moisture with var=."
        )
    rules = _rules(row, quality)
    if not rules:
        logger.info("%s has no recommended quality rules: nothing is screened", row.title)
        return ds
    for name in names:
        ds = _screen_variable(ds, name, row, rules, explicit=quality != RECOMMENDED)
    return ds


def screening_counts(ds: xr.Dataset, var: str) -> dict[str, int]:
    """How many values of `var` each rule removed; computes if `ds` is a Dask Dataset.

    Parameters
    ----------
    ds : Dataset
        Of :func:`screen`, or any selection of it.
    var : str

    Raises
    ------
    VariableNotFoundError
        If `var` is not screened.
    """
    companion = f"{var}_screening"
    if companion not in ds:
        raise VariableNotFoundError(
            f"{var!r} is not screened, there is no variable {companion!r}: screen it first, "
            "xsm.screen(ds)."
        )
    flag = ds[companion]
    return _counts(np.asarray(flag.data.compute() if _lazy(flag) else flag.values), _meanings(flag))


def applicable_rules(ds: xr.Dataset, var: str, row: Product) -> list[str]:
    """Names of the recommended rules of a product whose variables are in `ds`."""
    return [
        rule.name
        for rule in row.recommended
        if any(flag in ds.variables for flag in rule.flag_names(var, row.stem))
    ]


def _check_object(ds: Any) -> None:
    if isinstance(ds, xr.Dataset):
        return
    if isinstance(ds, xr.DataArray):
        raise InputError(
            f"obj is the DataArray {ds.name!r}: screening needs the flags beside it. Pass the "
            "Dataset that it is from."
        )
    raise InputError(f"obj is a {type(ds).__name__}: expected an xarray Dataset.")


def _rules(row: Product, quality: str | Sequence[str]) -> tuple[QualityRule, ...]:
    """The rules that `quality` asks for."""
    if isinstance(quality, str) and quality == RECOMMENDED:
        return row.recommended
    by_name = {rule.name: rule for rule in row.rules}
    names = isinstance(quality, Sequence) and not isinstance(quality, str)
    unknown = [name for name in quality if name not in by_name] if names else [quality]
    if unknown:
        raise InputError(
            f"quality={quality!r}: {row.title} has the rules {list(by_name)}; expected a list of "
            f"them, {RECOMMENDED!r} or None."
        )
    return tuple(by_name[name] for name in dict.fromkeys(quality))


def _screen_variable(
    ds: xr.Dataset, name: str, row: Product, rules: Sequence[QualityRule], explicit: bool
) -> xr.Dataset:
    da = _chunked(ds[name])
    check_decoded(da)
    if (flagged := fill_flag(ds, name)) is not None:
        raise InputError(
            f"{name} is filled already ({flagged}): screen it before gapfill, which fills what "
            "screening removed."
        )
    flags, lacking = _flags_of_rules(ds, name, row, rules)
    if lacking and explicit:
        raise VariableNotFoundError(
            f"quality: the variables of {lacking} are not in the Dataset "
            f"{list(map(str, ds.data_vars))}: open them too, or leave these rules out."
        )
    if lacking:
        logger.info("%s: not screened by %s, which the Dataset lacks", name, "; ".join(lacking))
    companion = f"{name}_screening"
    earlier = ds.get(companion)
    meanings = list(dict.fromkeys([*_meanings(earlier), *(rule.name for rule, _ in flags)]))
    attrs: dict[str, Any] = {"screening_product": row.key}
    if meanings:
        attrs["screening_rules"] = " ".join(meanings)
    if lacking:
        attrs["screening_not_applied"] = "; ".join(lacking)
    if not flags:
        return ds.assign({name: _screened_copy(da, attrs)})

    plain, quantity = without_pint(da)
    bits = _removed_by(flags, meanings, plain, earlier)
    screened = plain.where(bits == 0)
    if quantity is not None:
        screened = screened.copy(data=type(quantity)(screened.data, quantity.units))
    if not _lazy(bits):
        counts = _counts(bits.values, meanings)
        attrs["screening_removed"] = ", ".join(f"{key} {n}" for key, n in counts.items())
    screened = _screened_copy(screened, dict(da.attrs) | attrs, da.encoding)
    ancillary = str(da.attrs.get("ancillary_variables", "")).split()
    ancillary += [] if companion in ancillary else [companion]
    screened.attrs["ancillary_variables"] = " ".join(ancillary)
    bits.attrs = {
        "long_name": f"quality rules of {row.title} that removed a value of {name}",
        "standard_name": "quality_flag",
        "flag_masks": np.array([2**i for i in range(len(meanings))], bits.dtype),
        "flag_meanings": " ".join(meanings),
        "comment": "0: not removed, or missing before",
    }
    bits.encoding = {}
    out = ds.assign({name: screened.variable, companion: bits.variable})
    if meanings != _meanings(earlier):
        call = call_text("screen", name, {"product": row.key, "quality": meanings})
        out.attrs["history"] = history_line(call, ds.attrs.get("history"))
    return out


def _flags_of_rules(
    ds: xr.Dataset, name: str, row: Product, rules: Sequence[QualityRule]
) -> tuple[list[tuple[QualityRule, xr.DataArray]], list[str]]:
    """Rules with the variables that they read, and in words the rules whose variable is lacking."""
    flags: list[tuple[QualityRule, xr.DataArray]] = []
    lacking = []
    for rule in rules:
        candidates = rule.flag_names(name, row.stem)
        present = [flag for flag in candidates if flag in ds.variables]
        if present:
            flags.append((rule, _chunked(ds[present[0]])))
        else:
            lacking.append(f"{rule.name} ({' or '.join(candidates)} {rule.condition})")
    return flags, lacking


def _removed_by(
    flags: Sequence[tuple[QualityRule, xr.DataArray]],
    meanings: Sequence[str],
    da: xr.DataArray,
    earlier: xr.DataArray | None,
) -> xr.DataArray:
    """Bits, in the order of `meanings`, of the rules that remove a value of `da`."""
    observed = da.notnull() & (da > NO_DATA)
    dtype = np.min_scalar_type(2 ** len(meanings) - 1)
    if earlier is None:
        bits = xr.zeros_like(observed, dtype=dtype)
    else:  # missing on days that were inserted since
        bits = earlier.fillna(0).astype(dtype)
    for rule, flag in flags:
        removed = observed & _meets(rule, flag)
        if set(removed.dims) != set(da.dims):
            raise InputError(
                f"quality: {flag.name} has the dimensions {flag.dims}, {da.name} "
                f"{da.dims}: select along the others."
            )
        removed = removed.transpose(*da.dims)
        bits = bits | removed.astype(dtype) * dtype.type(2 ** meanings.index(rule.name))
    return bits


def _meets(rule: QualityRule, flag: xr.DataArray) -> xr.DataArray:
    """Where `flag` meets the condition of a rule; nowhere where it is missing."""
    flag = without_pint(flag)[0]
    if flag.dtype.kind not in "biuf":
        raise InputError(f"{flag.name} has dtype {flag.dtype}: expected a numeric flag.")
    present = flag.notnull() & ~flag.isin(rule.missing)
    for key in ("_FillValue", "missing_value"):
        if key in flag.attrs:  # a flag that was opened without decoding
            present = present & (flag != flag.attrs[key])
    if rule.bits is not None:
        return present & ((flag.where(present, 0).astype(np.int64) & rule.bits) != 0)
    if rule.values is not None:
        return present & flag.isin(rule.values)
    if rule.not_values is not None:
        return present & ~flag.isin(rule.not_values)
    units = units_of(flag)
    factor, offset = 1.0, 0.0
    if units is not None and rule.units is not None:
        factor, offset = conversion(units, rule.units, str(flag.name))
    if rule.above is not None:
        return present & (flag > (rule.above - offset) / factor)
    below = np.nan if rule.below is None else rule.below
    return present & (flag < (below - offset) / factor)


def _chunked(da: xr.DataArray) -> xr.DataArray:
    """A large array that is still in a file, in chunks: screening would read it at once."""
    if not is_file_backed(da) or da.nbytes <= CHUNKED_BYTES or find_spec("dask") is None:
        return da
    return da.chunk("auto")


def _screened_copy(
    da: xr.DataArray, attrs: dict[str, Any], encoding: dict[Any, Any] | None = None
) -> xr.DataArray:
    """A copy with these attributes too, and an encoding that can hold missing values."""
    out = with_attrs(da, **dict(da.attrs) | attrs)
    out.encoding = dict(da.encoding if encoding is None else encoding)
    packed = np.dtype(out.encoding.get("dtype", np.float32)).kind in "iu"
    if packed and not {"_FillValue", "missing_value"} & set(out.encoding):
        for key in ("dtype", "scale_factor", "add_offset"):
            out.encoding.pop(key, None)
    return out


def _lazy(da: xr.DataArray) -> bool:
    return da.chunks is not None


def _meanings(flag: xr.DataArray | None) -> list[str]:
    return [] if flag is None else str(flag.attrs.get("flag_meanings", "")).split()


def _counts(bits: Any, meanings: Sequence[str]) -> dict[str, int]:
    if bits.dtype.kind == "f":  # cells or days were inserted or masked since
        bits = np.nan_to_num(bits).astype(np.int64)
    return {name: int(np.count_nonzero(bits & 2**i)) for i, name in enumerate(meanings)}

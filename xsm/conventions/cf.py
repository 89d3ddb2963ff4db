"""What goes out: attributes, flags, uncertainty, history and encoding of results, after CF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from xsm._version import __version__
from xsm.conventions.products import product_of
from xsm.conventions.units import to_m3m3_factor
from xsm.conventions.variables import (
    SAMPLES_SUFFIX,
    UNITS,
    UNNAMED,
    SoilMoistureVariable,
    units_of,
)
from xsm.errors import InputError

CONVENTIONS = "CF-1.11"
STANDARD_NAME = "volume_fraction_of_condensed_water_in_soil"

OBSERVED, BY_NETWORK, BY_CLIMATOLOGY, NOT_FILLED, NOT_LAND, NEVER_OBSERVED = range(6)
BY_INTERPOLATION, DEPARTURE_BY_NETWORK, DEPARTURE_BY_INTERPOLATION = 6, 7, 8
BY_BACKGROUND = 9
FILLED = (
    BY_NETWORK,
    BY_CLIMATOLOGY,
    BY_INTERPOLATION,
    DEPARTURE_BY_NETWORK,
    DEPARTURE_BY_INTERPOLATION,
    BY_BACKGROUND,
)
FILL_FLAGS = (
    "observed",
    "filled_by_network",
    "filled_by_climatology",
    "not_filled",
    "not_land",
    "never_observed",
    "filled_by_interpolation",
    "departure_from_background_filled_by_network",
    "departure_from_background_filled_by_interpolation",
    "filled_by_background",
)

FILL_MODEL = "gapfill_model"  # attribute of a filled variable
SAMPLE = "sample"  # dimension of the samples of a fill

ESTIMATED, MISSING_INPUT, FROZEN, NO_INPUT, NOT_SOIL, REGIONAL = range(6)
ESTIMATE_FLAGS = (
    "estimated",
    "estimated_with_missing_input",
    "frozen",
    "no_input",
    "permanent_snow_ice_or_water",
    "estimated_by_regional_part",
)


def filled_dataset(
    obj: xr.Dataset | xr.DataArray,
    variable: SoilMoistureVariable,
    arrays: tuple[Any, Any | None, Any],
    *,
    identity: str,
    call: str,
    coverage_factors: Mapping[str, float],
    hidden_rmse: str | None = None,
    background: str | None = None,
    samples: tuple[Any, Mapping[str, Any]] | None = None,
) -> xr.Dataset:
    """The Dataset that ``gapfill`` returns: the input's, with the filled variable and its flags.

    Parameters
    ----------
    obj : Dataset or DataArray
        The input; it is not changed.
    variable : SoilMoistureVariable
    arrays : (filled, uncertainty or None, flag)
        In the dimensions of the variable.
    identity : str
        Name and fingerprint of the model.
    call : str
        The call, for the history.
    coverage_factors : mapping of str to float
        Level in percent -> number of standard deviations on each side that hold it.
    hidden_rmse : str, optional
        Errors at hidden values, in words.
    background : str, optional
        The background of the fill, in words.
    samples : (array, attributes), optional
        Samples of the filled variable, with the dimension ``sample`` before those of the variable.
    """
    from xsm.conventions.encoding import storage_of

    da = variable.da
    name = str(da.name or UNNAMED)
    filled, uncertainty, flag = arrays
    companions = _companions(name, uncertainty is not None)
    check_unfilled(obj, name)
    ds = obj.copy(deep=False) if isinstance(obj, xr.Dataset) else da.coords.to_dataset()
    stored = storage_of(
        name,
        variable.usable_attrs,
        da.encoding,
        dtype=filled.dtype,
        value_range=variable.valid_range,
        to_m3m3_factor=variable.to_m3m3_factor,
        chunks=getattr(filled, "chunks", None),
    )
    values = xr.Variable(da.dims, _with_pint(filled, variable), stored.attrs, stored.encoding)
    ancillary = [n for n in str(da.attrs.get("ancillary_variables", "")).split() if n in ds]
    ancillary += [c for c in companions if c not in ancillary]
    values.attrs["ancillary_variables"] = " ".join(ancillary)
    values.attrs[FILL_MODEL] = identity
    if hidden_rmse is not None:
        values.attrs["gapfill_hidden_rmse"] = hidden_rmse
    if background is not None:
        values.attrs["gapfill_background"] = background

    outputs, changes = {name: values}, [stored.change]
    if uncertainty is not None:
        std, change = _fill_uncertainty(ds, name, uncertainty, flag, variable)
        std.attrs |= {f"coverage_factor_{k}": float(v) for k, v in coverage_factors.items()}
        outputs[companions[0]] = std
        changes.append(change)
    outputs[companions[-1]] = xr.Variable(
        da.dims, flag, flag_attrs(f"origin of {da.attrs.get('long_name', name)}", FILL_FLAGS)
    )
    if samples is not None:
        outputs[samples_name(name)] = _samples_variable(samples, variable, identity)
    _share_grid_mapping(da, [v for key, v in outputs.items() if key != name], ds)
    ds = ds.assign(outputs)
    if samples is not None:
        numbers = np.arange(samples[0].shape[0])
        ds = ds.assign_coords({SAMPLE: (SAMPLE, numbers, {"standard_name": "realization"})})
    ds.attrs.setdefault("Conventions", CONVENTIONS)
    notes = "; ".join([f"{call}, network {identity}", *filter(None, changes)])
    ds.attrs["history"] = history_line(notes, ds.attrs.get("history"))
    if unlimited := ds.encoding.get("unlimited_dims"):  # xarray refuses those that are gone
        ds.encoding = ds.encoding | {"unlimited_dims": {d for d in unlimited if d in ds.dims}}
    return without_fill_values_of_axes(ds)


def estimate_dataset(
    obj: xr.Dataset,
    mean: xr.DataArray,
    std: xr.DataArray | None,
    flag: xr.DataArray,
    *,
    grid: xr.DataArray | None = None,
    target: Mapping[str, Any],
    identity: str,
    call: str,
) -> xr.Dataset:
    """The Dataset that ``estimate`` returns: estimate, uncertainty and flag.

    Parameters
    ----------
    obj : Dataset
        The input, for its history and grid mapping.
    mean, std, flag : DataArray
        m3 m-3; `std` may be None. Their own attributes are not used.
    grid : DataArray, optional
        The predictor whose cells the estimate has; its ``grid_mapping`` is that of the results.
    target : mapping
        Of the model's card: ``name``, ``depth_top`` and ``depth_bottom`` (m).
    identity, call : str
        As in :func:`filled_dataset`.
    """
    name = str(target.get("name", "soil_moisture"))
    top, bottom = float(target["depth_top"]), float(target["depth_bottom"])
    layer = f"{top * 100:g}-{bottom * 100:g} cm"
    companions = _companions(name, std is not None)
    out = {
        name: with_attrs(
            mean,
            coverage_content_type="modelResult",
            standard_name=STANDARD_NAME,
            long_name=f"estimated soil moisture, {layer}",
            units=UNITS,
            valid_range=np.array([0.0, 1.0], np.float32),
            ancillary_variables=" ".join(companions),
            estimate_model=identity,
        )
    }
    if std is not None:
        out[companions[0]] = with_attrs(
            std,
            standard_name=f"{STANDARD_NAME} standard_error",
            long_name=f"uncertainty of estimated soil moisture, {layer}",
            units=UNITS,
            comment="one standard deviation",
        )
    out[companions[-1]] = with_attrs(
        flag, **flag_attrs("why there is an estimate, or none", ESTIMATE_FLAGS)
    )
    ds = xr.Dataset(out).assign_coords(depth=_depth(top, bottom))
    if grid is not None:
        mapping = _share_grid_mapping(grid, [ds[name].variable for name in out], obj, ds)
        ds = ds.assign({n: obj[n].variable for n in mapping if n not in ds.variables})
    ds.attrs["title"] = f"estimated soil moisture, {layer}"
    ds.attrs["Conventions"] = CONVENTIONS
    ds.attrs["history"] = history_line(f"{call}, network {identity}", obj.attrs.get("history"))
    return without_fill_values_of_axes(ds)


def without_fill_values_of_axes(ds: xr.Dataset) -> xr.Dataset:
    """`ds` whose axes are written without the ``_FillValue`` that xarray adds and CF forbids."""
    out = ds.copy(deep=False)  # its encodings are its own
    for name in out.dims:
        if name in out.coords:
            out[name].encoding = {"_FillValue": None} | out[name].encoding
    return out


def _share_grid_mapping(
    source: xr.DataArray, variables: Iterable[xr.Variable], *datasets: xr.Dataset
) -> list[str]:
    """Give `variables` the grid mapping of `source`, and return the variables that hold it.

    xarray has ``grid_mapping`` among the attributes, or among the encoding if the file was opened
    with ``decode_coords="all"``. Nothing is done if no dataset has the variable that it names.
    """
    for group in ("attrs", "encoding"):
        text = str(getattr(source, group).get("grid_mapping", ""))
        # "crs", or in the extended form "crs: y x other: lat lon"
        names = [w[:-1] for w in text.split() if w.endswith(":")] or text.split()
        if names and all(any(n in ds.variables for ds in datasets) for n in names):
            for variable in variables:
                getattr(variable, group)["grid_mapping"] = text
            return names
    return []


def with_attrs(da: xr.DataArray, **attrs: Any) -> xr.DataArray:
    """`da` with these attributes instead of its own, whatever ``keep_attrs`` left it.

    A result has neither the valid range nor the standard name of what it was made from.
    """
    out = da.copy(deep=False)
    out.attrs = attrs
    return out


def flag_attrs(long_name: str, meanings: Sequence[str]) -> dict[str, Any]:
    """CF attributes of a flag whose values are 0, 1, ... in the order of `meanings`."""
    return {
        "long_name": long_name,
        "standard_name": "status_flag",
        "flag_values": np.arange(len(meanings), dtype=np.int8),
        "flag_meanings": " ".join(meanings),
    }


def meanings_of_codes(attrs: Mapping[Any, Any]) -> dict[Any, str]:
    """Code -> meaning of a flag, by its attributes; empty without as many meanings as codes.

    Examples
    --------
    >>> meanings_of_codes({"flag_values": [1, 2], "flag_meanings": "arid tropical"})
    {1: 'arid', 2: 'tropical'}
    """
    meanings = str(attrs.get("flag_meanings", "")).split()
    codes = np.ravel(np.asarray(attrs.get("flag_values", ()))).tolist()
    return dict(zip(codes, meanings, strict=True)) if len(meanings) == len(codes) else {}


def history_line(call: str, earlier: Any = None) -> str:
    """The attribute ``history`` after a call: time, version and call, above what was there."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now} xsm {__version__} {call}"
    return f"{line}\n{earlier}" if earlier else line


def estimate_name(scores: xr.Dataset | xr.DataArray) -> str:
    """Name of the record that was scored; of one of several products its label; empty if unknown.

    Examples
    --------
    >>> scores = xr.Dataset(coords={"product": ["a", "b"]}, attrs={"estimate_name": "a, b"})
    >>> estimate_name(scores), estimate_name(scores.sel(product="b"))
    ('a, b', 'b')
    """
    if "product" in scores.coords and scores["product"].ndim == 0:
        return str(scores["product"].item())
    return str(scores.attrs.get("estimate_name", ""))


def call_text(function: str, first: str, options: Mapping[str, Any]) -> str:
    """A call as text; options that are None or True, the defaults, are left out."""
    shown = "".join(f", {k}={v!r}" for k, v in options.items() if v not in (None, True))
    return f"{function}({first}{shown})"


def flag_name(name: str) -> str:
    """Name of the flag that says where the values of a variable are from."""
    return f"{name}_flag"


def fill_flag(ds: xr.Dataset | None, name: str) -> str | None:
    """Name of the flag of the fill that the variable `name` is the result or the samples of."""
    for filled in dict.fromkeys((name, name.removesuffix(SAMPLES_SUFFIX))):
        flag = None if ds is None else ds.get(flag_name(filled))
        meanings = "" if flag is None else str(flag.attrs.get("flag_meanings", ""))
        if FILL_FLAGS[1] in meanings.split():
            return flag_name(filled)
    return None


def is_filled(ds: xr.Dataset | None, name: str) -> bool:
    """Whether the variable `name` is the result of ``gapfill``, or its samples, by the flag."""
    return fill_flag(ds, name) is not None


def check_unfilled(obj: xr.Dataset | xr.DataArray, name: str) -> None:
    """Raise an InputError if `obj` has a variable of the name of the flag of a fill."""
    if not isinstance(obj, xr.Dataset):
        return
    flag = fill_flag(obj, name)
    if flag is not None:
        raise InputError(
            f"{name} is filled already: the Dataset has a variable {flag!r}, which gapfill writes. "
            "To fill it anew, keep its observed values alone: "
            f'ds.assign({{"{name}": ds["{name}"].where(ds["{flag}"] == 0)}}).drop_vars("{flag}").'
        )
    if flag_name(name) in obj.variables:
        raise InputError(
            f"the Dataset already has a variable {flag_name(name)!r}, which gapfill writes. Drop "
            f'or rename it first: ds.drop_vars("{flag_name(name)}").'
        )


def _companions(name: str, uncertainty: bool) -> list[str]:
    flag = flag_name(name)
    return [f"{name}_uncertainty", flag] if uncertainty else [flag]


def _with_pint(array: Any, variable: SoilMoistureVariable) -> Any:
    """`array` with the pint unit that the variable came with, if it did."""
    if variable.quantity is None:
        return array
    return type(variable.quantity)(array, variable.quantity.units)


def _fill_uncertainty(
    ds: xr.Dataset, name: str, uncertainty: Any, flag: Any, variable: SoilMoistureVariable
) -> tuple[xr.Variable, str]:
    """Uncertainty of filled values, elsewhere that of the product; and how its storage changed."""
    da, product_uncertainty = variable.da, f"{name}_uncertainty"
    if product_uncertainty not in ds:
        attrs = {"long_name": f"uncertainty of filled {da.attrs.get('long_name', name)}"}
        attrs["comment"] = "one standard deviation; missing where the value was observed"
        if "standard_name" in da.attrs:
            attrs["standard_name"] = f"{da.attrs['standard_name']} standard_error"
        if variable.quantity is None:
            attrs["units"] = units_of(da) or _product_units(name)
        return xr.Variable(da.dims, _with_pint(uncertainty, variable), attrs), ""
    from xsm.conventions.encoding import storage_of

    given = ds[product_uncertainty]
    if set(given.dims) != set(da.dims) or given.dtype.kind != "f":
        raise InputError(
            f"the Dataset has a variable {product_uncertainty!r} with dimensions {given.dims}, "
            "which gapfill would overwrite: rename it, or ask for uncertainty=False."
        )
    given = given.transpose(*da.dims)
    quantity = given.data if hasattr(given.data, "magnitude") else None
    data = given.data if quantity is None else quantity.magnitude
    units = units_of(given) if quantity is None else str(quantity.units)
    factor = to_m3m3_factor(units, product_uncertainty, product=product_of(name))
    ratio = variable.to_m3m3_factor / factor
    filled_std = (uncertainty if ratio == 1.0 else uncertainty * ratio).astype(data.dtype)
    both = np.where(np.isin(flag, FILLED), filled_std, data)
    stored = storage_of(
        product_uncertainty,
        given.attrs,
        given.encoding,
        dtype=data.dtype,
        value_range=(0.0, 1.0 / factor),
        to_m3m3_factor=factor,
        chunks=getattr(both, "chunks", None),
    )
    both = both if quantity is None else type(quantity)(both, quantity.units)
    comment = {"comment": "where the value was filled: one standard deviation of it"}
    return xr.Variable(da.dims, both, stored.attrs | comment, stored.encoding), stored.change


def samples_name(name: str) -> str:
    """Name of the samples of a variable."""
    return f"{name}{SAMPLES_SUFFIX}"


def _samples_variable(
    samples: tuple[Any, Mapping[str, Any]], variable: SoilMoistureVariable, identity: str
) -> xr.Variable:
    da, (array, attrs) = variable.da, samples
    name = str(da.name or UNNAMED)
    described = {"long_name": f"samples of filled {da.attrs.get('long_name', name)}"}
    if "standard_name" in da.attrs:
        described["standard_name"] = da.attrs["standard_name"]
    if variable.quantity is None:
        described["units"] = units_of(da) or _product_units(name)
    described |= {FILL_MODEL: identity, **attrs}
    return xr.Variable((SAMPLE, *da.dims), _with_pint(array, variable), described)


def _product_units(name: str) -> str:
    product = product_of(name)
    return str(product.units) if product is not None else ""


def _depth(top: float, bottom: float) -> xr.DataArray:
    attrs = {
        "standard_name": "depth",
        "units": "m",
        "positive": "down",
        "long_name": "middle of the soil layer",
        "comment": f"layer from {top:g} to {bottom:g} m",
    }
    return xr.DataArray(0.5 * (top + bottom), attrs=attrs)

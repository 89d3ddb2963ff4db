"""What goes out: attributes, flags, uncertainty, history and encoding of results, after CF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from xsm._version import __version__
from xsm.conventions.products import product_of
from xsm.conventions.units import to_m3m3_factor
from xsm.conventions.variables import UNITS, UNNAMED, SoilMoistureVariable, units_of
from xsm.errors import InputError

CONVENTIONS = "CF-1.11"
STANDARD_NAME = "volume_fraction_of_condensed_water_in_soil"

OBSERVED, BY_NETWORK, BY_CLIMATOLOGY, NOT_FILLED, NOT_LAND = range(5)
FILL_FLAGS = (
    "observed",
    "filled_by_network",
    "filled_by_climatology",
    "not_filled",
    "not_land",
)

ESTIMATED, MISSING_INPUT, FROZEN, NO_INPUT, NOT_SOIL = range(5)
ESTIMATE_FLAGS = (
    "estimated",
    "estimated_with_missing_input",
    "frozen",
    "no_input",
    "permanent_snow_ice_or_water",
)


def filled_dataset(
    obj: xr.Dataset | xr.DataArray,
    variable: SoilMoistureVariable,
    arrays: tuple[Any, Any | None, Any],
    *,
    identity: str,
    call: str,
    coverage_factors: Mapping[str, float],
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
    """
    da = variable.da
    name = str(da.name or UNNAMED)
    filled, uncertainty, flag = arrays
    companions = _companions(name, uncertainty is not None)
    values = xr.Variable(da.dims, _with_pint(filled, variable), dict(da.attrs), dict(da.encoding))
    ancillary = str(da.attrs.get("ancillary_variables", "")).split()
    ancillary += [c for c in companions if c not in ancillary]
    values.attrs["ancillary_variables"] = " ".join(ancillary)
    values.attrs["gapfill_model"] = identity

    ds = obj.copy(deep=False) if isinstance(obj, xr.Dataset) else da.coords.to_dataset()
    if isinstance(obj, xr.Dataset) and companions[-1] in ds:
        raise InputError(
            f"the Dataset already has a variable {companions[-1]!r}, which gapfill writes: it "
            f'looks filled. Drop or rename it first: ds.drop_vars("{companions[-1]}").'
        )
    outputs = {name: values}
    if uncertainty is not None:
        std = _fill_uncertainty(ds, name, uncertainty, flag, variable)
        std.attrs |= {f"coverage_factor_{k}": float(v) for k, v in coverage_factors.items()}
        outputs[companions[0]] = std
    outputs[companions[-1]] = xr.Variable(
        da.dims, flag, flag_attrs(f"origin of {da.attrs.get('long_name', name)}", FILL_FLAGS)
    )
    ds = ds.assign(outputs)
    ds.attrs["history"] = history_line(f"{call}, network {identity}", ds.attrs.get("history"))
    return ds


def estimate_dataset(
    obj: xr.Dataset,
    mean: xr.DataArray,
    std: xr.DataArray | None,
    flag: xr.DataArray,
    *,
    target: Mapping[str, Any],
    identity: str,
    call: str,
) -> xr.Dataset:
    """The Dataset that ``estimate`` returns: estimate, uncertainty and flag.

    Parameters
    ----------
    obj : Dataset
        The input, for its history.
    mean, std, flag : DataArray
        m3 m-3; `std` may be None.
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
        name: mean.assign_attrs(
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
        out[companions[0]] = std.assign_attrs(
            standard_name=f"{STANDARD_NAME} standard_error",
            long_name=f"uncertainty of estimated soil moisture, {layer}",
            units=UNITS,
            comment="one standard deviation",
        )
    out[companions[-1]] = flag.assign_attrs(
        flag_attrs("why there is an estimate, or none", ESTIMATE_FLAGS)
    )
    ds = xr.Dataset(out).assign_coords(depth=_depth(top, bottom))
    ds.attrs["Conventions"] = CONVENTIONS
    ds.attrs["history"] = history_line(f"{call}, network {identity}", obj.attrs.get("history"))
    return ds


def flag_attrs(long_name: str, meanings: Sequence[str]) -> dict[str, Any]:
    """CF attributes of a flag whose values are 0, 1, ... in the order of `meanings`."""
    return {
        "long_name": long_name,
        "standard_name": "status_flag",
        "flag_values": np.arange(len(meanings), dtype=np.int8),
        "flag_meanings": " ".join(meanings),
    }


def history_line(call: str, earlier: Any = None) -> str:
    """The attribute ``history`` after a call: time, version and call, above what was there."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now} xsm {__version__} {call}"
    return f"{line}\n{earlier}" if earlier else line


def call_text(function: str, first: str, options: Mapping[str, Any]) -> str:
    """A call as text; options that are None or True, the defaults, are left out."""
    shown = "".join(f", {k}={v!r}" for k, v in options.items() if v not in (None, True))
    return f"{function}({first}{shown})"


def _companions(name: str, uncertainty: bool) -> list[str]:
    return [f"{name}_uncertainty", f"{name}_flag"] if uncertainty else [f"{name}_flag"]


def _with_pint(array: Any, variable: SoilMoistureVariable) -> Any:
    """`array` with the pint unit that the variable came with, if it did."""
    if variable.quantity is None:
        return array
    return type(variable.quantity)(array, variable.quantity.units)


def _fill_uncertainty(
    ds: xr.Dataset, name: str, uncertainty: Any, flag: Any, variable: SoilMoistureVariable
) -> xr.Variable:
    """Uncertainty of filled values; elsewhere that of the product, where it has one."""
    da, product_uncertainty = variable.da, f"{name}_uncertainty"
    if product_uncertainty not in ds:
        attrs = {"long_name": f"uncertainty of filled {da.attrs.get('long_name', name)}"}
        attrs["comment"] = "one standard deviation; missing where the value was observed"
        if "standard_name" in da.attrs:
            attrs["standard_name"] = f"{da.attrs['standard_name']} standard_error"
        if variable.quantity is None:
            attrs["units"] = units_of(da) or _product_units(name)
        return xr.Variable(da.dims, _with_pint(uncertainty, variable), attrs)
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
    ratio = variable.to_m3m3_factor / to_m3m3_factor(
        units, product_uncertainty, product=product_of(name)
    )
    filled_std = (uncertainty if ratio == 1.0 else uncertainty * ratio).astype(data.dtype)
    both = np.where((flag == BY_NETWORK) | (flag == BY_CLIMATOLOGY), filled_std, data)
    both = both if quantity is None else type(quantity)(both, quantity.units)
    comment = {"comment": "where the value was filled: one standard deviation of it"}
    return xr.Variable(da.dims, both, dict(given.attrs) | comment, dict(given.encoding))


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

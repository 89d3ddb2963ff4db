"""What a filled record consists of: values, uncertainty, flags, and the words that go with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from xsm.blockwise.tiling import Job
from xsm.conventions.products import product_of
from xsm.conventions.units import worth_of
from xsm.conventions.variables import UNNAMED, Found
from xsm.errors import InputError

OBSERVED, BY_NETWORK, BY_CLIMATOLOGY, NOT_FILLED, NOT_LAND = range(5)
FLAG_MEANINGS = (
    "observed",
    "filled_by_network",
    "filled_by_climatology",
    "not_filled",
    "not_land",
)


def merged(
    raw: Any,
    estimate: Any,
    land: Any,
    long: Any,
    job: Job,
) -> tuple[Any, Any, Any]:
    """Filled values, uncertainty and flags from what was observed and what the network says.

    Parameters
    ----------
    raw : array, shape (N, H, W)
        As it came. NumPy or Dask, like the others.
    estimate : array, shape (2, N, H, W)
        Mean and standard deviation, m3 m-3, NaN where there is none.
    land : array of bool, shape (H, W)
    long : array of bool, shape (N, H, W), or None
        Inside a gap that is too long to fill.
    """
    seen = np.isfinite(raw)
    usable = np.isfinite(estimate[0]) & land
    usable = usable & ~seen if job.keep_observed else usable
    usable = usable if long is None else usable & ~long
    mean, spread = _in_own_unit(estimate, job)
    nan = job.dtype.type(np.nan)
    # an infinite value is no observation
    filled = np.where(usable, mean, np.where(seen, raw.astype(job.dtype), nan))
    uncertainty = np.where(usable, spread, nan)
    empty = np.where(
        seen, np.int8(OBSERVED), np.where(land, np.int8(NOT_FILLED), np.int8(NOT_LAND))
    )
    return filled, uncertainty, np.where(usable, np.int8(BY_NETWORK), empty)


def add_climatology(
    filled: Any,
    uncertainty: Any,
    flag: Any,
    estimate: Any,
    long: Any,
    job: Job,
) -> tuple[Any, Any, Any]:
    """The same three with `estimate` (2, N, H, W; m3 m-3) where nothing was filled."""
    usable = (flag == NOT_FILLED) & np.isfinite(estimate[0])
    usable = usable if long is None else usable & ~long
    mean, spread = _in_own_unit(estimate, job)
    return (
        np.where(usable, mean, filled),
        np.where(usable, spread, uncertainty),
        np.where(usable, np.int8(BY_CLIMATOLOGY), flag),
    )


def _in_own_unit(estimate: Any, job: Job) -> tuple[Any, Any]:
    low, high = (job.dtype.type(limit) for limit in job.valid_range)
    own = estimate if job.worth == 1.0 else estimate * np.float32(1.0 / job.worth)
    return np.clip(own[0].astype(job.dtype), low, high), own[1].astype(job.dtype)


def assemble(
    obj: xr.Dataset | xr.DataArray,
    found: Found,
    arrays: tuple[Any, Any | None, Any],
    *,
    model: Any,
    call: str,
) -> xr.Dataset:
    """The Dataset that goes back: the input's, with the filled variable and its companions.

    Parameters
    ----------
    obj : Dataset or DataArray
        The input; it is not changed.
    found : Found
    arrays : (filled, uncertainty or None, flag)
        In the dimensions of the variable.
    model : Model
    call : str
        What was asked for, for the history.
    """
    da = found.da
    name = str(da.name or UNNAMED)
    filled, uncertainty, flag = arrays
    identity = str(getattr(model, "identity", getattr(model, "name", model)))
    companions = (
        [f"{name}_flag"] if uncertainty is None else [f"{name}_uncertainty", f"{name}_flag"]
    )

    values = xr.Variable(da.dims, quantified(filled, found), dict(da.attrs), dict(da.encoding))
    earlier = str(da.attrs.get("ancillary_variables", "")).split()
    words = [*earlier, *(c for c in companions if c not in earlier)]
    values.attrs["ancillary_variables"] = " ".join(words)
    values.attrs["gapfill_model"] = identity

    ds = obj.copy(deep=False) if isinstance(obj, xr.Dataset) else da.coords.to_dataset()
    if isinstance(obj, xr.Dataset) and companions[-1] in ds:
        raise InputError(
            f"the Dataset already has a variable {companions[-1]!r}, which gapfill writes: it "
            f'looks filled. Drop or rename it first: ds.drop_vars("{companions[-1]}").'
        )
    outputs = {name: values}
    if uncertainty is not None:
        spread = _uncertainty_variable(ds, name, uncertainty, flag, found)
        spread.attrs |= _coverage_factors(model)
        outputs[companions[0]] = spread
    outputs[companions[-1]] = xr.Variable(da.dims, flag, _flag_attrs(da))
    ds = ds.assign(outputs)
    ds.attrs["history"] = _history(ds.attrs.get("history"), call, identity)
    return ds


def quantified(array: Any, found: Found) -> Any:
    """`array` with the pint unit that the variable came with, if it did."""
    if found.quantity is None:
        return array
    return type(found.quantity)(array, found.quantity.units)


def _uncertainty_variable(
    ds: xr.Dataset, name: str, uncertainty: Any, flag: Any, found: Found
) -> xr.Variable:
    """The network's where values were filled, the product's own (where it has one) elsewhere."""
    da, own = found.da, f"{name}_uncertainty"
    if own not in ds:
        attrs = {"long_name": f"uncertainty of filled {da.attrs.get('long_name', name)}"}
        attrs["comment"] = "one standard deviation; missing where the value was observed"
        if "standard_name" in da.attrs:
            attrs["standard_name"] = f"{da.attrs['standard_name']} standard_error"
        if found.quantity is None:
            attrs["units"] = str(da.attrs.get("units") or _assumed_units(name))
        return xr.Variable(da.dims, quantified(uncertainty, found), attrs)
    old = ds[own]
    if set(old.dims) != set(da.dims) or old.dtype.kind != "f":
        raise InputError(
            f"the Dataset has a variable {own!r} with dimensions {old.dims}, which gapfill would "
            f"overwrite: rename it, or ask for uncertainty=False."
        )
    old = old.transpose(*da.dims)
    data = old.data.magnitude if hasattr(old.data, "magnitude") else old.data
    units = str(old.data.units) if hasattr(old.data, "magnitude") else old.attrs.get("units")
    ratio = found.worth / worth_of(own, units, {}, product_of(name))
    fresh = (uncertainty if ratio == 1.0 else uncertainty * ratio).astype(data.dtype)
    both = np.where((flag == BY_NETWORK) | (flag == BY_CLIMATOLOGY), fresh, data)
    attrs = dict(old.attrs) | {
        "comment": "where the value was filled: one standard deviation of it"
    }
    both = type(old.data)(both, old.data.units) if hasattr(old.data, "magnitude") else both
    return xr.Variable(da.dims, both, attrs, dict(old.encoding))


def _coverage_factors(model: Any) -> dict[str, float]:
    """How many of the standard deviations on each side hold 68 and 95 % of the errors."""
    calibration = model.card.get("calibration", {})
    levels = ("68", "95")
    return {
        f"coverage_factor_{level}": float(calibration[f"factor_{level}"])
        for level in levels
        if f"factor_{level}" in calibration
    }


def _assumed_units(name: str) -> str:
    row = product_of(name)
    return str(row.units) if row is not None else ""


def _flag_attrs(da: xr.DataArray) -> dict[str, Any]:
    name = da.name or UNNAMED
    return {
        "long_name": f"origin of {da.attrs.get('long_name', name)}",
        "standard_name": "status_flag",
        "flag_values": np.arange(len(FLAG_MEANINGS), dtype=np.int8),
        "flag_meanings": " ".join(FLAG_MEANINGS),
    }


def _history(earlier: Any, call: str, identity: str) -> str:
    from xsm._version import __version__

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now} xsm {__version__} {call}, network {identity}"
    return f"{line}\n{earlier}" if earlier else line

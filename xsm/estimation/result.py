"""What an estimate consists of: values, uncertainty, flags, and the words that go with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from xsm.conventions.cf import _history
from xsm.estimation.pixels import FLAG_MEANINGS
from xsm.networks.model import Model

STANDARD_NAME = "volume_fraction_of_condensed_water_in_soil"


def assemble(
    obj: xr.Dataset,
    parts: Mapping[str, xr.DataArray | None],
    *,
    model: Model,
    call: str,
) -> xr.Dataset:
    """The Dataset that goes back: estimate, uncertainty (or not) and flag, with CF attributes.

    Parameters
    ----------
    obj : Dataset
        The input, for its history.
    parts : mapping
        ``mean``, ``std`` (may be None) and ``flag``.
    model : Model
    call : str
        What was asked for, for the history.
    """
    name = str(model.card["target"].get("name", "soil_moisture"))
    layer = {k: model.card["target"][k] for k in ("depth_top", "depth_bottom")}
    told = f"{layer['depth_top'] * 100:g}-{layer['depth_bottom'] * 100:g} cm"
    common = {"coverage_content_type": "modelResult"}
    mean, std, flag = (parts[key] for key in ("mean", "std", "flag"))
    companions = [f"{name}_flag"] if std is None else [f"{name}_uncertainty", f"{name}_flag"]
    out: dict[str, xr.DataArray] = {}
    assert mean is not None and flag is not None
    out[name] = mean.assign_attrs(
        common
        | {
            "standard_name": STANDARD_NAME,
            "long_name": f"estimated soil moisture, {told}",
            "units": "m3 m-3",
            "valid_range": np.array([0.0, 1.0], np.float32),
            "ancillary_variables": " ".join(companions),
            "estimate_model": model.identity,
        }
    )
    if std is not None:
        out[companions[0]] = std.assign_attrs(
            standard_name=f"{STANDARD_NAME} standard_error",
            long_name=f"uncertainty of estimated soil moisture, {told}",
            units="m3 m-3",
            comment="one standard deviation",
        )
    out[companions[-1]] = flag.assign_attrs(
        standard_name="status_flag",
        long_name="why there is an estimate, or none",
        flag_values=np.arange(len(FLAG_MEANINGS), dtype=np.int8),
        flag_meanings=" ".join(FLAG_MEANINGS),
    )
    ds = xr.Dataset(out).assign_coords(depth=_depth(layer))
    ds.attrs["Conventions"] = "CF-1.11"
    ds.attrs["history"] = _history(obj.attrs.get("history"), call, model.identity)
    return ds


def _depth(layer: Mapping[str, float]) -> xr.DataArray:
    middle = 0.5 * (layer["depth_top"] + layer["depth_bottom"])
    attrs = {
        "standard_name": "depth",
        "units": "m",
        "positive": "down",
        "long_name": "middle of the soil layer",
        "comment": f"layer from {layer['depth_top']:g} to {layer['depth_bottom']:g} m",
    }
    return xr.DataArray(middle, attrs=attrs)

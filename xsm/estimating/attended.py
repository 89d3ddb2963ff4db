"""What the network looks at when it estimates a day."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.estimating.blocks import Plan, sequences
from xsm.estimating.predictors import Predictors
from xsm.networks.cards import Model
from xsm.networks.sequences import attention_weights, windows


def attention_of(found: Predictors, plan: Plan, model: Model) -> xr.DataArray:
    """Weights of one pixel, (time, attended), or (time, offset) of a network with a window.

    Raises
    ------
    InputError
        If there are more pixels than one, more days than one window, or days missing, or if the
        network has no attention.
    """
    shape = np.broadcast_shapes(
        *([n for d, n in da.sizes.items() if d != found.time] for da in found.arrays.values())
    )
    sequence = model.card["sequence"]
    length = int(found.days[-1]) + 1
    if np.prod(shape, dtype=int) != 1:
        raise InputError(f"attention=True with {shape} pixels: select one, such as .isel(lat=0).")
    if len(windows(length, sequence["days"], sequence["context"])) > 1 or length > found.days.size:
        raise InputError(
            f"attention=True with {found.days.size} of {length} days: expected all days of a "
            f"record of about {sequence['days']}, which pass through the network together."
        )
    last = (..., found.time)
    arrays = [da.transpose(*last, missing_dims="ignore").values for da in found.arrays.values()]
    x = sequences(arrays, plan, np.zeros(1, np.intp), shape)
    try:
        weights = attention_weights(x, model)[0]
    except ValueError as error:
        raise InputError(f"attention=True: {error}") from error
    near = model.config.get("window")
    base = found.base
    time = base[found.time]
    attrs = {"long_name": "weight of attention", "units": "1"}
    if near is not None:
        offset = np.arange(-near, near + 1)
        return xr.DataArray(
            weights, {found.time: time, "offset": offset}, (found.time, "offset"), attrs=attrs
        )
    coords = {found.time: time, "attended": ("attended", time.values)}
    return xr.DataArray(weights, coords, (found.time, "attended"), attrs=attrs)

"""From arrays of predictors to estimates and flags, some pixels at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.predictors import Predictors, calendar_predictor
from xsm.conventions.products import DAY_OF_YEAR, NO_SOIL
from xsm.errors import InputError
from xsm.networks.device import CPU, ExecutionConfig
from xsm.networks.model import Model
from xsm.networks.sequence_inference import (
    attention_weights,
    estimate_sequences,
    fill_short_gaps,
    windows,
)

PIXELS, ON_DEVICE = 256, 4096  # in one run of the network, on CPUs and elsewhere
FREEZING = 273.15  # K

ESTIMATED, MISSING_INPUT, FROZEN, NO_INPUT, NOT_SOIL = range(5)
FLAG_MEANINGS = (
    "estimated",
    "estimated_with_missing_input",
    "frozen",
    "no_input",
    "permanent_snow_ice_or_water",
)


class Plan(NamedTuple):
    """How blocks of arrays become predictors."""

    names: tuple[str, ...]  # of the predictors, in the order of the network
    gaps: tuple[int, ...]  # longest gap to interpolate in each, days
    arrays: tuple[str, ...]  # of the arrays passed, in order
    static: tuple[bool, ...]  # of each array
    factors: tuple[tuple[float, float], ...]  # of each array
    days: NDArray[np.int64]
    first: float
    year: float


def make_plan(found: Predictors, rows: Sequence[dict[str, Any]]) -> Plan:
    """The plan for predictors found, `rows` being those of the card."""
    names = tuple(found.arrays)
    return Plan(
        tuple(row["name"] for row in rows),
        tuple(int(row.get("gap", 0)) for row in rows),
        names,
        tuple(found.time not in found.arrays[name].dims for name in names),
        tuple(found.factors[name] for name in names),
        found.days,
        found.first,
        found.year,
    )


def loop_shape(arrays: Sequence[NDArray[Any]], static: Sequence[bool]) -> tuple[int, ...]:
    """Shape of the pixels that static (...) and daily (..., N) arrays share."""
    shapes = [a.shape if s else a.shape[:-1] for a, s in zip(arrays, static, strict=True)]
    return np.broadcast_shapes(*shapes)


def sequences(
    arrays: Sequence[NDArray[Any]], plan: Plan, pixels: NDArray[np.intp], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Predictors (B, T, F) of some pixels on all days in a row, in the units of the network.

    Parameters
    ----------
    arrays : sequence of ndarray
        Static ones (...), daily ones (..., N), as the plan says.
    plan : Plan
    pixels : ndarray of int, (B,)
        Flat index in `shape`.
    shape : tuple of int
    """
    length = int(plan.days[-1]) + 1
    x = np.full((pixels.size, length, len(plan.names)), np.nan, np.float32)
    shape = shape or (1,)  # a single pixel
    where = np.unravel_index(pixels, shape)
    for f, (name, gap) in enumerate(zip(plan.names, plan.gaps, strict=True)):
        if name in DAY_OF_YEAR:
            x[:, :, f] = calendar_predictor(name, length, plan.first, plan.year)
            continue
        n = plan.arrays.index(name)
        factor, offset = plan.factors[n]
        end = () if plan.static[n] else arrays[n].shape[-1:]
        values = np.broadcast_to(arrays[n], (*shape, *end))[where].astype(np.float32)
        values = np.where(np.isfinite(values), factor * values + offset, np.float32(np.nan))
        if plan.static[n]:
            x[:, :, f] = values[:, None]
        else:
            x[:, plan.days, f] = values
            x[:, :, f] = fill_short_gaps(x[:, :, f], gap)
    return x


def estimate_block(
    *arrays: NDArray[Any],
    plan: Plan,
    model: Model,
    cover: bool,
    mask_frozen: bool,
    execution: ExecutionConfig = CPU,
    step: Callable[[int], Any] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int8]]:
    """Mean, standard deviation (m3 m-3) and flag, each (..., N).

    Parameters
    ----------
    *arrays : ndarray
        Those of the plan; then, if `cover`, IGBP classes (...).
    plan : Plan
    model : Model
    cover : bool
    mask_frozen : bool
        No estimate where ``lst`` is below 0 degC.
    execution : ExecutionConfig
        Backend, device and precision of the network.
    step : callable, optional
        Called with the number of pixels done.
    """
    inputs = arrays[: len(plan.arrays)]
    classes = arrays[-1] if cover else np.ones((), np.int8)
    shape = np.broadcast_shapes(loop_shape(inputs, plan.static), classes.shape)
    soil = np.broadcast_to(~np.isin(classes, NO_SOIL), shape).ravel()
    values = np.full((2, soil.size, plan.days.size), np.nan, np.float32)
    flag = np.full(values.shape[1:], NOT_SOIL, np.int8)
    land = np.flatnonzero(soil)
    count = PIXELS if execution.device in (None, "cpu") else ON_DEVICE
    for start in range(0, land.size, count):
        pixels = land[start : start + count]
        x = sequences(inputs, plan, pixels, shape)
        values[:, pixels], flag[pixels] = _estimate_pixels(x, plan, model, mask_frozen, execution)
        if step is not None:
            step(pixels.size)
    full = (*shape, plan.days.size)
    return values[0].reshape(full), values[1].reshape(full), flag.reshape(full)


def _estimate_pixels(x, plan, model, mask_frozen, execution):
    """Mean and standard deviation (2, B, N), and flag (B, N), of sequences (B, T, F)."""
    moving = [
        f
        for f, name in enumerate(plan.names)
        if name not in DAY_OF_YEAR and not plan.static[plan.arrays.index(name)]
    ]
    known = np.isfinite(x)
    lasting = [f for f in range(len(plan.names)) if f not in moving]
    usable = known[:, :, moving].any(-1) & known[:, :, lasting].all(-1)
    flag = np.where(known.all(-1), np.int8(ESTIMATED), np.int8(MISSING_INPUT))
    if mask_frozen:
        lst = x[:, :, plan.names.index("lst")]
        flag = np.where(lst < FREEZING, np.int8(FROZEN), flag)
    flag = np.where(usable, flag, np.int8(NO_INPUT))[:, plan.days]
    out = np.full((2, *flag.shape), np.nan, np.float32)
    work = usable.any(-1)
    if work.any():
        mean, std = estimate_sequences(x[work], model, execution)
        out[:, work] = np.stack([mean, std])[:, :, plan.days]
    return np.where(flag <= MISSING_INPUT, out, np.float32(np.nan)), flag


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

"""Estimates of blocks of pixels: predictors as sequences, the network, flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import ESTIMATED, FROZEN, MISSING_INPUT, NO_INPUT, NOT_SOIL
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

PIXELS_ON_CPU, PIXELS_ON_DEVICE = 256, 4096  # in one run of the network
FREEZING = 273.15  # K


class PredictorLayout(NamedTuple):
    """How the arrays of a block become the predictors of a network."""

    names: tuple[str, ...]  # of the predictors, in the order of the network
    max_gaps: tuple[int, ...]  # longest gap to interpolate in each predictor, days
    arrays: tuple[str, ...]  # predictor of each array of the block
    static: tuple[bool, ...]  # whether each array lacks a time axis
    factors: tuple[tuple[float, float], ...]  # of each array, to the unit of the network
    days: NDArray[np.int64]  # of the record, since the first one
    first: float  # phase of the first day in the year, 0..1
    year: float  # mean length of a year, days

    @property
    def dynamic(self) -> list[int]:
        """Indices of the daily predictors, those of the calendar excepted."""
        daily = {name for name, static in zip(self.arrays, self.static, strict=True) if not static}
        return [f for f, name in enumerate(self.names) if name in daily]

    @property
    def record_days(self) -> int:
        """Days from the first to the last, absent days included."""
        return int(self.days[-1]) + 1


def predictor_layout(predictors: Predictors, rows: Sequence[dict[str, Any]]) -> PredictorLayout:
    """The layout of predictors of a Dataset; `rows` are those of the card."""
    arrays = predictors.arrays
    return PredictorLayout(
        names=tuple(row["name"] for row in rows),
        max_gaps=tuple(int(row.get("max_interp_gap", 0)) for row in rows),
        arrays=tuple(arrays),
        static=tuple(predictors.time not in da.dims for da in arrays.values()),
        factors=tuple(predictors.factors[name] for name in arrays),
        days=predictors.days,
        first=predictors.first,
        year=predictors.year,
    )


def pixel_shape(arrays: Sequence[NDArray[Any]], static: Sequence[bool]) -> tuple[int, ...]:
    """Shape of the pixels that static (...) and daily (..., N) arrays share."""
    shapes = [a.shape if s else a.shape[:-1] for a, s in zip(arrays, static, strict=True)]
    return np.broadcast_shapes(*shapes)


def predictor_sequences(
    arrays: Sequence[NDArray[Any]],
    layout: PredictorLayout,
    pixels: NDArray[np.intp],
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """Predictors (B, T, F) of some pixels on consecutive days, in the units of the network.

    Parameters
    ----------
    arrays : sequence of ndarray
        Static ones (...), daily ones (..., N), in the order of the layout.
    layout : PredictorLayout
    pixels : ndarray of int, (B,)
        Flat index in `shape`.
    shape : tuple of int
        Of the pixels, see :func:`pixel_shape`.
    """
    length = layout.record_days
    x = np.full((pixels.size, length, len(layout.names)), np.nan, np.float32)
    shape = shape or (1,)  # a single pixel
    index = np.unravel_index(pixels, shape)
    for f, (name, max_gap) in enumerate(zip(layout.names, layout.max_gaps, strict=True)):
        if name in DAY_OF_YEAR:
            x[:, :, f] = calendar_predictor(name, length, layout.first, layout.year)
            continue
        n = layout.arrays.index(name)
        factor, offset = layout.factors[n]
        days = () if layout.static[n] else arrays[n].shape[-1:]
        values = np.broadcast_to(arrays[n], (*shape, *days))[index].astype(np.float32)
        values = np.where(np.isfinite(values), factor * values + offset, np.float32(np.nan))
        if layout.static[n]:
            x[:, :, f] = values[:, None]
        else:
            x[:, layout.days, f] = values
            x[:, :, f] = fill_short_gaps(x[:, :, f], max_gap)
    return x


def estimate_block(
    *arrays: NDArray[Any],
    layout: PredictorLayout,
    model: Model,
    has_land_cover: bool,
    mask_frozen: bool,
    execution: ExecutionConfig = CPU,
    step: Callable[[int], Any] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int8]]:
    """Mean, standard deviation (m3 m-3) and flag, each (..., N).

    Parameters
    ----------
    *arrays : ndarray
        Those of the layout; then, if `has_land_cover`, IGBP classes (...).
    layout : PredictorLayout
    model : Model
    has_land_cover : bool
    mask_frozen : bool
        Leave days empty where ``lst`` is below 0 degC.
    execution : ExecutionConfig
        Backend, device and precision of the network.
    step : callable, optional
        Called with the number of pixels done.
    """
    inputs = arrays[: len(layout.arrays)]
    classes = arrays[-1] if has_land_cover else np.ones((), np.int8)
    shape = np.broadcast_shapes(pixel_shape(inputs, layout.static), classes.shape)
    soil = np.broadcast_to(~np.isin(classes, NO_SOIL), shape).ravel()
    values = np.full((2, soil.size, layout.days.size), np.nan, np.float32)
    flag = np.full(values.shape[1:], NOT_SOIL, np.int8)
    soil_pixels = np.flatnonzero(soil)
    count = PIXELS_ON_CPU if execution.device in (None, "cpu") else PIXELS_ON_DEVICE
    for start in range(0, soil_pixels.size, count):
        pixels = soil_pixels[start : start + count]
        x = predictor_sequences(inputs, layout, pixels, shape)
        values[:, pixels], flag[pixels] = _estimate_pixels(x, layout, model, mask_frozen, execution)
        if step is not None:
            step(pixels.size)
    full = (*shape, layout.days.size)
    return values[0].reshape(full), values[1].reshape(full), flag.reshape(full)


def _estimate_pixels(x, layout, model, mask_frozen, execution):
    """Mean and standard deviation (2, B, N), and flag (B, N), of sequences (B, T, F)."""
    present = np.isfinite(x)
    usable = usable_days(present, layout.dynamic)
    flag = np.where(present.all(-1), np.int8(ESTIMATED), np.int8(MISSING_INPUT))
    if mask_frozen:
        lst = x[:, :, layout.names.index("lst")]
        flag = np.where(lst < FREEZING, np.int8(FROZEN), flag)
    flag = np.where(usable, flag, np.int8(NO_INPUT))[:, layout.days]
    out = np.full((2, *flag.shape), np.nan, np.float32)
    pixels = usable.any(-1)
    if pixels.any():
        mean, std = estimate_sequences(x[pixels], model, execution)
        out[:, pixels] = np.stack([mean, std])[:, :, layout.days]
    return np.where(flag <= MISSING_INPUT, out, np.float32(np.nan)), flag


def usable_days(present: NDArray[np.bool_], dynamic: Sequence[int]) -> NDArray[np.bool_]:
    """Days (B, T) with all static predictors and at least one dynamic one, of (B, T, F)."""
    static = [f for f in range(present.shape[-1]) if f not in dynamic]
    return np.asarray(present[:, :, list(dynamic)].any(-1) & present[:, :, static].all(-1))


def pixel_attention(
    predictors: Predictors,
    layout: PredictorLayout,
    model: Model,
    execution: ExecutionConfig = CPU,
) -> xr.DataArray:
    """Attention weights of one pixel: (time, attended_time), or (time, offset) for a window.

    Raises
    ------
    InputError
        If the network has no attention, if there are several pixels, more days than pass through
        the network together, or absent days.
    """
    if not model.network.attention:
        raise InputError(
            f"attention=True: a network of the kind {model.kind!r} has no attention; leave it out."
        )
    base, time = predictors.base, predictors.time
    shape = np.broadcast_shapes(
        *([n for d, n in da.sizes.items() if d != time] for da in predictors.arrays.values())
    )
    sequence = model.card["sequence"]
    length, present = layout.record_days, layout.days.size
    if np.prod(shape, dtype=int) != 1:
        raise InputError(f"attention=True with {shape} pixels: select one, such as .isel(lat=0).")
    if len(windows(length, sequence["days"], sequence["context"])) > 1 or length > present:
        raise InputError(
            f"attention=True with {present} of {length} days: expected all days of a record of "
            f"about {sequence['days']} days, which pass through the network together."
        )
    arrays = [
        da.transpose(..., time, missing_dims="ignore").values for da in predictors.arrays.values()
    ]
    x = predictor_sequences(arrays, layout, np.zeros(1, np.intp), shape)
    weights = attention_weights(x, model, execution)[0]
    window = model.config.get("window")
    coords: dict[str, Any] = {time: base[time]}
    if window is None:
        dims = (time, "attended_time")
        coords["attended_time"] = ("attended_time", base[time].values)
    else:
        dims = (time, "offset")
        coords["offset"] = np.arange(-window, window + 1)
    attrs = {"long_name": "weight of attention", "units": "1"}
    return xr.DataArray(weights, coords, dims, attrs=attrs)

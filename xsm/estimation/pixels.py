"""Estimates of blocks of pixels: predictors as sequences, the network, flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import (
    ESTIMATED,
    FROZEN,
    MISSING_INPUT,
    NO_INPUT,
    NOT_SOIL,
    REGIONAL,
)
from xsm.conventions.grid import time_of
from xsm.conventions.predictor_names import DAY_OF_YEAR, NO_SOIL, POSITION
from xsm.conventions.predictors import Predictors, calendar_predictor
from xsm.conventions.time_axis import calendar_dates
from xsm.conventions.valid_values import DeclaredValues, within_range
from xsm.errors import InputError
from xsm.estimation.inputs import network_inputs
from xsm.estimation.local import LocalPart, read_local_part
from xsm.networks.device import CPU, ExecutionConfig
from xsm.networks.model import Model
from xsm.networks.sequence_inference import (
    MAX_STD,
    attention_weights,
    estimate_sequences,
    fill_short_gaps,
    windows,
)

PIXELS_ON_CPU, PIXELS_ON_DEVICE = 256, 4096  # in one run of the network
FREEZING = 273.15  # K


@lru_cache(maxsize=4)
def local_part(model: Model) -> LocalPart | None:
    """The local part of a model; None if it has none."""
    return read_local_part(model.card, model.params)


class PredictorLayout(NamedTuple):
    """How the arrays of a block become the predictors of a network."""

    names: tuple[str, ...]  # of the predictors, in the order of the network
    max_gaps: tuple[int, ...]  # longest gap to interpolate in each predictor, days
    arrays: tuple[str, ...]  # predictor of each array of the block
    variables: tuple[str, ...]  # of the input, likewise
    static: tuple[bool, ...]  # whether each array lacks a time axis
    classes: tuple[tuple[float, ...], ...]  # that each array was fitted with; empty: any values
    factors: tuple[tuple[float, float], ...]  # of each array, to the unit of the network
    references: tuple[float, ...]  # that are subtracted from each array, in the unit of the network
    ranges: tuple[DeclaredValues, ...]  # of valid values of each array, in its own unit
    days: NDArray[np.int64]  # of the record, since the first one
    first_day: int  # since 1970-01-01
    first: float  # phase of the first day in the year, 0..1
    year: float  # mean length of a year, days

    @property
    def dynamic(self) -> list[int]:
        """Indices of the daily predictors, those of the calendar excepted."""
        daily = {name for name, static in zip(self.arrays, self.static, strict=True) if not static}
        return [f for f, name in enumerate(self.names) if name in daily]

    @property
    def static_predictors(self) -> list[int]:
        """Indices of the static predictors, the position excepted."""
        static = {n for n, static in zip(self.arrays, self.static, strict=True) if static}
        return [f for f, name in enumerate(self.names) if name in static and name not in POSITION]

    @property
    def record_days(self) -> int:
        """Days from the first to the last, absent days included."""
        return int(self.days[-1]) + 1


def predictor_layout(predictors: Predictors, rows: Sequence[dict[str, Any]]) -> PredictorLayout:
    """The layout of predictors of a Dataset; `rows` are those of the card."""
    arrays = predictors.arrays
    classes = {row["name"]: tuple(row.get("classes", ())) for row in rows}
    references = {row["name"]: float(row.get("reference", 0.0)) for row in rows}
    first = calendar_dates(np.asarray(time_of(predictors.base, predictors.time).values[:1]))[0]
    return PredictorLayout(
        names=tuple(row["name"] for row in rows),
        max_gaps=tuple(int(row.get("max_interp_gap", 0)) for row in rows),
        arrays=tuple(arrays),
        variables=tuple(str(da.name) for da in arrays.values()),
        static=tuple(predictors.time not in da.dims for da in arrays.values()),
        classes=tuple(classes.get(name, ()) for name in arrays),
        factors=tuple(predictors.factors[name] for name in arrays),
        references=tuple(references.get(name, 0.0) for name in arrays),
        ranges=tuple(predictors.ranges[name] for name in arrays),
        days=predictors.days,
        first_day=0 if np.isnat(first) else int(first.astype("datetime64[D]").astype(int)),
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

    Less the reference of a predictor whose variation float32 does not hold, and without values
    outside the range that the attributes of a variable declare, and classes that were not fitted.

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
        reference = layout.references[n]
        days = () if layout.static[n] else arrays[n].shape[-1:]
        values = np.broadcast_to(arrays[n], (*shape, *days))[index]
        values = within_range(values, layout.ranges[n], layout.variables[n])
        values = values.astype(np.float64 if reference else np.float32)
        values = np.where(
            np.isfinite(values), factor * values + (offset - reference), values.dtype.type(np.nan)
        )
        if layout.classes[n]:
            values = np.where(np.isin(values, layout.classes[n]), values, np.nan)
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
    usable = usable_days(present, layout.dynamic, layout.static_predictors)
    cells = fitted_cells(x, model)
    complete = np.int8(ESTIMATED) if cells is None else np.where(cells < 0, REGIONAL, ESTIMATED)
    flag = np.where(present.all(-1), np.int8(complete).reshape(-1, 1), np.int8(MISSING_INPUT))
    if mask_frozen:
        lst = x[:, :, layout.names.index("lst")]
        flag = np.where(lst < FREEZING, np.int8(FROZEN), flag)
    flag = np.where(usable, flag, np.int8(NO_INPUT))[:, layout.days]
    out = np.full((2, *flag.shape), np.nan, np.float32)
    pixels = usable.any(-1)
    if pixels.any():
        mean, std = estimate_cells(
            x[pixels], model, layout.first_day, execution, None if cells is None else cells[pixels]
        )
        out[:, pixels] = np.stack([mean, std])[:, :, layout.days]
    estimated = np.isin(flag, (ESTIMATED, MISSING_INPUT, REGIONAL))
    return np.where(estimated, out, np.float32(np.nan)), flag


def fitted_cells(x: NDArray[np.floating], model: Model) -> NDArray[np.intp] | None:
    """Index (B,) of the fitted cell at the position of predictors (B, T, F); -1 where none is.

    None if the model has no local part.
    """
    part = local_part(model)
    if part is None:
        return None
    return part.index(*position_of(x, model))


def position_of(x: NDArray[np.floating], model: Model) -> list[NDArray[np.floating]]:
    """Latitude and longitude (B,) among predictors (B, T, F)."""
    names = [row["name"] for row in model.card["predictors"]]
    return [x[:, 0, names.index(name)] for name in POSITION]


def estimate_cells(
    x: NDArray[np.floating],
    model: Model,
    first_day: int = 0,
    execution: ExecutionConfig = CPU,
    cells: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation (B, T), m3 m-3, from the predictors of a model.

    Parameters
    ----------
    x : ndarray, (B, T, F)
        Predictors on consecutive days, in the order and units of the card; NaN where missing.
    model : Model
    first_day : int
        Number of the first day since 1970-01-01, for the repeat cycle of the local part.
    execution : ExecutionConfig
    cells : ndarray of int, (B,), optional
        From :func:`fitted_cells`, which is the default.
    """
    inputs = network_inputs(x, model.card)
    part = local_part(model)
    if part is None:
        return estimate_sequences(inputs, model, execution)
    if cells is None:
        cells = part.index(*position_of(x, model))
    mean, std = estimate_sequences(part.add_inputs(inputs, cells), model, execution)
    low, high = model.card["target"]["range"]
    added, factor = part.predict(inputs, cells, first_day), part.error_factor(cells)
    std = np.minimum(np.multiply(std, factor[:, None]), np.float32(MAX_STD))
    return np.clip(np.add(mean, added), low, high), std


def usable_days(
    present: NDArray[np.bool_], dynamic: Sequence[int], static: Sequence[int]
) -> NDArray[np.bool_]:
    """Days (B, T) with at least one dynamic predictor and half of the static ones, of (B, T, F)."""
    usable = present[:, :, list(dynamic)].any(-1)
    if len(static):
        usable = usable & (present[:, :, list(static)].mean(-1) >= 0.5)
    return np.asarray(usable)


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
    inputs = network_inputs(x, model.card)
    if (part := local_part(model)) is not None:
        inputs = part.add_inputs(inputs, part.index(*position_of(x, model)))
    weights = attention_weights(inputs, model, execution)[0]
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

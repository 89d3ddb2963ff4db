"""Inference of gap-filling networks: NumPy blocks of days in, mean and standard deviation out."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.tiling import bounding_box, with_halo
from xsm.errors import InputError
from xsm.gapfilling.seasonal_cycle import cycle_of_day, departures
from xsm.gapfilling.statistics import COUNT, MEAN, STATISTICS, STD, record_statistics
from xsm.networks.device import ExecutionConfig, operations, to_numpy
from xsm.networks.model import Model
from xsm.networks.model import load_model as load_any_model

__all__ = ["Model", "fill_block", "load_model", "record_statistics", "run_network"]

logger = logging.getLogger(__name__)

LOG_VARIANCE = (-10.0, 5.0)  # limits of the predicted log-variance of standardised anomalies


def load_model(model: str | Path | Model = "default") -> Model:
    """Load a gap-filling model by name or path; see :func:`xsm.networks.model.load_model`."""
    return load_any_model(model, "gapfill")


def fill_block(
    values: NDArray[np.floating],
    stats: NDArray[np.floating],
    model: Model,
    *,
    need: NDArray[np.bool_] | None = None,
    first: int = 0,
    backend: str = "auto",
    device: str | None = None,
    dtype: str | None = None,
    graph: bool | None = None,
) -> NDArray[np.float32]:
    """Estimate every cell of a block of days from the days and cells around it.

    Parameters
    ----------
    values : ndarray, shape (T + 2 d, H + 2 h, W + 2 w)
        Soil moisture, m3 m-3; NaN where missing. ``d, h, w = model.halo``.
    stats : ndarray, shape (5 + K, H + 2 h, W + 2 w)
        :func:`record_statistics` of the whole record, for the same cells.
    model : Model
    need : ndarray of bool, shape (T, H, W), optional
        Cells to estimate. The others are skipped where the backend can skip them, and may be NaN.
        Default: all.
    first : int
        Day of the record, from 0, of the first estimate.
    backend : {"auto", "numba", "reference", "torch", "triton"}
        Kernels to use. All but ``auto`` and ``numba`` need torch.
    device : str, optional
        Device of torch, such as ``"cuda"``; default ``"cuda"`` for triton, none (NumPy) otherwise.
    dtype : str, optional
        Working precision, default ``"float32"``; ``"bfloat16"`` and ``"float16"`` on a GPU.
    graph : bool, optional
        Whether to run as a CUDA graph. Default: on a GPU with the kernels of xsm, and without a
        graph where capturing fails, with a warning in the log. True raises instead; False never
        captures.

    Returns
    -------
    ndarray of float32, shape (2, T, H, W)
        Mean and standard deviation, m3 m-3; NaN where no observation is within reach and where a
        cell was never observed.

    Raises
    ------
    BackendError
        If the backend cannot run the network.
    MissingPackageError
        If an option needs a package that is not installed.
    """
    days, rows, columns = model.halo
    execution = ExecutionConfig(backend, device, dtype)
    execution.check(model.network)
    values = np.asarray(values, np.float32)
    stats, cycle = np.split(np.asarray(stats, np.float32), [len(STATISTICS)])
    inner = _crop(stats, (rows, columns))
    if not np.isfinite(values).any() or not (inner[COUNT] > 0).any():
        return np.full((2, values.shape[0] - 2 * days, *inner.shape[1:]), np.nan, np.float32)

    values = departures(values, cycle, first - days)

    def run(values: Any, stats: Any, need: Any, graph: bool | None) -> Any:
        if execution.on_numpy and backend in ("auto", "numba"):
            return _run_numpy(values, stats, model, need, backend)
        return _run_torch(values, stats, model, execution, graph)

    output, mask = run(values, stats, need, graph)
    isolated = mask & _empty_days(values, model)
    isolated = isolated if need is None else isolated & need
    if (box := bounding_box(isolated)) is not None:
        outer = with_halo(box, model.halo)
        part = _with_valid_features(values[outer]), stats[(slice(None), *outer[1:])]
        inside = (slice(None), *box)
        estimate = run(*part, isolated[box], False)[0]
        output = np.array(output)
        output[inside] = np.where(isolated[box], estimate, output[inside])
    cycle = _crop(cycle, (rows, columns))
    mean = inner[MEAN] + inner[STD] * output[0]
    for t, day in enumerate(mean):
        day += cycle_of_day(cycle, first + t)
    log_variance = np.clip(output[1], *LOG_VARIANCE)
    std = inner[STD] * np.exp(0.5 * log_variance) * _calibration_factor(log_variance, model)
    return np.where(mask, np.stack([mean, std]), np.float32(np.nan))


def _empty_days(values: NDArray[np.float32], model: Model) -> NDArray[np.bool_]:
    """Where (T, H, W) the day to estimate has no observation within the largest square of features.

    The features of that day are then masked, and a partial convolution scales up the few days that
    are left, which lie at the edge of its windows, at every layer: no network is trained on that.
    """
    days, rows, columns = model.network.reach(model.config)
    margin = model.halo[1] - rows, model.halo[2] - columns
    inner = _crop(values[days : len(values) - days], (rows, columns))
    shape = tuple(n - 2 * m for n, m in zip(inner.shape[1:], margin, strict=True))
    if not all(margin):
        return np.zeros((len(inner), *shape), bool)
    # sums over rows and columns; differences are right modulo 2 ** 16
    total = np.zeros((len(inner), *(n + 1 for n in inner.shape[1:])), np.uint16)
    np.isfinite(inner).cumsum(axis=2, dtype=np.uint16).cumsum(
        axis=1, dtype=np.uint16, out=total[:, 1:, 1:]
    )
    south, west = 2 * margin[0] + 1, 2 * margin[1] + 1
    rows_of_squares = total[:, south:] - total[:, :-south]
    return rows_of_squares[..., west:] == rows_of_squares[..., :-west]


def _with_valid_features(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """`values` with features that are valid on all days; see :mod:`xsm.networks.features`."""
    return np.where(np.isfinite(values), values, np.float32(np.inf))


def _calibration_factor(log_variance: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """Factors of the standard deviation, interpolated between the points in the card."""
    if "calibration" not in model.card:
        return np.ones_like(log_variance)
    points = model.card["calibration"]
    factors = np.interp(log_variance, points["log_variance"], points["scale"])
    return factors.astype(np.float32)


def _run_numpy(values, stats, model, need, backend):
    """Output (2, T, H, W) and mask (T, H, W) on the CPU, by the streaming executor if any."""
    executor = model.network.streaming_executor()
    if executor is not None:
        return executor(values, stats, model, need)
    ops = operations(model.network.operations, backend)
    return run_network(values, stats, model.params, model, ops)


def run_network(values: Any, stats: Any, params: Any, model: Model, ops: Any) -> tuple[Any, Any]:
    """Run the network of a model on a block with its halo.

    Parameters
    ----------
    values : array, shape (T + 2 d, H + 2 h, W + 2 w)
        Departures from the seasonal cycle, m3 m-3; NaN where missing.
    stats : array, shape (5, H + 2 h, W + 2 w)
    params : mapping of str to array
        Parameters of the model, of the same kind as `values`.
    model : Model
    ops : namespace
        Operations of the network, see :func:`xsm.networks.device.operations`.

    Returns
    -------
    output : array, shape (2, T, H, W)
        Mean and log-variance of the standardised anomaly.
    mask : bool array, shape (T, H, W)
    """
    row, config = model.network, model.config
    inputs = row.inputs(values, stats, config, ops)
    # computing the inputs uses up a part of the halo; the layers need the rest
    _, rows, columns = row.reach(config)
    margin = model.halo[1] - rows, model.halo[2] - columns
    inputs = {name: (_crop(x, margin), _crop(m, margin)) for name, (x, m) in inputs.items()}
    land = _crop(stats[COUNT] > 0, margin)
    output, mask = row.apply(params, inputs, config, ops, land=land)
    return _crop(output[0], (rows, columns)), _crop(mask[0, 0], (rows, columns))


def _crop(x: Any, margin: tuple[int, int]) -> Any:
    """(..., H, W) without `margin` rows and columns on each side."""
    rows, columns = margin
    return x[..., rows : x.shape[-2] - rows, columns : x.shape[-1] - columns]


def _run_torch(values, stats, model, execution, graph):
    """Output (2, T, H, W) and mask (T, H, W) by torch, as NumPy arrays."""
    import torch

    from xsm.networks import cuda_graph

    device, dtype = str(execution.torch_device()), execution.dtype or "float32"
    params = _device_params(model, device, dtype)
    reason = cuda_graph.unsupported_reason(device, execution.backend)
    names = model.network.operations
    if reason is None:
        names = (*names, *model.network.fused_operations)
    ops = operations(names, execution.backend, getattr(torch, dtype))

    def run(values, stats):
        return run_network(values, stats, params, model, ops)

    if graph and reason:
        raise InputError(f"graph=True: {reason}; leave it out, or use device='cuda'.")
    if graph is False or reason:
        logger.debug("no CUDA graph: %s", reason or "graph=False")
        with torch.inference_mode():
            tensors = (torch.as_tensor(array, device=device) for array in (values, stats))
            return tuple(map(to_numpy, run(*tensors)))
    key = (model, execution.backend, dtype)
    return cuda_graph.replay(key, run, values, stats, device=device, must=bool(graph))


@lru_cache(maxsize=4)
def _device_params(model: Model, device: str, dtype: str) -> dict[str, Any]:
    return ExecutionConfig(device=device, dtype=dtype).tensors(model.params)

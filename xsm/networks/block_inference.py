"""Fill a block of days with a network: numbers in, numbers out."""

from __future__ import annotations

import logging
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.gapfilling.seasonal_cycle import cycle_of_day, departures
from xsm.gapfilling.statistics import COUNT, MEAN, STATISTICS, STD, record_statistics
from xsm.networks.device import Place, host, torch_device
from xsm.networks.features import features
from xsm.networks.model import Model, models, save_model
from xsm.networks.model import load_model as load_any_model
from xsm.networks.partial_conv import partial_conv_network, reach
from xsm_kernels import choose_backend

__all__ = ["Model", "fill_block", "load_model", "models", "record_statistics", "save_model"]

logger = logging.getLogger(__name__)

LOG_VARIANCE = (-10.0, 5.0)  # of standardised anomalies


def load_model(model: str | Path | Model = "default") -> Model:
    """A gap-filling model, by name or path; see :func:`xsm.networks.model.load_model`."""
    return load_any_model(model, "gapfill")


def operations(
    backend: str = "auto", dtype: Any = None, *, together: bool = False
) -> SimpleNamespace:
    """The kernels a network needs, on one backend.

    With `dtype`, a torch dtype, layers work in that precision; the masked means of the features
    stay in that of the data. With `together`, layers of one cell run as one kernel.
    """
    from xsm_kernels import masked_conv3d, masked_mean, pointwise_layers

    def cast(arrays):
        return arrays if dtype is None else [array.to(dtype) for array in arrays]

    def convolve(x, mask, weight, bias, **options):
        x, weight, bias = cast([x, weight, bias])
        return masked_conv3d(x, mask, weight, bias, backend=backend, **options)

    def layers(sources, mask, weights, biases, **options):
        sources, weights, biases = map(cast, (sources, weights, biases))
        return pointwise_layers(sources, mask, weights, biases, backend=backend, **options)

    ops = SimpleNamespace(masked_conv3d=convolve, masked_mean=partial(masked_mean, backend=backend))
    if together:
        ops.pointwise_layers = layers
    return ops


def fill_block(
    values: NDArray[np.floating],
    stats: NDArray[np.floating],
    model: Model,
    *,
    need: NDArray[np.bool_] | None = None,
    first: int = 0,
    wrap: bool = False,
    backend: str = "auto",
    device: str | None = None,
    dtype: str | None = None,
    graph: bool | None = None,
) -> NDArray[np.float32]:
    """Estimate every cell of a block of days from the nine days around.

    Parameters
    ----------
    values : ndarray, shape (T + 8, H + 2 h, W + 2 h)
        Soil moisture, m3 m-3; NaN where missing. ``h = model.halo[1]``; W without halo if `wrap`.
    stats : ndarray, shape (5 + K, H + 2 h, W + 2 h)
        :func:`record_statistics` of the whole record, for the same cells.
    model : Model
    need : ndarray of bool, shape (T, H, W), optional
        Cells whose estimate is wanted; the others cost nothing where the backend can leave them
        out, and may be NaN. Default: all.
    first : int
        Day of the record, from 0, that the first estimate is for.
    wrap : bool
        Whether the last column is the neighbour of the first.
    backend : {"auto", "numba", "reference", "triton"}
        Kernels to use. ``reference`` and ``triton`` need torch.
    device : str, optional
        Device of torch, such as ``"cuda"``; default ``"cuda"`` for triton, none (NumPy) otherwise.
    dtype : str, optional
        Working precision, default ``"float32"``; ``"bfloat16"`` and ``"float16"`` on a GPU.
    graph : bool, optional
        Run as a CUDA graph. Default: on a GPU with its own kernels, and where that fails without,
        with a warning in the log; True raises, False never tries.

    Returns
    -------
    ndarray of float32, shape (2, T, H, W)
        Mean and standard deviation, m3 m-3; NaN where the nine days hold nothing within reach and
        where a cell was never observed.
    """
    days, rows, columns = model.halo
    values = np.asarray(values, np.float32)
    stats, course = np.split(np.asarray(stats, np.float32), [len(STATISTICS)])
    core = stats[:, rows : stats.shape[1] - rows, :]
    core = core if wrap else core[:, :, columns : stats.shape[2] - columns]
    if not np.isfinite(values).any() or not (core[COUNT] > 0).any():
        return np.full((2, values.shape[0] - 2 * days, *core.shape[1:]), np.nan, np.float32)

    values = departures(values, course, first - days)
    if device is None and dtype is None and backend in ("auto", "numba"):
        if choose_backend("masked_conv3d", backend, (values, stats)) == "numba":
            from xsm.networks.streamed_features import stream  # imports numba

            output, mask = stream(values, stats, model, need, wrap=wrap)
        else:
            output, mask = _run(values, stats, model.params, model, operations(backend), wrap)
    else:
        where = str(torch_device(device or ("cuda" if backend == "triton" else "cpu")))
        output, mask = _run_torch(
            values, stats, model, backend, wrap, where, dtype or "float32", graph
        )
    course = _crop(course, (rows, columns), wrap)
    mean = core[MEAN] + core[STD] * output[0]
    for t, day in enumerate(mean):
        day += cycle_of_day(course, first + t)
    log_variance = np.clip(output[1], *LOG_VARIANCE)
    std = core[STD] * np.exp(0.5 * log_variance) * _calibrated(log_variance, model)
    return np.where(mask, np.stack([mean, std]), np.float32(np.nan))


def _calibrated(log_variance: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """Factors of the standard deviation, from the card: between its points, linear."""
    if "calibration" not in model.card:
        return np.ones_like(log_variance)
    found = model.card["calibration"]
    factors = np.interp(log_variance, found["log_variance"], found["scale"])
    return factors.astype(np.float32)


def _run(values, stats, params, model, ops, wrap):
    """Output (2, T, H, W) and mask (T, H, W), without the halo."""
    config = model.config
    inputs = features(values, stats, ops, scales=config["scales"], wrap=wrap)
    # the pyramid has used its part of the halo; the layers need only theirs
    _, rows, columns = reach(config)
    outer = [halo - own for halo, own in zip(model.halo[1:], (rows, columns), strict=True)]
    inputs = {
        name: (_crop(x, outer, wrap), _crop(m, outer, wrap)) for name, (x, m) in inputs.items()
    }
    land = _crop(stats[COUNT] > 0, outer, wrap)
    output, mask = partial_conv_network(params, inputs, config, ops, land=land, wrap=wrap)
    inner = (rows, columns)
    return _crop(output[0], inner, wrap), _crop(mask[0, 0], inner, wrap)


def _crop(x, margin, wrap):
    """(..., H, W) without `margin` rows and, unless `wrap`, columns on each side."""
    rows, columns = margin
    x = x[..., rows : x.shape[-2] - rows, :]
    return x if wrap else x[..., columns : x.shape[-1] - columns]


def _run_torch(values, stats, model, backend, wrap, device, dtype, graph):
    import torch

    from xsm.networks import cuda_graph as graphs

    params = _on_device(model, device, dtype)
    reason = graphs.refusal(device, backend)
    ops = operations(backend, getattr(torch, dtype), together=reason is None)

    def network(values, stats):
        return _run(values, stats, params, model, ops, wrap)

    if graph and reason:
        raise InputError(f"graph=True: {reason}; leave it out, or use device='cuda'.")
    if graph is False or reason:
        logger.debug("no CUDA graph: %s", reason or "graph=False")
        with torch.inference_mode():
            given = (torch.as_tensor(array, device=device) for array in (values, stats))
            return tuple(map(host, network(*given)))
    key = (model, backend, dtype)
    return graphs.replay(key, network, values, stats, device=device, wrap=wrap, must=bool(graph))


@lru_cache(maxsize=4)
def _on_device(model: Model, device: str, dtype: str) -> dict[str, Any]:
    return Place(device=device, dtype=dtype).tensors(model.params)

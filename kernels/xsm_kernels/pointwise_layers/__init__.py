"""Successive 1 x 1 x 1 layers, as at the end of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xsm_kernels import arguments, dispatch
from xsm_kernels.errors import ArgumentError


def pointwise_layers(
    sources: Sequence[Any],
    mask: Any,
    weights: Sequence[Any],
    biases: Sequence[Any],
    *,
    activations: Sequence[str | None],
    active: Any = None,
    backend: str = "auto",
) -> tuple[Any, Any]:
    """Two or more successive layers of one cell, over sources concatenated along the channels.

    Equal to :func:`xsm_kernels.masked_conv3d` with windows of one cell, layer after layer.

    Parameters
    ----------
    sources : sequence of array (B, C_i, T, H, W)
        Values; where `mask` is False they may be NaN or Inf and are ignored.
    mask : bool array (B, 1, T, H, W)
        True where observed, for all sources.
    weights : sequence of array (O, C)
        Of each layer; C is the sum of the C_i for the first layer, else O of the previous layer.
    biases : sequence of array (O,)
    activations : sequence of str or None
        As in :func:`xsm_kernels.masked_conv3d`.
    active : bool array (H, W) or (T or 1, H, W), optional
        Cells to compute; elsewhere ``y = 0`` and ``new_mask = False``.
    backend : "auto", "reference", "numba" or "triton"

    Returns
    -------
    y : array (B, O, T, H, W)
        Of the last layer; 0 where the mask is False. Array type and dtype of the first source, to
        which sources, weights and biases are converted.
    new_mask : bool array (B, 1, T, H, W)

    Raises
    ------
    ArgumentError
        Shapes or dtypes do not match.
    BackendError
        The requested backend does not support this call.
    """
    sources, weights = arguments.listed("sources", sources), arguments.listed("weights", weights)
    biases = arguments.listed("biases", biases)
    activations = arguments.listed("activations", activations)
    if not sources:
        raise ArgumentError("sources: none of them; expected one array (B, C, T, H, W) or more.")
    first = arguments.values(sources[0], "sources[0]")
    mask = arguments.observed(mask, first)
    inputs = [first]
    for number, source in enumerate(sources[1:], 1):
        name = f"sources[{number}]"
        channels = arguments.values(source, name).shape[1]
        shape = first.shape[0], channels, *first.shape[2:]
        inputs.append(arguments.parameter(name, source, first, shape))
    if not 2 <= len(weights) == len(biases) == len(activations):
        raise ArgumentError(
            f"weights, biases, activations: {len(weights)}, {len(biases)}, {len(activations)} of "
            "them; expected two layers or more, with one of each."
        )
    width = sum(source.shape[1] for source in inputs)
    layers = []
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        weight = arguments.parameter(f"weights[{number}]", weight, first)
        if weight.ndim != 2 or weight.shape[1] != width or min(weight.shape) < 1:
            raise ArgumentError(
                f"weights[{number}]: shape {tuple(weight.shape)}; expected (O, {width}): the "
                "channels of the sources or of the previous layer, at least one of each."
            )
        width = weight.shape[0]
        layers.append((weight, arguments.parameter(f"biases[{number}]", bias, first, (width,))))
    names = tuple(arguments.activation_name("activations", name) for name in activations)
    return dispatch.run(
        "pointwise_layers",
        backend,
        (
            tuple(inputs),
            mask,
            tuple(weight for weight, _ in layers),
            tuple(bias for _, bias in layers),
            arguments.active_cells(active, mask.shape[2:], first),
        ),
        activations=names,
    )

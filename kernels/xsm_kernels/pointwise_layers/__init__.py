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
        Of the last layer; 0 where the mask is False. Same array type and dtype as the sources.
    new_mask : bool array (B, 1, T, H, W)

    Raises
    ------
    ArgumentError
        Shapes or dtypes do not match.
    BackendError
        The requested backend does not support this call.
    """
    for x in sources:
        arguments.check_values(x)
        arguments.check_mask(mask, x.shape[0], x.shape[2:])
    if not 2 <= len(weights) == len(biases) == len(activations):
        raise ArgumentError(
            f"weights, biases, activations: {len(weights)}, {len(biases)}, {len(activations)} of "
            "them; expected two layers or more, with one of each."
        )
    width = sum(x.shape[1] for x in sources)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        if weight.ndim != 2 or weight.shape[1] != width or tuple(bias.shape) != weight.shape[:1]:
            raise ArgumentError(
                f"weights, biases: shapes {tuple(weight.shape)}, {tuple(bias.shape)}; expected "
                f"(O, {width}), (O,): the channels of the sources or of the previous layer."
            )
        if activation not in arguments.ACTIVATIONS:
            raise ArgumentError(f"activations={activation!r}: use some of {arguments.ACTIVATIONS}.")
        width = weight.shape[0]
    return dispatch.run(
        "pointwise_layers",
        backend,
        (
            tuple(sources),
            mask,
            tuple(weights),
            tuple(biases),
            arguments.check_active(active, mask.shape[2:]),
        ),
        activations=tuple(activations),
    )

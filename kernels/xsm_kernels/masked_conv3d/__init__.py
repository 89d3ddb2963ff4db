"""Masked ("partial") 3-D convolution."""

from __future__ import annotations

from typing import Any

from xsm_kernels import arguments, dispatch
from xsm_kernels.errors import ArgumentError


def masked_conv3d(
    x: Any,
    mask: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: str | None = None,
    residual: Any = None,
    padding: tuple[int, int, int] = (0, 0, 0),
    dilation: tuple[int, int, int] = (1, 1, 1),
    wrap_longitude: bool = False,
    active: Any = None,
    backend: str = "auto",
) -> tuple[Any, Any]:
    """Convolve the observed cells of `x`, renormalised by their number in each window.

    With K cells in the window, s of them observed, and m the mask::

        y = activation(W . (x * m) * K / s + b + residual)    where s > 0, else 0
        new_mask = s > 0

    Parameters
    ----------
    x : array (B, C, T, H, W)
        Values; where `mask` is False they may be NaN or Inf and are ignored.
    mask : bool array (B, 1, T, H, W)
        True where observed, for all channels.
    weight : array (O, C, kt, kh, kw)
        Odd window sizes. This, `bias` and `residual` are converted to the dtype of `x`.
    bias : array (O,), optional
    activation : None, "relu", "leaky_relu" (slope 0.01), "silu" or "tanh"
        Applied last; cells with s = 0 stay 0.
    residual : array (B, O, T', H', W'), optional
        Added after the bias, before the activation; ignored where s = 0.
    padding : (time, lat, lon)
        Cells added on each side. They count as missing.
    dilation : (time, lat, lon)
        Distance between neighbouring cells of a window.
    wrap_longitude : bool
        Pad the longitude with the cells from the opposite side instead.
    active : bool array (H', W') or (T' or 1, H', W'), optional
        Output cells to compute; elsewhere ``y = 0`` and ``new_mask = False``.
    backend : "auto", "reference", "numba" or "triton"
        "auto" chooses by the type of `x`; a backend requested by name is used or refused.

    Returns
    -------
    y : array (B, O, T', H', W')
        Array type and dtype of `x`, in native byte order.
        T' = T + 2 * padding - dilation * (kt - 1), H' and W' alike.
    new_mask : bool array (B, 1, T', H', W')

    Raises
    ------
    ArgumentError
        Shapes or dtypes do not match.
    BackendError
        The requested backend does not support this call.

    Notes
    -----
    Liu et al. (2018), Image inpainting for irregular holes using partial convolutions,
    doi 10.1007/978-3-030-01252-6_6; in three dimensions, Zhang et al. (2021),
    doi 10.5194/essd-13-1385-2021. No epsilon: an empty window is a branch.
    """
    x = arguments.values(x)
    mask = arguments.observed(mask, x)
    weight = arguments.parameter("weight", weight, x)
    if weight.ndim != 5 or weight.shape[1] != x.shape[1] or min(weight.shape[:2]) < 1:
        raise ArgumentError(
            f"weight: shape {tuple(weight.shape)}; expected (O, {x.shape[1]}, kt, kh, kw), "
            "the second size is the number of channels of x; at least one of each."
        )
    kernel = arguments.odd("weight window", arguments.triple("weight", weight.shape[2:], 1))
    padding = arguments.triple("padding", padding, 0)
    dilation = arguments.triple("dilation", dilation, 1)
    shape = arguments.output_shape(x.shape, kernel, padding, dilation)
    bias = arguments.parameter("bias", bias, x, weight.shape[:1], optional=True)
    after = x.shape[0], weight.shape[0], *shape
    residual = arguments.parameter("residual", residual, x, after, optional=True)
    return dispatch.run(
        "masked_conv3d",
        backend,
        (x, mask, weight, bias, residual, arguments.active_cells(active, shape, x)),
        activation=arguments.activation_name("activation", activation),
        padding=padding,
        dilation=dilation,
        wrap_longitude=arguments.switch("wrap_longitude", wrap_longitude),
    )

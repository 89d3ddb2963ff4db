"""The mask that a masked convolution returns, without the convolution."""

from __future__ import annotations

from typing import Any

from xsm_kernels import arguments, dispatch


def update_mask(
    mask: Any,
    kernel_size: int | tuple[int, int, int],
    *,
    padding: tuple[int, int, int] = (0, 0, 0),
    dilation: tuple[int, int, int] = (1, 1, 1),
    wrap_longitude: bool = False,
    active: Any = None,
    backend: str = "auto",
) -> Any:
    """True where a window holds at least one observed cell.

    Equal to the second result of :func:`xsm_kernels.masked_conv3d` for the same window.

    Parameters
    ----------
    mask : bool array (B, 1, T, H, W)
        True where observed.
    kernel_size : int or (time, lat, lon)
        Odd window sizes.
    padding, dilation, wrap_longitude, active, backend
        As in :func:`xsm_kernels.masked_conv3d`.

    Returns
    -------
    bool array (B, 1, T', H', W'), same array type as `mask`.

    Raises
    ------
    ArgumentError
        The mask is not bool (B, 1, T, H, W), the window is even or larger than the array.
    BackendError
        The requested backend does not support this call.
    """
    mask = arguments.observed(mask)
    kernel = arguments.odd("kernel_size", arguments.triple("kernel_size", kernel_size, 1))
    padding = arguments.triple("padding", padding, 0)
    dilation = arguments.triple("dilation", dilation, 1)
    shape = arguments.output_shape(mask.shape, kernel, padding, dilation)
    return dispatch.run(
        "update_mask",
        backend,
        (mask, arguments.active_cells(active, shape, mask)),
        kernel_size=kernel,
        padding=padding,
        dilation=dilation,
        wrap_longitude=arguments.switch("wrap_longitude", wrap_longitude),
    )

"""Mean of the observed cells around each cell."""

from __future__ import annotations

from typing import Any

from xsm_kernels import arguments, dispatch
from xsm_kernels.errors import ArgumentError


def masked_mean(
    x: Any,
    mask: Any,
    size: int,
    *,
    wrap_longitude: bool = False,
    backend: str = "auto",
) -> tuple[Any, Any]:
    """Mean of the observed cells in a square of `size` x `size`, per day and channel.

    Parameters
    ----------
    x : array (B, C, T, H, W)
        Values; where `mask` is False they may be NaN or Inf and are ignored.
    mask : bool array (B, 1, T, H, W)
        True where observed, for all channels.
    size : int
        Odd number of cells along latitude and longitude; K = size * size.
    wrap_longitude : bool
        Windows continue on the opposite side in longitude (a window wider than the array counts
        cells repeatedly). Other cells outside the array count as missing.
    backend : "auto", "reference", "numba" or "triton"

    Returns
    -------
    mean : array (B, C, T, H, W)
        In the dtype of `x`; 0 where the square holds no observed cell.
    fraction : array (B, 1, T, H, W)
        s / K, the observed fraction of the square, in the dtype of `x`.

    Raises
    ------
    ArgumentError
        Shapes or dtypes do not match, or the size is even.
    BackendError
        The requested backend does not support this call.
    """
    x = arguments.values(x)
    mask = arguments.observed(mask, x)
    cells = arguments.integer(size)
    if cells is None or cells < 1 or cells % 2 == 0:
        raise ArgumentError(f"size={size!r}: give an odd number of cells, 1 or more.")
    wrap = arguments.switch("wrap_longitude", wrap_longitude)
    return dispatch.run("masked_mean", backend, (x, mask), size=cells, wrap_longitude=wrap)

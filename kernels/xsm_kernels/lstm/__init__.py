"""Long short-term memory over the days of many sequences."""

from __future__ import annotations

from typing import Any

from xsm_kernels import arguments, dispatch
from xsm_kernels.errors import ArgumentError

State = tuple[Any, Any]


def lstm(
    x: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias: Any,
    *,
    initial: State | None = None,
    mask: Any = None,
    backend: str = "auto",
) -> tuple[Any, State]:
    """One layer of long short-term memory, in one direction or both.

    Gates in the order of ``torch.nn.LSTM``, ``z = W_ih x_t + W_hh h + bias``::

        i, f, g, o = sigmoid(z_i), sigmoid(z_f), tanh(z_g), sigmoid(z_o)
        c = f c + i g,    h = o tanh(c)

    Parameters
    ----------
    x : array (B, T, C)
        Values; on days that `mask` skips they may be NaN or Inf and are ignored.
    weight_ih : array (D, 4 H, C)
        D directions: 1, or 2 for forward and backward. Weights, bias and initial state are
        converted to the dtype of `x`.
    weight_hh : array (D, 4 H, H)
    bias : array (D, 4 H)
        The sum of torch's two.
    initial : (h, c), each (D, B, H), optional
        State before the first day of each direction; default zero.
    mask : bool array (B, T), optional
        Days where it is False are skipped: the state stays unchanged and is the output.
    backend : "auto", "reference", "numba", "torch" (no mask) or "triton"
        "auto" chooses by the type of `x`; a backend requested by name is used or refused.

    Returns
    -------
    y : array (B, T, D * H)
        Both directions in the order of the days, in the dtype of `x`.
    (h, c) : each (D, B, H)
        State after the last day of each direction.

    Raises
    ------
    ArgumentError
        Shapes or dtypes do not match.
    BackendError
        The requested backend does not support this call.

    Notes
    -----
    Hochreiter and Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735; with forget gates, Gers et
    al. (2000), doi 10.1162/089976600300015015.
    """
    x = arguments.sequences(x)
    weight_hh = arguments.parameter("weight_hh", weight_hh, x)
    batch, days, channels = x.shape
    if weight_hh.ndim != 3 or weight_hh.shape[0] not in (1, 2) or weight_hh.shape[2] < 1:
        raise ArgumentError(
            f"weight_hh: shape {tuple(weight_hh.shape)}; expected (1 or 2, 4 H, H): directions, "
            "gates, hidden units."
        )
    directions, _, hidden = weight_hh.shape
    h, c = (None, None) if initial is None else _pair(initial)
    state = directions, batch, hidden
    weight_hh = arguments.parameter("weight_hh", weight_hh, x, (directions, 4 * hidden, hidden))
    weight_ih = arguments.parameter("weight_ih", weight_ih, x, (directions, 4 * hidden, channels))
    bias = arguments.parameter("bias", bias, x, (directions, 4 * hidden))
    h = arguments.parameter("initial[0] (h)", h, x, state, optional=initial is None)
    c = arguments.parameter("initial[1] (c)", c, x, state, optional=initial is None)
    if mask is not None:
        mask = arguments.flags("mask", mask, x, f"{(batch, days)}, True on days to process")
        if tuple(mask.shape) != (batch, days):
            raise ArgumentError(f"mask: shape {tuple(mask.shape)}; expected {(batch, days)}.")
    y, h, c = dispatch.run("lstm", backend, (x, weight_ih, weight_hh, bias, h, c, mask))
    return y, (h, c)


def _pair(initial: Any) -> State:
    pair = arguments.listed("initial", initial)
    if len(pair) != 2:
        raise ArgumentError(f"initial: {len(pair)} arrays; expected two, (h, c).")
    return pair[0], pair[1]

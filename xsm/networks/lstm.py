"""The LSTM layer of the recurrent networks: its definition as a loop over days, and torch's own.

Both share one signature, with directions stacked on a first axis ``D`` (1, or 2: forward and
backward), so that kernels may run them side by side.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import array_api_compat

State = tuple[Any, Any]


def lstm(
    x: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias: Any,
    *,
    initial: State | None = None,
    mask: Any = None,
) -> tuple[Any, State]:
    """One layer of long short-term memory in one or both directions; the definition.

    Gates in the order of ``torch.nn.LSTM``, ``z = W_ih x_t + W_hh h + bias``::

        i, f, g, o = sigmoid(z_i), sigmoid(z_f), tanh(z_g), sigmoid(z_o)
        c = f c + i g,    h = o tanh(c)

    Parameters
    ----------
    x : array, shape (B, T, C)
        torch tensors or NumPy arrays, like all others.
    weight_ih : array, shape (D, 4 H, C)
    weight_hh : array, shape (D, 4 H, H)
    bias : array, shape (D, 4 H)
        The sum of torch's two.
    initial : (h, c), each (D, B, H), optional
        State before the first day of each direction; default zero.
    mask : bool array, shape (B, T), optional
        Where False the day is skipped: the state stays as it was and is what the day puts out.

    Returns
    -------
    y : array, shape (B, T, D * H)
        The backward direction in the order of the days too.
    (h, c) : each (D, B, H)
        State after the last day of each direction.

    Notes
    -----
    Hochreiter and Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735; with forget gates, Gers et
    al. (2000), doi 10.1162/089976600300015015.
    """
    xp = array_api_compat.array_namespace(x, weight_ih)
    batch, days, _ = x.shape
    directions, _, hidden = weight_hh.shape
    if initial is None:
        zero = xp.zeros(
            (directions, batch, hidden), dtype=x.dtype, device=array_api_compat.device(x)
        )
        initial = zero, zero
    outputs, last_h, last_c = [], [], []
    for d in range(directions):
        gates = x @ weight_ih[d].T + bias[d]  # (B, T, 4 H)
        h, c = initial[0][d], initial[1][d]
        steps = [None] * days
        for t in range(days) if d == 0 else reversed(range(days)):
            z = gates[:, t] + h @ weight_hh[d].T
            i, f, g, o = (z[:, n * hidden : (n + 1) * hidden] for n in range(4))
            new_c = sigmoid(xp, f) * c + sigmoid(xp, i) * xp.tanh(g)
            new_h = sigmoid(xp, o) * xp.tanh(new_c)
            if mask is not None:
                seen = mask[:, t, None]
                new_h, new_c = xp.where(seen, new_h, h), xp.where(seen, new_c, c)
            h, c = new_h, new_c
            steps[t] = h
        outputs.append(xp.stack(steps, axis=1))
        last_h.append(h)
        last_c.append(c)
    return xp.concat(outputs, axis=-1), (xp.stack(last_h), xp.stack(last_c))


def sigmoid(xp: Any, z: Any) -> Any:
    """``1 / (1 + exp(-z))``, which never overflows."""
    return 0.5 * (1 + xp.tanh(0.5 * z))


def fused_lstm(
    x: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias: Any,
    *,
    initial: State | None = None,
    mask: Any = None,
) -> tuple[Any, State]:
    """:func:`lstm` of torch tensors by torch's own kernels (cuDNN on a GPU), for training."""
    if mask is not None:
        return lstm(x, weight_ih, weight_hh, bias, initial=initial, mask=mask)
    import torch

    directions, _, hidden = weight_hh.shape
    if initial is None:
        zero = x.new_zeros(directions, x.shape[0], hidden)
        initial = zero, zero
    flat = []
    for d in range(directions):
        flat += [weight_ih[d], weight_hh[d], bias[d], torch.zeros_like(bias[d])]
    # input, state, weights, biases, layers, dropout, training, bidirectional, batch first
    y, h, c = torch._VF.lstm(  # type: ignore[attr-defined]
        x, initial, flat, True, 1, 0.0, torch.is_grad_enabled(), directions == 2, True
    )
    return y, (h, c)


def recurrent_operations(*, training: bool = False) -> SimpleNamespace:
    """The operations a recurrent network needs.

    Parameters
    ----------
    training : bool
        For torch tensors: their own fused kernels, which know gradients.
    """
    return SimpleNamespace(lstm=fused_lstm if training else lstm)

"""The definition of the long short-term memory, in plain PyTorch, with gradients."""

from __future__ import annotations

import torch

from xsm_kernels._torch_common import reference_backend


@reference_backend
def lstm(
    x: torch.Tensor,
    weight_ih: torch.Tensor,
    weight_hh: torch.Tensor,
    bias: torch.Tensor,
    h: torch.Tensor | None = None,
    c: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One layer of long short-term memory: the definition.

    For each direction d, day after day, ``z = W_ih x_t + W_hh h + bias`` in four parts of H::

        i, f, g, o = sigmoid(z_i), sigmoid(z_f), tanh(z_g), sigmoid(z_o)
        c = f c + i g,    h = o tanh(c),    y[:, t, d * H : (d + 1) * H] = h

    The second direction begins with the last day. Where the mask is False, h and c stay unchanged
    and y is h. Values of x there are excluded by selection: NaN and Inf reach neither values nor
    gradients. All is in the dtype of `x`.

    Parameters
    ----------
    x : (B, T, C)
    weight_ih : (D, 4 H, C)
    weight_hh : (D, 4 H, H)
    bias : (D, 4 H)
    h, c : (D, B, H)
        State before the first day of each direction; None for zeros.
    mask : bool (B, T)

    Returns
    -------
    y : (B, T, D * H)
    h, c : (D, B, H)
        State after the last day of each direction.
    """
    batch, days, _ = x.shape
    directions, _, hidden = weight_hh.shape
    zero = x.new_zeros(directions, batch, hidden)
    if mask is not None:
        x = torch.where(mask[..., None], x, x.new_zeros(()))
    outputs, states = [], []
    for d in range(directions):
        state = (zero if h is None else h)[d], (zero if c is None else c)[d]
        inputs = x @ weight_ih[d].T + bias[d]  # (B, T, 4 H)
        steps = [zero[d]] * days
        for t in range(days) if d == 0 else reversed(range(days)):
            updated = cell(inputs[:, t] + state[0] @ weight_hh[d].T, state[1])
            if mask is not None:
                observed = mask[:, t, None]
                updated = tuple(map(torch.where, (observed, observed), updated, state))
            state = updated
            steps[t] = state[0]
        outputs.append(torch.stack(steps, dim=1))
        states.append(state)
    last_h, last_c = (torch.stack(parts) for parts in zip(*states, strict=True))
    return torch.cat(outputs, dim=-1), last_h, last_c


def cell(z: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Next (h, c), each (B, H), from the sums of the gates (B, 4 H) and c (B, H)."""
    i, f, g, o = z.chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c

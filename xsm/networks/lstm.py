"""The operations that recurrent networks are made of."""

from __future__ import annotations

from types import SimpleNamespace

import xsm_kernels


def recurrent_operations() -> SimpleNamespace:
    """The operations a recurrent network needs, for NumPy arrays and torch tensors.

    Which kernel runs them is seen from the arrays, and whether gradients are wanted.
    """
    return SimpleNamespace(lstm=xsm_kernels.lstm, attention=xsm_kernels.attention)

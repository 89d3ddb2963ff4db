"""The operations that recurrent networks are made of."""

from __future__ import annotations

from types import SimpleNamespace

import xsm_kernels


def recurrent_operations(*, training: bool = False) -> SimpleNamespace:
    """The operations a recurrent network needs, for NumPy arrays and torch tensors.

    Parameters
    ----------
    training : bool
        Gradients are wanted; ``backend="auto"`` sees for itself which kernels know them.
    """
    return SimpleNamespace(lstm=xsm_kernels.lstm, attention=xsm_kernels.attention)

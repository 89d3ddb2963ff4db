"""The operations that recurrent networks are made of."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import xsm_kernels
from xsm_kernels import dispatch


def recurrent_operations(backend: str = "auto") -> SimpleNamespace:
    """The operations a recurrent network needs, for NumPy arrays and torch tensors.

    Parameters
    ----------
    backend : str
        Of the kernels; ``auto`` sees from the arrays, and from whether gradients are wanted, which
        to take. An operation that has no kernel of this backend takes its own choice.
    """

    def kernel(op):
        known = backend in dispatch.backends(op)
        return partial(getattr(xsm_kernels, op), backend=backend if known else "auto")

    return SimpleNamespace(lstm=kernel("lstm"), self_attention=kernel("self_attention"))

"""Gap-filling methods that the networks are compared with.

Every baseline is a function ``fill(values, ...) -> filled`` over a record (T, H, W) of float32,
NaN = missing. Observed values are returned bit for bit. Cells that were never observed stay NaN,
and so do gaps that the method cannot fill.

A baseline is one module with a function `fill` and one row of `BASELINES`. The module, and the
package it may need (``xsm[baselines]``), is imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError

BASELINES: dict[str, str] = {
    "linear": "xsm.baselines.linear:fill",
    "window_mean": "xsm.baselines.window_mean:fill",
    "climatology": "xsm.baselines.cell_climatology:fill",
    "dctpls": "xsm.baselines.dctpls:fill",
    "dineof": "xsm.baselines.dineof:fill",
    "trees": "xsm.baselines.trees:fill",
}

__all__ = ["BASELINES", "baseline"]


def baseline(name: str) -> Callable[..., NDArray[np.float32]]:
    """The ``fill`` function of a baseline, by name.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.

    Returns
    -------
    callable
        ``fill(values, **options) -> filled``, both (T, H, W) float32.

    Raises
    ------
    InputError
        If there is no such baseline.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([0.1, np.nan, 0.3], np.float32).reshape(3, 1, 1)
    >>> baseline("linear")(values).ravel().round(3).tolist()
    [0.10000000149011612, 0.20000000298023224, 0.30000001192092896]
    """
    if name not in BASELINES:
        raise InputError(f"name={name!r} is not a baseline; use one of {sorted(BASELINES)}")
    module, _, function = BASELINES[name].partition(":")
    fill: Callable[..., NDArray[np.float32]] = getattr(import_module(module), function)
    return fill

"""Triple collocation of many resamples, from their moments, compiled.

The moments are of u, v - u and w - u: the records over their standard deviations, with a sign that
makes them rise with u. Errors are then sums of small products, and keep their digits where sums
over resamples are taken in single precision.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

TILE = 64  # columns at a time


def errors(uu, ud, ue, dd, de, ee):
    """Covariances of u, v, w with each other, and what each product of those of one with the
    others lacks of its variance times that of the others: ``Q_uu Q_vw - Q_uv Q_uw``, ..."""
    uv, uw, vw = uu + ud, uu + ue, uu + ud + ue + de
    vv, ww = uv + ud + dd, uw + ue + ee
    lack_u = uu * de - ud * ue
    lack_v = vv * (dd - de) + (ud + dd) * (ue - ud + de - dd)
    lack_w = ww * (ee - de) + (ue + ee) * (ud - ue + de - ee)
    return uv, uw, vw, lack_u, lack_v, lack_w


_errors = njit(nogil=True, error_model="numpy", inline="always")(errors)


@njit(nogil=True, error_model="numpy", inline="always")
def _one(q_ij, q_ik, q_jk, lack, beta, scale, count, found, first, c):
    """Column c of the statistics of one record: rows `first` and on of `found`."""
    both = q_ij * q_ik
    noise = lack / both
    share = both / (both + lack)
    found[first, c] = np.sqrt(lack / (q_jk * count)) * scale * beta
    # abs(abs(1 / share) - 1)
    found[first + 1, c] = abs(noise if share > 0 else -2.0 - noise)
    found[first + 2, c] = beta
    found[first + 3, c] = share if (share >= 0) & (share <= 1) else np.nan


@njit(nogil=True, error_model="numpy")
def _collocated(moments, scales, reference, out):
    """Moments (P, 10, C) and scales (3, P) -> out (3, P, 4, C).

    Statistics: standard deviation of the error in the scale of the reference, noise over signal
    (of variances), factor to the scale of the reference, squared correlation with the truth.
    """
    # of a size that the compiler knows, so that it makes vectors
    m, found = np.ones((7, TILE)), np.empty((12, TILE))
    for p in range(moments.shape[0]):
        k_0, k_1, k_2 = scales[0, p], scales[1, p], scales[2, p]
        k_r = scales[reference, p]
        for start in range(0, moments.shape[2], TILE):
            wide = min(TILE, moments.shape[2] - start)
            for f in range(7):
                for c in range(wide):
                    m[f, c] = moments[p, 3 + f, start + c]
            for c in range(TILE):
                uv, uw, vw, lack_u, lack_v, lack_w = _errors(
                    m[0, c], m[1, c], m[2, c], m[3, c], m[4, c], m[5, c]
                )
                # Q_rk / Q_ik: with i and r given, k is the third
                over = k_r / (vw if reference == 0 else uw if reference == 1 else uv)
                b_0 = 1.0 if reference == 0 else vw * over / k_0
                b_1 = 1.0 if reference == 1 else uw * over / k_1
                b_2 = 1.0 if reference == 2 else uv * over / k_2
                count = m[6, c] - 1
                _one(uv, uw, vw, lack_u, b_0, abs(k_0), count, found, 0, c)
                _one(uv, vw, uw, lack_v, b_1, abs(k_1), count, found, 4, c)
                _one(uw, vw, uv, lack_w, b_2, abs(k_2), count, found, 8, c)
            for f in range(12):
                for c in range(wide):
                    out[f // 4, p, f % 4, start + c] = found[f, c]


@cache
def collocation_kernel() -> Any:
    """The compiled function."""
    f8, i8 = types.float64, types.int64
    _collocated.compile(
        types.void(types.Array(f8, 3, "C"), types.Array(f8, 2, "C"), i8, types.Array(f8, 4, "C"))
    )
    return _collocated

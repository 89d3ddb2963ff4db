"""Data interpolating empirical orthogonal functions (DINEOF), by pydineof.

References
----------
Beckers, J.-M., Rixen, M. (2003). EOF calculations and data filling from incomplete oceanographic
datasets. J. Atmos. Ocean. Technol. 20, 1839.
Alvera-Azcarate, A. et al. (2005). Reconstruction of incomplete oceanographic data sets using
empirical orthogonal functions. Ocean Model. 9, 325, doi 10.1016/j.ocemod.2004.08.001.
"""

from __future__ import annotations

import contextlib
import io
import logging

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.baselines.cell_mean import cell_mean
from xsm.baselines.checks import checked, land_of, merged, optional
from xsm.errors import InputError

_log = logging.getLogger(__name__)

SHORTEST = 12  # days; the Lanczos solver needs a subspace of modes + 6 below the number of days


def fill(
    values: ArrayLike,
    *,
    modes: int = 5,
    anomalies: bool = True,
    seed: int = 0,
    land: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Fill gaps with the leading modes of the record, their number chosen by cross-validation.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, any unit, NaN = missing; twelve days or more.
    modes : int
        Largest number of modes tried.
    anomalies : bool
        Decompose what each cell departs from its mean, rather than from the mean of the record.
    seed : int
        Of the choice of cross-validation points.
    land : array_like of bool, (H, W), optional
        Cells that may be filled; by default those ever observed.

    Returns
    -------
    ndarray of float32, (T, H, W)

    Raises
    ------
    InputError
        If `values` is no record, too short, or `modes` too many for its length.
    MissingPackageError
        If pydineof is not installed.

    Notes
    -----
    pydineof takes the logarithm of its input and centres it, and drops what is not positive. It is
    handed exp((x - centre) / scale), so that the decomposition is of x itself and zeros count. Time
    goes in as day numbers: seconds would overflow its 16-bit time axis.
    """
    run_2d = optional("pydineof").run_2D
    xr = optional("xarray")
    record = checked(values)
    n_days = record.shape[0]
    krylov = min(n_days - 1, max(10, modes + 6))
    if modes < 1 or krylov <= modes + 5:
        raise InputError(
            f"modes={modes} for a record of {n_days} days; give at least 1 and at most "
            f"{max(n_days - 7, 0)} (a record of {SHORTEST} days or more is best)"
        )
    seen = np.isfinite(record)
    if not seen.any():
        return record.copy()
    centre = cell_mean(record) if anomalies else np.full(record.shape[1:], record[seen].mean())
    scale = float(np.nanstd(record - centre)) or 1.0
    matrix = xr.DataArray(
        np.exp((record - centre) / scale),
        dims=("time", "y", "x"),
        coords={
            "time": np.arange(n_days),
            "y": np.arange(record.shape[1]),
            "x": np.arange(record.shape[2]),
        },
    )
    said = io.StringIO()
    with contextlib.redirect_stdout(said), np.errstate(all="ignore"):
        found = run_2d(matrix, mask=None, nev=modes, ncv=krylov, rec=True, seed=seed)
    _log.debug("%s", said.getvalue())
    found = found.transpose("time", "y", "x").sortby(["time", "y", "x"])
    estimate = np.log(found.values) * scale + centre
    return merged(record, estimate, land_of(record, land))

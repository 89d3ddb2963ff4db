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

from xsm._lazy import optional_import
from xsm.baselines.gridded_values import cell_mean, check_values, keep_observed, land_cells
from xsm.errors import InputError

_log = logging.getLogger(__name__)

MIN_DAYS = 12  # the subspace of the Lanczos solver, modes + 6, must be smaller than the record


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
        Decompose the differences from the mean of each cell instead of the mean of the record.
    seed : int
        Seed of the choice of cross-validation points.
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
    pydineof centres the logarithm of its input and drops values that are not positive. It is given
    exp((x - centre) / scale), so that x itself is decomposed and zeros count. Time is given as day
    numbers: seconds would overflow its 16-bit time axis.
    """
    import xarray as xr  # pydineof takes a DataArray

    pydineof = optional_import("pydineof", "the baseline 'dineof'", "baselines")
    record = check_values(values)
    n_days = record.shape[0]
    n_lanczos = min(n_days - 1, max(10, modes + 6))
    if modes < 1 or n_lanczos <= modes + 5:
        raise InputError(
            f"modes={modes} for a record of {n_days} days; give at least 1 and at most "
            f"{max(n_days - 7, 0)} (a record of {MIN_DAYS} days or more is best)"
        )
    observed = np.isfinite(record)
    if not observed.any():
        return record.copy()
    centre = cell_mean(record) if anomalies else np.full(record.shape[1:], record[observed].mean())
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
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), np.errstate(all="ignore"):
        filled = pydineof.run_2D(matrix, mask=None, nev=modes, ncv=n_lanczos, rec=True, seed=seed)
    _log.debug("%s", printed.getvalue())
    filled = filled.transpose("time", "y", "x").sortby(["time", "y", "x"])
    estimate = np.log(filled.values) * scale + centre
    return keep_observed(record, estimate, land_cells(record, land))

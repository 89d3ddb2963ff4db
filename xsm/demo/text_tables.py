"""Tables of the demonstration, as text for a terminal."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.metrics import scores

UNITS = "m³ m⁻³"
METRICS = ("rmsd", "mae", "bias", "pearson_r")
HEADS = ("RMSE", "MAE", "bias", "R", "R anom.")
_HEAD = "{:<24}{:>9}{:>8}{:>8}{:>9}{:>8}{:>9}"
_ROW = "{:<24}{:>9}{:>8.4f}{:>8.4f}{:>+9.4f}{:>8.3f}{:>9.3f}"


def score_estimate(
    est: NDArray[np.floating], truth: NDArray[np.floating], mask: NDArray[np.bool_]
) -> list[float]:
    """RMSE, MAE, bias (m3 m-3), R, and R of the departures from the true mean of each cell.

    Parameters
    ----------
    est, truth : ndarray, (T, H, W), m3 m-3
    mask : ndarray of bool, (T, H, W)
        The cells and days to score.
    """
    mean = np.nanmean(np.where(np.isfinite(truth).any(0), truth, 0.0), axis=0)  # (H, W)
    values = _score_pairs(est[mask], truth[mask], METRICS)
    return values + _score_pairs((est - mean)[mask], (truth - mean)[mask], ("pearson_r",))


def _score_pairs(
    est: NDArray[np.floating], truth: NDArray[np.floating], metrics: tuple[str, ...]
) -> list[float]:
    arrays = (xr.DataArray(values.astype(float), dims="pair") for values in (est, truth))
    result = scores(*arrays, dim="pair", metrics=metrics)
    return [float(result[name]) for name in metrics]


def gap_table(
    before: NDArray[np.floating],
    filled: dict[str, NDArray[np.floating]],
    truth: NDArray[np.floating],
    seconds: dict[str, float],
) -> str:
    """Scores of several fill methods on the gaps that all of them fill.

    Parameters
    ----------
    before, truth : ndarray, (T, H, W), m3 m-3
        The record with its gaps, and the truth.
    filled : dict of str to ndarray, (T, H, W)
        Fill method to filled record.
    seconds : dict of str to float
        Run time of each fill method.
    """
    gaps = np.isnan(before) & np.isfinite(truth)
    scored = gaps & np.all([np.isfinite(values) for values in filled.values()], axis=0)
    lines = [_HEAD.format("", "filled %", *HEADS) + f"{'seconds':>9}"]
    for name, values in filled.items():
        percentage = f"{100 * np.isfinite(values[gaps]).mean():.1f}"
        row = _ROW.format(name, percentage, *score_estimate(values, truth, scored))
        lines.append(row + f"{seconds[name]:>9.2f}")
    observed = np.isfinite(before) & np.isfinite(truth)
    row = _ROW.format("(retrievals, no gaps)", "-", *score_estimate(before, truth, observed))
    lines.append(row + f"{'-':>9}")
    lines.append(f"scored on {scored.sum():,} gaps that both fill, against the truth, in {UNITS}")
    return "\n".join(lines)


def ground_table(maps: dict[str, xr.DataArray], ground: xr.DataArray) -> str:
    """Scores of daily maps against the soil moisture of the ground, where all have a value."""
    arrays = {name: da.transpose(*ground.dims).values for name, da in maps.items()}
    truth = ground.values
    scored = np.isfinite(truth) & np.all([np.isfinite(est) for est in arrays.values()], axis=0)
    lines = [_HEAD.format("", "", *HEADS)]
    lines += [_ROW.format(n, "", *score_estimate(est, truth, scored)) for n, est in arrays.items()]
    lines += [
        f"scored on {scored.sum():,} cells and days against the ground, in {UNITS};",
        "a filled record keeps the systematic bias of its sensor, the estimate was trained",
        "on the ground of other simulated Earths",
    ]
    return "\n".join(lines)


def validation_table(validations: dict[str, xr.Dataset]) -> str:
    """RMSE of hidden retrievals by gap pattern, and median scores at stations.

    Parameters
    ----------
    validations : dict of str to Dataset
        The simulated gaps first, then the scores at stations.
    """
    gaps, *in_situ = validations.values()
    patterns = gaps["gap_pattern"].values.tolist()
    lines = [f"{'hidden retrievals, RMSE':<24}" + "".join(f"{name:>9}" for name in patterns)]
    for method in gaps["fill_method"].values.tolist():
        values = gaps["rmsd"].sel(fill_method=method).values
        lines.append(f"{method:<24}" + "".join(f"{value:>9.4f}" for value in values))
    heads = ("stations, medians", "n", "pairs", "R", "ubRMSE")
    lines += ["", "{:<24}{:>9}{:>9}{:>9}{:>9}".format(*heads)]
    for name, ds in zip(list(validations)[1:], in_situ, strict=True):
        scored = ds.where(ds["status"] == 0, drop=True)
        r, error = (float(scored[metric].median()) for metric in ("pearson_r", "ubrmsd"))
        pairs = int(scored["n_obs"].median())
        lines.append(f"{name:<24}{scored.sizes['station']:>9}{pairs:>9}{r:>9.3f}{error:>9.4f}")
    return "\n".join(lines)

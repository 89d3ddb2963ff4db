"""Difference of two validations: which record is better where, and do the intervals overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import CONVENTIONS, estimate_name, history_line, with_attrs
from xsm.errors import InputError
from xsm.metrics.collocation import BEST
from xsm.metrics.table import METRICS
from xsm.validation.scoring import chosen_metrics

TOLERANCE = 1e-4  # degrees, between the cells of the two
UNDEFINED, A_BETTER, B_BETTER, EQUAL = range(4)
BETTER_ATTRS: dict[str, Any] = {
    "flag_values": np.arange(4, dtype=np.int8),
    "flag_meanings": "undefined a_better b_better equal",
}
OVERLAP_ATTRS: dict[str, Any] = {
    "flag_values": np.arange(3, dtype=np.int8),
    "flag_meanings": "undefined overlapping apart",
}


def difference(
    a: xr.Dataset,
    b: xr.Dataset,
    *,
    metrics: str | Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> xr.Dataset:
    """Difference of two validations over the stations or cells that both have.

    Parameters
    ----------
    a, b : Dataset
        Scores of two records, or of one record in two versions, against one reference; of several
        products ``scores.sel(product=...)``.
    metrics : str or sequence of str, optional
        Default: the metrics that both have; of triple collocation ``err_std``, ``snr_db`` and
        ``r2``.
    names : two str, optional
        Default the names of the estimates where these differ, else "a" and "b".

    Returns
    -------
    Dataset
        For each metric ``<metric>_difference`` (a - b); ``<metric>_better``, a flag: the record
        whose score is nearer to the best value; and, where both have intervals,
        ``<metric>_intervals``, a flag: overlapping or apart. Intervals that are apart show a
        difference; overlapping ones do not show that there is none. Lazy if the scores are.

    Raises
    ------
    InputError
        If the two have no metric, no station or cell in common, or other dimensions.

    Examples
    --------
    >>> a = xr.Dataset({"bias": ("station", [0.01, -0.05])}, {"station": ["x", "y"]})
    >>> b = xr.Dataset({"bias": ("station", [0.03, 0.02])}, {"station": ["y", "x"]})
    >>> result = difference(a, b)
    >>> result.bias_difference.round(2).values.tolist(), result.bias_better.values.tolist()
    ([-0.01, -0.08], [1, 2])
    """
    for label, scores in (("a", a), ("b", b)):
        if not isinstance(scores, xr.Dataset):
            raise InputError(f"{label} is a {type(scores).__name__}: expected scores of validate.")
    best_of = {name: row.best for name, row in METRICS.items()} | BEST
    wanted = chosen_metrics(metrics, [a, b], "shared by a and b", best_of)
    name_a, name_b = _names(a, b, names)
    a, b = _on_common_labels(a[_needed(a, wanted)], b[_needed(b, wanted)])
    variables: dict[str, xr.DataArray] = {}
    for name in wanted:
        best, x, y = best_of[name], a[name], b[name]
        default = METRICS[name].long_name if name in METRICS else name
        long_name = str(x.attrs.get("long_name", default))
        attrs = {"long_name": f"{long_name}, {name_a} minus {name_b}"}
        attrs |= {"units": str(x.attrs["units"])} if "units" in x.attrs else {}
        variables[f"{name}_difference"] = with_attrs(x - y, **attrs)
        if not np.isnan(best):
            attrs = {"long_name": f"better {long_name}: a is {name_a}, b is {name_b}"}
            better = xr.apply_ufunc(
                _better,
                x,
                y,
                kwargs={"best": best},
                dask="parallelized",
                output_dtypes=[np.int8],
            )
            variables[f"{name}_better"] = with_attrs(better, **attrs, **BETTER_ATTRS)
        ends = [f"{name}_low", f"{name}_high"]
        if all(end in ds for end in ends for ds in (a, b)):
            overlap = xr.apply_ufunc(
                _overlap,
                *(ds[end] for ds in (a, b) for end in ends),
                dask="parallelized",
                output_dtypes=[np.int8],
            )
            attrs = {"long_name": f"intervals of the {long_name}"}
            variables[f"{name}_intervals"] = with_attrs(overlap, **attrs, **OVERLAP_ATTRS)
    history = "; ".join(str(ds.attrs["history"]) for ds in (a, b) if "history" in ds.attrs)
    result = xr.Dataset(variables)
    return result.assign_attrs(
        Conventions=CONVENTIONS,
        xsm_scores="difference",
        name_a=name_a,
        name_b=name_b,
        reference_name=str(a.attrs.get("reference_name", "the reference")),
        history=history_line(f"difference({name_a!r}, {name_b!r})", history),
    )


def _needed(scores: xr.Dataset, metrics: Sequence[str]) -> list[str]:
    names = [f"{name}{end}" for name in metrics for end in ("", "_low", "_high")]
    return [name for name in names if name in scores]


def _names(a: xr.Dataset, b: xr.Dataset, names: Sequence[str] | None) -> tuple[str, str]:
    if names is not None:
        if isinstance(names, str) or len(names) != 2 or names[0] == names[1]:
            raise InputError(f"names={names!r}: expected two different names, of a and of b.")
        return str(names[0]), str(names[1])
    own = [estimate_name(ds) for ds in (a, b)]
    return (own[0], own[1]) if all(own) and own[0] != own[1] else ("a", "b")


def _on_common_labels(a: xr.Dataset, b: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Both on the labels that they share: cells by their centres, all else by equal labels."""
    if set(a.dims) != set(b.dims):
        raise InputError(
            f"a has the dimensions {tuple(a.dims)}, b {tuple(b.dims)}: expected equal ones. Select "
            'a stratum or product first, such as scores.sel(season="JJA").'
        )
    positions_a, positions_b, coords = {}, {}, {}
    for dim in a.dims:
        if dim not in a.indexes or dim not in b.indexes:
            if a.sizes[dim] != b.sizes[dim]:
                raise InputError(
                    f"a has {a.sizes[dim]} and b {b.sizes[dim]} along {dim!r}, which has no labels."
                )
            continue
        index, other = a.indexes[dim], b.indexes[dim]
        if not other.is_unique or not index.is_unique:
            raise InputError(f"{dim!r} repeats labels: expected each once.")
        if (
            index.dtype.kind == "f"
            and other.is_monotonic_decreasing | other.is_monotonic_increasing
        ):
            matches = other.get_indexer(index, method="nearest", tolerance=TOLERANCE)
        else:
            matches = other.get_indexer(index)
        common = np.flatnonzero(matches >= 0)
        if not common.size:
            raise InputError(
                f"a and b have no label of {dim!r} in common: a has {index[0]} to {index[-1]}, b "
                f"{other[0]} to {other[-1]}. Compare validations at the same stations or on one "
                "grid."
            )
        positions_a[dim], positions_b[dim] = common, matches[common]
        coords[dim] = a[dim].isel({dim: common})
    b = b.isel(positions_b).drop_vars(
        [n for n in b.coords if n not in coords and n in a.coords], errors="ignore"
    )
    return a.isel(positions_a), b.assign_coords(coords)


def _better(x: NDArray[Any], y: NDArray[Any], *, best: float) -> NDArray[np.int8]:
    # the higher the better, without an end, or the nearer to the best value
    distance_x, distance_y = (-z if np.isinf(best) else np.abs(z - best) for z in (x, y))
    flag = np.where(
        distance_x < distance_y, A_BETTER, np.where(distance_x > distance_y, B_BETTER, EQUAL)
    )
    return np.where(np.isfinite(x) & np.isfinite(y), flag, UNDEFINED).astype(np.int8)


def _overlap(
    low_a: NDArray[Any], high_a: NDArray[Any], low_b: NDArray[Any], high_b: NDArray[Any]
) -> NDArray[np.int8]:
    defined = np.isfinite(low_a) & np.isfinite(high_a) & np.isfinite(low_b) & np.isfinite(high_b)
    flag = np.where((low_a <= high_b) & (low_b <= high_a), 1, 2)
    return np.where(defined, flag, 0).astype(np.int8)

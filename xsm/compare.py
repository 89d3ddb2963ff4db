"""Which of two products is better at the same stations, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError

CORRECTIONS = ("holm", "bonferroni", "fdr_bh")
ALL = "all"
LEAST = 2  # stations of a test
_SHOWN = {
    "n_stations": "stations where both have a score",
    "mean_a": "mean score of a",
    "mean_b": "mean score of b",
    "median_a": "median score of a",
    "median_b": "median score of b",
    "share_won": "share of stations where a is nearer to the best value than b",
    "share_tied": "share of stations where both are equally near",
    "p_t": "p value of the paired t-test",
    "p_wilcoxon": "p value of the Wilcoxon signed-rank test",
}


def compare(
    a: xr.Dataset,
    b: xr.Dataset,
    *,
    metric: str | Sequence[str],
    by: str | None = "network",
    correction: str | None = "holm",
    dim: str = "station",
    names: Sequence[str] | None = None,
) -> xr.Dataset:
    """Compare two sets of scores against the same reference, station by station.

    Parameters
    ----------
    a, b : Dataset
        Scores along `dim`, as ``validate`` returns them. Stations are matched by the labels of
        `dim`, or by their place if there are none.
    metric : str or sequence of str
        Names out of ``xsm.metrics.METRICS``. The tests compare how far each score is from the best
        value of its metric: the size of a bias, 1 - R.
    by : str or None
        A coordinate of the stations, such as ``network``; each of its values makes a group beside
        "all". None: "all" alone.
    correction : {"holm", "bonferroni", "fdr_bh", None}
        For the number of tests (metrics times groups) of each kind: Holm (1979,
        https://www.jstor.org/stable/4615733), Bonferroni, or the false discovery rate of Benjamini
        and Hochberg (1995, doi 10.1111/j.2517-6161.1995.tb02031.x).
    dim : str
        Dimension of the stations.
    names : two str, optional
        What a and b are called, in a report; default the names of their estimates where these
        differ, else "a" and "b".

    Returns
    -------
    Dataset
        On ``metric`` and ``group``: ``n_stations``, means and medians of both, ``share_won`` by a,
        ``share_tied``, ``p_t`` of the paired t-test, ``p_wilcoxon`` of the signed-rank test
        (Wilcoxon, 1945, doi 10.2307/3001968), and both corrected, ``p_t_corrected`` and
        ``p_wilcoxon_corrected``. p is NaN with fewer than two stations, 1 where all are tied.
        :func:`xsm.report` takes it.

    Raises
    ------
    InputError
        If a metric, coordinate or correction is missing or unknown, or no station is common.
    """
    attrs = _attrs(a, b, names) | {"correction": correction or "none", "by": by or "none"}
    names = [metric] if isinstance(metric, str) else list(metric)
    if correction is not None and correction not in CORRECTIONS:
        raise InputError(
            f"correction={correction!r}: expected None or one of "
            f"{', '.join(map(repr, CORRECTIONS))}."
        )
    best = {name: _best(name) for name in names}
    a, b = _matched(a, b, names, dim)
    groups = _groups(a, by, dim)
    rows = [
        [_row(a[name].values[who], b[name].values[who], best[name]) for who in groups.values()]
        for name in names
    ]
    out = {
        key: (("metric", "group"), np.array([[row[key] for row in line] for line in rows]))
        for key in _SHOWN
    }
    found = xr.Dataset(out, coords={"metric": names, "group": list(groups)})
    for key, words in _SHOWN.items():
        found[key].attrs["long_name"] = words
    if correction is not None:
        for key in ("p_t", "p_wilcoxon"):
            p = found[key].copy(data=corrected(found[key].values, correction))
            p.attrs["long_name"] = f"{_SHOWN[key]}, {correction} correction"
            found[f"{key}_corrected"] = p
    return found.assign_attrs(attrs)


def _attrs(a: xr.Dataset, b: xr.Dataset, names: Sequence[str] | None) -> dict[str, str]:
    """What was compared, and that this is a comparison."""
    if names is not None and (isinstance(names, str) or len({*names}) != 2 or len(names) != 2):
        raise InputError(f"names={names!r}: expected two different names, of a and of b.")
    called = [str(one.attrs.get("estimate_name", "")) for one in (a, b)]
    told = names or (called if all(called) and called[0] != called[1] else ["a", "b"])
    found = {"xsm_scores": "comparison", "name_a": str(told[0]), "name_b": str(told[1])}
    if a.attrs.get("reference_name") == b.attrs.get("reference_name") is not None:
        found["reference_name"] = str(a.attrs["reference_name"])
    history = [str(one.attrs["history"]) for one in (a, b) if "history" in one.attrs]
    return found | ({"history": "; ".join(history)} if history else {})


def _best(name: str) -> float:
    from xsm.metrics.table import metric_of

    best = metric_of(name).best
    if not np.isfinite(best):
        raise InputError(f"metric={name!r} has no best value: it cannot be won.")
    return best


def _matched(
    a: xr.Dataset, b: xr.Dataset, names: list[str], dim: str
) -> tuple[xr.Dataset, xr.Dataset]:
    for label, scores in (("a", a), ("b", b)):
        for name in names:
            if name not in scores.data_vars:
                raise InputError(
                    f"{label} has no metric {name!r}, only {', '.join(map(str, scores.data_vars))}."
                )
            if scores[name].dims != (dim,):
                raise InputError(
                    f"{name} of {label} has the dimensions {scores[name].dims}: expected "
                    f"({dim!r},). Select one of the others first, such as "
                    f"{label}.isel({next((d for d in scores[name].dims if d != dim), dim)}=0)."
                )
        if dim in scores.indexes and not scores.indexes[dim].is_unique:
            raise InputError(f"{label} repeats labels of {dim!r}: expected each station once.")
    try:
        a, b = xr.align(a, b, join="inner")
    except ValueError as error:
        raise InputError(f"a and b cannot be matched along {dim!r}: {error}") from error
    if a.sizes[dim] == 0:
        raise InputError(
            f"a and b have no label of {dim!r} in common: compare scores at the same stations."
        )
    return a, b


def _groups(scores: xr.Dataset, by: str | None, dim: str) -> dict[str, NDArray[np.bool_]]:
    """Name of each group -> which stations (N,)."""
    everyone = {ALL: np.ones(scores.sizes[dim], bool)}
    if by is None:
        return everyone
    if by not in scores.coords or scores[by].dims != (dim,):
        usable = [str(c) for c in scores.coords if scores[c].dims == (dim,)]
        raise InputError(
            f"by={by!r}: expected a coordinate along {dim!r} (there are {usable}), or None."
        )
    values = scores[by].values
    return everyone | {str(v): values == v for v in dict.fromkeys(values.tolist())}


def _row(a: NDArray[Any], b: NDArray[Any], best: float) -> dict[str, float]:
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both].astype(np.float64), b[both].astype(np.float64)
    far_a, far_b = np.abs(a - best), np.abs(b - best)
    if not a.size:
        return dict.fromkeys(_SHOWN, np.nan) | {"n_stations": 0}
    p_t, p_wilcoxon = _tests(far_a, far_b)
    return {
        "n_stations": a.size,
        "mean_a": a.mean(),
        "mean_b": b.mean(),
        "median_a": float(np.median(a)),
        "median_b": float(np.median(b)),
        "share_won": (far_a < far_b).mean(),
        "share_tied": (far_a == far_b).mean(),
        "p_t": p_t,
        "p_wilcoxon": p_wilcoxon,
    }


def _tests(far_a: NDArray[np.float64], far_b: NDArray[np.float64]) -> tuple[float, float]:
    from scipy.special import stdtr
    from scipy.stats import wilcoxon

    apart = far_a - far_b
    n = apart.size
    if n < LEAST:
        return np.nan, np.nan
    if not apart.any():
        return 1.0, 1.0
    error = apart.std(ddof=1) / np.sqrt(n)
    p_t = 2.0 * stdtr(n - 1, -abs(apart.mean()) / error) if error > 0 else 0.0
    return float(p_t), float(wilcoxon(apart).pvalue)


def corrected(p: NDArray[np.float64], correction: str) -> NDArray[np.float64]:
    """p values corrected for their number; NaN is no test.

    Examples
    --------
    >>> corrected(np.array([0.01, 0.04, np.nan, 0.03]), "holm").round(2).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    out = np.full(p.shape, np.nan)
    tests = np.isfinite(p)
    values = p[tests]
    order = np.argsort(values)
    ranks = np.arange(1, values.size + 1)
    ordered = values[order]
    if correction == "holm":
        ordered = np.maximum.accumulate(ordered * (values.size + 1 - ranks))
    elif correction == "bonferroni":
        ordered = ordered * values.size
    else:
        ordered = np.minimum.accumulate((ordered * values.size / ranks)[::-1])[::-1]
    back = np.empty_like(ordered)
    back[order] = np.minimum(ordered, 1.0)
    out[tests] = back
    return out

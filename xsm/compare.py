"""Which of two products is better at the same stations, and whether it could be by chance."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import CONVENTIONS, estimate_name, history_line
from xsm.errors import InputError

_log = logging.getLogger(__name__)

CORRECTIONS = ("holm", "bonferroni", "fdr_bh")
NETWORK = "network"
ALL_STATIONS = "all"
MIN_STATIONS = 2  # of a test
LONG_NAMES = {
    "n_stations": "stations where both have a score",
    "mean_a": "mean score of a",
    "mean_b": "mean score of b",
    "median_a": "median score of a",
    "median_b": "median score of b",
    "fraction_won": "fraction of stations where a is nearer to the best value than b",
    "fraction_tied": "fraction of stations where both are equally near",
    "p_t": "p value of the paired t-test",
    "p_wilcoxon": "p value of the Wilcoxon signed-rank test",
}


def compare(
    a: xr.Dataset,
    b: xr.Dataset,
    *,
    metric: str | Sequence[str],
    by: str | None = NETWORK,
    correction: str | None = "holm",
    dim: str = "station",
    names: Sequence[str] | None = None,
) -> xr.Dataset:
    """Compare two sets of scores against the same reference, station by station.

    Parameters
    ----------
    a, b : Dataset
        Scores along `dim`, as ``validate`` returns them. Stations are matched by the labels of
        `dim`, or by their position if there are none; the coordinates that both have must then
        agree.
    metric : str or sequence of str
        Names from ``xsm.metrics.METRICS``. The tests compare the distance of each score from the
        best value of its metric: the size of a bias, 1 - R.
    by : str or None
        A coordinate of the stations; each of its values is a group beside "all". A station where it
        is missing is in "all" alone. Without the coordinate ``network``, the default, there is one
        group. None: "all" alone.
    correction : {"holm", "bonferroni", "fdr_bh", None}
        Correction for the number of tests (metrics times groups) of each kind: Holm (1979,
        https://www.jstor.org/stable/4615733), Bonferroni, or the false discovery rate of Benjamini
        and Hochberg (1995, doi 10.1111/j.2517-6161.1995.tb02031.x).
    dim : str
        Dimension of the stations.
    names : two str, optional
        Names of a and b, for a report; default the names of their estimates where these differ,
        else "a" and "b".

    Returns
    -------
    Dataset
        On ``metric`` and ``group``: ``n_stations``, means and medians of both, ``fraction_won`` by
        a, ``fraction_tied``, ``p_t`` of the paired t-test, ``p_wilcoxon`` of the signed-rank test
        (Wilcoxon, 1945, doi 10.2307/3001968), and both corrected, ``p_t_corrected`` and
        ``p_wilcoxon_corrected``. p is NaN with fewer than two stations, 1 where all are tied. The
        group "all" holds all stations; a network that is itself named "all" has the label
        "network=all". :func:`xsm.report` takes the result.

    Raises
    ------
    InputError
        If a metric, coordinate or correction is missing or unknown, or no station is common.
    """
    for label, scores in (("a", a), ("b", b)):
        if not isinstance(scores, xr.Dataset):
            raise InputError(
                f"{label} is a {type(scores).__name__}: expected a Dataset of scores, as validate "
                "returns it."
            )
    if by is not None and not isinstance(by, str):
        raise InputError(f"by={by!r}: expected the name of one coordinate, or None.")
    attrs = _attrs(a, b, names) | {"correction": correction or "none", "by": by or "none"}
    metrics = [metric] if isinstance(metric, str) else metric
    if not isinstance(metrics, Sequence) or not metrics or len({*metrics}) < len(metrics):
        raise InputError(f"metric={metric!r}: expected a name, or a list of names, each once.")
    if correction is not None and correction not in CORRECTIONS:
        raise InputError(
            f"correction={correction!r}: expected None or one of "
            f"{', '.join(map(repr, CORRECTIONS))}."
        )
    best = {name: _best_value(name) for name in metrics}
    a, b = _match_stations(a, b, metrics, dim)
    groups = _groups(a, by, dim)
    rows = [
        [
            _compare_scores(a[name].values[members], b[name].values[members], best[name])
            for members in groups.values()
        ]
        for name in metrics
    ]
    variables = {
        key: (("metric", "group"), np.array([[cell[key] for cell in row] for row in rows]))
        for key in LONG_NAMES
    }
    comparison = xr.Dataset(variables, coords={"metric": metrics, "group": list(groups)})
    for key, long_name in LONG_NAMES.items():
        comparison[key].attrs["long_name"] = long_name
    if correction is not None:
        for key in ("p_t", "p_wilcoxon"):
            p = comparison[key].copy(data=correct_p_values(comparison[key].values, correction))
            p.attrs["long_name"] = f"{LONG_NAMES[key]}, {correction} correction"
            comparison[f"{key}_corrected"] = p
    return comparison.assign_attrs(attrs)


def _attrs(a: xr.Dataset, b: xr.Dataset, names: Sequence[str] | None) -> dict[str, str]:
    """Kind of result, names of both and of the reference, and history."""
    listed = isinstance(names, Sequence) and not isinstance(names, str)
    if names is not None and not (listed and len({*names}) == len(names) == 2):
        raise InputError(f"names={names!r}: expected two different names, of a and of b.")
    estimates = [estimate_name(scores) for scores in (a, b)]
    if names is None:
        names = estimates if all(estimates) and estimates[0] != estimates[1] else ("a", "b")
    attrs = {"Conventions": CONVENTIONS, "xsm_scores": "comparison"}
    attrs |= {"name_a": str(names[0]), "name_b": str(names[1])}
    if a.attrs.get("reference_name") == b.attrs.get("reference_name") is not None:
        attrs["reference_name"] = str(a.attrs["reference_name"])
    history = [str(scores.attrs["history"]) for scores in (a, b) if "history" in scores.attrs]
    call = f"compare({names[0]!r}, {names[1]!r})"
    return attrs | {"history": history_line(call, "; ".join(history))}


def _best_value(name: str) -> float:
    from xsm.metrics.table import metric_of

    best = metric_of(name).best
    if not np.isfinite(best):
        raise InputError(f"metric={name!r} has no best value: it cannot be won.")
    return best


def _match_stations(
    a: xr.Dataset, b: xr.Dataset, metrics: Sequence[str], dim: str
) -> tuple[xr.Dataset, xr.Dataset]:
    for label, scores in (("a", a), ("b", b)):
        for name in metrics:
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
    if dim not in a.indexes or dim not in b.indexes:
        _check_same_stations(a, b, dim)
    if a.sizes[dim] == 0:
        raise InputError(
            f"a and b have no label of {dim!r} in common: compare scores at the same stations."
        )
    return a, b


def _check_same_stations(a: xr.Dataset, b: xr.Dataset, dim: str) -> None:
    """Raise an InputError if stations without labels are not the same in the same order."""
    for name in (n for n in a.coords if n in b.coords and dim in a[n].dims):
        if not a[name].variable.equals(b[name].variable):
            raise InputError(
                f"a and b have no labels of {dim!r} and differ in {name}: their stations are not "
                f"the same, or in another order. Label them, such as a.set_index({dim}="
                '"station_name"), and b too.'
            )


def _groups(scores: xr.Dataset, by: str | None, dim: str) -> dict[str, NDArray[np.bool_]]:
    """Label of each group -> its stations, bool (N,); the first is of all stations."""
    groups = {ALL_STATIONS: np.ones(scores.sizes[dim], bool)}
    if by is None:
        return groups
    if by == NETWORK and by not in scores.coords:
        _log.info("stations have no coordinate %r: they are compared as one group", by)
        return groups
    if by not in scores.coords or scores[by].dims != (dim,):
        usable = [str(c) for c in scores.coords if scores[c].dims == (dim,)]
        raise InputError(
            f"by={by!r}: expected a coordinate along {dim!r} (there are {usable}), or None."
        )
    values = scores[by].values
    present = scores[by].notnull().values
    labels = np.array([_label(by, v) for v in values.tolist()], object)
    return groups | {label: present & (labels == label) for label in dict.fromkeys(labels[present])}


def _label(by: str, value: Any) -> str:
    """Label of a group, different from that of all stations and from those of other values."""
    text, prefix = str(value), f"{by}="
    return prefix + text if text == ALL_STATIONS or text.startswith(prefix) else text


def _compare_scores(a: NDArray[Any], b: NDArray[Any], best: float) -> dict[str, float]:
    """Values of the variables `LONG_NAMES`, from scores at the same stations (N,)."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both].astype(np.float64), b[both].astype(np.float64)
    distance_a, distance_b = np.abs(a - best), np.abs(b - best)
    if not a.size:
        return dict.fromkeys(LONG_NAMES, np.nan) | {"n_stations": 0}
    p_t, p_wilcoxon = _paired_tests(distance_a, distance_b)
    return {
        "n_stations": a.size,
        "mean_a": a.mean(),
        "mean_b": b.mean(),
        "median_a": float(np.median(a)),
        "median_b": float(np.median(b)),
        "fraction_won": (distance_a < distance_b).mean(),
        "fraction_tied": (distance_a == distance_b).mean(),
        "p_t": p_t,
        "p_wilcoxon": p_wilcoxon,
    }


def _paired_tests(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """p values of the paired t-test and of the Wilcoxon signed-rank test of a and b (N,)."""
    from scipy.special import stdtr
    from scipy.stats import wilcoxon

    difference = a - b
    n = difference.size
    if n < MIN_STATIONS:
        return np.nan, np.nan
    if not difference.any():
        return 1.0, 1.0
    error = difference.std(ddof=1) / np.sqrt(n)
    p_t = 2.0 * stdtr(n - 1, -abs(difference.mean()) / error) if error > 0 else 0.0
    return float(p_t), float(wilcoxon(difference).pvalue)


def correct_p_values(p: NDArray[np.float64], correction: str) -> NDArray[np.float64]:
    """p values corrected for their number; NaN does not count as a test.

    Examples
    --------
    >>> correct_p_values(np.array([0.01, 0.04, np.nan, 0.03]), "holm").round(2).tolist()
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
    corrected = np.empty_like(ordered)
    corrected[order] = np.minimum(ordered, 1.0)
    out[tests] = corrected
    return out

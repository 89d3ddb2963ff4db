"""From pairs to scores: scaling, anomalies, strata, intervals and p values, in this order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import xsm.metrics as statistics
from xsm.argument_checks import check_choice, check_whole
from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.anomaly import ANOMALY_METHODS
from xsm.metrics.pairs import MIN_PAIRS
from xsm.metrics.status import OK, TOO_FEW_PAIRS
from xsm.metrics.table import METRICS
from xsm.validation.reference_options import as_names
from xsm.validation.strata import Stratum

ACROSS = ("time", "space")
RECORDS = ("reference", "estimate")  # to which one of the two is scaled
CELL = "cell"  # all places of a day
INTERVAL_OPTIONS = {"method", "level", "n", "block", "seed"}
WITH_P_VALUE = ("pearson_r", "spearman_rho", "kendall_tau", "anomaly_r")


@dataclass(frozen=True)
class Scaling:
    """How records are scaled to one of them, series by series.

    method : one of `xsm.metrics.scaling.SCALING_METHODS`
    by : None, "season" or "month": parameters for each of them
    to : "reference", "estimate", or the name of one of several products
    """

    method: str
    by: str | None = None
    to: str = "reference"

    def __post_init__(self) -> None:
        methods = statistics.scaling.SCALING_METHODS
        if self.method not in methods:
            raise InputError(
                f"scaling={self.method!r}: expected None or one of {', '.join(methods)}, or a "
                "mapping such as {'method': 'cdf', 'by': 'season', 'to': 'reference'}."
            )
        check_choice("scaling: by", self.by, statistics.scaling.GROUPINGS, optional=True)

    @property
    def to_product(self) -> bool:
        """Whether it is to one of several products, by its name."""
        return self.to not in RECORDS

    def scale(self, da: xr.DataArray, target: xr.DataArray, dim: str) -> xr.DataArray:
        """Series along `dim` with the distribution of those of `target`."""
        return statistics.scaling.scale(da, target, dim=dim, method=self.method, by=self.by)


def scaling_options(scaling: Any) -> Scaling | None:
    """The argument `scaling` of :func:`xsm.validate`: None, a method, or a mapping.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if scaling is None or isinstance(scaling, Scaling):
        return scaling
    if isinstance(scaling, Mapping):
        names = [field.name for field in fields(Scaling)]
        if "method" not in scaling or not {*scaling} <= {*names}:
            raise InputError(
                f"scaling={dict(scaling)!r}: expected a method, and optionally by and to, such as "
                "{'method': 'cdf', 'by': 'season', 'to': 'reference'}."
            )
        return Scaling(**scaling)
    return Scaling(scaling)


@dataclass(frozen=True)
class ScoreOptions:
    """What is computed from pairs; checked on construction. See :func:`xsm.validate`."""

    metrics: tuple[str, ...]
    scaling: Scaling | None = None
    anomalies: str | None = None
    ci: Mapping[str, Any] | None = None
    p_values: bool = False
    min_pairs: int = 3
    seed: int = 0
    across: str = "time"

    def __post_init__(self) -> None:
        self._check_across()
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise InputError(
                f"metrics={self.metrics!r}: expected some of {', '.join(METRICS)}; "
                f"unknown: {', '.join(map(repr, unknown)) or 'none given'}."
            )
        object.__setattr__(self, "scaling", scaling_options(self.scaling))
        check_choice("anomalies", self.anomalies, ANOMALY_METHODS, optional=True)
        check_whole({"min_pairs": (self.min_pairs, 1)})

    def _check_across(self) -> None:
        check_choice("across", self.across, ACROSS)
        if self.across == "time":
            return
        if self.p_values:
            raise InputError(
                "p_values=True: across='space' has no p values, since the number of independent "
                "places is not known. Leave p_values out."
            )
        if "anomaly_r" in self.metrics:
            raise InputError(
                "metrics holds 'anomaly_r', which is of series: with across='space' use "
                "anomalies='moving_window' and pearson_r."
            )
        if self.ci is not None and self.ci.get("method") == "moving_block":
            raise InputError(
                "ci='moving_block' resamples successive days: with across='space' use 'bca' or "
                "'percentile'."
            )


def chosen_metrics(
    metrics: Any, datasets: Sequence[xr.Dataset], where: str, names: Iterable[str] = METRICS
) -> list[str]:
    """The metrics asked for, all that scores have in common by default.

    Parameters
    ----------
    metrics : None, str or sequence of str
    datasets : sequence of Dataset
    where : str
        Which scores these are, for messages.
    names : iterable of str
        All metrics that may be chosen.

    Raises
    ------
    InputError
        If one is not in all of them, or there is none.
    """
    common = [name for name in names if all(name in ds.data_vars for ds in datasets)]
    common = [name for name in common if name != "n_obs"]
    wanted = common if metrics is None else [*as_names(metrics)]
    missing = [name for name in wanted if name not in common]
    if missing or not wanted:
        raise InputError(
            f"metrics={metrics!r}: not {where}: {missing or 'any metric'}; expected some of "
            f"{', '.join(common) or 'none: there is no metric'}."
        )
    return wanted


def needs_whole_series(options: ScoreOptions) -> bool:
    """Whether the scores need all days of a series at once."""
    if options.across == "space":
        return options.scaling is not None or options.anomalies is not None
    ranks = any(METRICS[name].ranks or name == "anomaly_r" for name in options.metrics)
    steps = (options.scaling, options.anomalies, options.ci)
    return ranks or options.p_values or any(step is not None for step in steps)


def interval_options(ci: Any, seed: int) -> dict[str, Any] | None:
    """Options of :func:`xsm.metrics.interval` from the argument `ci`; None: no intervals.

    Raises
    ------
    InputError
        If it is not None, a bool, the name of a method, or a mapping.
    """
    if ci is None or ci is False:
        return None
    if ci is True:
        return {"seed": seed}
    if isinstance(ci, str):
        return {"method": ci, "seed": seed}
    if isinstance(ci, Mapping) and {*ci} <= INTERVAL_OPTIONS:
        return {"seed": seed, **ci}
    raise InputError(
        f"ci={ci!r}: expected None, a method such as 'bca', or a mapping of options of "
        f"xsm.metrics.interval ({', '.join(sorted(INTERVAL_OPTIONS))}) such as "
        "{'method': 'bca', 'level': 0.9, 'n': 500}."
    )


def scale_and_deseasonalize(
    est: xr.DataArray, ref: xr.DataArray, options: ScoreOptions, dim: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Scale one record to the other, then take anomalies of both, as the options say.

    Raises
    ------
    InputError
        If a record that is neither is to be scaled to.
    """
    if (scaling := options.scaling) is not None:
        if scaling.to == "reference":
            est = scaling.scale(est, ref, dim)
        elif scaling.to == "estimate":
            ref = scaling.scale(ref, est, dim)
        else:
            raise InputError(
                f"scaling: to={scaling.to!r}: expected 'reference', 'estimate', or the name of one "
                "of several products."
            )
    if options.anomalies is not None:
        est, ref = (
            statistics.anomalies(da, dim=dim, method=options.anomalies) for da in (est, ref)
        )
    return est, ref


def status_before_scaling(
    est: xr.DataArray, ref: xr.DataArray, options: ScoreOptions, dim: str
) -> xr.DataArray | None:
    """Status of the series before scaling; None without scaling.

    A series that cannot be scaled, such as a constant one, is missing after scaling, and its status
    would no longer give the reason.
    """
    if options.scaling is None:
        return None
    min_pairs = max(options.min_pairs, MIN_PAIRS)
    return statistics.scores(est, ref, dim=dim, metrics="n_obs", min_pairs=min_pairs)["status"]


def with_status(scores: xr.Dataset, status: xr.DataArray | None) -> xr.Dataset:
    """Replace the status of scores by `status` where neither of the two is ok."""
    if status is None:
        return scores
    old = scores["status"]
    replaced = (status != OK) & (old != OK)
    new = with_attrs(old.where(~replaced, status).astype(np.int8), **old.attrs)
    return scores.assign(status=new.reset_coords(drop=True).transpose(*old.dims))


def score_pairs(
    est: xr.DataArray,
    ref: xr.DataArray,
    strata: list[Stratum],
    options: ScoreOptions,
    *,
    dim: str = "time",
) -> xr.Dataset:
    """Scores of pairs along `dim`, with one more dimension for each stratum.

    Parameters
    ----------
    est, ref : DataArray
        m3 m-3, with equal coordinates; their dimensions other than `dim` are kept.
    strata : list of Stratum
    options : ScoreOptions
    dim : str
    """
    return _score_strata(est, ref, strata, (), options, dim)


def score_days(
    est: xr.DataArray,
    ref: xr.DataArray,
    strata: list[Stratum],
    options: ScoreOptions,
    space: Sequence[Hashable],
) -> xr.Dataset:
    """Scores over all places of each day, (time, strata ...); every place counts the same.

    Parameters
    ----------
    est, ref : DataArray, (time, space)
    strata, options
        See :func:`score_pairs`.
    space : sequence of str
        Dimensions of the places: station, or rows and columns.
    """
    shape = {dim: est.sizes[dim] for dim in space}

    def stacked(da: xr.DataArray) -> xr.DataArray:
        if not set(da.dims) & set(space):
            return da
        da = da.reset_coords(drop=True).drop_vars([d for d in space if d in da.coords])
        lacking = {dim: size for dim, size in shape.items() if dim not in da.dims}
        order = [dim for dim in da.dims if dim not in space]
        return (
            da.expand_dims(lacking)
            .transpose(*order, *space)
            .stack({CELL: list(space)}, create_index=False)
        )

    in_cells = [
        replace(
            stratum,
            masks={label: tuple(map(stacked, masks)) for label, masks in stratum.masks.items()},
        )
        for stratum in strata
    ]
    scores = score_pairs(stacked(est), stacked(ref), in_cells, options, dim=CELL)
    return scores.transpose("time", ...)


def _score_strata(
    est: xr.DataArray,
    ref: xr.DataArray,
    strata: list[Stratum],
    masks: tuple[xr.DataArray, ...],
    options: ScoreOptions,
    dim: str,
) -> xr.Dataset:
    """Scores of each combination of labels; `masks` are those of the strata before."""
    if not strata:
        return _score_masked(est, ref, masks, options, dim)
    first, *rest = strata
    parts = [
        _score_strata(est, ref, rest, masks + label_masks, options, dim)
        for label_masks in first.masks.values()
    ]
    # the dimension of a stratum has the name of the coordinate that defines it
    parts = [part.drop_vars(first.name, errors="ignore") for part in parts]
    labels = pd.Index(list(first.masks), name=first.name, dtype=object)
    scores = xr.concat(
        parts, dim=labels, data_vars="all", coords="minimal", compat="override", join="override",
        combine_attrs="override",
    )  # fmt: skip
    if first.more_pairs_than is not None:
        label, count = first.more_pairs_than
        enough = scores["n_obs"].sel({first.name: label}, drop=True) > count
        scores = _keep_where(scores, enough)
    return scores.transpose(..., first.name, *(stratum.name for stratum in rest))


def _score_masked(
    est: xr.DataArray,
    ref: xr.DataArray,
    masks: tuple[xr.DataArray, ...],
    options: ScoreOptions,
    dim: str,
) -> xr.Dataset:
    """Scores of the pairs for which all masks are True."""
    in_time = [mask for mask in masks if mask.dims == (dim,)]
    in_space = [mask for mask in masks if dim not in mask.dims]
    if in_time:
        index = np.flatnonzero(reduce(lambda a, b: a & b, in_time).values)
        if index.size == 0 and est.sizes[dim]:
            # one missing pair: resampling and ranks of Dask arrays need a day
            index = np.zeros(1, np.intp)
            est, ref = est.where(False), ref.where(False)
        est, ref = est.isel({dim: index}), ref.isel({dim: index})
    for mask in masks:
        if dim in mask.dims and mask.dims != (dim,):
            ref = ref.where(mask.isel({dim: index}) if in_time else mask)
    scores = _scores_with_intervals(est, ref, options, dim)
    if not in_space:
        return scores
    return _keep_where(scores, reduce(lambda a, b: a & b, in_space), no_pairs=True)


def _scores_with_intervals(
    est: xr.DataArray, ref: xr.DataArray, options: ScoreOptions, dim: str
) -> xr.Dataset:
    """Metrics, their intervals and p values, where there are enough pairs."""
    scores = statistics.scores(
        est, ref, dim=dim, metrics=options.metrics, min_pairs=options.min_pairs
    )
    enough = scores["n_obs"] >= options.min_pairs
    extra: dict[str, xr.DataArray] = {}
    with_interval = [name for name in options.metrics if name != "n_obs"]
    if options.ci is not None and with_interval:
        limits = statistics.interval(est, ref, dim=dim, metric=with_interval, **options.ci)
        extra |= {str(k): da for k, da in limits.data_vars.items() if k != "status"}
    for name in options.metrics if options.p_values else ():
        if name in WITH_P_VALUE:
            extra[f"p_{name}"] = statistics.p_value(est, ref, dim=dim, metric=name)
    return scores.assign({k: with_attrs(v.where(enough), **v.attrs) for k, v in extra.items()})


def _keep_where(scores: xr.Dataset, mask: xr.DataArray, *, no_pairs: bool = False) -> xr.Dataset:
    """Scores where a mask is True; elsewhere the status is too few pairs.

    `no_pairs`: the number of pairs is 0 where the mask is False.
    """
    out = {}
    for name, da in scores.data_vars.items():
        if name == "n_obs":
            value = da.where(mask, 0).astype(da.dtype) if no_pairs else da
        elif name == "status":
            value = da.where(mask | (da != OK), np.int8(TOO_FEW_PAIRS)).astype(np.int8)
        else:
            value = da.where(mask)
        out[name] = with_attrs(value.transpose(*da.dims), **da.attrs)
    return scores.assign(out)

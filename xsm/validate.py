"""Validate a soil moisture record against stations, a product, two references, or itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm._version import __version__
from xsm.conventions.cf import CONVENTIONS, history_line, without_fill_values_of_axes
from xsm.conventions.groups import over_groups, soil_moisture_groups
from xsm.gapfill import gapfill

if TYPE_CHECKING:
    from xsm.validation import GapOptions, ProductOptions, SeveralOptions, StationOptions

DEFAULT_METRICS = ("bias", "rmsd", "ubrmsd", "mae", "pearson_r", "std_ratio")


def validate(
    obj: Any,
    reference: Any = None,
    *,
    var: str | Mapping[str, str] | None = None,
    reference_var: str | Mapping[str, str] | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    by: str | Sequence[str] | Mapping[str, Any] | None = None,
    across: str = "time",
    scaling: str | None = None,
    anomalies: str | None = None,
    ci: bool | str | Mapping[str, Any] | None = None,
    p_values: bool = False,
    min_pairs: int = 3,
    seed: int = 0,
    keep_pairs: bool = False,
    stations: StationOptions | Mapping[str, Any] | None = None,
    product: ProductOptions | Mapping[str, Any] | None = None,
    gaps: GapOptions | Mapping[str, Any] | None = None,
    several: SeveralOptions | Mapping[str, Any] | None = None,
    settings: Any = None,
    progress: bool | None = None,
) -> Any:
    """Score a daily soil moisture record.

    The reference decides which kind of validation runs. An argument that does not apply to that
    kind is an error.

    Parameters
    ----------
    obj : Dataset, DataArray, list or mapping of them, or DataTree
        Daily soil moisture on a grid, in any unit xsm converts. Several products, in a list or by
        their names in a mapping, are scored against one reference along the dimension ``product``.
        Of a DataTree each group that holds soil moisture is scored on its own; the result is a
        tree.
    reference : optional
        - None: simulated gaps. Observed values are hidden, filled by ``gapfill`` and by baselines,
          and compared.
        - A Dataset with a station dimension, or a list of them: in situ.
        - A Dataset or DataArray on a grid: another product.
        - Two of these, at most one of them stations: triple collocation.
        - A DataTree, for a DataTree: group by group.
    var, reference_var : str or mapping, optional
        The variables, where they are ambiguous. A mapping of layers to names scores each layer,
        along the dimension ``layer``; ``stations={"depth": {...}}`` gives the depths of the layers.
    metrics : str or sequence of str
        Names from ``xsm.metrics.METRICS``. Triple collocation has statistics of its own.
    by : str, sequence of str, or mapping, optional
        Strata, each of which becomes a dimension (a coordinate of the stations with that name is
        renamed to ``station_<name>``): season, month, land_cover, climate_zone, latitude_band,
        wetness (up to and above 0.4 m3 m-3 of the reference), network, period, winter (Dec-Feb
        beside the whole year, north of 30 N, with more than 100 pairs). A mapping defines them:
        ``{"land_cover": "igbp", "wetness": 0.3, "latitude_band": [-60, 0, 60], "period":
        {"early": ("2015", "2016")}, "season": 15, "window": {"growing": ("04-01", "09-30")}}``; a
        number of days makes seasons or months overlap. Also depth, frm_class and soil_texture of
        the stations. Not for triple collocation.
    across : {"time", "space"}
        "time": a score for each station or cell, over its days. "space": a score for each day, over
        all its stations or cells, each of which counts the same. For stations and products.
    scaling : None, str or mapping, optional
        Scale `obj` to the reference first, series by series, by "mean_std", "min_max", "linear",
        "cdf", "cdf_linear_tails" or "cdf_beta" (:func:`xsm.metrics.scaling.fit`). A mapping adds
        ``by`` ("season", "month") and ``to`` ("reference", "estimate", or the name of one of
        several products): ``{"method": "cdf", "by": "season"}``. Not for triple collocation.
    anomalies : {None, "moving_window", "climatology"}
        Score departures from the seasonal cycle instead of values. For stations and products.
    ci : bool, str or mapping, optional
        Confidence intervals ``<metric>_low`` and ``<metric>_high``: True, a method ("bca",
        "percentile", "basic", "moving_block", "analytic"), or options of
        :func:`xsm.metrics.interval` (method, level, n, block).
    p_values : bool
        Add ``p_<metric>`` of correlations, with the effective sample size. Not for triple
        collocation.
    min_pairs : int
        Points with fewer pairs have a status instead of a score.
    seed : int
        Seed of all random numbers.
    keep_pairs : bool
        Return the pairs ``estimate`` and ``reference`` too. For stations and products.
    stations : mapping or xsm.validation.StationOptions, optional
        For stations: how they are matched, such as ``{"depth": (0, 0.1), "flags": ("G", "M")}``.
        Options and defaults: match="nearest", window="12h", pairing="mean", overpass=None,
        depth=(0, 0.05), flags=("G",), sensors="mean".
    product : mapping or xsm.validation.ProductOptions, optional
        For other products: regrid="conservative" or "nearest"; regions, a mapping of names to
        (south, north, west, east) for daily area means (not for triple collocation).
    gaps : mapping or xsm.validation.GapOptions, optional
        For simulated gaps: model="default" (networks; None: none), baselines=("linear",
        "window_mean", "climatology"), gap_patterns=("block", "swath", "cell"), n_realizations=3.
    several : mapping or xsm.validation.SeveralOptions, optional
        For several products: pairs="common" (scores on the pairs that all have) or "each";
        triples=True, triple collocation of the reference with every two products.
    settings : path or Dataset, optional
        A file of :func:`xsm.write_settings`, or scores: their arguments are used where an argument
        is left at its default.
    progress : bool, optional
        Show a progress bar. None: on a terminal. For simulated gaps.

    Returns
    -------
    Dataset
        Metrics with units and long names, ``n_obs`` and ``status`` (int8 flag: ok,
        no_overlap_in_time, outside_the_grid, too_few_pairs, constant_series, all_missing), along
        station, or rows and columns, or fill_method and gap_pattern; then along the strata. A point
        that cannot be scored has a status and missing metrics; a constant series has those that it
        can have (bias, rmsd), but no correlation. Several products add ``product``,
        and ``tc_*`` (triple, dataset): see :func:`xsm.metrics.triple_collocation`. Another product
        adds ``summary_*``. Simulated gaps add ``fraction_filled``, ``anomaly_r``, ``coverage_68``,
        ``coverage_95``, ``crps``, ``edge_discontinuity`` and, for a year or more, the annual
        harmonic. Lazy for Dask input, except for stations and simulated gaps. The attribute
        ``settings`` holds the arguments.

    Raises
    ------
    InputError, VariableNotFoundError, UnitError, TimeAxisError, GridError
        All of them :class:`xsm.errors.XsmError`.

    References
    ----------
    Gruber et al. (2020), doi 10.1016/j.rse.2020.111806 (good practice). The three validations are
    those of Zhang et al. (2021), doi 10.5194/essd-13-1385-2021; strata and representative stations
    those of Zhang et al. (2025), doi 10.5194/essd-17-5181-2025.

    Examples
    --------
    ::

        scores = filled.sm.validate(xsm.insitu.open_ismn("archive.zip"), by="network", ci="bca")
        scores = filled.sm.validate(sites, stations={"depth": (0, 0.1), "overpass": "06:00"})
        scores = filled.sm.validate(other, product={"regions": {"Iberia": (36, 44, -10, 4)}})
        scores = ds.sm.validate(gaps={"baselines": ["linear", "dctpls"]})
        errors = ds.sm.validate((other, stations), ci=True)
        scores = xsm.validate({"SMAP": smap, "ASCAT": ascat, "ERA5": era5}, stations, ci=True)
    """
    arguments = {k: v for k, v in locals().items() if k not in ("obj", "reference", "settings")}
    defaults = {k: p.default for k, p in inspect.signature(validate).parameters.items()}
    if settings is not None:
        from xsm.validation.settings_file import read_settings

        for name, value in read_settings(settings, arguments).items():
            if arguments[name] is defaults[name] or arguments[name] == defaults[name]:
                arguments[name] = value
    if isinstance(obj, xr.DataTree):
        groups = soil_moisture_groups(obj, var if isinstance(var, str) else None)
        return over_groups(validate, obj, groups, reference=reference, **arguments)
    from xsm.validation.dispatch import run_validation

    scores = run_validation(obj, reference, arguments, defaults, gapfill)
    return without_fill_values_of_axes(scores).assign_attrs(
        Conventions=CONVENTIONS,
        history=history_line(f"validate({scores.attrs['estimate_name']!r})"),
        xsm_version=__version__,
    )

"""Validate a soil-moisture record: against stations, a product, two of them, or itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from xsm.networks.block_inference import Model

DEFAULT_METRICS = ("bias", "rmsd", "ubrmsd", "mae", "pearson_r", "std_ratio")


def validate(
    obj: xr.Dataset | xr.DataArray,
    reference: Any = None,
    *,
    var: str | None = None,
    reference_var: str | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    by: str | Sequence[str] | Mapping[str, Any] | None = None,
    scaling: str | None = None,
    anomalies: str | None = None,
    ci: bool | str | Mapping[str, Any] | None = None,
    p_values: bool = False,
    min_pairs: int = 3,
    seed: int = 0,
    keep_pairs: bool = False,
    match: str | float = "nearest",
    window: Any = "12h",
    pairing: str = "mean",
    overpass: str | None = None,
    depth: tuple[float, float] | None = (0.0, 0.05),
    flags: Sequence[str] | str | None = ("G",),
    sensors: str = "mean",
    regrid: str = "conservative",
    regions: Mapping[str, Sequence[float]] | None = None,
    model: str | Path | Model | Sequence[str | Path | Model] | None = "default",
    baselines: str | Sequence[str] = ("linear", "window_mean", "climatology"),
    kinds: str | Sequence[str] = ("block", "swath", "cell"),
    draws: int = 3,
    progress: bool | None = None,
) -> xr.Dataset:
    """Score a daily soil-moisture record.

    Parameters
    ----------
    obj : Dataset or DataArray
        Daily soil moisture on a grid, in any unit xsm knows.
    reference : optional
        - None: simulated missing regions. What was observed is hidden, filled by ``gapfill`` and by
          `baselines`, and compared.
        - A Dataset with a station dimension, or a list of them: in situ.
        - A Dataset or DataArray on a grid: another product.
        - Two of these, at most one of them stations: triple collocation.
    var, reference_var : str, optional
        The variables, where they cannot be told.
    metrics : str or sequence of str
        Names out of ``xsm.metrics.METRICS``. Triple collocation has its own.
    by : str, sequence of str, or mapping, optional
        Strata, each of which becomes a dimension (a coordinate of the stations with that name is
        then called ``station_<name>``): season, month, land_cover, climate_zone,
        latitude_band, wetness (up to and above 0.4 m3 m-3 of the reference), network, period,
        winter (Dec-Feb beside the whole year, north of 30 N, with more than 100 pairs). A mapping
        defines them: ``{"land_cover": "igbp", "wetness": 0.3, "latitude_band": [-60, 0, 60],
        "period": {"early": ("2015", "2016")}, "season": None}``.
    scaling : {None, "mean_std", "min_max", "linear", "cdf"}
        Bring `obj` to the reference first, series by series.
    anomalies : {None, "moving_window", "climatology"}
        Score departures from the season instead of values.
    ci : bool, str or mapping, optional
        Confidence intervals ``<metric>_low`` and ``<metric>_high``: True, a method ("bca",
        "percentile", "basic", "moving_block", "analytic"), or options of
        :func:`xsm.metrics.interval` (method, level, n, block).
    p_values : bool
        Add ``p_<metric>`` of correlations, with the effective sample size.
    min_pairs : int
        Fewer pairs are a status, not a score.
    seed : int
        Of all that is drawn.
    keep_pairs : bool
        Return what was compared, too: ``estimate`` and ``reference``.
    match : {"nearest", "mean_2x2"} or float
        Cells that stand for a station: the one it lies in, the mean of the four nearest, or of all
        within so many km.
    window : span of time
        Reach about the time of the product, in which sub-daily values of a station count. Where
        the product has bare days, the day from 0 to 24 UTC is meant (12 h about noon). Daily
        values of stations are matched by calendar day.
    pairing : {"mean", "nearest"}
        Mean of the values in the window, or the one nearest in time.
    overpass : str, optional
        Local solar time of the product's observation, such as "06:00", about which the window lies.
    depth : (float, float) or None
        Layer in m that holds the sensor. None: all sensors, those of a station apart by layer
        (cosmic-ray probes sense deeper than 0.05 m).
    flags : sequence of str or None
        Quality flags that count as good, where the reference has flags.
    sensors : {"mean", "each"}
        Sensors of one station (same network and station_name) in the layer: their daily mean, with
        their number in ``n_sensors``, or each for itself.
    regrid : {"conservative", "nearest"}
        How the finer of two grids is brought to the coarser one.
    regions : mapping, optional
        Name -> (south, north, west, east): daily area means of both products.
    model, baselines, kinds, draws, progress
        Of simulated missing regions: networks (None: none), names out of
        ``xsm.baselines.BASELINES``, kinds of gaps (block, swath, cell, long), number of draws.

    Returns
    -------
    Dataset
        Metrics with units and long names, ``n_obs`` and ``status`` (int8 flag: ok,
        no_overlap_in_time, outside_the_grid, too_few_pairs, constant_series, all_missing), along
        station, or rows and columns, or filler and kind; then along the strata. A point that cannot
        be scored has a status and missing metrics. Another product adds ``summary_*``, simulated
        gaps add ``share_filled``, ``anomaly_r``, ``coverage_68``, ``coverage_95``, ``seam_ratio``
        and, for a year or more, the annual harmonic. Lazy for Dask input, but stations and
        simulated gaps are computed. The call stands in the attribute ``settings``.

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
        scores = filled.sm.validate(other, regions={"Iberia": (36, 44, -10, 4)})
        scores = ds.sm.validate(baselines=["linear", "dctpls"])
        errors = ds.sm.validate((other, stations), ci=True)
    """
    options = {name: value for name, value in locals().items() if name not in ("obj", "reference")}
    from xsm.validation.dispatch import validated

    return _described(validated(obj, reference, options), options)


def _described(scores: xr.Dataset, options: Mapping[str, Any]) -> xr.Dataset:
    """Scores with the call, the time and the version in their attributes."""
    from xsm._version import __version__

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return scores.assign_attrs(
        Conventions="CF-1.11",
        settings=json.dumps(dict(options), default=lambda value: f"<{type(value).__name__}>"),
        history=f"{now} xsm {__version__} validate({scores.attrs['estimate_name']!r})",
        xsm_version=__version__,
    )

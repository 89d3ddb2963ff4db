"""What a validation did of the good practice of the field, from the settings of its call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xsm.errors import InputError

DONE, NOT_DONE, NOT_APPLICABLE, NOT_RECORDED = "done", "not done", "does not apply", "not recorded"
ENOUGH_PAIRS = 100  # Gruber et al. (2020): fewer give wide intervals
COMPLEMENTARY = ("bias", "ubrmsd", "pearson_r")
SOURCES = (
    "Gruber et al. (2020), doi 10.1016/j.rse.2020.111806, and the protocol of CEOS for soil "
    "moisture, doi 10.5067/doc/ceoswgcv/lpv/sm.001"
)


class Item(NamedTuple):
    """A recommendation, and what the validation did about it.

    state : done, not done, does not apply, or not recorded (the scores do not show it)
    note : the setting, or how to do it
    """

    topic: str
    recommendation: str
    state: str
    note: str


class _Call(NamedTuple):
    scores: xr.Dataset
    kind: str
    settings: Mapping[str, Any]

    def option(self, group: str, name: str, default: Any = None) -> Any:
        """An option of stations, product or several."""
        options = self.settings.get(group)
        return options.get(name, default) if isinstance(options, Mapping) else default


State = tuple[str, str]


def checklist(scores: xr.Dataset) -> list[Item]:
    """The recommendations of good practice, each with what a validation did about it.

    Parameters
    ----------
    scores : Dataset
        From :func:`xsm.validate`.

    Returns
    -------
    list of Item
        (topic, recommendation, state, note).

    Raises
    ------
    InputError
        If `scores` is not from :func:`xsm.validate`.

    References
    ----------
    Gruber et al. (2020), doi 10.1016/j.rse.2020.111806; Montzka et al. (2020), CEOS good practice
    protocol, doi 10.5067/doc/ceoswgcv/lpv/sm.001.
    """
    kind = str(scores.attrs.get("xsm_scores", "")) if isinstance(scores, xr.Dataset) else ""
    try:
        settings = json.loads(scores.attrs["settings"])
    except (AttributeError, KeyError, TypeError, ValueError):
        settings = None
    if not kind or not isinstance(settings, Mapping):
        raise InputError(
            "scores has no attributes xsm_scores and settings: expected what xsm.validate returns."
        )
    call = _Call(scores, kind, settings)
    return [Item(topic, text, *state(call)) for topic, text, state in RECOMMENDATIONS]


def _at_stations(call: _Call) -> bool:
    return isinstance(call.settings.get("stations"), Mapping)


def _flags(call: _Call) -> State:
    if not _at_stations(call):
        return NOT_APPLICABLE, "the reference has no stations"
    flags = call.option("stations", "flags")
    if not flags:
        return NOT_DONE, 'all values were used; stations={"flags": ("G",)}'
    return DONE, f"flags {', '.join(map(str, flags))}"


def _product_flags(call: _Call) -> State:
    if "screen(" in str(call.scores.attrs.get("estimate_history", "")):
        return DONE, "xsm.screen"
    return NOT_RECORDED, "xsm.screen applies the quality flags of a product before validate"


def _depth(call: _Call) -> State:
    if not _at_stations(call):
        return NOT_APPLICABLE, "the reference has no sensors"
    depth = call.option("stations", "depth")
    if depth is None:
        return NOT_DONE, 'sensors of all depths were used; stations={"depth": (0, 0.05)}'
    if isinstance(depth, Mapping):
        text = ", ".join(f"{layer}: {ends} m" for layer, ends in depth.items())
    else:
        text = f"{depth[0]:g} to {depth[1]:g} m"
    return DONE, text


def _in_time(call: _Call) -> State:
    if call.kind == "simulated_gaps":
        return NOT_APPLICABLE, "values are compared with themselves"
    if not _at_stations(call):
        return DONE, "by calendar day"
    overpass = call.option("stations", "overpass")
    window = call.option("stations", "window")
    centre = f"{overpass} local solar time" if overpass else "the time of the product"
    return DONE, f"sub-daily values within {window} of {centre}; daily values by calendar day"


def _in_space(call: _Call) -> State:
    if call.kind == "simulated_gaps":
        return NOT_APPLICABLE, "values are compared with themselves"
    if _at_stations(call):
        return DONE, f"match: {call.option('stations', 'match')}"
    return DONE, f"the finer grid on the coarser one: {call.option('product', 'regrid')}"


def _representativeness(call: _Call) -> State:
    if not _at_stations(call):
        return NOT_APPLICABLE, "the reference has no points"
    if call.kind == "triple_collocation" or "tc_r2" in call.scores:
        return DONE, "squared correlation with the truth, r2; xsm.representative selects stations"
    return NOT_DONE, "validate((product, stations)), then xsm.representative"


def _common_pairs(call: _Call) -> State:
    if "product" not in call.scores.dims:
        return NOT_APPLICABLE, "one product"
    if call.option("several", "pairs", "common") == "common":
        return DONE, "only days with values of all products"
    return NOT_DONE, 'each product has its own pairs; several={"pairs": "common"}'


def _scaling(call: _Call) -> State:
    if call.kind == "triple_collocation":
        return DONE, "beta is the factor to the scale of the first record"
    scaling = call.settings.get("scaling")
    if scaling is None:
        return NOT_DONE, "bias and RMSD include differences of scale; scaling='cdf'"
    text = json.dumps(scaling) if isinstance(scaling, Mapping) else str(scaling)
    return DONE, f"{text}; metrics of bias are then small by construction"


def _time_scales(call: _Call) -> State:
    if call.settings.get("anomalies"):
        return DONE, f"anomalies: {call.settings['anomalies']}"
    if "anomaly_r" in call.scores:
        return DONE, "anomaly_r beside the correlation of values"
    if call.kind == "triple_collocation":
        return NOT_DONE, "pass anomalies of the three records (xsm.metrics.anomalies)"
    return NOT_DONE, "anomalies='moving_window' in a second call"


def _metrics(call: _Call) -> State:
    if call.kind == "triple_collocation":
        return NOT_APPLICABLE, "its statistics are fixed"
    missing = [name for name in COMPLEMENTARY if name not in call.scores]
    return (NOT_DONE, f"without {', '.join(missing)}") if missing else (DONE, "")


def _sample(call: _Call) -> State:
    if "n_obs" not in call.scores:
        return NOT_RECORDED, ""
    counts = call.scores["n_obs"].values
    counts = counts[counts > 0]
    if not counts.size:
        return NOT_DONE, "no score has a pair"
    few = float(np.mean(counts < ENOUGH_PAIRS))
    limit = int(call.settings.get("min_pairs", 3))
    text = f"median {np.median(counts):,.0f} pairs; {100 * few:.0f} % of the scores have fewer than"
    return (DONE if few < 0.5 else NOT_DONE), f"{text} {ENOUGH_PAIRS}; min_pairs={limit}"


def _intervals(call: _Call) -> State:
    ci = call.settings.get("ci")
    if not ci:
        return NOT_DONE, "ci='bca', or ci='moving_block'"
    method = ci.get("method", "bca") if isinstance(ci, Mapping) else ci
    method = "bca" if method is True else method
    return DONE, str(method)


def _autocorrelation(call: _Call) -> State:
    if call.kind in ("simulated_gaps", "spatial"):
        return NOT_APPLICABLE, "the pairs are no series"
    ci = call.settings.get("ci")
    method = ci.get("method") if isinstance(ci, Mapping) else ci
    if method == "moving_block":
        return DONE, "blocks of successive days are resampled"
    if call.settings.get("p_values"):
        return DONE, "p values of the effective sample size"
    only_intervals = call.kind == "triple_collocation"
    return NOT_DONE, "ci='moving_block'" + ("" if only_intervals else ", p_values=True")


def _triple(call: _Call) -> State:
    if call.kind == "simulated_gaps":
        return NOT_APPLICABLE, "values are compared with themselves"
    if call.kind == "triple_collocation":
        return DONE, ""
    if "tc_err_std" in call.scores:
        return DONE, f"{call.scores.sizes['triple']} triples with the reference"
    return NOT_DONE, "two products, or a product and stations, as reference"


def _strata(call: _Call) -> State:
    if call.kind == "triple_collocation":
        return NOT_DONE, "select days or cells of the records first"
    by = call.settings.get("by")
    if not by:
        return NOT_DONE, 'by=["season", "land_cover", "climate_zone"]'
    return DONE, by if isinstance(by, str) else ", ".join(map(str, by))


def _stability(call: _Call) -> State:
    if call.kind in ("simulated_gaps", "triple_collocation"):
        return NOT_APPLICABLE, ""
    if "period" in call.scores.dims:
        return DONE, 'by="period"; xsm.stability gives the trends'
    years = np.unique(call.scores["time"].dt.year).size if "time" in call.scores.coords else 0
    if 0 < years < 5:
        return NOT_APPLICABLE, f"{years} years"
    return NOT_DONE, 'by="period", then xsm.stability'


def _traceable(call: _Call) -> State:
    return DONE, "settings, versions and SHA-256 in this report; xsm.write_settings"


RECOMMENDATIONS: tuple[tuple[str, str, Callable[[_Call], State]], ...] = (
    ("reference", "Use only reference values of good quality.", _flags),
    ("product", "Apply the quality flags of the product; mask frozen soil, snow and dense "
     "vegetation.", _product_flags),
    ("reference", "Compare like depths.", _depth),
    ("matching", "Match observations in time, and state how.", _in_time),
    ("matching", "Match observations in space, and state how.", _in_space),
    ("reference", "Account for points that do not represent the cell.", _representativeness),
    ("matching", "Score several products on the same pairs.", _common_pairs),
    ("scaling", "Remove differences of scale where these are not the subject.", _scaling),
    ("time scales", "Score anomalies beside values.", _time_scales),
    ("metrics", "Report complementary metrics: bias, ubRMSD, correlation.", _metrics),
    ("metrics", "Report the number of pairs; distrust scores of few.", _sample),
    ("uncertainty", "Give confidence intervals.", _intervals),
    ("uncertainty", "Account for autocorrelation.", _autocorrelation),
    ("reference", "Do not treat the reference as truth: triple collocation.", _triple),
    ("strata", "Score seasons, land covers and climates apart.", _strata),
    ("stability", "Test whether the quality changes over the years.", _stability),
    ("reporting", "Document data, settings and software.", _traceable),
)  # fmt: skip

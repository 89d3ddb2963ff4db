"""Sections of a report: which tables and figures each kind of validation has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.plotting.selection import comparison_title, datasets_of_tree, metric_names
from xsm.reporting import score_figures, score_provenance, score_summary, score_tables
from xsm.reporting.checklist import DONE, NOT_APPLICABLE, SOURCES, checklist
from xsm.reporting.html_page import Page

SAMPLES = {"in_situ": "stations", "product": "cells"}  # kinds that are set side by side
CHECKED = ("in_situ", "product", "simulated_gaps", "triple_collocation", "spatial")


def build_page(
    scores: object,
    *,
    title: str | None,
    metrics: Sequence[str] | None,
    land: xr.DataArray | None,
) -> Page:
    """Build the page of :func:`xsm.report`, which describes the arguments and errors."""
    datasets = {name: ds.compute() for name, ds in check_scores(scores).items()}
    _check_metrics(datasets, metrics)
    title = title or _default_title(datasets)
    page = Page(title)
    version = score_provenance.versions()[0][1]
    page.text(f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with xsm {version}.")
    wanted = tuple(metrics) if metrics else None
    page.section("Summary")
    for name, ds in datasets.items():
        if name:
            page.section(name, level=3)
        page.text(score_summary.sentence(ds))
        page.tiles(score_summary.tiles(ds))
    for kind, sample in SAMPLES.items():
        comparable = {
            name: ds
            for name, ds in datasets.items()
            if kind_of(ds) == kind and not score_tables.strata_dims(ds)
        }
        if len(comparable) > 1:
            _add_side_by_side(page, comparable, wanted, sample)
    for name, ds in datasets.items():
        page.section(name or _default_title(datasets))
        SECTIONS[kind_of(ds)](page, ds, wanted, land)
        if "status" in ds and (table := score_tables.status(ds)):
            page.table(*table)
        _add_details(page, ds)
    page.section("Versions")
    page.facts("Software.", score_provenance.versions(), folded=True)
    return page


def _add_details(page: Page, ds: xr.Dataset) -> None:
    """What was compared and how, and the checklist of good practice, folded."""
    page.facts("What was compared.", score_provenance.identity(ds), folded=True)
    if settings := score_provenance.settings(ds):
        text = "Settings; arguments that are None are not listed."
        page.facts(text, settings, folded=True)
    if "settings" in ds.attrs and kind_of(ds) in CHECKED:
        items = checklist(ds)
        n_done = sum(item.state == DONE for item in items)
        applicable = sum(item.state != NOT_APPLICABLE for item in items)
        caption = f"Good practice: {n_done} of {applicable} points done. After {SOURCES}."
        rows = [[item.recommendation, item.state, item.note] for item in items]
        page.table(caption, ["recommendation", "state", "how"], rows, folded=True, text=True)


def _add_in_situ(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    strata = score_tables.split_strata(scores)
    if len(strata) > 1:
        ranked = score_tables.strata_dims(scores) == ["product"]
        text = _strata_text(scores)
        page.table(*score_tables.summary(strata, text, "stations", ranked=ranked))
    else:
        networks = score_tables.split_networks(strata[""])
        page.table(*score_tables.summary(networks, "network", "stations"))
    _add_triples(page, scores)
    names = score_figures.metrics_to_draw(scores, metrics)
    page.figures(score_figures.station_figures(scores, strata, names, land))
    if len(strata) == 1:
        page.table(*score_tables.per_station(strata[""]), folded=True)


def _add_triples(page: Page, scores: xr.Dataset) -> None:
    if table := score_tables.triples(scores):
        page.table(*table)


def _add_product(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    strata = score_tables.split_strata(scores)
    ranked = score_tables.strata_dims(scores) == ["product"]
    page.table(*score_tables.summary(strata, _strata_text(scores), "cells", ranked=ranked))
    for table in score_tables.area_weighted(scores):
        page.table(*table)
    _add_triples(page, scores)
    names = score_figures.metrics_to_draw(scores, metrics)
    page.figures(score_figures.grid_figures(scores, strata, names, land))


def _add_simulated_gaps(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    for label, ds in score_tables.split_strata(scores).items():
        if label:
            page.section(label, level=3)
        page.table(*score_tables.gap_overview(ds))
        page.table(*score_tables.gap_details(ds), folded=True)
        page.figures(score_figures.gap_figures(ds, score_figures.metrics_to_draw(ds, metrics)))
    if table := score_tables.filled_record_tests(scores):
        page.table(*table)


def _add_triple_collocation(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    sample = "stations" if "station" in scores.dims else "cells"
    strata = score_tables.split_strata(scores)
    page.table(*score_tables.summary(strata, _strata_text(scores), sample))
    names = score_figures.metrics_to_draw(scores, metrics)
    page.figures(score_figures.grid_figures(scores, strata, names, land))


def _add_spatial(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    strata = score_tables.split_strata(scores)
    page.table(*score_tables.summary(strata, _strata_text(scores), "days"))
    names = score_figures.metrics_to_draw(scores, metrics)
    page.figures(score_figures.daily_figures(scores, names))


def _add_trends(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    page.table(*score_tables.trends(scores))
    page.figures(score_figures.trend_figures(scores, land))


def _add_difference(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    page.table(*score_tables.differences(scores))
    page.figures(score_figures.difference_figures(scores, land))


def _add_importance(
    page: Page, result: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    page.figures(score_figures.importance_figures(result))


def _add_curve(
    page: Page, result: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    page.figures(score_figures.curve_figures(result))


def _add_comparison(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    for table in score_tables.paired_comparison(scores):
        page.table(*table)


SECTIONS: dict[str, Callable[..., None]] = {
    "in_situ": _add_in_situ,
    "product": _add_product,
    "simulated_gaps": _add_simulated_gaps,
    "triple_collocation": _add_triple_collocation,
    "comparison": _add_comparison,
    "spatial": _add_spatial,
    "stability": _add_trends,
    "difference": _add_difference,
    "importance": _add_importance,
    "learning_curve": _add_curve,
}


def kind_of(scores: xr.Dataset) -> str:
    """The kind of scores, a key of `SECTIONS`; "" if it is none."""
    kind = str(scores.attrs.get("xsm_scores", ""))
    if kind:
        return kind if kind in SECTIONS else ""
    if "predictor" in scores.dims and "rmse_increase" in scores:
        return "importance"
    if "estimate" in scores.dims and {"days", "fraction"} & set(map(str, scores.dims)):
        return "learning_curve"
    return ""


def _add_side_by_side(
    page: Page, datasets: Mapping[str, xr.Dataset], metrics: tuple[str, ...] | None, sample: str
) -> None:
    """Several validations of one kind in one table and one figure per metric."""
    page.section(f"Side by side, over {sample}")
    if sample == "stations":
        datasets, note = _common_stations(datasets)
        if note:
            page.text(note)
    page.table(*score_tables.summary(datasets, "validation", sample, ranked=True))
    first, *others = datasets.values()
    names = score_figures.metrics_to_draw(first, metrics)
    common = [name for name in names if all(name in ds for ds in others)]
    page.figures(score_figures.side_by_side_figures(datasets, common))


def _common_stations(
    datasets: Mapping[str, xr.Dataset],
) -> tuple[Mapping[str, xr.Dataset], str]:
    """The scores at the stations that all have scored, and a note if these are not all."""
    if not all(
        "station" in ds.indexes and ds.indexes["station"].is_unique for ds in datasets.values()
    ):
        return datasets, ""
    scored = []
    for ds in datasets.values():
        values = [np.isfinite(ds[name].values) for name in metric_names(ds)]
        scored.append(set(ds["station"].values[np.any(values, axis=0)].tolist()))
    common = set.intersection(*scored)
    if not common or all(stations == common for stations in scored):
        return datasets, "" if common else "No station is common to all: each is over its own."
    selected = {
        name: ds.isel(station=[i for i, s in enumerate(ds["station"].values) if s in common])
        for name, ds in datasets.items()
    }
    return selected, f"Over the {len(common):,} stations that all of them have scored."


def _strata_text(scores: xr.Dataset) -> str:
    return ", ".join(dim.replace("_", " ") for dim in score_tables.strata_dims(scores))


def _default_title(datasets: Mapping[str, xr.Dataset]) -> str:
    if len(datasets) == 1 and (text := comparison_title(next(iter(datasets.values())))):
        return f"Validation of {text}"
    return "Validation of soil moisture"


def check_scores(scores: object) -> dict[str, xr.Dataset]:
    """Return the scores by name, each of a known kind and with a metric."""
    expected = "expected what xsm.validate returns, or a mapping of names to such Datasets"
    if isinstance(scores, xr.DataTree):
        scores = datasets_of_tree(scores)
    if isinstance(scores, xr.Dataset):
        datasets = {"": scores}
    elif isinstance(scores, Mapping):
        datasets = {str(name): ds for name, ds in scores.items()}
    else:
        raise InputError(f"scores is a {type(scores).__name__}: {expected}.")
    if not datasets:
        raise InputError(f"scores is empty: {expected}.")
    for name, ds in datasets.items():
        argument = f"scores[{name!r}]" if name else "scores"
        if not isinstance(ds, xr.Dataset):
            raise InputError(f"{argument} is a {type(ds).__name__}: {expected}.")
        if not kind_of(ds):
            kind = ds.attrs.get("xsm_scores")
            raise InputError(
                f"{argument} has the attribute xsm_scores={kind!r}: expected one of "
                f"{', '.join(SECTIONS)}. xsm.validate sets it. Operations on a Dataset may drop "
                "it: use xr.set_options(keep_attrs=True)."
            )
        if kind_of(ds) in (*CHECKED, "comparison") and not metric_names(ds):
            raise InputError(
                f"{argument} has no metric: its variables are {list(ds.data_vars)}; {expected}."
            )
    return datasets


def _check_metrics(datasets: Mapping[str, xr.Dataset], metrics: Sequence[str] | None) -> None:
    available = dict.fromkeys(name for ds in datasets.values() for name in metric_names(ds))
    missing = [name for name in metrics or () if name not in available]
    if missing:
        raise InputError(
            f"metrics={list(metrics or ())}: no scores hold {missing}; expected some of "
            f"{[*available]}."
        )

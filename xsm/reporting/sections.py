"""Sections of a report: which tables and figures each kind of validation has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import xarray as xr

from xsm.errors import InputError
from xsm.plotting.selection import comparison_title, metric_names
from xsm.reporting import score_figures, score_provenance, score_tables
from xsm.reporting.html_page import Page

SAMPLES = {"in_situ": "stations", "product": "cells"}  # kinds that are set side by side


def build_page(
    scores: object,
    *,
    title: str | None,
    metrics: Sequence[str] | None,
    land: xr.DataArray | None,
) -> Page:
    """Build the page of :func:`xsm.report`, which describes the arguments and errors."""
    datasets = {name: ds.compute() for name, ds in _check_scores(scores).items()}
    _check_metrics(datasets, metrics)
    title = title or _default_title(datasets)
    page = Page(title)
    version = score_provenance.versions()[0][1]
    page.text(f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with xsm {version}.")
    wanted = tuple(metrics) if metrics else None
    for kind, sample in SAMPLES.items():
        comparable = {
            name: ds
            for name, ds in datasets.items()
            if ds.attrs["xsm_scores"] == kind and not score_tables.strata_dims(ds)
        }
        if len(comparable) > 1:
            _add_side_by_side(page, comparable, wanted, sample)
    for name, ds in datasets.items():
        page.section(name or _default_title(datasets))
        page.facts("What was compared.", score_provenance.identity(ds))
        SECTIONS[ds.attrs["xsm_scores"]](page, ds, wanted, land)
        if table := score_tables.status(ds):
            page.table(*table)
        if settings := score_provenance.settings(ds):
            page.facts("Settings; arguments at their default are not listed.", settings)
    page.section("Versions")
    page.facts("Software.", score_provenance.versions())
    return page


def _add_in_situ(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    strata = score_tables.split_strata(scores)
    if len(strata) > 1:
        page.table(*score_tables.summary(strata, _strata_text(scores), "stations"))
    else:
        networks = score_tables.split_networks(strata[""])
        page.table(*score_tables.summary(networks, "network", "stations"))
    names = score_figures.metrics_to_draw(scores, metrics)
    page.figures(score_figures.station_figures(scores, strata, names, land))
    if len(strata) == 1:
        page.table(*score_tables.per_station(strata[""]), folded=True)


def _add_product(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    strata = score_tables.split_strata(scores)
    page.table(*score_tables.summary(strata, _strata_text(scores), "cells"))
    for table in score_tables.area_weighted(scores):
        page.table(*table)
    names = score_figures.metrics_to_draw(scores, metrics)
    page.figures(score_figures.grid_figures(scores, strata, names, land))


def _add_simulated_gaps(
    page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land: xr.DataArray | None
) -> None:
    for label, ds in score_tables.split_strata(scores).items():
        if label:
            page.section(label, level=3)
        names = score_tables.names_by_fill_method(ds)
        page.tables(score_tables.fill_methods(ds, name) for name in names)
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
}


def _add_side_by_side(
    page: Page, datasets: Mapping[str, xr.Dataset], metrics: tuple[str, ...] | None, sample: str
) -> None:
    """Several validations of one kind in one table and one figure per metric."""
    page.section(f"Side by side, over {sample}")
    page.table(*score_tables.summary(datasets, "validation", sample))
    first, *others = datasets.values()
    names = score_figures.metrics_to_draw(first, metrics)
    common = [name for name in names if all(name in ds for ds in others)]
    page.figures(score_figures.side_by_side_figures(datasets, common))


def _strata_text(scores: xr.Dataset) -> str:
    return ", ".join(dim.replace("_", " ") for dim in score_tables.strata_dims(scores))


def _default_title(datasets: Mapping[str, xr.Dataset]) -> str:
    if len(datasets) == 1 and (text := comparison_title(next(iter(datasets.values())))):
        return f"Validation of {text}"
    return "Validation of soil moisture"


def _check_scores(scores: object) -> dict[str, xr.Dataset]:
    """Return the scores by name, each of a known kind and with a metric."""
    expected = "expected what xsm.validate returns, or a mapping of names to such Datasets"
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
        kind = ds.attrs.get("xsm_scores")
        if kind not in SECTIONS:
            raise InputError(
                f"{argument} has the attribute xsm_scores={kind!r}: expected one of "
                f"{', '.join(SECTIONS)}. xsm.validate sets it. Operations on a Dataset may drop "
                "it: use xr.set_options(keep_attrs=True)."
            )
        if not metric_names(ds):
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

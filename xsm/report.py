"""One HTML page about one validation or several, to attach to a paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr

from xsm.errors import InputError
from xsm.plotting.selection import against
from xsm.reporting import figures, identity, tables
from xsm.reporting.comparison import comparison
from xsm.reporting.page import Page


def report(
    scores: xr.Dataset | Mapping[str, xr.Dataset],
    path: str | Path,
    *,
    title: str | None = None,
    metrics: Sequence[str] | None = None,
    land: xr.DataArray | None = None,
) -> Path:
    """Write scores as one self-contained HTML page.

    The page holds tables, pictures, the settings of each validation, what was compared, versions
    and a hash of the scores. It needs no network and no JavaScript, can be printed, and follows
    the light or dark setting of the reader.

    Parameters
    ----------
    scores : Dataset, or mapping of names to Datasets
        What ``validate`` returns, and what :func:`xsm.compare` returns. Station scores or maps of
        several products are also set side by side.
    path : str or Path
        File to write, such as ``"report.html"``; an older one is replaced.
    title : str, optional
    metrics : sequence of str, optional
        What to draw; the tables have all. Not given: correlation, ubRMSD (or RMSD) and bias.
    land : DataArray of bool, optional
        Land mask with latitudes and longitudes, to draw under the maps.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    InputError
        If there are no scores, one is of an unknown kind, a metric is in none of them, or the
        folder of `path` does not exist.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> report({}, "report.html")
    Traceback (most recent call last):
    ...
    xsm.errors.InputError: scores is empty: expected what xsm.validate returns, or a mapping of...
    """
    path = _writable(path)
    sets = {name: one.compute() for name, one in _checked(scores).items()}
    _check_metrics(sets, metrics)
    page = Page(title or _title(sets))
    page.text(f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with xsm {identity.versions()[0][1]}.")
    chosen = tuple(metrics) if metrics else None
    for kind in OVER:
        alike = {name: one for name, one in sets.items() if one.attrs["xsm_scores"] == kind}
        alike = {name: one for name, one in alike.items() if not tables.strata_dims(one)}
        if len(alike) > 1:
            _compare(page, alike, chosen, OVER[kind])
    for name, one in sets.items():
        page.section(name or _title(sets))
        page.facts("What was compared.", identity.identity(one))
        SECTIONS[one.attrs["xsm_scores"]](page, one, chosen, land)
        if found := tables.status(one):
            page.table(*found)
        if settings := identity.settings(one):
            page.facts("Settings; what was left out is not shown.", settings)
    page.section("Versions")
    page.facts("Software.", identity.versions())
    path.write_text(page.html(), encoding="utf-8")
    return path


def _in_situ(page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land) -> None:
    groups = tables.strata(scores)
    if len(groups) > 1:
        page.table(*tables.summary(groups, _strata_text(scores), "stations"))
    else:
        page.table(*tables.summary(tables.by_network(groups[""]), "network", "stations"))
    names = figures.chosen(scores, metrics)
    page.figures(figures.station_pictures(scores, groups, names, land))
    if len(groups) == 1:
        page.table(*tables.per_station(groups[""]), folded=True)


def _product(page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land) -> None:
    groups = tables.strata(scores)
    page.table(*tables.summary(groups, _strata_text(scores), "cells"))
    for found in tables.area_weighted(scores):
        page.table(*found)
    page.figures(figures.grid_pictures(scores, groups, figures.chosen(scores, metrics), land))


def _simulated(page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land) -> None:
    for label, one in tables.strata(scores).items():
        if label:
            page.section(label, level=3)
        page.tables(tables.methods(one, name) for name in tables.names_by_method(one))
        page.figures(figures.gap_pictures(one, figures.chosen(one, metrics)))
    if found := tables.per_method(scores):
        page.table(*found)


def _triple(page: Page, scores: xr.Dataset, metrics: tuple[str, ...] | None, land) -> None:
    over = "stations" if "station" in scores.dims else "cells"
    groups = tables.strata(scores)
    page.table(*tables.summary(groups, _strata_text(scores), over))
    names = figures.chosen(scores, metrics)
    page.figures(figures.grid_pictures(scores, groups, names, land))


def _comparison(page: Page, found: xr.Dataset, metrics: tuple[str, ...] | None, land) -> None:
    for table in comparison(found):
        page.table(*table)


SECTIONS: dict[str, Callable[..., None]] = {
    "in_situ": _in_situ,
    "product": _product,
    "simulated_gaps": _simulated,
    "triple_collocation": _triple,
    "comparison": _comparison,
}
OVER = {"in_situ": "stations", "product": "cells"}


def _compare(
    page: Page, sets: Mapping[str, xr.Dataset], metrics: tuple[str, ...] | None, over: str
) -> None:
    """Several validations of one kind, side by side; those of strata have tables of their own."""
    page.section(f"Side by side, over {over}")
    page.table(*tables.summary(sets, "validation", over))
    first, *others = sets.values()
    names = [n for n in figures.chosen(first, metrics) if all(n in one for one in others)]
    page.figures(figures.side_by_side(sets, names))


def _strata_text(scores: xr.Dataset) -> str:
    return ", ".join(dim.replace("_", " ") for dim in tables.strata_dims(scores))


def _title(sets: Mapping[str, xr.Dataset]) -> str:
    if len(sets) == 1:
        one = next(iter(sets.values()))
        if words := against(one):
            return f"Validation of {words}"
    return "Validation of soil moisture"


def _writable(path: str | Path) -> Path:
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(
            f"path={str(path)!r}: the folder {str(path.parent)!r} does not exist; make it first."
        )
    if path.is_dir():
        raise InputError(f"path={str(path)!r} is a folder: expected a file, such as report.html.")
    return path


def _checked(scores: object) -> dict[str, xr.Dataset]:
    expected = "expected what xsm.validate returns, or a mapping of names to such Datasets"
    if isinstance(scores, xr.Dataset):
        sets = {"": scores}
    elif isinstance(scores, Mapping):
        sets = {str(name): one for name, one in scores.items()}
    else:
        raise InputError(f"scores is a {type(scores).__name__}: {expected}.")
    if not sets:
        raise InputError(f"scores is empty: {expected}.")
    for name, one in sets.items():
        which = f"scores[{name!r}]" if name else "scores"
        if not isinstance(one, xr.Dataset):
            raise InputError(f"{which} is a {type(one).__name__}: {expected}.")
        kind = one.attrs.get("xsm_scores")
        if kind not in SECTIONS:
            raise InputError(
                f"{which} has the attribute xsm_scores={kind!r}: expected one of "
                f"{', '.join(SECTIONS)}. It is set by xsm.validate; operations on a Dataset may "
                "drop it: use xr.set_options(keep_attrs=True)."
            )
        if not tables.metrics_of(one):
            raise InputError(f"{which} has no metric: its variables are {list(one.data_vars)}.")
    return sets


def _check_metrics(sets: Mapping[str, xr.Dataset], metrics: Sequence[str] | None) -> None:
    known = dict.fromkeys(name for one in sets.values() for name in tables.metrics_of(one))
    unknown = [name for name in metrics or () if name not in known]
    if unknown:
        raise InputError(
            f"metrics={list(metrics or ())}: no scores hold {unknown}; they hold {[*known]}."
        )

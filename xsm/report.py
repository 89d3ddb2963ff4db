"""`report`: one HTML page about validations, to attach to a paper; `bundle`: it and all scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from xsm.errors import InputError


def report(
    scores: xr.Dataset | Mapping[str, xr.Dataset] | xr.DataTree,
    path: str | Path,
    *,
    title: str | None = None,
    metrics: Sequence[str] | None = None,
    land: xr.DataArray | None = None,
) -> Path:
    """Write scores as one self-contained HTML page.

    The page begins with a summary. It holds tables, figures, a checklist of good practice, the
    settings of each validation, what was compared, versions and a hash of the scores. It needs
    no network and no JavaScript, can be printed, and follows the light or dark setting of the
    browser.

    Parameters
    ----------
    scores : Dataset, mapping of names to Datasets, or DataTree
        Results of ``validate``, :func:`xsm.compare`, :func:`xsm.stability`,
        :func:`xsm.difference` and the functions of ``xsm.experiments``. Station scores or maps of
        several products are also set side by side.
    path : str or Path
        File to write, such as ``"report.html"``. An existing file is replaced.
    title : str, optional
    metrics : sequence of str, optional
        Metrics to draw; the tables hold all. Default: correlation, ubRMSD (or RMSD) and bias.
    land : DataArray of bool, optional
        Land mask with latitudes and longitudes, drawn under the maps.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    InputError
        If there are no scores, their kind is unknown, none of them has a metric of `metrics`, or
        the folder of `path` does not exist.
    MissingPackageError
        If matplotlib is not installed.

    Examples
    --------
    >>> report({}, "report.html")
    Traceback (most recent call last):
    ...
    xsm.errors.InputError: scores is empty: expected what xsm.validate returns, or a mapping of...
    """
    from xsm.reporting.sections import build_page

    path = _check_path(path)
    page = build_page(scores, title=title, metrics=metrics, land=land)
    path.write_text(page.html(), encoding="utf-8")
    return path


def bundle(
    scores: xr.Dataset | Mapping[str, xr.Dataset] | xr.DataTree,
    path: str | Path,
    *,
    title: str | None = None,
    metrics: Sequence[str] | None = None,
    land: xr.DataArray | None = None,
) -> Path:
    """Write scores, tables, figures, settings and the report into one zip archive.

    Parameters
    ----------
    scores, title, metrics, land
        See :func:`xsm.report`.
    path : str or Path
        Archive to write, such as ``"validation.zip"``.

    Returns
    -------
    Path
        Of the archive. It holds ``report.html``, the figures as SVG and, for each validation,
        ``scores.nc``, a CSV file for the variables of each set of dimensions, and
        ``settings.json`` where a file can hold the settings.

    Raises
    ------
    InputError, MissingPackageError
        As :func:`xsm.report`.
    """
    from xsm.reporting.archive import write_archive
    from xsm.reporting.sections import build_page, check_scores
    from xsm.validation.settings_file import settings_text

    path = _check_path(path)
    datasets = {name: ds.compute() for name, ds in check_scores(scores).items()}
    page = build_page(scores, title=title, metrics=metrics, land=land)
    settings: dict[str, str | None] = {}
    for name, ds in datasets.items():
        try:
            settings[name] = settings_text(ds)
        except InputError:  # none, or arrays among them, which the report has as text
            settings[name] = None
    write_archive(path, page, datasets, settings)
    return path


def _check_path(path: str | Path) -> Path:
    from xsm.argument_checks import check_folder

    path = Path(path)
    check_folder("path", path)
    if path.is_dir():
        raise InputError(f"path={str(path)!r} is a folder: expected a file, such as report.html.")
    return path

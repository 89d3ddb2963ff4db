"""A validation as one archive: scores, tables, figures, settings and report."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from xsm.errors import InputError
from xsm.reporting.sections import build_page, check_scores
from xsm.validation.settings_file import write_settings

PAIRS = ("estimate", "reference")


def bundle(
    scores: xr.Dataset | Mapping[str, xr.Dataset],
    path: str | Path,
    *,
    title: str | None = None,
    metrics: Sequence[str] | None = None,
    land: xr.DataArray | None = None,
) -> Path:
    """Write scores, tables, figures, settings and the report into one zip archive.

    Parameters
    ----------
    scores : Dataset, or mapping of names to Datasets
        As for :func:`xsm.report`.
    path : str or Path
        Archive to write, such as ``"validation.zip"``.
    title, metrics, land
        See :func:`xsm.report`.

    Returns
    -------
    Path
        Of the archive. It holds ``report.html``; and, for each validation, ``scores.nc``, a CSV
        file for the variables of each set of dimensions, ``settings.json`` where the settings can
        be written, and the figures as SVG.

    Raises
    ------
    InputError
        As :func:`xsm.report`.
    MissingPackageError
        If matplotlib is not installed.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"path={str(path)!r}: the folder {str(path.parent)!r} does not exist.")
    datasets = {name: ds.compute() for name, ds in check_scores(scores).items()}
    page = build_page(scores, title=title, metrics=metrics, land=land)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.html", page.html())
        for i, (caption, svg, _) in enumerate(page.drawn, start=1):
            archive.writestr(f"figures/{i:02d}-{_file_name(caption)}.svg", svg)
        for name, ds in datasets.items():
            folder = f"{_file_name(name)}/" if name else ""
            _add_scores(archive, folder, ds)
    return path


def _add_scores(archive: zipfile.ZipFile, folder: str, scores: xr.Dataset) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "scores.nc"
        scores.to_netcdf(file)
        archive.write(file, f"{folder}scores.nc")
        try:
            write_settings(scores, Path(temporary) / "settings.json")
        except InputError:  # arrays among the settings, or none: they are in the report as text
            pass
        else:
            archive.write(Path(temporary) / "settings.json", f"{folder}settings.json")
    for dims, names in _tables(scores).items():
        ds = scores[names] if dims else scores[names].expand_dims("value")
        frame = ds.to_dataframe().reset_index()
        archive.writestr(f"{folder}{'-'.join(dims) or 'values'}.csv", frame.to_csv(index=False))


def _tables(scores: xr.Dataset) -> dict[tuple[str, ...], list[str]]:
    """Dimensions -> variables on them, without the pairs."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for name, da in scores.data_vars.items():
        if name not in PAIRS:
            tables.setdefault(tuple(map(str, da.dims)), []).append(str(name))
    return tables


def _file_name(text: str) -> str:
    """The beginning of a text as part of the name of a file.

    Examples
    --------
    >>> _file_name("Bias (m3 m-3) at <the> stations.")
    'bias_m3_m_3_at_the_stations'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60].strip("_") or "validation"

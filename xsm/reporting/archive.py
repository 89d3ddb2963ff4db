"""A validation as one archive: scores, tables, figures, settings and report."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import xarray as xr

from xsm.reporting.html_page import Page

PAIRS = ("estimate", "reference")


def write_archive(
    path: Path,
    page: Page,
    datasets: Mapping[str, xr.Dataset],
    settings: Mapping[str, str | None],
) -> None:
    """Write a report, its figures and the scores; see :func:`xsm.report.bundle`.

    settings : name of a Dataset -> its settings as JSON, or None
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.html", page.html())
        for i, figure in enumerate(page.drawn, start=1):
            name = f"figures/{i:02d}-{file_name(figure.caption)}.svg"
            archive.writestr(name, figure.svg)
        folders: set[str] = set()
        for name, ds in datasets.items():
            folder = f"{_unused(file_name(name), folders)}/" if name else ""
            _add_scores(archive, folder, ds)
            if (text := settings.get(name)) is not None:
                archive.writestr(f"{folder}settings.json", text)


def _add_scores(archive: zipfile.ZipFile, folder: str, scores: xr.Dataset) -> None:
    """Scores as NetCDF, and a CSV file for the variables of each set of dimensions."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "scores.nc"
        scores.to_netcdf(file)
        archive.write(file, f"{folder}scores.nc")
    tables: dict[tuple[str, ...], list[str]] = {}
    for name, da in scores.data_vars.items():
        if name not in PAIRS:
            tables.setdefault(tuple(map(str, da.dims)), []).append(str(name))
    for dims, names in tables.items():
        ds = scores[names] if dims else scores[names].expand_dims("value")
        frame = ds.to_dataframe().reset_index()
        archive.writestr(f"{folder}{'-'.join(dims) or 'values'}.csv", frame.to_csv(index=False))


def _unused(name: str, used: set[str]) -> str:
    """A name, with a number where it is in use already."""
    numbered = (f"{name}_{n}" for n in count(2))
    name = name if name not in used else next(other for other in numbered if other not in used)
    used.add(name)
    return name


def file_name(text: str) -> str:
    """The beginning of a text as part of the name of a file.

    Examples
    --------
    >>> file_name("Bias (m3 m-3) at <the> stations.")
    'bias_m3_m_3_at_the_stations'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60].strip("_") or "validation"

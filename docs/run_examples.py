"""Run the Python code of the pages: ``python docs/run_examples.py [PAGE ...]``.

The blocks of a page run one after the other in a folder with made-up files, so that an example
fails the build when a name, an argument or a file of it does not exist, or when it warns of what
the page does not explain. Tutorials and product pages are run elsewhere. Simulated data are coarser
and shorter here, and fits have one epoch.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch
from zipfile import ZipFile

import dask.distributed
import matplotlib
import numpy as np
import xarray as xr

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

import xsm  # noqa: E402
from tests.opening import made_files  # noqa: E402
from xsm import tutorial  # noqa: E402

BLOCK = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
# pages that need what the machine that builds the site lacks
ELSEWHERE = {
    "tutorials/gpu.md": "a GPU",
    "explanation/estimate-skill.md": "data of others",
}
# part of a warning -> words of the pages that explain it
EXPLAINED = {"was trained on a simulated Earth": "simulated Earth"}


def main(names: list[str]) -> int:
    """Run all pages, or those of these names; the number of pages that failed."""
    matplotlib.use("agg")
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    failed = 0
    for page in pages:
        name = page.relative_to(ROOT / "docs" if page.parent != ROOT else ROOT).as_posix()
        code = "\n".join(BLOCK.findall(page.read_text()))
        if not code or name in ELSEWHERE or name.startswith("how-to/products/"):
            continue
        if names and name not in names:
            continue
        start = time.perf_counter()
        error = run(code, name, page.read_text())
        failed += error is not None
        sys.stdout.write(f"{name}: {error or 'ok'} ({time.perf_counter() - start:.1f} s)\n")
    return failed


def run(code: str, page: str, text: str = "") -> str | None:
    """The error of a page, with the line of its code, or a warning that its text does not explain.

    None if there is neither.
    """
    names: dict[str, Any] = {}
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            prepare = FILES.get(page)
            if prepare is not None:
                names |= prepare(Path(folder)) or {}
            with smaller(), warned() as messages:
                exec(compile(code, page, "exec"), names)
        except Exception as error:
            lines = [
                code.splitlines()[frame.lineno - 1].strip()
                for frame in traceback.extract_tb(error.__traceback__)
                if frame.filename == page and frame.lineno
            ]
            return f"{type(error).__name__} at `{lines[-1] if lines else page}`: {error}"
        finally:
            os.chdir(home)
    unexplained = [m for m in messages if not any(
        part in m and words in text for part, words in EXPLAINED.items()
    )]  # fmt: skip
    return f"a warning that the page does not explain: {unexplained[0]}" if unexplained else None


@contextmanager
def warned() -> Iterator[list[str]]:
    """Collect what the logger of xsm warns of; warnings of other packages are not shown."""
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("xsm")
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield messages
    finally:
        logger.removeHandler(handler)


class ClientOfThisProcess(dask.distributed.Client):
    """A client whose only worker is here: no other process starts, imports and compiles."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **(options | {"n_workers": 1, "processes": False}))


@contextmanager
def smaller() -> Iterator[None]:
    """Simulated data and fits of a size that suits a check; simulated stations for archives."""
    open_dataset = tutorial.open_dataset

    def short(name: str, **options: Any) -> xr.Dataset:
        days = 130 if options.get("days", 0) > 130 else 42
        return open_dataset(name, **options | {"days": days, "resolution": 1.0})

    def stations(function: Callable[..., xr.Dataset]) -> Callable[..., xr.Dataset]:
        def simulated(*args: Any, **options: Any) -> xr.Dataset:
            signature(function).bind(*args, **options)
            return tutorial.open_stations(short("amsr2-iberia"), 6)

        return simulated

    def not_computed(function: Callable[..., Any]) -> Callable[..., Any]:
        def bound(*args: Any, **options: Any) -> MagicMock:
            signature(function).bind(*args, **options)
            return MagicMock()

        return bound

    def brief(function: Callable[..., Any], **few: Any) -> Callable[..., Any]:
        return lambda *args, **options: function(*args, **options | few)

    with ExitStack() as stack:
        for owner, name, value in (
            (tutorial, "open_dataset", short),
            (xsm, "open_ismn", stations(xsm.open_ismn)),
            (xsm.insitu, "open_smap_core", stations(xsm.insitu.open_smap_core)),
            (xsm, "fit_estimator", brief(xsm.fit_estimator, epochs=1, ensemble_size=1)),
            (xsm, "fit_gapfill", brief(xsm.fit_gapfill, steps=2)),
            (dask.distributed, "Client", ClientOfThisProcess),
            *(
                (xsm.experiments, name, not_computed(getattr(xsm.experiments, name)))
                for name in xsm.experiments.__all__  # many fits
            ),
        ):
            stack.enter_context(patch.object(owner, name, value, create=True))
        yield


def record(folder: Path) -> None:
    """A daily record in a file and in files of a day."""
    (folder / "made").mkdir()
    made = made_files.cci(folder / "made")
    ds = xsm.open_record(made.paths, chunks=None)[["sm"]]
    ds.to_netcdf(folder / "my_record.nc")
    made_files.lprm(folder)


def record_of_days(folder: Path) -> None:
    """Files of a record, and of the day after it."""
    (folder / "record").mkdir()
    ds = tutorial.open_dataset("amsr2-iberia", days=42, resolution=1.0, covariates=False)
    days = ds[["soil_moisture"]]
    for start in (0, 30):
        part = days.isel(time=slice(start, min(start + 30, 41)))
        part.to_netcdf(folder / "record" / f"{start}.nc")
    days.isel(time=[41]).to_netcdf(folder / "new_day.nc")


def opened(folder: Path) -> None:
    """What `open_record` is shown with."""
    for name in ("SMAP", "points", "other"):
        (folder / name).mkdir()
    made_files.smap_l3(folder / "SMAP")
    first = sorted((folder / "SMAP").iterdir())[0]
    (folder / "SMAP_L3_SM_P_20150401_R18290_001.h5").write_bytes(first.read_bytes())
    cci = made_files.cci(folder)
    for target, source in zip(("a.nc", "b.nc"), cci.paths, strict=False):
        with xr.open_dataset(source, decode_cf=False) as ds:
            ds.to_netcdf(folder / target)
    with ZipFile(folder / "download.zip", "w") as archive:
        for path in cci.paths:
            archive.write(path, path.name)
    xsm.open_record(cci.paths, chunks=None)[["sm"]].to_zarr(
        folder / "store.zarr", consolidated=False
    )
    made_files.lprm(folder)


def predictors(folder: Path) -> dict[str, Any]:
    """Predictors and a target, also in files."""
    ds = tutorial.open_dataset("amsr2-iberia", days=130, resolution=2.0)
    ds = ds.rename(soil_moisture_ground="smap").drop_vars(["soil_moisture", "soil_moisture_truth"])
    (folder / "predictors").mkdir()
    ds.drop_vars("smap").to_netcdf(folder / "predictors" / "all.nc")
    return {"predictors": ds}


def cells_to_hide(folder: Path) -> dict[str, Any]:
    """Arguments of the boosted trees."""
    ds = tutorial.open_dataset("amsr2-iberia", days=42, resolution=1.0)
    values = ds["soil_moisture"].values
    rng = np.random.default_rng(1)
    static = rng.random(values.shape[1:], np.float32)
    return {
        "patterns": rng.random((4, *values.shape)) < 0.1,
        "allowed": np.isfinite(values),
        "elevation": static,
        "slope": static,
        "other": values,
    }


FILES: dict[str, Callable[[Path], dict[str, Any] | None]] = {
    "how-to/cluster.md": record_of_days,
    "how-to/gapfill.md": record,
    "how-to/opening.md": opened,
    "how-to/estimate.md": predictors,
    "explanation/baselines.md": cells_to_hide,
}

if __name__ == "__main__":
    raise SystemExit(min(main(sys.argv[1:]), 1))

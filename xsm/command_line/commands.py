"""What each command does: open, call a public function, write, and tell what was done."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xsm.check import REFUSED, check
from xsm.command_line import files
from xsm.conventions.catalogue import products, quality_rules
from xsm.errors import InputError
from xsm.estimate import estimate
from xsm.gapfill import gapfill
from xsm.installation import show_versions
from xsm.networks.model import models
from xsm.report import report
from xsm.reporting import score_tables
from xsm.tutorial import open_dataset
from xsm.validate import validate

OK, REFUSED_INPUT = 0, 1


def run_gapfill(arguments: Namespace) -> int:
    """``xsm gapfill FILES -o OUT``."""
    files.check_output(arguments.output, overwrite=arguments.overwrite)
    lazy = arguments.output.suffix == ".zarr" or arguments.chunks is not None
    ds = files.read_record(arguments.files, arguments, lazy=lazy)
    filled = gapfill(
        ds,
        var=arguments.var,
        model=arguments.model,
        max_gap=arguments.max_gap,
        land=arguments.land,
        fallback=arguments.fallback,
        calibrate=False if arguments.no_calibration else None,
        device=arguments.device,
    )
    files.write(filled, arguments.output, overwrite=arguments.overwrite)
    files.show(f"filled record: {arguments.output}")
    for name, da in filled.data_vars.items():
        if not lazy and "gapfill_hidden_rmse" in da.attrs:
            files.show(f"RMSE at hidden values of {name}: {da.attrs['gapfill_hidden_rmse']}")
    return OK


def run_estimate(arguments: Namespace) -> int:
    """``xsm estimate FILES -o OUT``."""
    files.check_output(arguments.output, overwrite=arguments.overwrite)
    ds = files.read_predictors(arguments.files, arguments.chunks)
    features = dict(arguments.feature or ())
    result = estimate(
        ds,
        model=arguments.model,
        features=features or None,
        mask_frozen=arguments.mask_frozen,
        regrid=arguments.regrid,
        device=arguments.device,
    )
    files.write(result, arguments.output, overwrite=arguments.overwrite)
    files.show(f"estimate: {arguments.output}")
    return OK


def run_validate(arguments: Namespace) -> int:
    """``xsm validate FILES``: stations, a product, two references, or simulated gaps."""
    if arguments.output is not None:
        files.check_output(arguments.output, overwrite=arguments.overwrite, suffixes=files.NETCDF)
    if arguments.report is not None:
        files.check_report(arguments.report)
    ds = files.read_record(arguments.files, arguments)
    options: dict[str, Any] = {
        "by": arguments.by or None,
        "metrics": arguments.metrics or None,
        "scaling": arguments.scaling,
        "anomalies": arguments.anomalies,
        "ci": arguments.ci or None,
    }
    scores = validate(
        ds,
        files.read_references(arguments),
        var=arguments.var,
        **{name: value for name, value in options.items() if value is not None},
    )
    if not isinstance(scores, xr.Dataset):
        raise InputError("the files give several groups of scores: validate them one by one.")
    for table in _tables(scores):
        files.show(f"{table.caption}\n{_columns([table.head, *table.rows])}\n")
    if arguments.output is not None:
        files.write(scores, arguments.output, overwrite=arguments.overwrite)
        files.show(f"scores: {arguments.output}")
    if arguments.report is not None:
        files.show(f"report: {report(scores, arguments.report)}")
    return OK


def run_check(arguments: Namespace) -> int:
    """``xsm check FILES``: 1 if something would be refused."""
    ds = files.read_record(arguments.files, arguments)
    table = check(ds, var=arguments.var)
    _show_table(table)
    return REFUSED_INPUT if (table["result"] == REFUSED).any() else OK


def run_models(arguments: Namespace) -> int:
    """``xsm models [NAME]``: the list, or one card."""
    cards = models()
    if arguments.name is None:
        rows = [
            [name, card.get("task", "gapfill"), card["description"]] for name, card in cards.items()
        ]
        files.show(_columns([["name", "task", "description"], *rows]))
    elif arguments.name in cards:
        files.show(json.dumps(cards[arguments.name], indent=1))
    else:
        raise InputError(f"no model is called {arguments.name!r}: expected one of {sorted(cards)}.")
    return OK


def run_products(arguments: Namespace) -> int:
    """``xsm products [KEY]``: the list, or the quality rules of one product."""
    if arguments.key is None:
        table = products().reset_index()[["key", "title", "files"]]
    else:
        columns = ["rule", "variable", "removed_where", "reason", "recommended"]
        table = quality_rules(arguments.key)[columns]
    _show_table(table)
    return OK


def run_bench(arguments: Namespace) -> int:
    """``xsm bench``: the speed of gap filling on this machine."""
    ds = open_dataset(arguments.dataset, days=arguments.days, covariates=False, truth=False)
    record = ds["soil_moisture"]
    gapfill(ds.isel(time=slice(0, 12)), progress=False)  # compiles, or loads compiled loops
    seconds = []
    for _ in range(arguments.repeat):
        start = time.perf_counter()
        gapfill(ds, progress=False)
        seconds.append(time.perf_counter() - start)
    median = float(np.median(seconds))
    shape = " x ".join(f"{size} {dim}" for dim, size in record.sizes.items())
    files.show(
        f"{shape}: {median:.2f} s, {record.size / median / 1e6:.2f} million values a second "
        f"(median of {arguments.repeat})\n"
    )
    show_versions()
    return OK


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "gapfill": run_gapfill,
    "estimate": run_estimate,
    "validate": run_validate,
    "check": run_check,
    "models": run_models,
    "products": run_products,
    "bench": run_bench,
}


def _tables(scores: xr.Dataset) -> list[score_tables.Table]:
    """Scores as the report has them: a row per fill method, network or stratum."""
    strata = score_tables.split_strata(scores)
    if scores.attrs["xsm_scores"] == "simulated_gaps":
        return [
            score_tables.fill_methods(ds, name)
            for ds in strata.values()
            for name in score_tables.names_by_fill_method(ds)[:2]
        ]
    sample = "stations" if "station" in scores.dims else "cells"
    if len(strata) == 1 and scores.attrs["xsm_scores"] == "in_situ":
        return [score_tables.summary(score_tables.split_networks(scores), "network", sample)]
    return [score_tables.summary(strata, ", ".join(score_tables.strata_dims(scores)), sample)]


def _show_table(table: pd.DataFrame) -> None:
    files.show(_columns([list(table.columns), *table.astype(str).to_numpy().tolist()]))


def _columns(rows: list[list[str]]) -> str:
    """Rows of text in columns, two blanks apart; a row is one line, the last column may be long.

    >>> _columns([["a", "bb"], ["ccc", "d"]])
    'a    bb\\nccc  d'
    """
    rows = [[" ".join(cell.split("\n")) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )

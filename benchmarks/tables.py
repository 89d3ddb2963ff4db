"""Write the measured tables into README.md and docs/, from ``benchmarks/results/*.json``.

``python -m benchmarks.tables`` rewrites the text between ``<!-- generated:NAME -->`` and
``<!-- /generated -->``. With ``--check`` it changes nothing and fails where a table is out of date.
A table without a result names the command that measures it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- generated:([\w-]+) -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)
GAP_PATTERNS = {"block": "blocks", "swath": "swaths", "cell": "single cells", "long": "long gaps"}
METHODS = {
    "linear": "linear in time",
    "window_mean": "mean of T-4 .. T+4",
    "climatology": "climatology",
    "dctpls": "DCT-PLS (pytesmo)",
    "dineof": "DINEOF (pydineof)",
    "trees": "boosted trees (LightGBM)",
    "default": "**xsm, `default`**",
    "sgd-sm": "SGD-SM network, trained the same way",
}
Result = dict[str, Any]
SKILL, ESTIMATES, PERFORMANCE = (
    f"docs/{page}.md"
    for page in ("explanation/baselines", "explanation/estimate-skill", "reference/performance")
)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column is left-aligned, the others right-aligned."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def number(value: float | None, digits: int) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def _by_method(result: Result, reference: str, scope: str) -> dict[str, dict[str, Result]]:
    """Method -> gap pattern -> row."""
    table: dict[str, dict[str, Result]] = {}
    for row in result["rows"]:
        if (row["reference"], row["scope"]) == (reference, scope):
            table.setdefault(row["method"], {})[row["gap_pattern"]] = row
    return table


def _note(result: Result, methods: dict[str, dict[str, Result]]) -> str:
    sizes = next(iter(methods.values()))
    cells = ", ".join(f"{sizes[key]['n']:,} {label}" for key, label in GAP_PATTERNS.items())
    n_realizations = result["settings"]["n_realizations"]
    return f"{n_realizations} realizations; cells scored: {cells}. Measured {result['date']}."


def gapfill(result: Result, reference: str = "retrieval", scope: str = "strict") -> str:
    """RMSE by gap pattern, and the other scores of all gaps."""
    methods = _by_method(result, reference, scope)
    head = [
        "RMSE, m3 m-3",
        *GAP_PATTERNS.values(),
        "all",
        "MAE",
        "CRPS",
        "bias",
        "R",
        "R anomalies",
    ]
    rows = []
    for name, by_pattern in methods.items():
        overall = by_pattern["all"]
        rows.append(
            [METHODS.get(name, f"`{Path(name).stem}`")]
            + [number(by_pattern[key]["rmsd"], 4) for key in (*GAP_PATTERNS, "all")]
            + [number(overall["mae"], 4), number(_crps(overall), 4), f"{overall['bias']:+.4f}"]
            + [number(overall[key], 3) for key in ("r", "r_anomaly")]
        )
    return markdown(head, rows) + "\n\n" + _note(result, methods)


def _crps(row: Result) -> float | None:
    """Continuous ranked probability score; without uncertainty it is the mean absolute error."""
    return row.get("crps", None if "coverage_68" in row else row["mae"])


def intervals(result: Result, reference: str = "retrieval", scope: str = "strict") -> str:
    """Percentage of held-out values inside the 68 and 95 % intervals, by gap pattern."""
    rows = []
    for name, by_pattern in _by_method(result, reference, scope).items():
        if "coverage_68" not in by_pattern["all"]:
            continue
        for level in (68, 95):
            keys = (*GAP_PATTERNS, "all")
            coverage = [by_pattern[key].get(f"coverage_{level}") for key in keys]
            cells = ["-" if value is None else f"{100 * value:.1f}" for value in coverage]
            rows.append([f"{METHODS.get(name, f'`{Path(name).stem}`')}, {level} %", *cells])
    return markdown(["inside the interval, %", *GAP_PATTERNS.values(), "all"], rows)


def shared_errors(result: Result, reference: str = "retrieval", scope: str = "region") -> str:
    """Correlation of the errors with those of the default network, and the best mixture of both."""
    methods = _by_method(result, reference, scope)
    alone = [number(methods["default"][key]["rmsd_common"], 4) for key in GAP_PATTERNS]
    rows = [[METHODS["default"], *(cell for error in alone for cell in ("-", error))]]
    for name, by_pattern in methods.items():
        if "error_r" in by_pattern["all"]:
            figures = [
                number(by_pattern[pattern][key], digits)
                for pattern in GAP_PATTERNS
                for key, digits in (("error_r", 2), ("rmsd_mixed", 4))
            ]
            rows.append([f"{METHODS.get(name, f'`{Path(name).stem}`')}, mixed with it", *figures])
    head = [f"{label}: {what}" for label in GAP_PATTERNS.values() for what in ("R", "RMSE")]
    return markdown(["", *head], rows) + "\n\n" + _note(result, methods)


def latitudes(result: Result) -> str:
    """Errors of the default network by band of latitude, beside linear interpolation."""
    rows = []
    patterns = {key: GAP_PATTERNS[key] for key in ("block", "swath")}
    cell = {(r["method"], r["gap_pattern"], r["south"], r["north"]): r for r in result["latitudes"]}
    for south, north in sorted({key[2:] for key in cell}):
        figures = []
        for pattern in patterns:
            network, linear = (cell.get((m, pattern, south, north)) for m in ("default", "linear"))
            if network is None or linear is None:
                figures += ["-"] * 4
                continue
            figures += [
                f"{100 * network[k]:.0f}" for k in ("fraction", "fraction_of_squared_error")
            ]
            figures += [number(row["rmsd"], 3) for row in (network, linear)]
        rows.append([f"{south} to {north}", *figures])
    columns = ("cells, %", "squared error, %", "RMSE", "linear")
    head = ["latitude", *(f"{label}: {c}" for label in patterns.values() for c in columns)]
    return markdown(head, rows)


def consistency(result: Result) -> str:
    """Largest differences between ways to split a record."""
    rows = [
        [name.replace("_", " "), f"{difference:.1e}"]
        for name, difference in result["differences"].items()
    ]
    return markdown(["largest difference", "m3 m-3"], rows)


def throughput(result: Result) -> str:
    """Time and memory on a global month."""
    figures = result["figures"]
    shape = " x ".join(str(n) for n in figures["shape"])
    head = ["record", "threads", "seconds", "Mcells/s", "Mcells/s of land", "peak memory, GB"]
    row = [shape, str(result["threads"]), number(figures["seconds"], 0)]
    row += [number(figures[key], 2) for key in ("mcells_per_second", "land_mcells_per_second")]
    row.append(number(figures["peak_rss_gb"], 2))
    return markdown(head, [row]) + f"\n\n{result['machine']}. Measured {result['date']}."


def import_time(result: Result) -> str:
    """What ``import xsm`` adds to ``import xarray``."""
    rows = [
        [label, *(f"{1000 * result[key][part]:.0f}" for part in ("p20", "median", "p80"))]
        for label, key in (("`import xarray`", "xarray_s"), ("`import xsm` adds", "added_s"))
    ]
    return markdown(["milliseconds", "20 %", "median", "80 %"], rows)


def first_call(result: Result) -> str:
    """Seconds of a fresh process, by the state of the cache of compiled loops."""
    states = ("off", "empty", "filled")
    rows = [
        [
            "xarray alone" if name == "xarray" else f"`{name}`",
            *(number(call[state]["wall_s"], 1) for state in states),
            *(number(call[state]["cpu_s"], 1) for state in states),
        ]
        for name, call in result["calls"].items()
    ]
    head = ["seconds", *(f"cache {state}" for state in states), *(f"CPU, {s}" for s in states)]
    note = f"Medians of {result['runs']}, {result['cpus']} CPUs under a load of {result['load']}."
    return markdown(head, rows) + f"\n\n{note} Measured {result['date']}."


def headline(results: Path) -> str:
    """Three figures: skill of filling, skill of estimates, speed; a dash where not measured."""

    def read(stem: str) -> Result | None:
        path = results / f"{stem}.json"
        return json.loads(path.read_text()) if path.exists() else None

    gaps, smap, speed = map(read, ("gapfill_amsr2", "smap_conus", "throughput_amsr2"))
    cells = ["-"] * 3
    if gaps is not None:
        methods = _by_method(gaps, "retrieval", "strict")
        xsm, linear = (methods[name]["all"]["rmsd"] for name in ("default", "linear"))
        cells[0] = f"RMSE {number(xsm, 3)} m3 m-3; linear in time {number(linear, 3)}"
    if smap is not None:
        row = smap["rows"][0]
        cells[1] = f"median ubRMSE {number(row['ubrmse'], 3)} m3 m-3, R {number(row['r'], 2)}"
    if speed is not None:
        figures = speed["figures"]
        cells[2] = (
            f"{number(figures['seconds'], 0)} s on {speed['threads']} cores, "
            f"{number(figures['peak_rss_gb'], 1)} GB"
        )
    rows = [
        ["filling withheld retrievals of a month of AMSR2", cells[0], f"[skill]({SKILL})"],
        ["estimating left-out months of SMAP from weather", cells[1], f"[estimates]({ESTIMATES})"],
        ["filling a global month in 0.25 degrees", cells[2], f"[performance]({PERFORMANCE})"],
    ]
    return markdown(["", "xsm", "more"], rows).replace("--:", "---")


def _from(module: str, function: str, *arguments: str) -> Callable[[Result], str]:
    """A table made by a function of another module, which imports this one."""
    return lambda result: getattr(import_module(module), function)(result, *arguments)


def _from_catalogue(name: str) -> Callable[[], str]:
    """A table of the product catalogue, made by a function of another module."""
    return lambda: getattr(import_module("benchmarks.catalogue_tables"), name)()


_SCALE = "benchmarks.scale.scale_tables"
_SPEED = "benchmarks.speed.speed_tables"
_CPU = {name: ("speed_cpu", "-m benchmarks.speed", _from(_SPEED, name)) for name in (
    "targets", "layers", "rates", "operations", "occupancy", "drawings", "network",
)}  # fmt: skip
_GPU = {name: ("speed_gpu", "-m benchmarks.speed --device cuda", _from(_SPEED, name)) for name in (
    "targets", "layers", "layer_speed_ups", "network", "switches", "drawings",
)}  # fmt: skip


def _example(name: str) -> Callable[[Result], str]:
    """A table of the worked example of validation."""
    module = "benchmarks.validation.worked_example_tables"
    return lambda result: import_module(module).TABLES[name](result)


_EXAMPLE_TABLES = (
    "in-situ", "annual", "simulated", "networks", "winter", "wetness", "representative",
)  # fmt: skip
_EXAMPLE = {
    name: ("validation_example", "-m benchmarks.validation.worked_example", _example(name))
    for name in _EXAMPLE_TABLES
}

_ESTIMATE = "benchmarks.skill.estimate_tables"
_OSSE = "estimate_osse", "-m benchmarks.skill.estimate_osse"
_EXPERIMENTS = "estimate_experiments", "-m benchmarks.skill.estimate_experiments"
_RECURRENT = _from("benchmarks.speed.recurrent", "table")

# name of a table -> its result file, the command that measures it, and the function that writes it
TABLES: dict[str, tuple[str, str, Callable[[Result], str]]] = {
    "gapfill-amsr2": ("gapfill_amsr2", "-m benchmarks.skill.gapfill", gapfill),
    "gapfill-amsr2-region": (
        "gapfill_amsr2",
        "-m benchmarks.skill.gapfill",
        partial(gapfill, scope="region"),
    ),
    "gapfill-osse": (
        "gapfill_osse",
        "-m benchmarks.skill.gapfill --data osse",
        partial(gapfill, reference="truth"),
    ),
    "gapfill-osse-retrieval": (
        "gapfill_osse",
        "-m benchmarks.skill.gapfill --data osse",
        gapfill,
    ),
    "intervals-amsr2": ("gapfill_amsr2", "-m benchmarks.skill.gapfill", intervals),
    "latitudes-amsr2": ("gapfill_amsr2", "-m benchmarks.skill.gapfill", latitudes),
    "shared-errors-amsr2": ("gapfill_amsr2", "-m benchmarks.skill.gapfill", shared_errors),
    "intervals-osse": ("gapfill_osse", "-m benchmarks.skill.gapfill --data osse", intervals),
    "area-means": (
        "area_means",
        "-m benchmarks.skill.area_means",
        _from("benchmarks.skill.area_means", "table"),
    ),
    "learned-methods": (
        "learned_methods",
        "-m benchmarks.skill.learned_methods",
        _from("benchmarks.skill.learned_methods", "table"),
    ),
    "consistency": ("consistency", "-m benchmarks.skill.consistency", consistency),
    "throughput": ("throughput_amsr2", "-m benchmarks.skill.throughput", throughput),
    **{f"speed-{name}": row for name, row in _CPU.items()},
    **{f"speed-gpu-{name.replace('_', '-')}": row for name, row in _GPU.items()},
    "speed-memory": ("speed_memory", "-m benchmarks.speed.peak_memory", _from(_SPEED, "memory")),
    "validation-speed": (
        "validation_speed",
        "-m benchmarks.validation.metrics_speed",
        _from("benchmarks.validation.metrics_speed", "table"),
    ),
    **{f"validation-{name}": row for name, row in _EXAMPLE.items()},
    "estimate-osse": (*_OSSE, _from(_ESTIMATE, "table")),
    "estimate-short": (*_OSSE, _from(_ESTIMATE, "short")),
    "estimate-margin": (*_OSSE, _from(_ESTIMATE, "margin")),
    "estimate-unseen": (*_OSSE, _from(_ESTIMATE, "unseen")),
    "estimate-inputs": (*_OSSE, _from(_ESTIMATE, "inputs")),
    "estimate-importance": (*_EXPERIMENTS, _from(_ESTIMATE, "importance")),
    "estimate-length": (*_EXPERIMENTS, _from(_ESTIMATE, "experiment", "length")),
    "estimate-samples": (*_EXPERIMENTS, _from(_ESTIMATE, "experiment", "samples")),
    "smap-conus": (
        "smap_conus",
        "-m benchmarks.skill.smap_left_out",
        _from(_ESTIMATE, "smap_conus"),
    ),
    "fusion-smap": (
        "fusion",
        "-m benchmarks.skill.fusion",
        _from("benchmarks.skill.fusion", "table", "smap"),
    ),
    "fusion-osse": (
        "fusion",
        "-m benchmarks.skill.fusion",
        _from("benchmarks.skill.fusion", "table", "osse"),
    ),
    "no-harm": (
        "no_harm",
        "-m benchmarks.skill.no_harm",
        _from("benchmarks.skill.no_harm", "table"),
    ),
    "recurrent": ("recurrent_cpu", "-m benchmarks.speed.recurrent", _RECURRENT),
    "recurrent-gpu": ("recurrent_gpu", "-m benchmarks.speed.recurrent --device cuda", _RECURRENT),
    "recurrent-gpu-speed-ups": (
        "recurrent_gpu",
        "-m benchmarks.speed.recurrent --device cuda",
        _from("benchmarks.speed.recurrent", "speed_ups"),
    ),
    "import-time": ("import_time", "-m benchmarks.speed.import_time", import_time),
    "scale-graphs": ("scale", "-m benchmarks.scale", _from(_SCALE, "graphs")),
    "scale-runs": ("scale", "-m benchmarks.scale", _from(_SCALE, "runs")),
    "scale-workers": ("scale", "-m benchmarks.scale", _from(_SCALE, "workers")),
    "scale-boxes": ("scale", "-m benchmarks.scale", _from(_SCALE, "boxes")),
    "first-call": ("first_call", "-m benchmarks.speed.first_call", first_call),
}


# tables of several results
SUMMARIES: dict[str, Callable[[Path], str]] = {"headline": headline}

# tables of what xsm is made of, which nobody measures
CATALOGUES: dict[str, Callable[[], str]] = {
    "products": _from_catalogue("products"),
    "quality-rules": _from_catalogue("quality_rules"),
}


def table(name: str, results: Path) -> str:
    """Text of one table.

    Raises
    ------
    KeyError
        If there is no such table.
    """
    if name in CATALOGUES:
        return CATALOGUES[name]()
    if name in SUMMARIES:
        return SUMMARIES[name](results)
    if name not in TABLES:
        names = sorted({*TABLES, *CATALOGUES, *SUMMARIES})
        raise KeyError(f"no table is called {name!r}; there are {names}")
    stem, command, write = TABLES[name]
    path = results / f"{stem}.json"
    if not path.exists():
        return f"*Not measured yet: `python {command}`.*"
    return write(json.loads(path.read_text()))


def rewrite(text: str, results: Path) -> str:
    """The text with every generated table updated."""
    opened, closed = text.count("<!-- generated:"), text.count("<!-- /generated -->")
    if not opened == closed == len(BLOCK.findall(text)):
        raise ValueError("the markers of generated tables do not pair up")
    return BLOCK.sub(lambda m: f"{m[1]}\n{table(m[2], results)}\n\n{m[4]}", text)


def outdated(root: Path, *, write: bool) -> list[Path]:
    """Files whose tables are out of date; with `write` they are rewritten."""
    stale = []
    for path in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        if not path.exists():
            continue
        old = path.read_text()
        new = rewrite(old, root / "benchmarks" / "results")
        if new != old:
            stale.append(path)
            if write:
                path.write_text(new)
    return stale


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Rewrite, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if out of date")
    check = parser.parse_args(arguments).check
    stale = outdated(root, write=not check)
    for path in stale:
        print(f"{'out of date' if check else 'rewritten'}: {path.relative_to(root)}")
    if check and stale:
        raise SystemExit("run `make tables`")


if __name__ == "__main__":
    main()

"""Measured speed as Markdown tables: functions of a result, for ``benchmarks/tables.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.tables import markdown, number

Result = dict[str, Any]
Row = dict[str, Any]
COMPILED, CHANNELS_LAST, UNMASKED = "torch.compile", "channels_last_3d", "conv3d alone"
PYTORCH = ("reference", COMPILED, CHANNELS_LAST)
# without renormalisation; see benchmarks.speed.sparse_convolutions
SPARSE = ("ocnn", "spconv-triton", "spconv-triton, map built anew")
CASES = {"dense": "dense", "land": "land, swaths"}
STREAMING, WINDOWS = "PyTorch, streaming", "PyTorch, nine-day windows"
PACKED, ONE_BY_ONE, FUSED = "packed", "layer by layer", "last layers fused"
NO_GRAPH = "triton, without a graph"


def _timed(result: Result, **selection: Any) -> dict[str, Row]:
    """Timed rows with the selected values, by variant."""
    return {
        row["variant"]: row
        for row in result["rows"]
        if "median_s" in row and all(row.get(key) == value for key, value in selection.items())
    }


def _kernel_rows(rows: dict[str, Row]) -> dict[str, Row]:
    """Rows of the compiled backends of the dispatch table."""
    return {n: r for n, r in rows.items() if r.get("backend") not in (None, "reference")}


def _fastest(rows: dict[str, Row]) -> Row | None:
    return min(rows.values(), key=lambda row: row["median_s"], default=None)


def _ratio(slow: Row | None, fast: Row | None) -> str:
    return f"{slow['median_s'] / fast['median_s']:.2f}" if slow and fast else "-"


def _milliseconds(row: Row | None) -> str:
    if row is None:
        return "-"
    value = 1000 * row["median_s"]
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 3)


def _cases(result: Result, *keys: str, **selection: Any) -> list[tuple[Any, ...]]:
    """Combinations of `keys` that were measured, in order."""
    rows = [r for r in result["rows"] if all(r.get(k) == v for k, v in selection.items())]
    return list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))


def note(result: Result) -> str:
    """Machine, versions, ceilings and date, in one sentence each."""
    peak, versions = result["peak"], result["versions"]
    rates = ", ".join(f"{rate:,.0f} in {name}" for name, rate in peak["gemm_gflops"].items())
    machine = result.get("gpu") or f"{result['processor']} ({result['machine']})"
    small = "" if result["size"] == "full" else f" A {result['size']} run, not a measurement."
    return (
        f"{machine}, {result['threads']} threads, load {result['load']} before; torch "
        f"{versions['torch']}, numba {versions['numba']}, triton {versions['triton']}. "
        f"A matrix product of {peak['size']} squared reaches {rates} GFLOP/s, "
        f"a copy {peak['copy_gbs']:,.0f} and a triad {peak['triad_gbs']:,.0f} GB/s. "
        f"Measured {result['date']}.{small}"
    )


def layers(result: Result) -> str:
    """One layer: milliseconds by variant, and the speed-up of the compiled kernel."""
    cases = _cases(result, "case", "channels", "dtype", op="masked_conv3d")
    cases = [case for case in cases if case[0] in CASES]
    timed = [_timed(result, op="masked_conv3d", case=c, channels=n, dtype=d) for c, n, d in cases]
    ours = list(dict.fromkeys(name for rows in timed for name in _kernel_rows(rows)))
    others = [name for name in (UNMASKED, *SPARSE) if any(name in rows for rows in timed)]
    head = ["input, channels, ms", *PYTORCH, *others, *ours]
    head += ["reference / ours", "best PyTorch / ours", "% of GEMM, tiles", "peak MB, ours"]
    table = []
    for (case, channels, dtype), rows in zip(cases, timed, strict=True):
        best = _fastest(_kernel_rows(rows))
        pytorch = _fastest({name: row for name, row in rows.items() if name in PYTORCH})
        ceiling = result["peak"]["gemm_gflops"].get(dtype)
        cells = [_milliseconds(rows.get(name)) for name in (*PYTORCH, *others, *ours)]
        cells += [_ratio(rows.get("reference"), best), _ratio(pytorch, best)]
        percent = 100 * best["gflops_tiles"] / ceiling if best and ceiling else None
        cells += [number(percent, 0), number(best.get("peak_mb") if best else None, 0)]
        table.append([f"{CASES[case]}, {channels}, {dtype}", *cells])
    rows = [r for r in result["rows"] if r.get("op") == "masked_conv3d" and r["case"] in CASES]
    shapes = ", ".join(dict.fromkeys(" x ".join(map(str, row["shape"])) for row in rows))
    return markdown(head, table) + f"\n\nInput: {shapes}. " + note(result)


def layer_speed_ups(result: Result) -> str:
    """What the table of layers says, in words: ranges over its rows."""
    ratios: dict[str, list[float]] = {}
    cases = [c for c in _cases(result, "case", "channels", "dtype", op="masked_conv3d")]
    for case, channels, dtype in cases:
        rows = _timed(result, op="masked_conv3d", case=case, channels=channels, dtype=dtype)
        best = _fastest(_kernel_rows(rows))
        if case not in CASES or best is None:
            continue
        for name, row in rows.items():
            ratios.setdefault(name, []).append(row["median_s"] / best["median_s"])
    spans = {name: span(values) for name, values in ratios.items()}
    text = (
        f"A layer is {spans['reference']} times as fast as the same operation in PyTorch, and "
        f"{spans[UNMASKED]} times as fast as a plain `conv3d` without any mask."
    )
    listed, built = SPARSE[0], SPARSE[2]
    if listed in spans and built in spans:
        text += (
            f" `{listed}` takes {spans[listed]} times as long as ours with a map of neighbours "
            f"that is made beforehand, `{built}` {spans[built]} times as long."
        )
    return text


def span(values: list[float]) -> str:
    """Lowest and highest value, with two digits that count.

    >>> span([10.48, 3.32, 11.23])
    '3.3 to 11'
    """
    low, high = (f"{value:.2g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def rates(result: Result, dtype: str = "float32") -> str:
    """One layer of 32 channels: GFLOP/s by the cells counted, and peak memory."""
    head = ["GFLOP/s, 32 channels", "dense-equivalent", "active cells", "8 x 8 tiles", "peak MB"]
    table = []
    for case, label in CASES.items():
        rows = _timed(result, op="masked_conv3d", case=case, channels=32, dtype=dtype)
        for name, row in rows.items():
            counts = [number(row[f"gflops_{key}"], 0) for key in ("dense", "active", "tiles")]
            table.append([f"{label}: {name}", *counts, number(row["peak_mb"], 0)])
    return markdown(head, table)


def operations(result: Result) -> str:
    """The other operations: milliseconds by row of the dispatch table."""
    table = []
    for (op,) in _cases(result, "op", group="operation"):
        if op == "masked_conv3d":
            continue
        rows = _timed(result, op=op)
        reference, best = rows.get("reference"), _fastest(_kernel_rows(rows))
        cells = [_milliseconds(reference), _milliseconds(best), _ratio(reference, best)]
        table.append([f"`{op}`", *cells])
    return markdown(["land, swaths, ms", "reference", "ours", "reference / ours"], table)


def network(result: Result) -> str:
    """The default network and xsm.gapfill over a month: seconds, and against streaming PyTorch."""
    head = ["month, seconds", "20 %", "median", "80 %", "streaming / this", "windows / this"]
    head += ["peak MB"]
    table = []
    for group, dtype in _cases(result, "group", "dtype"):
        if group == "operation":
            continue
        rows = _timed(result, group=group, dtype=dtype)
        base = rows.get(STREAMING) or rows.get("reference")
        for name, row in rows.items():
            times = [number(row[key], 3) for key in ("p20_s", "median_s", "p80_s")]
            ratios = [_ratio(base, row), _ratio(rows.get(WINDOWS), row)]
            call = "network" if group == "network" else "`xsm.gapfill`"
            label = f"{call}, {name}, {dtype}"
            table.append([label, *times, *ratios, number(row["peak_mb"], 0)])
    return "\n\n".join([markdown(head, table), *_sizes(result)])


def _sizes(result: Result) -> list[str]:
    """Inputs of the network and of xsm.gapfill, in one sentence each."""
    first = {row["group"]: row for row in reversed(result["rows"])}
    sentences = []
    for group, row in first.items():
        shape = " x ".join(map(str, row["shape"]))
        if group == "network":
            scale = max(r.get("scaled_by", 1) for r in result["rows"])
            sentences.append(
                f"The network: {row['patches']} patches of {shape} cells (days, rows, columns), "
                "evenly spread over those with land; windows timed on 1 day in "
                f"{scale:g} and scaled up."
            )
        elif group == "end to end":
            sentences.append(f"`xsm.gapfill`: {shape} cells.")
    return sentences


def occupancy(result: Result) -> str:
    """One layer by the fraction of active cells: milliseconds and speed-up."""
    table = []
    cases = _cases(result, "case", "percent", op="masked_conv3d")
    for case, percent in [key for key in cases if key[0] not in CASES]:
        rows = _timed(result, op="masked_conv3d", case=case, percent=percent)
        reference, best = rows.get("reference"), _fastest(_kernel_rows(rows))
        cells = [_milliseconds(reference), _milliseconds(best), _ratio(reference, best)]
        table.append([f"{percent:g} %, {case}", *cells])
    return markdown(["active cells, ms", "reference", "ours", "reference / ours"], table)


def targets(result: Result) -> str:
    """Targets, and what is measured."""
    gpu = result["device"] == "cuda"
    dtype = "bfloat16" if gpu else "float32"
    channels = 64 if gpu else 32
    land, dense = (
        _timed(result, op="masked_conv3d", case=case, channels=channels, dtype=dtype)
        for case in ("land", "dense")
    )
    best, ceiling = _fastest(_kernel_rows(land)), result["peak"]["gemm_gflops"].get(dtype)
    percent = f"{100 * best['gflops_tiles'] / ceiling:.0f} %" if best and ceiling else "-"
    layer = f"layer {channels} -> {channels}, {dtype}, land"
    reference, pytorch = land.get("reference"), _fastest({n: land[n] for n in PYTORCH if n in land})
    table = [[f"{layer}: reference / ours", _ratio(reference, best), "5"]]
    table.append([f"{layer}: rate on active tiles / GEMM", percent, "50 %" if gpu else "65 %"])
    if gpu:
        table.append([f"{layer}: best PyTorch / ours", _ratio(pytorch, best), "2.5"])
        rate = f"{best['gflops_tiles'] / 1000:.0f}" if best else "-"
        table.append([f"{layer}: TFLOP/s on active tiles", rate, "290"])
        wide = _fastest(_kernel_rows(dense))
        plain = _ratio(dense.get(UNMASKED), wide)
        table.append([f"layer {channels} -> {channels}, dense: conv3d alone / ours", plain, "1.0"])
        few = _timed(result, op="masked_conv3d", case="land", channels=32, dtype=dtype)
        right = _fastest({n: r for n, r in few.items() if n in (*PYTORCH, UNMASKED, *SPARSE)})
        ours = _ratio(right, _fastest(_kernel_rows(few)))
        other = right["variant"] if right else "other"
        name = f"layer 32 -> 32, {dtype}, land: `{other}` / ours"
        table.append([name, ours, "2"])
        months = _timed(result, group="network", dtype=dtype)
        eager = _ratio(months.get(STREAMING), months.get(f"{FUSED}"))
        table.append(["network, month: PyTorch, streaming / ours", eager, "5"])
        table.append(_year(result))
        return markdown(["", "measured", "target"], table)
    speed_up = _ratio(dense.get("reference"), _fastest(_kernel_rows(dense)))
    table.append([f"layer {channels} -> {channels}, dense: reference / ours", speed_up, "0.9"])
    rows = _timed(result, group="network", dtype=dtype)
    ours = _fastest({n: r for n, r in rows.items() if n not in (STREAMING, WINDOWS)
                     and not n.startswith("torch.compile")})  # fmt: skip
    for name, target in ((STREAMING, "4"), (WINDOWS, "25")):
        table.append([f"network, month: {name} / ours", _ratio(rows.get(name), ours), target])
    return markdown(["", "measured", "target"], table)


def _year(result: Result) -> list[str]:
    """Seconds of the measured year, or an estimate from the longest record measured."""
    rows = [r for r in result["rows"] if r["group"] == "end to end" and "median_s" in r]
    rows = [row for row in rows if row["variant"] != "reference"]
    days = max((row["shape"][0] for row in rows), default=0)
    years = [row["median_s"] * 365 / days for row in rows if row["shape"][0] == days]
    note = "" if days >= 365 else f", estimated from {days} days" if days else ""
    return [
        f"`xsm.gapfill`, global year{note}, s",
        f"{min(years):.0f}" if years else "not measured",
        "10",
    ]


def switches(result: Result) -> str:
    """Design choices of the GPU path: milliseconds of both alternatives."""
    pairs = []
    for op, other, label in (
        ("update_mask", f"triton, {PACKED}", "`update_mask`: bytes, bits"),
        ("pointwise_layers", f"triton, {ONE_BY_ONE}", "last layers: fused, one by one"),
    ):
        for channels, dtype in _cases(result, "channels", "dtype", op=op):
            rows = _timed(result, op=op, channels=channels, dtype=dtype)
            pairs.append((f"{label} ({channels}, {dtype})", rows.get("triton"), rows.get(other)))
    for (dtype,) in _cases(result, "dtype", group="network"):
        rows = _timed(result, group="network", dtype=dtype)
        pairs.append(
            (
                f"network: single launches, CUDA graph ({dtype})",
                rows.get(NO_GRAPH),
                rows.get("triton"),
            )
        )
        pairs.append(
            (f"network: layer by layer, fused ({dtype})", rows.get(ONE_BY_ONE), rows.get(FUSED))
        )
    table = [
        [label, _milliseconds(first), _milliseconds(second), _ratio(first, second)]
        for label, first, second in pairs
        if first or second
    ]
    return markdown(["ms", "first", "second", "first / second"], table)


def memory(result: Result) -> str:
    """Peak memory beyond input and output, by length of the record."""
    head = ["days, MB", "input", "output", "beyond both", "seconds"]
    table = [
        [f"{row['mode']}, {row['days']}"]
        + [number(row[key], 0) for key in ("input_mb", "output_mb", "overhead_mb", "seconds")]
        for row in result["rows"]
    ]
    growth = ", ".join(f"{mode} {100 * g:+.1f} %" for mode, g in result["growth"].items())
    shape = " x ".join(map(str, result["cells"]))
    return (
        markdown(head, table) + f"\n\nThe longer record against the shorter, beyond input and "
        f"output: {growth}. {shape} cells, {result['threads']} threads. Measured {result['date']}."
    )


def drawings(result: Result) -> str:
    """The figures: the roofline, and speed against occupancy where that was measured."""
    device = "gpu" if result["device"] == "cuda" else "cpu"
    roofline = f"![Roofline](../figures/speed_roofline_{device}.png)"
    if not _timed(result, op="masked_conv3d", case="patches"):
        return roofline
    return f"![Speed against occupancy](../figures/speed_occupancy_{device}.png)\n\n{roofline}"


def report(result: Result) -> str:
    """All tables of a run, for the terminal; the shortest last."""
    parts: list[Callable[[Result], str]] = [rates, operations, occupancy, network, layers]
    has_triton = any(r["variant"] == "triton" and "note" not in r for r in result["rows"])
    parts += [switches, targets] if has_triton else [targets]
    notes = [f"not timed: {r['variant']}: {r['note']}" for r in result["rows"] if "note" in r]
    notes += [f"skipped, out of time: {name}" for name in result["skipped"]]
    return "\n\n".join(["\n".join(dict.fromkeys(notes)), *(part(result) for part in parts)])

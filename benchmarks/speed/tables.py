"""The measured speed as Markdown: functions of a result, for ``benchmarks/tables.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.tables import markdown, number

Result = dict[str, Any]
Row = dict[str, Any]
COMPILED, CHANNELS_LAST, UNMASKED = "torch.compile", "channels_last_3d", "conv3d alone"
PYTORCH = ("reference", COMPILED, CHANNELS_LAST)
LINES = {"dense": "dense", "land": "land, swaths"}
STREAMING, WINDOWS = "PyTorch, streaming", "PyTorch, nine-day windows"
PACKED, ONE_BY_ONE, FUSED = "packed", "layer by layer", "last layers together"
LAUNCHED = "triton, without a graph"


def _timed(result: Result, **wanted: Any) -> dict[str, Row]:
    """Rows with a time, by variant, that have these values."""
    return {
        row["variant"]: row
        for row in result["rows"]
        if "median_s" in row and all(row.get(key) == value for key, value in wanted.items())
    }


def _ours(rows: dict[str, Row]) -> dict[str, Row]:
    """The compiled rows of the dispatch table."""
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


def _cases(result: Result, *keys: str, **wanted: Any) -> list[tuple[Any, ...]]:
    """Combinations of `keys` that were measured, in their order."""
    rows = [r for r in result["rows"] if all(r.get(k) == v for k, v in wanted.items())]
    return list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))


def note(result: Result) -> str:
    """Machine, versions, ceilings and date, in a sentence each."""
    peak, versions = result["peak"], result["versions"]
    rates = ", ".join(f"{rate:,.0f} in {name}" for name, rate in peak["gemm_gflops"].items())
    where = result.get("gpu") or f"{result['processor']} ({result['machine']})"
    small = "" if result["size"] == "full" else f" A {result['size']} run, not a measurement."
    return (
        f"{where}, {result['threads']} threads, load {result['load']} before; torch "
        f"{versions['torch']}, numba {versions['numba']}, triton {versions['triton']}. "
        f"A matrix product of {peak['size']} squared reaches {rates} GFLOP/s, "
        f"a copy {peak['copy_gbs']:,.0f} and a triad {peak['triad_gbs']:,.0f} GB/s. "
        f"Measured {result['date']}.{small}"
    )


def layers(result: Result) -> str:
    """One layer: milliseconds by variant, and what the compiled row gains."""
    lines = _cases(result, "case", "channels", "dtype", op="masked_conv3d")
    lines = [line for line in lines if line[0] in LINES]
    chosen = [_timed(result, op="masked_conv3d", case=c, channels=n, dtype=d) for c, n, d in lines]
    ours = list(dict.fromkeys(name for rows in chosen for name in _ours(rows)))
    head = ["input, channels, ms", *PYTORCH, UNMASKED, *ours]
    head += ["reference / ours", "best PyTorch / ours", "% of GEMM, tiles", "peak MB, ours"]
    table = []
    for (case, channels, dtype), rows in zip(lines, chosen, strict=True):
        best = _fastest(_ours(rows))
        pytorch = _fastest({name: row for name, row in rows.items() if name in PYTORCH})
        ceiling = result["peak"]["gemm_gflops"].get(dtype)
        shown = [_milliseconds(rows.get(name)) for name in (*PYTORCH, UNMASKED, *ours)]
        shown += [_ratio(rows.get("reference"), best), _ratio(pytorch, best)]
        share = 100 * best["gflops_tiles"] / ceiling if best and ceiling else None
        shown += [number(share, 0), number(best.get("peak_mb") if best else None, 0)]
        table.append([f"{LINES[case]}, {channels}, {dtype}", *shown])
    rows = [r for r in result["rows"] if r.get("op") == "masked_conv3d" and r["case"] in LINES]
    said = ", ".join(dict.fromkeys(" x ".join(map(str, row["shape"])) for row in rows))
    return markdown(head, table) + f"\n\nInput: {said}. " + note(result)


def rates(result: Result, dtype: str = "float32") -> str:
    """One layer of 32 channels: achieved GFLOP/s by what is counted, and peak memory."""
    head = ["GFLOP/s, 32 channels", "dense-equivalent", "active cells", "8 x 8 tiles", "peak MB"]
    table = []
    for case, label in LINES.items():
        rows = _timed(result, op="masked_conv3d", case=case, channels=32, dtype=dtype)
        for name, row in rows.items():
            counts = [number(row[f"gflops_{key}"], 0) for key in ("dense", "useful", "tiles")]
            table.append([f"{label}: {name}", *counts, number(row["peak_mb"], 0)])
    return markdown(head, table)


def operations(result: Result) -> str:
    """The other operations: milliseconds by row of the dispatch table."""
    table = []
    for (op,) in _cases(result, "op", group="operation"):
        if op == "masked_conv3d":
            continue
        rows = _timed(result, op=op)
        reference, best = rows.get("reference"), _fastest(_ours(rows))
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
            what = "network" if group == "network" else "`xsm.gapfill`"
            label = f"{what}, {name}, {dtype}"
            table.append([label, *times, *ratios, number(row["peak_mb"], 0)])
    return "\n\n".join([markdown(head, table), *_sizes(result)])


def _sizes(result: Result) -> list[str]:
    """What the network and xsm.gapfill were given, in a sentence each."""
    first = {row["group"]: row for row in reversed(result["rows"])}
    said = []
    for group, row in first.items():
        shape = " x ".join(map(str, row["shape"]))
        if group == "network":
            scale = max(r.get("scaled_by", 1) for r in result["rows"])
            said.append(
                f"The network: {row['patches']} patches of {shape} cells (days, rows, columns), "
                f"evenly over those with land; windows timed on 1 day in {scale:g} and multiplied."
            )
        elif group == "end to end":
            said.append(f"`xsm.gapfill`: {shape} cells.")
    return said


def occupancy(result: Result) -> str:
    """One layer by the share of cells that matter: milliseconds and gain."""
    table = []
    cases = _cases(result, "case", "percent", op="masked_conv3d")
    for case, percent in [line for line in cases if line[0] not in LINES]:
        rows = _timed(result, op="masked_conv3d", case=case, percent=percent)
        reference, best = rows.get("reference"), _fastest(_ours(rows))
        cells = [_milliseconds(reference), _milliseconds(best), _ratio(reference, best)]
        table.append([f"{percent:g} %, {case}", *cells])
    return markdown(["cells that matter, ms", "reference", "ours", "reference / ours"], table)


def targets(result: Result) -> str:
    """What was to be shown, and what is measured."""
    gpu = result["device"] == "cuda"
    dtype = "bfloat16" if gpu else "float32"
    channels = 64 if gpu else 32
    land, dense = (
        _timed(result, op="masked_conv3d", case=case, channels=channels, dtype=dtype)
        for case in ("land", "dense")
    )
    best, ceiling = _fastest(_ours(land)), result["peak"]["gemm_gflops"].get(dtype)
    share = f"{100 * best['gflops_tiles'] / ceiling:.0f} %" if best and ceiling else "-"
    layer = f"layer {channels} -> {channels}, {dtype}, land"
    reference, pytorch = land.get("reference"), _fastest({n: land[n] for n in PYTORCH if n in land})
    table = [[f"{layer}: reference / ours", _ratio(reference, best), "5"]]
    table.append([f"{layer}: rate on active tiles / GEMM", share, "50 %" if gpu else "65 %"])
    if gpu:
        table.append([f"{layer}: best PyTorch / ours", _ratio(pytorch, best), "2.5"])
        table.append(_year(result))
        return markdown(["", "measured", "wanted"], table)
    gain = _ratio(dense.get("reference"), _fastest(_ours(dense)))
    table.append([f"layer {channels} -> {channels}, dense: reference / ours", gain, "0.9"])
    rows = _timed(result, group="network", dtype=dtype)
    ours = _fastest({n: r for n, r in rows.items() if n not in (STREAMING, WINDOWS)
                     and not n.startswith("torch.compile")})  # fmt: skip
    for name, wanted in ((STREAMING, "4"), (WINDOWS, "25")):
        table.append([f"network, month: {name} / ours", _ratio(rows.get(name), ours), wanted])
    return markdown(["", "measured", "wanted"], table)


def _year(result: Result) -> list[str]:
    """The year that was filled, or else a month of it twelve times."""
    rows = [r for r in result["rows"] if r["group"] == "end to end" and "median_s" in r]
    rows = [row for row in rows if row["variant"] != "reference"]
    days = max((row["shape"][0] for row in rows), default=0)
    years = [row["median_s"] * 365 / days for row in rows if row["shape"][0] == days]
    what = "" if days >= 365 else f", estimated from {days} days"
    return [f"`xsm.gapfill`, global year{what}, s", f"{min(years):.0f}" if years else "-", "60"]


def switches(result: Result) -> str:
    """What the GPU path gains by each of its choices: milliseconds without and with it."""
    pairs = []
    for op, other, what in (
        ("update_mask", f"triton, {PACKED}", "`update_mask`: bytes, bits"),
        ("pointwise_layers", f"triton, {ONE_BY_ONE}", "last layers: together, one by one"),
    ):
        for channels, dtype in _cases(result, "channels", "dtype", op=op):
            rows = _timed(result, op=op, channels=channels, dtype=dtype)
            pairs.append((f"{what} ({channels}, {dtype})", rows.get("triton"), rows.get(other)))
    for (dtype,) in _cases(result, "dtype", group="network"):
        rows = _timed(result, group="network", dtype=dtype)
        pairs.append(
            (f"network: launched, as a graph ({dtype})", rows.get(LAUNCHED), rows.get("triton"))
        )
        pairs.append(
            (f"network: layer by layer, fused ({dtype})", rows.get(ONE_BY_ONE), rows.get(FUSED))
        )
    table = [
        [what, _milliseconds(first), _milliseconds(second), _ratio(first, second)]
        for what, first, second in pairs
        if first or second
    ]
    return markdown(["ms", "first", "second", "first / second"], table)


def memory(result: Result) -> str:
    """Peak memory beyond input and output, by length of the record."""
    head = ["days, MB", "input", "output", "beyond both", "seconds"]
    table = [
        [f"{row['path']}, {row['days']}"]
        + [number(row[key], 0) for key in ("input_mb", "output_mb", "extra_mb", "seconds")]
        for row in result["rows"]
    ]
    said = ", ".join(f"{path} {100 * d:+.1f} %" for path, d in result["difference"].items())
    shape = " x ".join(map(str, result["cells"]))
    return (
        markdown(head, table) + f"\n\nThe longer record against the shorter, beyond input and "
        f"output: {said}. {shape} cells, {result['threads']} threads. Measured {result['date']}."
    )


def drawings(result: Result) -> str:
    """The two figures, where they are drawn."""
    where = "gpu" if result["device"] == "cuda" else "cpu"
    return (
        f"![Speed against occupancy](figures/speed_occupancy_{where}.png)\n\n"
        f"![Roofline](figures/speed_roofline_{where}.png)"
    )


def report(result: Result) -> str:
    """All tables of a run, for the terminal; the short one last."""
    parts: list[Callable[[Result], str]] = [rates, operations, occupancy, network, layers]
    parts += (
        [switches, targets] if any(r["variant"] == "triton" for r in result["rows"]) else [targets]
    )
    told = [f"not timed: {r['variant']}: {r['note']}" for r in result["rows"] if "note" in r]
    told += [f"left out, out of time: {name}" for name in result["left_out"]]
    return "\n\n".join(["\n".join(dict.fromkeys(told)), *(part(result) for part in parts)])

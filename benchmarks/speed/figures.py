"""Two figures of a result: speed against occupancy, and the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {
    "reference": "#7f7f7f", "torch.compile": "#bcbd22", "channels_last_3d": "#8c564b",
    "conv3d alone": "#c7c7c7", "numba": "#d62728", "triton": "#1f77b4",
    "triton, channels_last_3d": "#17becf", "ocnn": "#9467bd", "spconv-triton": "#2ca02c",
    "spconv-triton, map built anew": "#98df8a",
}  # fmt: skip
MARKERS = {"land": "o", "dense": "s"}


def draw(result: dict[str, Any], folder: Path) -> list[Path]:
    """``speed_occupancy_<device>.png`` and ``speed_roofline_<device>.png``; their paths."""
    import matplotlib

    matplotlib.use("Agg")
    device = "gpu" if result["device"] == "cuda" else "cpu"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"speed_{name}_{device}.png" for name in ("occupancy", "roofline")]
    for path, figure in zip(paths, (occupancy(result), roofline(result)), strict=True):
        figure.savefig(path, dpi=90, metadata={"Software": None})
    return paths


def new_figure(title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    axes.grid(True, which="both", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _layers(result: dict[str, Any], cases: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        row
        for row in result["rows"]
        if row.get("op") == "masked_conv3d" and row["case"] in cases and "median_s" in row
    ]


def occupancy(result: dict[str, Any]) -> Any:
    """Speed of a layer relative to the reference, against the fraction of active cells."""
    rows = _layers(result, ("patches", "scattered"))
    machine = result.get("gpu") or f"CPU, {result['threads']} threads"
    channels = f"{rows[0]['channels']} channels, {rows[0]['dtype']}" if rows else "no runs"
    figure, axes = new_figure(f"One layer by occupancy ({channels}; {machine})")
    reference = {
        (r["case"], r["percent"]): r["median_s"] for r in rows if r["variant"] == "reference"
    }
    for variant in dict.fromkeys(r["variant"] for r in rows if r["variant"] != "reference"):
        for case, line in (("patches", "-"), ("scattered", ":")):
            points = sorted(
                (r["percent"], reference[case, r["percent"]] / r["median_s"])
                for r in rows
                if (r["variant"], r["case"]) == (variant, case)
                and (case, r["percent"]) in reference
            )
            if points:
                style = {"color": COLOURS.get(variant), "linestyle": line, "marker": "."}
                axes.plot(*zip(*points, strict=True), label=f"{variant}, {case}", **style)
    axes.axhline(1, color=COLOURS["reference"], linewidth=1, label="reference")
    axes.set(xscale="log", yscale="log", xlabel="active cells, %")
    axes.set_ylabel("speed relative to the reference")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=7)
    return figure


def roofline(result: dict[str, Any]) -> Any:
    """GFLOP/s on active cells against operations per byte, with the measured ceilings."""
    dtype = next(iter(result["peak"]["gemm_gflops"]))
    rows = [r for r in _layers(result, tuple(MARKERS)) if r["dtype"] == dtype]
    bandwidth = max(result["peak"]["copy_gbs"], result["peak"]["triad_gbs"])
    ceiling = result["peak"]["gemm_gflops"][dtype]
    import matplotlib

    machine = result.get("gpu") or f"CPU, {result['threads']} threads"
    figure, axes = new_figure(f"Layers under the roofline ({dtype}; {machine})")
    x = np.geomspace(0.5, 4000, 100)
    axes.plot(x, np.minimum(ceiling, bandwidth * x), color="black", linewidth=1.2)
    axes.text(x[0] * 1.2, bandwidth * x[0] * 1.7, f"{bandwidth:,.0f} GB/s", fontsize=8, rotation=35)
    axes.text(x[-1], ceiling * 1.06, f"GEMM {ceiling:,.0f} GFLOP/s", fontsize=8, ha="right")
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    palette = dict(zip(variants, matplotlib.color_sequences["tab10"] * 3, strict=False)) | COLOURS
    for row in rows:
        axes.scatter(
            row["intensity"],
            row["gflops_active"],
            s=8 + 1.2 * row["channels"],
            color=palette[row["variant"]],
            marker=MARKERS[row["case"]],
            alpha=0.85,
            linewidths=0,
        )
    axes.set(
        xscale="log", yscale="log", xlabel="operations on active cells per byte of memory traffic"
    )
    axes.set_ylabel("GFLOP/s on active cells")
    axes.set_ylim(ceiling / 2000, ceiling * 2)
    entries = [axes.scatter([], [], color=palette[name], label=name) for name in variants]
    for case in dict.fromkeys(row["case"] for row in rows):
        entries.append(axes.scatter([], [], color="black", marker=MARKERS[case], label=case))
    if entries:
        title = "size of a mark: 16, 32, 64 channels"
        figure.legend(
            handles=entries, loc="outside lower center", ncols=3, fontsize=7, title=title,
            title_fontsize=7,
        )  # fmt: skip
    return figure

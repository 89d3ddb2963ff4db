"""Two figures of a result: speed against occupancy, and the roofline.

``python -m benchmarks.speed.figures`` draws those of ``benchmarks/results`` again, without
measuring.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.provenance import RESULTS, ROOT
from xsm.plotting.style import (
    DARK,
    FLAG_COLOURS,
    GREY,
    GRID,
    set_title,
    style_axes,
)

VARIANT_COLOURS = dict(
    zip(
        (
            "triton", "numba", "spconv-triton", "channels_last_3d", "torch.compile",
            "triton, channels_last_3d", "ocnn", "conv3d alone", "spconv-triton, map built anew",
        ),
        FLAG_COLOURS[1:],
        strict=False,
    )
) | {"reference": GREY}  # fmt: skip
OTHER_COLOURS = FLAG_COLOURS[len(VARIANT_COLOURS) :]  # of a backend that is being tried
MARKERS = {"land": "o", "dense": "s"}
DPI = 160


def draw(result: dict[str, Any], folder: Path) -> list[Path]:
    """``speed_occupancy_<device>.png``, if it was measured, and ``speed_roofline_<device>.png``."""
    device = "gpu" if result["device"] == "cuda" else "cpu"
    makers = {"occupancy": occupancy, "roofline": roofline}
    if not _layers(result, ("patches", "scattered")):
        del makers["occupancy"]
    return [
        save(make(result), folder / f"speed_{name}_{device}.png") for name, make in makers.items()
    ]


def save(figure: Any, path: Path) -> Path:
    """Write a figure, the same bytes for the same result; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


def new_figure(title: str) -> tuple[Any, Any]:
    """Figure and axes in the style of :mod:`xsm.plotting`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = style_axes(figure.subplots())
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    set_title(axes, title)
    return figure, axes


def colours_of(variants: list[str]) -> dict[str, str]:
    """A colour for each variant, the same in all figures for those that are known."""
    others = [variant for variant in variants if variant not in VARIANT_COLOURS]
    return VARIANT_COLOURS | dict(zip(others, OTHER_COLOURS * len(others), strict=False))


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
    figure, axes = new_figure(f"One layer ({channels}; {machine})")
    reference = {
        (r["case"], r["percent"]): r["median_s"] for r in rows if r["variant"] == "reference"
    }
    variants = list(dict.fromkeys(r["variant"] for r in rows if r["variant"] != "reference"))
    colours = colours_of(variants)
    for variant in variants:
        for case, line in (("patches", "-"), ("scattered", ":")):
            points = sorted(
                (r["percent"], reference[case, r["percent"]] / r["median_s"])
                for r in rows
                if (r["variant"], r["case"]) == (variant, case)
                and (case, r["percent"]) in reference
            )
            if points:
                style = {"color": colours[variant], "linestyle": line, "marker": "."}
                axes.plot(*zip(*points, strict=True), label=f"{variant}, {case}", **style)
    axes.axhline(1, color=GREY, linewidth=1, label="reference")
    axes.set(xscale="log", yscale="log", xlabel="active cells, %")
    axes.set_ylabel("speed relative to the reference")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def roofline(result: dict[str, Any]) -> Any:
    """GFLOP/s on active cells against operations per byte, with the measured ceilings."""
    dtype = next(iter(result["peak"]["gemm_gflops"]))
    rows = [r for r in _layers(result, tuple(MARKERS)) if r["dtype"] == dtype]
    bandwidth = max(result["peak"]["copy_gbs"], result["peak"]["triad_gbs"])
    ceiling = result["peak"]["gemm_gflops"][dtype]
    machine = result.get("gpu") or f"CPU, {result['threads']} threads"
    figure, axes = new_figure(f"Roofline of layers ({dtype}; {machine})")
    x = np.geomspace(0.5, 4000, 100)
    axes.plot(x, np.minimum(ceiling, bandwidth * x), color=DARK, linewidth=1.2)
    axes.text(x[0] * 1.2, bandwidth * x[0] * 1.7, f"{bandwidth:,.0f} GB/s", fontsize=8, rotation=35)
    axes.text(x[-1], ceiling * 1.06, f"GEMM {ceiling:,.0f} GFLOP/s", fontsize=8, ha="right")
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    colours = colours_of(variants)
    for row in rows:
        axes.scatter(
            row["intensity"],
            row["gflops_active"],
            s=8 + 1.2 * row["channels"],
            color=colours[row["variant"]],
            marker=MARKERS[row["case"]],
            alpha=0.85,
            linewidths=0,
        )
    axes.set(
        xscale="log", yscale="log", xlabel="operations on active cells per byte of memory traffic"
    )
    axes.set_ylabel("GFLOP/s on active cells")
    axes.set_ylim(ceiling / 2000, ceiling * 2)
    entries = [axes.scatter([], [], color=colours[name], label=name) for name in variants]
    for case in dict.fromkeys(row["case"] for row in rows):
        entries.append(axes.scatter([], [], color=DARK, marker=MARKERS[case], label=case))
    if entries:
        title = "size of a mark: 16, 32, 64 channels"
        figure.legend(
            handles=entries, loc="outside lower center", ncols=3, fontsize=8, title=title,
            title_fontsize=8, frameon=False,
        )  # fmt: skip
    return figure


def main() -> None:
    """Draw the figures of all stored results."""
    for device in ("cpu", "gpu"):
        result = json.loads((RESULTS / f"speed_{device}.json").read_text())
        for path in draw(result, ROOT / "docs" / "figures"):
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()

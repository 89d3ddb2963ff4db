"""The figures of the benchmarks: drawn from a stored result, in the style of xsm.plotting."""

from __future__ import annotations

import json
import struct

import pytest

from benchmarks.provenance import RESULTS
from benchmarks.scale import scale_figures
from benchmarks.speed import figures, speed_tables
from xsm.plotting.style import COLOURS, FLAG_COLOURS, GREY


def stored(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def test_every_variant_has_a_colour_of_the_palette() -> None:
    colours = list(figures.VARIANT_COLOURS.values())
    assert len(set(colours)) == len(colours) and {*colours} <= {*FLAG_COLOURS, GREY}
    for device in ("cpu", "gpu"):
        rows = figures._layers(stored(f"speed_{device}"), ("patches", "scattered", "land", "dense"))
        assert {row["variant"] for row in rows} <= set(figures.VARIANT_COLOURS)
    tried = figures.colours_of(["numba", "a new backend"])
    assert tried["a new backend"] in FLAG_COLOURS and tried["a new backend"] not in colours
    assert set(scale_figures.SCHEDULER_COLOURS.values()) <= set(COLOURS)


@pytest.mark.parametrize(
    ("draw", "name", "files"),
    [
        (figures.draw, "speed_cpu", ["speed_occupancy_cpu.png", "speed_roofline_cpu.png"]),
        (figures.draw, "speed_gpu", ["speed_roofline_gpu.png"]),  # no occupancy was measured
        (scale_figures.draw, "scale", ["scale_memory.png", "scale_workers.png"]),
    ],
)
def test_figures_are_drawn_from_the_stored_result(draw, name, files, tmp_path) -> None:
    paths = draw(stored(name), tmp_path)
    assert [path.name for path in paths] == files
    for path in paths:
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert (width, height) == (1024, 672)  # 6.4 x 4.2 inches, sharp on a dense screen


@pytest.mark.parametrize(
    "make", [figures.occupancy, figures.roofline], ids=["occupancy", "roofline"]
)
def test_axes_have_no_box_and_the_legend_no_frame(make) -> None:
    figure = make(stored("speed_cpu"))
    axes = figure.axes[0]
    assert not axes.spines["top"].get_visible() and not axes.spines["right"].get_visible()
    assert axes.get_title(loc="left") and "\n" not in axes.get_title(loc="left")
    assert not figure.legends[0].get_frame_on()


def test_a_backend_that_was_not_timed_has_no_empty_table() -> None:
    result = stored("speed_cpu")
    row = next(row for row in result["rows"] if row.get("op") == "masked_conv3d")
    timed = {"median_s", "low_s", "high_s", "gflops_active", "peak_mb"}
    untimed = {key: value for key, value in row.items() if key not in timed}
    result["rows"].append(untimed | {"variant": "triton", "note": "no GPU"})
    text = speed_tables.report(result)
    assert "not timed: triton: no GPU" in text and "first / second" not in text

"""Benchmarks of speed: parity before timing, counts by hand, contents of a result. No times."""

import json
import os
import subprocess
import sys
from functools import wraps

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.speed import (  # noqa: E402
    network_timing,
    operation_samples,
    operation_timing,
    parity_gate,
    peak_memory,
    speed_tables,
    synthetic_masks,
    timing,
)
from benchmarks.tables import ROOT  # noqa: E402
from xsm.networks.block_inference import load_model  # noqa: E402
from xsm_kernels import dispatch  # noqa: E402

ONCE = {"rounds": 1, "min_rounds": 1, "seconds": 0.0}
DESCRIBED = {"op", "case", "percent", "channels", "shape", "dtype", "variant", "backend"}
TIMED = {"median_s", "p20_s", "p80_s", "runs", "peak_mb", "tolerance_fraction"}
RATED = {"gflops_dense", "gflops_active", "gflops_tiles", "intensity"}


def small(op="masked_conv3d", channels=3):
    return operation_samples.make_sample(op, synthetic_masks.occupied(3, 9, 18, 30), channels)


def one_cell():
    """A grid of 16 x 24 cells with one cell active and observed."""
    active = np.zeros((16, 24), bool)
    active[3, 23] = True
    return synthetic_masks.Masks("patches", np.stack([active] * 3), active, 100 / active.size)


def measured(sample, **options):
    return {
        row["variant"]: row
        for row in operation_timing.measure(sample, device="cpu", compiled=False, **options, **ONCE)
    }


@pytest.fixture
def broken(monkeypatch):
    """The Numba convolution is wrong by a factor of 1.0001."""
    real = dispatch.load

    def load(op, backend):
        if (op, backend) != ("masked_conv3d", "numba"):
            return real(op, backend)

        @wraps(real(op, backend))
        def wrong(*arrays, **options):
            y, mask = real(op, backend)(*arrays, **options)
            return y * np.float32(1.0001), mask

        return wrong

    monkeypatch.setattr(dispatch, "load", load)


def test_every_operation_of_the_table_has_a_sample():
    timed = {op for op, _ in dispatch.TABLE} - operation_samples.RECURRENT
    assert timed == set(operation_samples.OPERATIONS)


@pytest.mark.parametrize("op", operation_samples.OPERATIONS)
def test_a_correct_row_is_timed_and_described(op):
    rows = measured(small(op))
    assert {"reference", "numba", "triton"} <= set(rows)
    expected = DESCRIBED | TIMED | (RATED if op == "masked_conv3d" else set())
    assert expected <= set(rows["numba"])
    assert rows["numba"]["tolerance_fraction"] <= 1
    for row in rows.values():
        assert ("median_s" in row) != ("note" in row)
    json.dumps(list(rows.values()), allow_nan=False)


def test_a_wrong_row_stops_everything(broken):
    with pytest.raises(parity_gate.ParityError, match="masked_conv3d, numba, float32: error"):
        measured(small())


def test_a_wrong_row_is_never_timed(broken):
    rows = measured(small(), keep_going=True)
    assert rows["numba"]["failed"] and "median_s" not in rows["numba"]
    assert "median_s" in rows["reference"]


def test_a_new_row_is_verified_and_timed_with_no_further_edit(monkeypatch):
    monkeypatch.setitem(
        dispatch.TABLE, ("masked_conv3d", "mirror"), dispatch.TABLE["masked_conv3d", "reference"]
    )
    row = measured(small())["mirror"]
    assert row["backend"] == "mirror" and row["tolerance_fraction"] <= 1 and row["runs"] == 1


def test_nan_and_a_wrong_mask_are_infinite_errors():
    sample = small()
    expected = parity_gate.expected_results(sample)
    y, mask = sample.call("reference")
    assert parity_gate.tolerance_fraction((y, mask), expected) <= 1
    assert (
        parity_gate.tolerance_fraction((torch.where(mask, torch.nan, y), mask), expected) == np.inf
    )
    assert parity_gate.tolerance_fraction((y, ~mask), expected) == np.inf
    with pytest.raises(parity_gate.ParityError):
        parity_gate.require_parity(np.nan, "this")


def test_bands_of_a_large_grid_reach_both_edges_and_compare_exactly():
    rows = list(parity_gate.row_bands(720))
    assert rows[0].start == 0 and rows[-1].stop == 720 and len(rows) == parity_gate.N_BANDS
    sample = operation_samples.make_sample("masked_mean", synthetic_masks.occupied(2, 120, 12, 40))
    assert (
        parity_gate.tolerance_fraction(
            sample.call("reference"), parity_gate.expected_results(sample)
        )
        <= 1
    )


def test_operations_are_counted_by_hand():
    sample = operation_samples.make_sample("masked_conv3d", one_cell(), 3)
    # 2 x 27 x 3 x 3 operations a cell; one of 16 x 24 cells, in one tile of 64, holds a result
    assert sample.flops(1) == 486
    assert operation_timing._cells(sample) == {"dense": 384, "active": 1, "tiles": 64}
    rates = operation_timing._rates(sample, operation_timing._cells(sample), 1e-3)
    assert rates["gflops_tiles"] == pytest.approx(486 * 64 / 1e6)
    # float32 of 3 x 3 days in, 3 out, 243 weights; a byte of mask for each of 3 + 1 days
    moved = 4 * (9 * 384 + 3 * 384 + 243) + 4 * 384
    assert rates["intensity"] == pytest.approx(486 / moved)


def test_runs_alternate():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    found = timing.interleaved(calls, rounds=4, min_rounds=2, seconds=-1.0)
    assert "".join(order) == "abcbca"
    assert found["a"]["runs"] == 2
    assert timing.interleaved({}) == {}


def test_percentiles_by_hand():
    found = timing.summary([5.0, 1.0, 3.0, 2.0, 4.0])
    expected = {"median_s": 3.0, "p20_s": 1.8, "p80_s": 4.2, "runs": 5}
    assert found == pytest.approx(expected)


def test_synthetic_masks():
    land = synthetic_masks.land(2, step=2.0)
    assert 0.2 < land.active.mean() < 0.3
    assert not land.active[-15:].any()
    assert (land.mask <= land.active).all() and 0.2 < land.mask[:, land.active].mean() < 0.9
    for scattered in (False, True):
        part = synthetic_masks.occupied(2, 20, 40, 10, scattered=scattered)
        assert part.active.sum() == 80 and part.mask.sum() == 160
    assert synthetic_masks.record(2, step=10.0).shape == (2, 18, 36)


def test_streaming_windows_and_kernels_give_the_same_network():
    model = load_model("default")
    record = synthetic_masks.record(3, step=6.0)
    (patch,) = network_timing.patches(record, model, (5, 6), 1)
    assert patch.values.shape == (3 + 8, 5 + 68, 6 + 68)
    rows = network_timing.measure(
        model, [patch], device="cpu", stride=2, compiled=False, **ONCE
    )  # fmt: skip
    rows = {row["variant"]: row for row in rows}
    assert set(rows) == {network_timing.STREAMING, network_timing.WINDOWS, "numba"}
    assert all(row["difference"] <= network_timing.ALLOWED for row in rows.values())
    assert rows["numba"]["shape"] == [3, 5, 6]
    # days 0 and 2 of three
    assert rows[network_timing.WINDOWS]["scaled_by"] == 1.5
    assert network_timing.difference(np.array([np.nan]), np.array([0.2])) == np.inf


def test_memory_beyond_input_and_output(monkeypatch):
    row = peak_memory.fill("memory", 12, (6, 8), 1)
    # two float32 variables and a flag
    assert row["output_mb"] == pytest.approx(12 * 6 * 8 * 9 / 1e6)
    assert row["filled_fraction"] == 1
    overhead = {
        ("memory", 30): 100.0,
        ("memory", 365): 104.0,
        ("dask", 30): 50.0,
        ("dask", 365): 45.0,
    }
    monkeypatch.setattr(
        peak_memory,
        "_in_a_process",
        lambda mode, days, *_: {
            "mode": mode,
            "days": days,
            "overhead_mb": overhead[mode, days],
        },  # fmt: skip
    )
    growth = peak_memory.measure([30, 365], (6, 8), 1, 3)["growth"]
    assert growth == pytest.approx({"memory": 0.04, "dask": -0.1})


def test_targets_by_hand():
    def row(case, variant, seconds, **more):
        backend = variant if variant in ("reference", "numba") else None
        about = {"group": "operation", "op": "masked_conv3d", "channels": 32, "dtype": "float32"}
        return about | {"case": case, "variant": variant, "backend": backend} | more | {
            "median_s": seconds
        }  # fmt: skip

    rows = [row("land", "reference", 6.0), row("land", "numba", 1.0, gflops_tiles=70.0)]
    rows += [row("dense", "reference", 1.9), row("dense", "numba", 2.0)]
    month = {"group": "network", "dtype": "float32"}
    rows += [month | {"variant": network_timing.STREAMING, "median_s": 10.0}]
    rows += [month | {"variant": "numba", "median_s": 2.0}]
    text = speed_tables.targets(
        {"device": "cpu", "peak": {"gemm_gflops": {"float32": 100.0}}, "rows": rows}
    )
    cells = [line.split(" | ")[1:] for line in text.splitlines()[2:]]
    assert cells == [["6.00", "5 |"], ["70 %", "65 % |"], ["0.95", "0.9 |"], ["5.00", "4 |"],
                     ["-", "25 |"]]  # fmt: skip


def test_switches_and_the_year_of_a_gpu_by_hand():
    def row(op, variant, seconds, **more):
        return {"op": op, "channels": 1, "dtype": "bfloat16", "variant": variant} | more | {
            "median_s": seconds, "backend": "triton", "case": "land", "group": "operation",
        }  # fmt: skip

    rows = [row("update_mask", "triton", 0.002), row("update_mask", "triton, packed", 0.001)]
    month = {"group": "network", "dtype": "bfloat16", "backend": "triton"}
    rows += [month | {"variant": speed_tables.NO_GRAPH, "median_s": 0.3}]
    rows += [month | {"variant": "triton", "median_s": 0.2}]
    text = speed_tables.switches({"rows": rows})
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert [line[-1] for line in lines] == ["2.00", "1.50"]
    assert lines[0] == ["`update_mask`: bytes, bits (1, bfloat16)", "2.000", "1.000", "2.00"]

    def end(days, seconds):
        about = {"group": "end to end", "shape": [days, 720, 1440], "variant": "triton"}
        return about | {"median_s": seconds}

    assert speed_tables._year({"rows": [end(73, 8.0)]})[1] == "40"
    assert speed_tables._year({"rows": [end(73, 8.0), end(365, 50.0)]}) == [
        "`xsm.gapfill`, global year, s", "50", "10",
    ]  # fmt: skip


def test_the_script_for_the_gpu_runs_to_its_end(tmp_path):
    # without Triton: the kernels are interpreted in tests/kernels
    env = os.environ | {
        "DRY_RUN": "1", "TRITON_INTERPRET": "0", "OUT": str(tmp_path), "PYTHON": sys.executable,
        "THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "benchmarks/gpu.sh"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "speed_gpu_dry.json").read_text())
    assert {"date", "python", "machine", "versions", "device", "processor", "threads", "peak",
            "rows", "skipped", "failed", "seconds"} <= set(result)  # fmt: skip
    assert result["failed"] == result["skipped"] == []
    assert result["threads"] == 1 and result["peak"]["gemm_gflops"]["float32"] > 0
    assert {row["group"] for row in result["rows"]} == {"operation", "network", "end to end"}
    for name in ("occupancy", "roofline"):
        assert (tmp_path / f"speed_{name}_cpu.png").read_bytes()[:4] == b"\x89PNG"
    for name in ("layers", "rates", "operations", "network", "occupancy"):
        assert "| " in getattr(speed_tables, name)(result)
    assert "graph: exit 0; parity: exit 0; times: exit 0" in done.stdout

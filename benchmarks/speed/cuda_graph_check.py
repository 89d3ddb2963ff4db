"""Whether the network runs as a CUDA graph, and gives the right values.

``python -m benchmarks.speed.cuda_graph_check [--device cuda]`` fills small tiles with the shipped
network three ways: as a graph, kernel by kernel, and by the reference in float64. Each graph is
replayed on other values and other shapes. Fails where the results differ.
"""

from __future__ import annotations

import argparse
import time
import traceback
from typing import Any

import numpy as np
import torch

from benchmarks.speed import network_timing, synthetic_masks
from benchmarks.speed.operation_samples import plain_dtype, precision
from xsm.networks import cuda_graph as graphs
from xsm.networks.block_inference import fill_block, load_model

# m3 m-3; ten layers round to bfloat16
ALLOWED = {"float32": network_timing.ALLOWED, "bfloat16": 5e-3}


def check(
    device: str, dtypes: list[str], days: int, cells: tuple[int, int], model: Any
) -> list[dict[str, Any]]:
    """A row per precision, from as many tiles as days.

    Each row has the largest difference from float64, whether graph and single launches agree bit
    for bit, and the seconds of the first and the last tile.
    """
    record = synthetic_masks.record(days, 6.0)
    patches = network_timing.patches(record, model, cells, days)
    references = [network_timing.expected(model, patch) for patch in patches]
    on_gpu = device == "cuda"
    rows: list[dict[str, Any]] = []
    for dtype in dtypes:
        row: dict[str, Any] = {"dtype": dtype}
        rows.append(row)
        options: dict[str, Any] = {
            "backend": "triton", "device": device, "dtype": plain_dtype(dtype),
        }  # fmt: skip
        try:
            with precision(dtype):
                for patch, reference in zip(patches, references, strict=True):
                    inputs = patch.values, patch.stats, model
                    begin = time.perf_counter()
                    graph = fill_block(*inputs, **options, graph=on_gpu or None)
                    row.setdefault("first_s", time.perf_counter() - begin)
                    row["next_s"] = time.perf_counter() - begin
                    plain = fill_block(*inputs, **options, graph=False)
                    error = network_timing.difference(graph[0], reference)
                    row["difference"] = max(row.get("difference", 0.0), error)
                    row["same"] = row.get("same", True) and np.array_equal(
                        graph, plain, equal_nan=True
                    )
        except Exception:  # the other precisions are still checked
            row["failed"] = traceback.format_exc(limit=-6)
    if on_gpu:
        print(f"{len(graphs._graphs)} graphs, {torch.cuda.max_memory_allocated() / 1e6:.0f} MB")
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Check, print, and fail where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--small", action="store_true", help="a small network, a few cells")
    options = parser.parse_args(arguments)
    wrong = []
    if options.small:
        rows = check(options.device, ["bfloat16"], 1, (3, 4), network_timing.small_model())
    else:
        rows = check(options.device, list(ALLOWED), 3, (20, 30), load_model("default"))
    for row in rows:
        if "failed" in row:
            print(f"{row['dtype']}: {row['failed']}")
        else:
            print(
                f"{row['dtype']}: differs by {row['difference']:.2g} m3 m-3 (allowed: "
                f"{ALLOWED[row['dtype']]:g}), equal to single launches: {row['same']}; "
                f"{row['first_s']:.1f} s, then {row['next_s']:.3f} s"
            )
        if not row.get("same") or not row["difference"] <= ALLOWED[row["dtype"]]:
            wrong.append(row["dtype"])
    print(f"network as a CUDA graph: {'wrong in ' + ', '.join(wrong) if wrong else 'correct'}")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

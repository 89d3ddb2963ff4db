"""What only a GPU can tell, tried first: does the network run as a CUDA graph, and is it right?

``python -m benchmarks.speed.first [--device cuda]`` fills small tiles with the shipped network as a
graph, launched kernel by kernel, and by the reference in float64; a graph is used again on other
values and other shapes. Fails where they differ.
"""

from __future__ import annotations

import argparse
import time
import traceback
from typing import Any

import numpy as np
import torch

from benchmarks.speed import networks, scenes
from benchmarks.speed.operations import plain_dtype, precision
from xsm.networks import cuda_graph as graphs
from xsm.networks.block_inference import fill_block, load_model

# m3 m-3; ten layers round to bfloat16
ALLOWED = {"float32": networks.ALLOWED, "bfloat16": 5e-3}


def check(
    device: str, dtypes: list[str], days: int, cells: tuple[int, int], model: Any
) -> list[dict[str, Any]]:
    """A row per precision, from as many tiles as days: how far apart the ways are, and how long
    the first and the last tile take."""
    record = scenes.record(days, 6.0)
    patches = networks.patches(record, model, cells, days)
    right = [networks.expected(model, patch) for patch in patches]
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
                for patch, exact in zip(patches, right, strict=True):
                    given = patch.values, patch.stats, model
                    begin = time.perf_counter()
                    graph = fill_block(*given, **options, graph=on_gpu or None)
                    row.setdefault("first_s", time.perf_counter() - begin)
                    row["next_s"] = time.perf_counter() - begin
                    plain = fill_block(*given, **options, graph=False)
                    off = networks.difference(graph[0], exact)
                    row["difference"] = max(row.get("difference", 0.0), off)
                    row["same"] = row.get("same", True) and np.array_equal(
                        graph, plain, equal_nan=True
                    )
        except Exception:  # the rest is to be tried, too
            row["failed"] = traceback.format_exc(limit=-6)
    if on_gpu:
        print(f"{len(graphs._graphs)} graphs, {torch.cuda.max_memory_allocated() / 1e6:.0f} MB")
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Check, print, and fail where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--small", action="store_true", help="a small network, a few cells")
    chosen = parser.parse_args(arguments)
    wrong = []
    if chosen.small:
        rows = check(chosen.device, ["bfloat16"], 1, (3, 4), networks.small_model())
    else:
        rows = check(chosen.device, list(ALLOWED), 3, (20, 30), load_model("default"))
    for row in rows:
        if "failed" in row:
            print(f"{row['dtype']}: {row['failed']}")
        else:
            print(
                f"{row['dtype']}: off by {row['difference']:.2g} m3 m-3 (at most "
                f"{ALLOWED[row['dtype']]:g}), as launched one by one: {row['same']}; "
                f"{row['first_s']:.1f} s, then {row['next_s']:.3f} s"
            )
        if not row.get("same") or not row["difference"] <= ALLOWED[row["dtype"]]:
            wrong.append(row["dtype"])
    print(f"network as a graph: {'wrong in ' + ', '.join(wrong) if wrong else 'right'}")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

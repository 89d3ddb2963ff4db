"""Compile what will be timed, in one precision: ``python -m benchmarks.speed.precompile bfloat16``.

Several processes do this in parallel while parity is checked. Triton keeps the compiled kernels on
disk, where the measurement finds them.
"""

from __future__ import annotations

import argparse
import time

import torch

from benchmarks.speed import network_timing, synthetic_masks
from benchmarks.speed.measurement_plan import CHANNEL_COUNTS
from benchmarks.speed.operation_samples import make_sample, precision
from xsm.networks.block_inference import load_model
from xsm_kernels.masked_conv3d import _triton


def launch_all_candidates(key, candidates, launch, x, cells):
    """Replaces the tuner: launches every candidate, so that all are compiled."""
    for config in candidates[1:]:
        launch(config)
    return candidates[0]


def main(arguments: list[str] | None = None) -> None:
    """Run the samples and the network once on few cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dtype", choices=("float32", "tf32", "bfloat16", "float16"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--small", action="store_true", help="the layers of fewest channels only")
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    _triton.tuned = launch_all_candidates
    channel_counts = sorted(CHANNEL_COUNTS)[: 1 if options.small else 3]
    samples = [("masked_conv3d", channels) for channels in channel_counts]
    if not options.small:
        samples += [("pointwise_layers", 32), ("masked_mean", 1), ("update_mask", 1)]
    with torch.inference_mode(), precision(options.dtype):
        for masks in (synthetic_masks.dense(3, 16, 32), synthetic_masks.occupied(3, 16, 32, 50)):
            for op, channels in samples:
                make_sample(op, masks, channels, options.dtype, options.device).call("triton")
        if not options.small:
            model = load_model("default")
            record = synthetic_masks.record(2, 6.0)
            (patch,) = network_timing.patches(record, model, (8, 16), 1)
            for fused in (False, True):
                ops = network_timing.backend_ops(backend="triton", fused=fused)
                network_timing.TorchRun(model, options.device, options.dtype, ops).stream(patch)
            network_timing.block_run(model, "triton", options.device, options.dtype, graph=False)(
                patch
            )
    print(f"{options.dtype}: compiled in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()

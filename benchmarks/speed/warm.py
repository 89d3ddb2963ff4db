"""Compile what will be timed, for one precision: ``python -m benchmarks.speed.warm bfloat16``.

Several processes do so side by side while parity runs; Triton keeps what they compile on disk, and
the measurement finds it there.
"""

from __future__ import annotations

import argparse
import time

import torch

from benchmarks.speed import networks, scenes
from benchmarks.speed.operations import make_sample, precision
from benchmarks.speed.plans import ORDER
from xsm.networks.block_inference import load_model
from xsm_kernels.masked_conv3d import _triton


def every_candidate(key, few, launch, x, cells):
    """Stands for the choice: launches all there is to choose from."""
    for config in few[1:]:
        launch(config)
    return few[0]


def main(arguments: list[str] | None = None) -> None:
    """Run the samples and the network once on few cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dtype", choices=("float32", "tf32", "bfloat16", "float16"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--small", action="store_true", help="the layers of fewest channels")
    chosen = parser.parse_args(arguments)
    begin = time.perf_counter()
    _triton.tuned = every_candidate
    samples = [
        ("masked_conv3d", channels) for channels in sorted(ORDER)[: 1 if chosen.small else 3]
    ]
    samples += (
        [] if chosen.small else [("pointwise_layers", 32), ("masked_mean", 1), ("update_mask", 1)]
    )
    with torch.inference_mode(), precision(chosen.dtype):
        for scene in (scenes.dense(3, 16, 32), scenes.occupied(3, 16, 32, 50)):
            for op, channels in samples:
                make_sample(op, scene, channels, chosen.dtype, chosen.device).call("triton")
        if not chosen.small:
            model = load_model("default")
            (patch,) = networks.patches(scenes.record(2, 6.0), model, (8, 16), 1)
            for together in (False, True):
                ops = networks.reference_ops(backend="triton", together=together)
                networks.TorchRun(model, chosen.device, chosen.dtype, ops).stream(patch)
            networks.ours(model, "triton", chosen.device, chosen.dtype, graph=False)(patch)
    print(f"{chosen.dtype}: compiled in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()

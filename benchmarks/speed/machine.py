"""The machine: its description, the rate of a large matrix product, and memory bandwidth."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.provenance import installed_version, provenance
from benchmarks.speed.operation_samples import precision, torch_dtype


def describe(device: str) -> dict[str, Any]:
    """Date, versions, processor or GPU, threads and load.

    Raises
    ------
    SystemExit
        If `device` is "cuda" and PyTorch finds no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            f"device='cuda': PyTorch {torch.__version__} finds no NVIDIA GPU here, so nothing is "
            "measured. Give --device cpu, or install a PyTorch for CUDA on a machine with a GPU."
        )
    about = provenance(["default"])
    about["versions"] |= {"torch": torch.__version__, "triton": installed_version("triton")}
    about |= {"device": device, "processor": _processor(), "load": round(os.getloadavg()[0], 1)}
    if device == "cuda":
        about["gpu"] = torch.cuda.get_device_name()
        about["versions"] |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return about


def peaks(device: str, dtypes: list[str], size: int = 4096) -> dict[str, Any]:
    """Best of five runs: a square matrix product, a copy and a triad.

    The product has matrices of `size` x `size` (GFLOP/s per dtype); copy and triad have arrays of
    64 `size` x `size` bytes (GB/s, bytes read and written).
    """
    rates = {dtype: _product_rate(device, dtype, size) for dtype in dtypes}
    if device == "cpu":
        a = np.random.default_rng(0).standard_normal((size, size), np.float32)
        rates["float32"] = max(rates["float32"], 2e-9 * size**3 / _best(lambda: a @ a, device))
    values = torch.rand(16 * size * size, device=device)
    other, out = torch.rand_like(values), torch.empty_like(values)
    bytes_each = values.numel() * values.element_size()
    copy = 2 * bytes_each / _best(lambda: out.copy_(values), device)
    triad = _best(lambda: torch.add(values, other, alpha=2.0, out=out), device)
    return {
        "size": size,
        "gemm_gflops": rates,
        "copy_gbs": copy / 1e9,
        "triad_gbs": 3 * bytes_each / triad / 1e9,
    }


def _product_rate(device: str, dtype: str, size: int) -> float:
    a = torch.randn(size, size, device=device).to(torch_dtype(dtype))
    with precision(dtype):
        return 2e-9 * size**3 / _best(lambda: a @ a, device)


def _best(call: Callable[[], Any], device: str) -> float:
    times = []
    for _ in range(6):  # the first run warms up
        begin = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return min(times[1:])


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

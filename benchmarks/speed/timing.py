"""Interleaved runs in one process, their medians, and the memory they use."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BUSY_CYCLES = 4_000_000  # about 2 ms: longer than it takes to launch a run
L2_BYTES = 256 * 2**20  # more than any L2
PAUSE = 0.05  # s before a call on the CPU: threads of the previous call may still spin


def interleaved(
    calls: dict[str, Callable[[], Any]],
    *,
    device: str = "cpu",
    rounds: int = 5,
    min_rounds: int = 3,
    seconds: float = 60.0,
) -> dict[str, dict[str, Any]]:
    """Time calls in turn; each round begins with the next call.

    Stops after `rounds`, or after `seconds` once `min_rounds` are complete.

    Returns
    -------
    dict of dict
        Per call ``median_s``, ``p20_s``, ``p80_s``, ``runs`` and ``peak_mb`` (memory
        allocated during its first run; None where the system does not report it).
    """
    clock = _gpu_clock() if device == "cuda" else wall_seconds
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    peaks: dict[str, float | None] = {}
    end = time.monotonic() + seconds
    for turn in range(rounds if names else 0):
        if turn >= min_rounds and time.monotonic() > end:
            break
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            memory = None if name in peaks else PeakMemory(device)
            times[name].append(clock(calls[name]))
            if memory is not None:
                peaks[name] = memory.megabytes()
    return {name: {**summary(times[name]), "peak_mb": peaks[name]} for name in names}


def summary(times: list[float]) -> dict[str, Any]:
    """Median, 20th and 80th percentile, and number of runs."""
    p20, median, p80 = np.percentile(times, [20, 50, 80])
    return {
        "median_s": float(median), "p20_s": float(p20), "p80_s": float(p80), "runs": len(times),
    }  # fmt: skip


def wall_seconds(call: Callable[[], Any]) -> float:
    """Seconds of one call on the CPU, after a pause."""
    time.sleep(PAUSE)
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _gpu_clock() -> Callable[[Callable[[], Any]], float]:
    """A clock of CUDA events that empties the L2 cache before every run.

    The GPU is busy while the host launches the run, so that kernels are timed, not launches. A run
    that waits for the GPU in between is timed with its waits.
    """
    import torch

    cache = torch.empty(L2_BYTES, dtype=torch.uint8, device="cuda")

    def seconds(call: Callable[[], Any]) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        cache.zero_()
        torch.cuda._sleep(BUSY_CYCLES)
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1000

    return seconds


class PeakMemory:
    """Peak memory since this object was made, minus the memory in use at that time."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        gc.collect()
        if device == "cuda":
            import torch

            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self.before: int | None = torch.cuda.memory_allocated()
            return
        try:  # Linux: return freed memory, reset the high-water mark of the process
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")
            self.before = resident_bytes("VmRSS")
        except (OSError, AttributeError):
            self.before = None

    def megabytes(self) -> float | None:
        """In 1e6 bytes; None where the system does not report it."""
        if self.before is None:
            return None
        if self.device == "cuda":
            import torch

            peak = torch.cuda.max_memory_allocated()
        else:
            peak = resident_bytes("VmHWM")
        return max(peak - self.before, 0) / 1e6


def resident_bytes(field: str) -> int:
    """Resident memory of this process (Linux): ``VmRSS`` now, ``VmHWM`` at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")

"""The inner loop of the CPU convolution is vector code, held in registers."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xsm_kernels
from tests.kernels.samples import machine_code
from xsm_kernels._numba_common import convolve_cells
from xsm_kernels._numba_simd import CELLS, LANES, VECTORS
from xsm_kernels.masked_conv3d._numba import convolve_tiles


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or LANES < 8, reason="needs AVX2 or AVX-512"
)
@pytest.mark.parametrize("loop", [convolve_cells, convolve_tiles])
def test_inner_loop_is_fused_multiply_add_on_whole_vectors(loop: Callable[[], Any]) -> None:
    assembly = machine_code(loop())
    register = {16: "zmm", 8: "ymm"}[LANES]
    blocks = re.split(r"^\.LBB\S*:", assembly, flags=re.MULTILINE)
    fused = [len(re.findall(rf"vfmadd\S+ps\s.*%{register}", block)) for block in blocks]
    # a hot block multiplies and adds for every sum at least once, and stores none of them
    hot = [block for block, n in zip(blocks, fused, strict=True) if n >= CELLS * VECTORS]
    assert len(hot) >= 2  # over all channels, and over those that are not 0
    for block in hot:
        assert not re.search(rf"vmov[au]ps\s+%{register}\d+, [-\d]*\(", block)


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import config

    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 3, 4, 30, 70)).astype("float32")
    mask = rng.random((1, 1, 4, 30, 70)) < 0.5
    weight = rng.normal(size=(5, 3, 3, 3, 3)).astype("float32")
    results = []
    for threads in (1, 4):
        monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
        results.append(xsm_kernels.masked_conv3d(x, mask, weight)[0])
    np.testing.assert_array_equal(*results)

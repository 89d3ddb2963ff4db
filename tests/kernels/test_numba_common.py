"""What the CPU backends share: aligned arrays, packed weights, ratios, and what is unsupported."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xsm_kernels import _numba_common as common
from xsm_kernels._numba_simd import OUTPUTS


@pytest.mark.parametrize("shape", [(1,), (7, 3), (2, 5, 33), (0, 4)])
def test_arrays_begin_on_a_cache_line(shape: tuple[int, ...]) -> None:
    empty = common.empty_aligned(shape)
    assert empty.shape == shape and empty.dtype == np.float32 and empty.flags.c_contiguous
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    copy = common.copy_aligned(values.T)
    np.testing.assert_array_equal(copy, values.T)
    for array in (empty, copy, common.zeros_aligned(5)):
        assert array.size == 0 or array.ctypes.data % (4 * common.CACHE_LINE) == 0


def test_packed_weights_have_the_outputs_of_a_block_side_by_side() -> None:
    outputs, channels, kernel = OUTPUTS + 3, 2, (1, 3, 3)
    shape = (outputs, channels, *kernel)
    weight = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    packed = common.pack(weight).reshape(2, 9, channels, OUTPUTS)
    assert packed[1, 4, 1, 2] == weight[OUTPUTS + 2, 1, 0, 1, 1]
    assert not packed[1, ..., 3:].any()
    bias = common.pack_bias(np.ones(outputs, np.float32), outputs)
    assert bias.size == 2 * OUTPUTS and bias.sum() == outputs
    assert not common.pack_bias(None, outputs).any()


def test_ratio_of_an_empty_window_is_zero() -> None:
    np.testing.assert_array_equal(common.ratios(4), np.array([0, 4, 2, 4 / 3, 1], np.float32))


def test_what_is_unsupported_names_the_next_step() -> None:
    single, mask = np.ones(2, np.float32), np.ones(2, bool)
    assert common.unsupported_reason([single, mask, None]) is None
    reason = common.unsupported_reason([single, single.astype("f8"), single.astype("f2")])
    assert reason == "it works in float32, got float16, float64; convert"
    tensor = torch.ones(2, requires_grad=True)
    assert "call under torch.no_grad()" in str(common.unsupported_reason([tensor]))
    with torch.no_grad():
        assert common.unsupported_reason([tensor]) is None

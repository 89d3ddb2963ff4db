"""The recurrent kernels where there is no GPU: interpreted for parity, compiled for sm_90."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("triton")
from tests.kernels.test_triton import (  # noqa: E402
    PRODUCTS,
    compiled_for_h100,
    interpreted,
    passed_interpreted,
)

__all__ = ["compiled_for_h100"]  # a fixture


@pytest.mark.skipif(interpreted, reason="this is the interpreted run")
def test_parity_interpreted() -> None:
    assert passed_interpreted("tests/kernels/test_lstm.py") > 20


@pytest.mark.skipif(interpreted, reason="nothing is compiled when interpreted")
@pytest.mark.parametrize(("hidden", "masked"), [(32, True), (64, False), (128, True)])
@pytest.mark.parametrize(("dtype", "precision", "instruction"), PRODUCTS)
def test_all_compile_to_tensor_cores_and_registers(
    compiled_for_h100: Callable[..., str],
    hidden: int,
    masked: bool,
    dtype: str,
    precision: str,
    instruction: str,
) -> None:
    from xsm_kernels.lstm import _triton

    itemsize = 4 if dtype == "fp32" else 2
    kernel, sizes, configs = _triton.select_kernel(hidden, 16, itemsize, precision, masked)
    streams = hidden == 128 or instruction.startswith("fma")
    assert kernel is (_triton.streaming_kernel if streams else _triton.resident_kernel)
    constants: dict[str, Any] = sizes | {
        "C": 16, "H": hidden, "HAS_MASK": masked, "PRECISION": precision, "WIDEN": False,
    }  # fmt: skip
    floats = ("x_ptr", "wx_ptr", "wh_ptr", "bias_ptr", "h_ptr", "y_ptr")
    types = dict.fromkeys(floats, f"*{dtype}") | {"c_ptr": "*fp32"}
    for config in configs:
        ptx = compiled_for_h100(kernel, constants, types, num_warps=config.warps)
        assert re.search(instruction, ptx)

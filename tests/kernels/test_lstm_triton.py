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
    files = ("tests/kernels/test_lstm.py", "tests/kernels/test_self_attention.py")
    select = "triton and not (test_self_attention and (shape0 or shape2 or shape4 or 30 or 500))"
    assert passed_interpreted(*files, select=select) > 40


@pytest.mark.skipif(interpreted, reason="nothing is compiled when interpreted")
@pytest.mark.parametrize(("hidden", "masked"), [(32, True), (64, False), (128, True), (128, False)])
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
    kernel, sizes, configs = _triton.select_kernel(
        hidden, 16, itemsize, precision, masked, dtype == "bf16"
    )
    streams = (hidden == 128 and (masked or itemsize == 4)) or instruction.startswith("fma")
    assert kernel is (_triton.streaming_kernel if streams else _triton.resident_kernel)
    constants: dict[str, Any] = sizes | {
        "C": 16, "H": hidden, "HAS_MASK": masked, "PRECISION": precision, "WIDEN": False,
        "FAST": dtype == "bf16",
    }  # fmt: skip
    floats = ("x_ptr", "wx_ptr", "wh_ptr", "bias_ptr", "h_ptr", "y_ptr")
    types = dict.fromkeys(floats, f"*{dtype}") | {"c_ptr": "*fp32"}
    for config in configs:
        sizes = {"BLOCK_B": config.pixels}
        ptx = compiled_for_h100(kernel, constants | sizes, types, num_warps=config.warps)
        # tiles of 32 pixels are too small for the product of a warp group
        wanted = (
            instruction
            if config.pixels >= 64
            else instruction.replace("wgmma.mma_async", "mma.sync")
        )
        assert re.search(wanted, ptx)


@pytest.mark.skipif(interpreted, reason="nothing is compiled when interpreted")
@pytest.mark.parametrize(("dtype", "precision", "instruction"), PRODUCTS)
def test_attention_compiles(
    compiled_for_h100: Callable[..., str], dtype: str, precision: str, instruction: str
) -> None:
    from xsm_kernels.self_attention import _triton

    constants = {
        "H": 64, "WIDTH": 64, "TANH": 4, "PRECISION": precision, "WIDEN": False,
    }  # fmt: skip
    types = {"joined_ptr": f"*{dtype}", "y_ptr": f"*{dtype}", "SCALE": "fp32"}
    for config in _triton.configurations(
        64, precision if dtype == "fp32" else "ieee", dtype == "fp32"
    ):
        sizes = {"DAYS": config.days, "BLOCK": config.block}
        ptx = compiled_for_h100(
            _triton.attention_kernel, constants | sizes, types,
            num_warps=config.warps, num_stages=_triton.STAGES,
        )  # fmt: skip
        assert re.search(instruction, ptx)

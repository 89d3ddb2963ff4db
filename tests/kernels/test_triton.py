"""The GPU kernels where there is no GPU: interpreted for parity, compiled for sm_90 for speed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

triton = pytest.importorskip("triton")
from triton import knobs  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

ROOT = Path(__file__).parents[2]
interpreted = os.environ.get("TRITON_INTERPRET") == "1"


@pytest.mark.skipif(interpreted, reason="this is the interpreted run")
def test_parity_interpreted() -> None:
    # the interpreter is chosen when kernels are defined: a process of its own
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/kernels/test_parity.py", "-k", "triton"],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) > 60


def compile_for_h100(
    kernel: Any,
    constants: dict[str, Any],
    types: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[str, str]:
    """PTX of the kernel and what the assembler says of it."""
    monkeypatch.setattr(knobs.nvidia, "dump_ptxas_log", True)
    monkeypatch.setattr(knobs.compilation, "always_compile", True)
    warps = constants.pop("num_warps", 4)
    signature = {
        name: "constexpr" if name in constants else types.get(name, "i32")
        for name in kernel.arg_names
    }
    compiled = triton.compile(
        ASTSource(kernel, signature, constexprs=constants),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": warps, "enable_fp_fusion": True},
    )
    assert compiled.asm["cubin"]
    return compiled.asm["ptx"], capsys.readouterr().out


def assert_in_registers(ptx: str, log: str) -> None:
    """Nothing lives in local memory."""
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in log, log
    assert ".local" not in ptx


@pytest.mark.skipif(interpreted, reason="nothing is compiled when interpreted")
@pytest.mark.parametrize("channels", [20, 64])
@pytest.mark.parametrize(
    ("dtype", "precision", "instruction"),
    [
        ("fp32", "ieee", "fma.rn.f32"),
        ("fp32", "tf32", "wgmma.mma_async.*tf32.tf32"),
        ("bf16", "ieee", "wgmma.mma_async.*bf16.bf16"),
        ("fp16", "ieee", "wgmma.mma_async.*f16.f16"),
    ],
)
def test_convolution_compiles_to_tensor_cores(
    channels: int,
    dtype: str,
    precision: str,
    instruction: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from xsm_kernels.masked_conv3d import _triton as module

    sizes = module.tile_sizes(channels, channels, 4 if dtype == "fp32" else 2)
    constants = sizes | {
        "C": channels, "TAPS": 27, "WRAP": True, "HAS_BIAS": True, "HAS_RESIDUAL": True,
        "HAS_ACTIVE": True, "ACTIVATION": 3, "PRECISION": precision, "WIDEN": False,
    }  # fmt: skip
    floats = ["x_ptr", "weight_ptr", "bias_ptr", "residual_ptr", "y_ptr"]
    types = dict.fromkeys(["mask_ptr", "active_ptr", "new_mask_ptr"], "*u8")
    types |= dict.fromkeys(floats, f"*{dtype}")
    ptx, log = compile_for_h100(module.convolve_kernel, constants, types, monkeypatch, capsys)
    assert_in_registers(ptx, log)
    assert re.search(instruction, ptx)


@pytest.mark.skipif(interpreted, reason="nothing is compiled when interpreted")
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_mean_compiles(
    dtype: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from xsm_kernels.masked_mean import _triton as module

    types = {
        "x_ptr": f"*{dtype}", "mask_ptr": "*u8", "sums_ptr": "*fp32", "counts_ptr": "*i32",
        "mean_ptr": f"*{dtype}", "fraction_ptr": f"*{dtype}",
    }  # fmt: skip
    for kernel in (module.sum_rows_kernel, module.mean_kernel):
        constants = {"BLOCK": module.BLOCK}
        if kernel is module.sum_rows_kernel:
            constants["WRAP"] = True
        assert_in_registers(*compile_for_h100(kernel, constants, types, monkeypatch, capsys))


@pytest.mark.skipif(interpreted, reason="nothing is compiled when interpreted")
def test_mask_update_compiles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from xsm_kernels.update_mask import _triton as module

    constants = {"TAPS": 27, "WRAP": True, "HAS_ACTIVE": True, "BLOCK": module.BLOCK}
    types = dict.fromkeys(["mask_ptr", "active_ptr", "new_mask_ptr"], "*u8")
    ptx, log = compile_for_h100(module.update_kernel, constants, types, monkeypatch, capsys)
    assert_in_registers(ptx, log)

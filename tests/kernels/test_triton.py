"""The GPU kernels where there is no GPU: interpreted for parity, compiled for sm_90 for speed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

triton = pytest.importorskip("triton")
import torch  # noqa: E402
from triton import knobs  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from xsm_kernels.masked_conv3d import _triton as convolution  # noqa: E402
from xsm_kernels.self_attention import _triton as attention  # noqa: E402

ROOT = Path(__file__).parents[2]
INTERPRETED = [
    f"tests/kernels/test_{name}.py"
    for name in ("parity", "pointwise_layers", "triton_tiles", "array_edges", "not_finite")
]
interpreted = os.environ.get("TRITON_INTERPRET") == "1"
compiled_only = pytest.mark.skipif(interpreted, reason="nothing is compiled when interpreted")


def passed_interpreted(*files: str, select: str = "triton") -> int:
    """How many Triton rows of these tests pass in the interpreter; all that run have to."""
    # the interpreter is chosen when kernels are defined: a process of its own
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", select, *files],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    return int(passed[1]) if passed else 0


@pytest.mark.skipif(interpreted, reason="this is the interpreted run")
def test_parity_interpreted() -> None:
    assert passed_interpreted(*INTERPRETED) > 120


FLOATS = ["x_ptr", "weight_ptr", "bias_ptr", "residual_ptr", "y_ptr"]
TYPES = dict.fromkeys(["mask_ptr", "active_ptr", "new_mask_ptr"], "*u8")
TYPES |= dict.fromkeys(["bits_ptr", "tiles_ptr", "count_ptr", "words_ptr", "counts_ptr"], "*i32")
TYPES |= {"sums_ptr": "*fp32", "n": "i64", "period": "i64"}
CUBE = {
    "KT": 3, "KH": 3, "KW": 3, "PT": 0, "PH": 1, "PW": 1, "DT": 1, "DH": 1, "DW": 1, "WRAP": 1,
}  # fmt: skip

PRODUCTS = [
    ("fp32", "ieee", "fma.rn.f32"),
    ("fp32", "tf32", "wgmma.mma_async.*tf32.tf32"),
    ("bf16", "ieee", "wgmma.mma_async.*bf16.bf16"),
    ("fp16", "ieee", "wgmma.mma_async.*f16.f16"),
]


def attention_of(batch: int) -> None:
    x, weight, bias = torch.zeros(batch, 70, 1), torch.zeros(4, 2, 1), torch.zeros(4, 2)
    attention.self_attention(x, weight, bias, window=3)


def transposition_of(batch: int) -> None:
    mask = torch.ones(batch, 1, 1, 1, 1, dtype=torch.bool)
    convolution.channel_rows(torch.zeros(batch, 5, 1, 1, 1), mask)


@pytest.mark.parametrize(
    ("module", "kernel", "call"),
    [
        (attention, "attention_kernel", attention_of),
        (convolution, "transpose_kernel", transposition_of),
    ],
)
def test_batches_of_any_size_are_launched(
    module: Any, kernel: str, call: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = MagicMock()
    monkeypatch.setattr(module, kernel, launch)
    call(70_000)
    grid = launch.__getitem__.call_args.args[0]
    assert grid[0] >= 70_000 and max(grid[1:], default=1) <= 65_535  # limits of CUDA


@pytest.fixture
def compiled_for_h100(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Compiles a kernel, sees to it that all stays in registers, and returns its PTX."""
    monkeypatch.setattr(knobs.nvidia, "dump_ptxas_log", True)
    monkeypatch.setattr(knobs.compilation, "always_compile", True)

    def compile_it(
        kernel: Any, constants: dict[str, Any], types: dict[str, str], **options: int
    ) -> str:
        names = kernel.arg_names
        types = TYPES | types
        compiled = triton.compile(
            ASTSource(
                kernel,
                {n: "constexpr" if n in constants else types.get(n, "i32") for n in names},
                constexprs=constants,
                # as allocations are
                attrs={
                    (at,): [["tt.divisibility", 16]]
                    for at, name in enumerate(names)
                    if name.endswith("_ptr")
                },
            ),
            target=GPUTarget("cuda", 90, 32),
            options={"enable_fp_fusion": True} | options,
        )
        assert compiled.asm["cubin"]
        ptx, log = compiled.asm["ptx"], capsys.readouterr().out
        assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in log, log
        assert ".local" not in ptx
        return str(ptx)

    return compile_it


def one_layer(channels: int, outputs: int, dtype: str, precision: str) -> tuple[Any, Any, Any]:
    """Configurations, constants and types of a 3 x 3 x 3 layer, with all that can be fused."""
    itemsize = 4 if dtype == "fp32" else 2
    sizes = convolution.blocks(channels, outputs, 27, itemsize, precision)
    constants = CUBE | sizes | {
        "C": channels, "OUT": outputs, "HAS_BIAS": True, "HAS_RESIDUAL": True, "ACTIVATION": 3,
        "PRECISION": precision, "WIDEN": False,
    }  # fmt: skip
    configs = convolution.candidates(sizes, channels, 27, 3)
    return configs, constants, dict.fromkeys(FLOATS, f"*{dtype}")


def compile_layer(compiled: Callable[..., str], config: Any, constants: Any, types: Any) -> str:
    tile = {"TILE_H": config.tile_h, "TILE_W": config.tile_w, "DAYS": config.days}
    options = {"num_warps": config.warps, "num_stages": config.stages}
    return compiled(convolution.convolve_kernel, constants | tile, types, **options)


@compiled_only
@pytest.mark.parametrize("channels", [24, 64])
@pytest.mark.parametrize(("dtype", "precision", "instruction"), PRODUCTS)
def test_convolution_compiles_to_tensor_cores(
    channels: int, dtype: str, precision: str, instruction: str, compiled_for_h100: Any
) -> None:
    configs, constants, types = one_layer(channels, channels, dtype, precision)
    ptx = compile_layer(compiled_for_h100, configs[0], constants, types)
    assert re.search(instruction, ptx)
    # 16 bytes of channels at once, past the registers, while the product of the last ones runs
    assert re.search(r"cp\.async\.c[ag]\.shared\.global [^;]*, 0x10,", ptx)


@compiled_only
def test_two_days_at_once_compile(compiled_for_h100: Any) -> None:
    configs, constants, types = one_layer(32, 32, "bf16", "ieee")
    config = next(config for config in configs if config.days == 2)
    assert "wgmma.mma_async.sync.aligned.m64n64k16" in compile_layer(
        compiled_for_h100, config, constants, types
    )


@compiled_only
def test_one_channel_and_many_outputs_compile(compiled_for_h100: Any) -> None:
    for channels, outputs, precision in ((1, 32, "ieee"), (64, 128, "tf32")):
        dtype = "fp32" if precision == "tf32" else "bf16"
        configs, constants, types = one_layer(channels, outputs, dtype, precision)
        assert "wgmma" in compile_layer(compiled_for_h100, configs[0], constants, types)


@compiled_only
@pytest.mark.parametrize(("dtype", "precision", "instruction"), PRODUCTS[1:])
def test_layers_of_one_cell_compile(
    dtype: str, precision: str, instruction: str, compiled_for_h100: Any
) -> None:
    from xsm_kernels.pointwise_layers import _triton as module

    # those of the default network
    padded = {f"P{i}": 32 for i in range(5)} | {"O0": 128, "O1": 64, "O2": 16}
    constants = padded | module.SIZES | {
        "C0": 32, "C1": 32, "C2": 32, "C3": 32, "C4": 17, "OUT": 2, "ACT0": 1, "ACT1": 1,
        "ACT2": 0, "HAS_ACTIVE": True, "PRECISION": precision, "WIDEN": False,
    }  # fmt: skip
    names = [n for n in module.layers_kernel.arg_names if n[0] in "xwy" and n.endswith("_ptr")]
    types = dict.fromkeys(names, f"*{dtype}") | dict.fromkeys(
        ["b0_ptr", "b1_ptr", "b2_ptr"], "*fp32"
    )
    ptx = compiled_for_h100(module.layers_kernel, constants, types, num_warps=module.WARPS)
    assert re.search(instruction, ptx)
    assert not re.search(r"max\.f(16|32)", ptx)  # it would turn a NaN under relu into 0


@compiled_only
def test_survey_compiles(compiled_for_h100: Any) -> None:
    tile = {"OUT": 64, "HAS_ACTIVE": True, "TILE_H": 8, "TILE_W": 16, "BLOCK_O": 64, "DAYS": 2}
    tile["BLOCK_T"] = convolution.taps_at_once(CUBE)
    compiled_for_h100(convolution.survey_kernel, CUBE | tile, {"y_ptr": "*bf16"})


@compiled_only
def test_transposition_compiles(compiled_for_h100: Any) -> None:
    sizes = {"C": 17, "DEPTH": 24, "BLOCK_C": 32, "CELLS": convolution.TRANSPOSED_CELLS}
    types = {"x_ptr": "*bf16", "rows_ptr": "*bf16", "BATCH_STRIDE": "i64", "CHANNEL_STRIDE": "i64"}
    ptx = compiled_for_h100(convolution.transpose_kernel, sizes, types)
    assert "st.global.v4" in ptx or "st.global.v8.b16" in ptx


@compiled_only
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_mean_compiles(dtype: str, compiled_for_h100: Any) -> None:
    from xsm_kernels.masked_mean import _triton as module

    types = dict.fromkeys(["x_ptr", "mean_ptr", "fraction_ptr"], f"*{dtype}")
    block = {"BLOCK": module.BLOCK}
    compiled_for_h100(module.sum_rows_kernel, block | {"WRAP": True}, types)
    compiled_for_h100(module.mean_kernel, block, types)


@compiled_only
def test_mask_update_compiles(compiled_for_h100: Any) -> None:
    from xsm_kernels.update_mask import _triton as module

    window = {"KH": 3, "KW": 3, "HAS_ACTIVE": True}
    bytewise = window | {"PW": 1, "TAPS": 27, "WRAP": 1, "BLOCK": module.BLOCK}
    compiled_for_h100(module.update_kernel, bytewise, {})
    words = {"WORDS": module.WORDS}
    compiled_for_h100(module.pack_kernel, words | {"PW": 1, "WRAP": 1}, {})
    compiled_for_h100(module.or_kernel, words | window | {"KT": 3}, {})

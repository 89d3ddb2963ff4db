"""Masked 3-D convolution on GPUs: an implicit matrix product with everything around it fused.

A survey lists the tiles (cells of one day) that hold a result; as many programs as the GPU runs at
once then take the tiles of the list in turns. The list stays on the device: no host waits for it.
"""

from __future__ import annotations

import contextlib
import math
from functools import cache
from typing import Any

import torch
import triton
from torch.nn import functional

from xsm_kernels.arguments import ACTIVATIONS, Triple, output_shape
from xsm_kernels.masked_conv3d._triton_kernels import convolve_kernel, survey_kernel
from xsm_kernels.masked_conv3d._triton_tuning import Config, blocks, candidates, tuned

BYTES = 16  # of one load; rows of channels are padded to them
INTERPRETED = 3  # programs where the interpreter runs them one after the other


def masked_conv3d(
    x: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    active: torch.Tensor | None = None,
    *,
    activation: str | None = None,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.masked_conv3d.reference.masked_conv3d`.

    float16 and bfloat16 are multiplied as they are and summed in float32; float32 is IEEE under
    ``torch.set_float32_matmul_precision("highest")`` (the default of PyTorch), else tf32.
    `y`, and without a copy `x` and `residual`, are ``torch.channels_last_3d`` in memory.
    """
    outputs, _, *kernel = weight.shape
    cells = output_shape(x.shape, (kernel[0], kernel[1], kernel[2]), padding, dilation)
    new_mask = torch.empty((x.shape[0], 1, *cells), dtype=torch.bool, device=x.device)
    y = torch.empty(
        (x.shape[0], outputs, *cells),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last_3d,
    )
    if new_mask.numel() == 0:
        return y, new_mask
    precision = product_precision(x.dtype)
    rows = channel_rows(x)
    sizes = blocks(rows.shape[1], outputs, math.prod(kernel), x.element_size(), precision)
    window = dict(zip(("KT", "KH", "KW"), kernel, strict=True))
    window |= dict(zip(("PT", "PH", "PW", "DT", "DH", "DW"), (*padding, *dilation), strict=True))
    window["WRAP"] = wraps(x.shape[-1], padding[2], wrap_longitude)
    known = mask.contiguous().view(torch.uint8)
    seen = torch.empty(new_mask.shape, dtype=torch.int32, device=x.device)
    weights = packed(weight, rows, sizes)
    added = None if residual is None else residual.contiguous(memory_format=torch.channels_last_3d)

    def launch(config: Config) -> None:
        count, tiles = survey(known, active, new_mask, seen, y, config, window, sizes["BLOCK_O"])
        most = len(tiles) * triton.cdiv(outputs, sizes["BLOCK_O"])
        convolve_kernel[(min(most, programs(x.device, config)),)](
            rows, known, seen, weights,
            # a pointer that is never read stands for what is absent
            x if bias is None else bias.contiguous(), x if added is None else added,
            y, tiles, count, *x.shape[2:], *cells,
            C=rows.shape[1], OUT=outputs, HAS_BIAS=bias is not None,
            HAS_RESIDUAL=residual is not None, ACTIVATION=ACTIVATIONS.index(activation),
            PRECISION=precision,
            # the interpreter multiplies the bit patterns of bfloat16
            WIDEN=not x.is_cuda, TILE_H=config.tile_h, TILE_W=config.tile_w,
            num_warps=config.warps, num_stages=config.stages, enable_fp_fusion=True,
            **window, **sizes,
        )  # fmt: skip

    with on_device(x):
        few = candidates(sizes, math.prod(kernel), rows.shape[1], precision)
        key = (*rows.shape[1:2], outputs, *kernel, str(x.dtype), precision)
        launch(tuned(key, few, launch, x, new_mask.numel()))
    return y, new_mask


def survey(
    known: torch.Tensor,
    active: torch.Tensor | None,
    new_mask: torch.Tensor,
    seen: torch.Tensor,
    y: torch.Tensor,
    config: Config,
    window: dict[str, int],
    block: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Write the new mask and what each window sees; zeros to `y` in all tiles that see nothing.

    Returns
    -------
    count : int32 (1,)
        How many tiles see something.
    tiles : int32 (tiles,)
        The first `count` are their numbers, in any order.
    """
    number = y.shape[0] * y.shape[2]
    number *= triton.cdiv(y.shape[3], config.tile_h) * triton.cdiv(y.shape[4], config.tile_w)
    tiles = torch.empty(number, dtype=torch.int32, device=y.device)
    count = torch.zeros(1, dtype=torch.int32, device=y.device)
    survey_kernel[(number,)](
        known, known if active is None else active.contiguous().view(torch.uint8),
        new_mask.view(torch.uint8), seen, y, tiles, count,
        *known.shape[2:], *y.shape[2:], 1 if active is None else active.shape[0],
        OUT=y.shape[1], HAS_ACTIVE=active is not None, TILE_H=config.tile_h, TILE_W=config.tile_w,
        BLOCK_O=block, BLOCK_T=taps_at_once(window), num_warps=4, **window,
    )  # fmt: skip
    return count, tiles


def taps_at_once(window: dict[str, int]) -> int:
    """Cells of a window that the survey looks at together."""
    taps = window["KT"] * window["KH"] * window["KW"]
    return min(32, int(triton.next_power_of_2(taps)))


def channel_rows(x: torch.Tensor) -> torch.Tensor:
    """`x` with a row of channels per cell, padded so that every load of one is aligned."""
    whole = BYTES // x.element_size()
    if x.shape[1] > whole and x.shape[1] % whole:
        x = functional.pad(x, (0, 0, 0, 0, 0, 0, 0, -x.shape[1] % whole))
    return x.contiguous(memory_format=torch.channels_last_3d)


def packed(weight: torch.Tensor, rows: torch.Tensor, sizes: dict[str, int]) -> torch.Tensor:
    """Weights as (outputs, taps * channels), in whole blocks, zeros where there are none."""
    outputs, channels, *kernel = weight.shape
    width, depth = math.prod(kernel), rows.shape[1]
    high = triton.cdiv(outputs, sizes["BLOCK_O"]) * sizes["BLOCK_O"]
    wide = triton.cdiv(width * depth, sizes["BLOCK_K"]) * sizes["BLOCK_K"]
    whole = torch.zeros((high, wide), dtype=rows.dtype, device=rows.device)
    part = whole[:outputs, : width * depth].unflatten(1, (width, depth))[..., :channels]
    part.copy_(weight.flatten(2).transpose(1, 2))
    return whole


def wraps(width: int, padding: int, wrap_longitude: bool) -> int:
    """How often a column may have to go round: never, once, or as often as it takes."""
    if not wrap_longitude:
        return 0
    return 1 if padding <= width else 2


def product_precision(dtype: torch.dtype) -> str:
    """How products of `dtype` are to be rounded, in the words of Triton."""
    full = dtype != torch.float32 or torch.get_float32_matmul_precision() == "highest"
    return "ieee" if full else "tf32"


def programs(device: torch.device, config: Config) -> int:
    """Programs that `device` runs at once."""
    return _multiprocessors(device) * config.per_sm if device.type == "cuda" else INTERPRETED


@cache
def _multiprocessors(device: torch.device) -> int:
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def on_device(x: torch.Tensor) -> Any:
    """Make the GPU that holds `x` current (Triton launches there); nothing when interpreted."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()

"""Long short-term memory on GPUs: the loop over days inside the kernel, both directions at once.

A program takes BLOCK_B pixels and one direction through all days, so nothing is launched per day.
The products with the inputs are computed in the same loop: in advance they would be 4 H values per
day and direction, written and read again, which takes longer than multiplying C channels.

Two kernels: `resident_kernel` keeps the weights in shared memory and the state in registers over
all days. If they do not fit (hidden 128, or many channels), and for IEEE float32, which tensor
cores do not support, `streaming_kernel` reads weights and state from cache in blocks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl

from xsm_kernels._triton_common import (
    on_device,
    product_precision,
    rounded,
    triton_backend,
    tuned,
)

SHAPES = ["B", "T", "D"]  # not compiled for each value: a 1 would be a constant without a type
MAX_SHARED_BYTES = 100 * 1024  # of weights; more do not pass through the registers
MAX_SHARED_BYTES_OF_FEW = 160 * 1024  # the same for programs of few pixels


@triton.jit
def fast_tanh(z):
    """To a relative error of 2^-11, by one instruction."""
    return tl.inline_asm_elementwise(
        "tanh.approx.f32 $0, $1;", "=f,f", [z], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def sigmoid(z, FAST: tl.constexpr):
    """In float32; correct for infinite exp as well."""
    if FAST:
        return 0.5 * fast_tanh(0.5 * z) + 0.5
    else:
        return 1.0 / (1.0 + tl.exp(-z))


@triton.jit
def tanh(z, FAST: tl.constexpr):
    """In float32, to an absolute error of 2^-24 unless it is FAST."""
    if FAST:
        return fast_tanh(z)
    else:
        return 1.0 - 2.0 / (1.0 + tl.exp(2.0 * z))


@triton.jit
def products(total, a, w, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    """`total` + a w, in float32."""
    if WIDEN:
        a, w = a.to(tl.float32), w.to(tl.float32)
    return tl.dot(rounded(a, PRECISION), w, total, input_precision=PRECISION)


@triton.jit
def weights(pointer, first, gate, k, u, inputs, H, PRECISION: tl.constexpr):
    """Weights of a gate (len(k), len(u)) out of (4 H, `inputs`) from `first` on."""
    index = first + (gate * H + u[None, :]) * inputs + k[:, None]
    values = tl.load(pointer + index, mask=(k[:, None] < inputs) & (u[None, :] < H), other=0.0)
    return rounded(values, PRECISION)


@triton.jit
def add_product(
    total, a, pointer, first, gate, k, u, inputs, H, PRECISION: tl.constexpr, WIDEN: tl.constexpr
):
    """`total` + a times a block of weights of a gate."""
    w = weights(pointer, first, gate, k, u, inputs, H, PRECISION)
    return products(total, a, w, PRECISION, WIDEN)


@triton.jit
def biases(pointer, d, gate, u, H, BLOCK_B: tl.constexpr):
    """Bias of a gate, (BLOCK_B, len(u)), float32."""
    bias = tl.load(pointer + (d * 4 + gate) * H + u, mask=u < H, other=0.0).to(tl.float32)
    return tl.zeros((BLOCK_B, 1), tl.float32) + bias[None, :]


@triton.jit
def day(x_ptr, mask_ptr, row, t, k, B, T, C, HAS_MASK: tl.constexpr):
    """Values (rows, len(k)) of a day, 0 where it is skipped, and whether it is processed."""
    index = row * T + t
    observed = row < B
    if HAS_MASK:
        observed = tl.load(mask_ptr + index, mask=observed, other=0) != 0
    is_loaded = observed[:, None] & (k < C)[None, :]
    return tl.load(x_ptr + index[:, None] * C + k[None, :], mask=is_loaded, other=0.0), observed


@triton.jit(do_not_specialize=SHAPES)
def resident_kernel(
    x_ptr, wx_ptr, wh_ptr, bias_ptr, mask_ptr, h_ptr, c_ptr, y_ptr, B, T, D,
    C: tl.constexpr, H: tl.constexpr, HAS_MASK: tl.constexpr, PRECISION: tl.constexpr,
    WIDEN: tl.constexpr, FAST: tl.constexpr,
    BLOCK_B: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_H: tl.constexpr,
):  # fmt: skip
    """Weights and state stay in shared memory and registers.

    All arrays as in the reference, contiguous; h and c (float32) are replaced by the last state.
    """
    d = tl.program_id(1)
    # 64 bits: pixels times days times units overflow 32
    row = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    k, u = tl.arange(0, BLOCK_C), tl.arange(0, BLOCK_H)
    first = d * 4 * H
    wx_i = weights(wx_ptr, first * C, 0, k, u, C, H, PRECISION)
    wx_f = weights(wx_ptr, first * C, 1, k, u, C, H, PRECISION)
    wx_g = weights(wx_ptr, first * C, 2, k, u, C, H, PRECISION)
    wx_o = weights(wx_ptr, first * C, 3, k, u, C, H, PRECISION)
    wh_i = weights(wh_ptr, first * H, 0, u, u, H, H, PRECISION)
    wh_f = weights(wh_ptr, first * H, 1, u, u, H, H, PRECISION)
    wh_g = weights(wh_ptr, first * H, 2, u, u, H, H, PRECISION)
    wh_o = weights(wh_ptr, first * H, 3, u, u, H, H, PRECISION)
    state = (d * B + row)[:, None] * H + u[None, :]
    inside = (row < B)[:, None] & (u < H)[None, :]
    h = tl.load(h_ptr + state, mask=inside, other=0.0)
    c = tl.load(c_ptr + state, mask=inside, other=0.0)
    t = d * (T - 1)
    x, observed = day(x_ptr, mask_ptr, row, t, k, B, T, C, HAS_MASK)
    for _ in range(T):
        # load the next day while this one is computed
        next_day = tl.minimum(tl.maximum(t + 1 - 2 * d, 0), T - 1)
        next_x, next_observed = day(x_ptr, mask_ptr, row, next_day, k, B, T, C, HAS_MASK)
        z = products(biases(bias_ptr, d, 0, u, H, BLOCK_B), x, wx_i, PRECISION, WIDEN)
        new_c = sigmoid(products(z, h, wh_i, PRECISION, WIDEN), FAST)
        z = products(biases(bias_ptr, d, 2, u, H, BLOCK_B), x, wx_g, PRECISION, WIDEN)
        new_c *= tanh(products(z, h, wh_g, PRECISION, WIDEN), FAST)
        z = products(biases(bias_ptr, d, 1, u, H, BLOCK_B), x, wx_f, PRECISION, WIDEN)
        new_c += sigmoid(products(z, h, wh_f, PRECISION, WIDEN), FAST) * c
        z = products(biases(bias_ptr, d, 3, u, H, BLOCK_B), x, wx_o, PRECISION, WIDEN)
        z = products(z, h, wh_o, PRECISION, WIDEN)
        new_h = (sigmoid(z, FAST) * tanh(new_c, FAST)).to(h.dtype)
        if HAS_MASK:
            new_c = tl.where(observed[:, None], new_c, c)
            new_h = tl.where(observed[:, None], new_h, h)
        if H < BLOCK_H:  # an infinite x times the zeros beyond H is NaN
            new_h = tl.where((u < H)[None, :], new_h, 0.0)
        h, c, x, observed = new_h, new_c, next_x, next_observed
        index = ((row * T + t) * D + d)[:, None] * H + u[None, :]
        tl.store(y_ptr + index, h, mask=inside)
        t = next_day
    tl.store(h_ptr + state, h, mask=inside)
    tl.store(c_ptr + state, c, mask=inside)


@triton.jit(do_not_specialize=SHAPES)
def streaming_kernel(
    x_ptr, wx_ptr, wh_ptr, bias_ptr, mask_ptr, h_ptr, c_ptr, y_ptr, B, T, D,
    C: tl.constexpr, H: tl.constexpr, HAS_MASK: tl.constexpr, PRECISION: tl.constexpr,
    WIDEN: tl.constexpr, FAST: tl.constexpr,
    BLOCK_B: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_U: tl.constexpr,
):  # fmt: skip
    """Weights and state are read again on each day.

    Arrays as in `resident_kernel`, but h is (2, D, B, H): alternately the state before and after a
    day.
    """
    d = tl.program_id(1)
    row = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    first = d * 4 * H
    rows_at = (d * B + row) * H
    buffer = D.to(tl.int64) * B * H
    for step in range(T):
        t = d * (T - 1) + (1 - 2 * d) * step
        old_ptr, new_ptr = h_ptr + step % 2 * buffer, h_ptr + (step + 1) % 2 * buffer
        for start in range(0, H, BLOCK_U):
            u = start + tl.arange(0, BLOCK_U)
            i = biases(bias_ptr, d, 0, u, H, BLOCK_B)
            f = biases(bias_ptr, d, 1, u, H, BLOCK_B)
            g = biases(bias_ptr, d, 2, u, H, BLOCK_B)
            o = biases(bias_ptr, d, 3, u, H, BLOCK_B)
            for part in range(0, C, BLOCK_K):
                k = part + tl.arange(0, BLOCK_K)
                x, _ = day(x_ptr, mask_ptr, row, t, k, B, T, C, HAS_MASK)
                i = add_product(i, x, wx_ptr, first * C, 0, k, u, C, H, PRECISION, WIDEN)
                f = add_product(f, x, wx_ptr, first * C, 1, k, u, C, H, PRECISION, WIDEN)
                g = add_product(g, x, wx_ptr, first * C, 2, k, u, C, H, PRECISION, WIDEN)
                o = add_product(o, x, wx_ptr, first * C, 3, k, u, C, H, PRECISION, WIDEN)
            for part in range(0, H, BLOCK_K):
                k = part + tl.arange(0, BLOCK_K)
                is_loaded = (row < B)[:, None] & (k < H)[None, :]
                h = tl.load(old_ptr + rows_at[:, None] + k[None, :], mask=is_loaded, other=0.0)
                i = add_product(i, h, wh_ptr, first * H, 0, k, u, H, H, PRECISION, WIDEN)
                f = add_product(f, h, wh_ptr, first * H, 1, k, u, H, H, PRECISION, WIDEN)
                g = add_product(g, h, wh_ptr, first * H, 2, k, u, H, H, PRECISION, WIDEN)
                o = add_product(o, h, wh_ptr, first * H, 3, k, u, H, H, PRECISION, WIDEN)
            state = rows_at[:, None] + u[None, :]
            inside = (row < B)[:, None] & (u < H)[None, :]
            old_c = tl.load(c_ptr + state, mask=inside, other=0.0)
            new_c = sigmoid(f, FAST) * old_c + sigmoid(i, FAST) * tanh(g, FAST)
            new_h = (sigmoid(o, FAST) * tanh(new_c, FAST)).to(y_ptr.dtype.element_ty)
            if HAS_MASK:
                observed = tl.load(mask_ptr + row * T + t, mask=row < B, other=0) != 0
                new_c = tl.where(observed[:, None], new_c, old_c)
                new_h = tl.where(
                    observed[:, None], new_h, tl.load(old_ptr + state, mask=inside, other=0.0)
                )
            tl.store(c_ptr + state, new_c, mask=inside)
            tl.store(new_ptr + state, new_h, mask=inside)
            index = ((row * T + t) * D + d)[:, None] * H + u[None, :]
            tl.store(y_ptr + index, new_h, mask=inside)
        # other threads read the state that one thread has written
        tl.debug_barrier()


class Config(NamedTuple):
    """Warps and pixels of a program."""

    warps: int = 8
    pixels: int = 32


def select_kernel(
    hidden: int, channels: int, itemsize: int, precision: str, masked: bool, fast: bool
) -> tuple[Any, dict[str, int], list[Config]]:
    """The kernel that fits, its block sizes, and configurations that fit in registers."""
    block_h = max(16, triton.next_power_of_2(hidden))
    block_c = max(16, triton.next_power_of_2(channels))
    on_tensor_cores = precision != "ieee" or itemsize == 2
    weight_bytes = 4 * block_h * (block_h + block_c) * itemsize
    # a mask needs registers, too
    if on_tensor_cores and weight_bytes <= MAX_SHARED_BYTES // (1 + masked):
        configs = [Config(), Config(4), Config(4, 64)] if fast else [Config(8, 32 * itemsize // 2)]
        return resident_kernel, {"BLOCK_C": block_c, "BLOCK_H": block_h}, configs
    if on_tensor_cores and weight_bytes <= MAX_SHARED_BYTES_OF_FEW and not masked:
        return resident_kernel, {"BLOCK_C": block_c, "BLOCK_H": block_h}, [Config()]
    # IEEE products keep both factors in registers
    block_k = 32 if on_tensor_cores else 16
    return streaming_kernel, {"BLOCK_K": block_k, "BLOCK_U": 32}, [Config(8, 64)]


@triton_backend
def lstm(
    x: torch.Tensor,
    weight_ih: torch.Tensor,
    weight_hh: torch.Tensor,
    bias: torch.Tensor,
    h: torch.Tensor | None = None,
    c: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.lstm.reference.lstm`.

    float16 and bfloat16 are multiplied as they are and summed in float32, c is float32 until the
    end; with bfloat16, sigmoid and tanh are those of the hardware, to a relative error of 2^-11;
    float32 is IEEE under ``torch.set_float32_matmul_precision("highest")`` (the default of
    PyTorch), else tf32.
    """
    batch, days, channels = x.shape
    directions, _, hidden = weight_hh.shape
    y = torch.empty((batch, days, directions * hidden), dtype=x.dtype, device=x.device)
    zeros = torch.zeros((directions, batch, hidden), dtype=x.dtype, device=x.device)
    h, c = ((zeros if state is None else state).contiguous() for state in (h, c))
    if batch == 0:
        return y, h.clone(), c.clone()
    hs = torch.empty((2, *h.shape), dtype=x.dtype, device=x.device)
    cs = torch.empty(c.shape, dtype=torch.float32, device=x.device)
    precision = product_precision(x.dtype)
    masked = mask is not None
    fast = x.is_cuda and x.dtype == torch.bfloat16
    kernel, sizes, configs = select_kernel(
        hidden, channels, x.element_size(), precision, masked, fast
    )
    inputs = (x, weight_ih.to(x.dtype), weight_hh.to(x.dtype), bias)
    # an absent mask is replaced by a pointer that is never read
    arrays = [array.contiguous() for array in inputs]
    arrays.append(arrays[0] if mask is None else mask.contiguous().view(torch.uint8))

    def launch(config: Config) -> None:
        hs.copy_(h)
        cs.copy_(c)
        kernel[(triton.cdiv(batch, config.pixels), directions)](
            *arrays, hs, cs, y, batch, days, directions,
            C=channels, H=hidden, HAS_MASK=masked, PRECISION=precision,
            # the interpreter multiplies the bit patterns of bfloat16
            WIDEN=not x.is_cuda, FAST=fast,
            BLOCK_B=config.pixels, num_warps=config.warps, enable_fp_fusion=True, **sizes,
        )  # fmt: skip

    with on_device(x):
        key = ("lstm", kernel.cache_key[:12] if x.is_cuda else "", channels, hidden, x.dtype)
        launch(tuned((*key, precision, masked), configs, launch, x, batch * days))
    last = days % 2 if kernel is streaming_kernel else 0
    return y, hs[last], cs.to(x.dtype)

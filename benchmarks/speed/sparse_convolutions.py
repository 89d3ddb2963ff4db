"""Sparse convolutions of other projects on a GPU, for the cells that are observed or have a result.

They compute something simpler than :func:`xsm_kernels.masked_conv3d`: sums over the observed cells
of a window, without counting and renormalising them, without bias and activation.

- ocnn (``ocnn.nn.kernels``): the implicit matrix product in Triton that its octrees use, over a map
  of the cells of each window, which is made here and not timed.
- spconv-triton: a submanifold convolution, which has results at observed cells only; with its map
  of neighbours from an earlier call, and with the map built anew.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

import xsm_kernels
from benchmarks.speed.operation_samples import WINDOW, Sample
from benchmarks.speed.speed_tables import SPARSE
from tests.kernels.samples import TOLERANCE
from xsm_kernels._torch_common import pad_cells

OCNN, SPCONV, SPCONV_MAP = SPARSE
N_CHECKED = 256  # cells compared with float64

Sums = tuple[torch.Tensor, torch.Tensor]  # (N, O) sums and (N, 4) batch, day, row, column


def variants(sample: Sample) -> dict[str, Callable[[], Callable[[], Sums]]]:
    """By name, a function that prepares a call."""
    return {
        OCNN: lambda: _ocnn(sample),
        SPCONV: lambda: _spconv(sample, anew=False),
        SPCONV_MAP: lambda: _spconv(sample, anew=True),
    }


def tolerance_fraction(sample: Sample, sums: Sums) -> float:
    """Largest error of some cells against float64, as a fraction of the allowed error."""
    values, cells = sums
    inner = (cells[:, 3] > 0) & (cells[:, 3] < sample.masks.mask.shape[2] - 1)
    if len(values) > len(sample.masks.mask.ravel()) or not values.isfinite().all():
        return float("inf")
    # spconv knows no days before the first and no globe
    if cells[:, 1].max() == sample.masks.mask.shape[0] - 1:
        inner &= (cells[:, 1] > 0) & (cells[:, 1] < cells[:, 1].max())
        cells = cells - torch.tensor([0, 1, 0, 0], device=cells.device)
    chosen = torch.nonzero(inner)[:, 0]
    chosen = chosen[torch.linspace(0, len(chosen) - 1, N_CHECKED, device=chosen.device).long()]
    rows, _ = _rows_and_map(sample, cells[chosen])
    weight = sample.arrays["weight"].double().flatten(2)
    expected = torch.einsum("nkc,ock->no", rows, weight)
    allowed = TOLERANCE[sample.dtype] * torch.einsum("nkc,ock->no", rows.abs(), weight.abs())
    error = (values[chosen].double() - expected).abs()
    return float((error / allowed.clamp_min(1e-30)).max())


def _observed_values(sample: Sample) -> torch.Tensor:
    """x with zeros at missing cells, (T, H, W, C)."""
    x, mask = sample.arrays["x"][0], sample.arrays["mask"][0]
    return torch.where(mask, x, 0).permute(1, 2, 3, 0).contiguous()


def _padded_numbers(sample: Sample) -> torch.Tensor:
    """Flat number of each observed input cell, -1 elsewhere, padded: (T', H', W')."""
    mask = sample.arrays["mask"]
    numbers = torch.arange(mask.numel(), device=mask.device, dtype=torch.int32).view(mask.shape)
    # pad_cells pads with zeros
    numbers = torch.where(mask, numbers + 1, 0)
    return pad_cells(numbers, WINDOW["padding"], WINDOW["wrap_longitude"])[0, 0] - 1


def _map(sample: Sample, cells: torch.Tensor) -> torch.Tensor:
    """Flat input cells of the windows of output cells, int32 (N, 27), -1 where missing."""
    padded = _padded_numbers(sample)
    high, wide = padded.shape[1:]
    first = (cells[:, 1].long() * high + cells[:, 2]) * wide + cells[:, 3]
    kernel = sample.arrays["weight"].shape[2:]
    t, i, j = (torch.arange(n, device=cells.device) for n in kernel)
    taps = ((t[:, None, None] * high + i[:, None]) * wide + j).flatten()
    return torch.stack([padded.flatten()[first + tap] for tap in taps], 1)


def _rows_and_map(sample: Sample, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of the windows of output cells, float64 (N, 27, C), and their map."""
    neighbours = _map(sample, cells).long()
    x = _observed_values(sample).flatten(0, 2)
    rows = torch.where((neighbours >= 0)[..., None], x[neighbours.clamp_min(0)].double(), 0.0)
    return rows, neighbours


def _ocnn(sample: Sample) -> Callable[[], Sums]:
    from ocnn.nn.kernels import conv_fwd_implicit_gemm_splitk

    valid = xsm_kernels.update_mask(
        sample.arrays["mask"], (3, 3, 3), active=sample.arrays["active"], **WINDOW,
        backend="reference",
    )  # fmt: skip
    cells = torch.nonzero(valid[:, 0])
    neighbours = _map(sample, cells)
    rows = _observed_values(sample).flatten(0, 2)
    weight = sample.arrays["weight"].flatten(2).transpose(1, 2).contiguous()
    return lambda: (conv_fwd_implicit_gemm_splitk(rows, weight, None, neighbours), cells)


def _spconv(sample: Sample, *, anew: bool) -> Callable[[], Sums]:
    import spconv_triton.pytorch as spconv

    x, mask = sample.arrays["x"], sample.arrays["mask"]
    cells = torch.nonzero(mask[:, 0]).int()
    values = x[0].permute(1, 2, 3, 0)[mask[0, 0]].contiguous()
    weight = sample.arrays["weight"]
    name = None if anew else "cells"
    layer = spconv.SubMConv3d(*weight.shape[1::-1], 3, bias=False, indice_key=name)
    layer = layer.to(x.device, x.dtype).eval()
    with torch.no_grad():
        layer.weight.copy_(weight.permute(0, 2, 3, 4, 1))
    shape = list(mask.shape[2:])
    tensor = spconv.SparseConvTensor(values, cells, shape, 1)
    if not anew:  # the map stays with the tensor
        tensor = layer(tensor).replace_feature(values)

    def call() -> Sums:
        given = spconv.SparseConvTensor(values, cells, shape, 1) if anew else tensor
        return layer(given).features, cells

    return call

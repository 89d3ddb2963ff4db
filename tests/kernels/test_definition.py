"""The references themselves: hand-worked windows, the published formula, gradients."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import xsm_kernels
from tests.kernels.samples import Case, draw
from xsm_kernels._torch_common import activate


def line(values: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """One row of cells (1, 1, 1, 1, W) with its mask; NaN is missing."""
    x = torch.tensor(values, dtype=torch.float64).view(1, 1, 1, 1, -1)
    return x, ~x.isnan()


def test_a_window_by_hand() -> None:
    x, mask = line([1.0, np.nan, 4.0, np.nan, np.nan, np.nan, 5.0])
    weight = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64).view(1, 1, 1, 1, 3)
    bias = torch.tensor([0.5], dtype=torch.float64)
    y, new_mask = xsm_kernels.masked_conv3d(x, mask, weight, bias, padding=(0, 0, 1))
    # (observed cells) W . x, times 3 / s, plus b; the fifth window is empty: 0, not b
    expected = [
        10 * 3 + 0.5,
        (1 + 400) * 3 / 2 + 0.5,
        40 * 3 + 0.5,
        4 * 3 + 0.5,
        0.0,
        1500.5,
        150.5,
    ]
    assert y.flatten().tolist() == expected
    assert new_mask.flatten().tolist() == [True, True, True, True, False, True, True]


def test_longitude_goes_round_by_hand() -> None:
    x, mask = line([1.0, 2.0, np.nan, 7.0])
    weight = torch.ones(1, 1, 1, 1, 3, dtype=torch.float64)
    y, _ = xsm_kernels.masked_conv3d(x, mask, weight, padding=(0, 0, 1), wrap_longitude=True)
    # each cell is 3 * the mean of the observed among left, itself and right
    assert y.flatten().tolist() == [10.0, 4.5, 13.5, 12.0]


def test_a_full_window_is_a_plain_convolution() -> None:
    x = torch.randn(2, 3, 5, 6, 7, dtype=torch.float64)
    weight, bias = torch.randn(4, 3, 3, 3, 3, dtype=torch.float64), torch.randn(4).double()
    y, new_mask = xsm_kernels.masked_conv3d(x, torch.ones_like(x[:, :1]).bool(), weight, bias)
    torch.testing.assert_close(y, torch.nn.functional.conv3d(x, weight, bias))
    assert new_mask.all()


def test_a_constant_field_stays_constant_under_any_gaps() -> None:
    # why the sum is divided by the count: weights that sum to 1 keep a constant
    mask = torch.rand(1, 1, 4, 8, 9) < 0.3
    x = torch.where(mask, 0.25, torch.nan).double()
    weight = torch.full((1, 1, 3, 3, 3), 1 / 27, dtype=torch.float64)
    y, new_mask = xsm_kernels.masked_conv3d(x, mask, weight, padding=(0, 1, 1))
    torch.testing.assert_close(y[new_mask], torch.full_like(y[new_mask], 0.25))


def test_the_published_formula_cell_by_cell() -> None:
    # Liu et al. 2018, eq. 1 and 2, as loops over cells and windows
    case = Case((1, 2, 4, 4, 5), 2, (3, 3, 3), (1, 1, 2), (1, 1, 2), wrap=True, residual=True)
    a = draw(case)
    y, new_mask = xsm_kernels.masked_conv3d(
        **a, **case.window, activation="relu", backend="reference"
    )
    (_, _, days, height, width), (pt, ph, pw) = case.shape, case.padding
    for o, t, i, j in itertools.product(range(2), *map(range, case.cells)):
        total, observed = 0.0, 0
        for k, p, q in itertools.product(range(3), repeat=3):
            u, r, c = t + k - pt, i + p - ph, (j + 2 * q - pw) % width
            if 0 <= u < days and 0 <= r < height and a["mask"][0, 0, u, r, c]:
                total += a["weight"][o, :, k, p, q] @ a["x"][0, :, u, r, c]
                observed += 1
        expected = 0.0
        if observed:
            expected = max(0.0, total * 27 / observed + a["bias"][o] + a["residual"][0, o, t, i, j])
        assert y[0, o, t, i, j] == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert new_mask[0, 0, t, i, j] == (observed > 0)


def test_a_mean_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0, torch.nan], [torch.nan, 6.0, torch.nan]], dtype=torch.float64)
    x = x.view(1, 1, 1, 2, 3)
    mean, fraction = xsm_kernels.masked_mean(x, ~x.isnan(), 3)
    assert mean.flatten().tolist() == [3.0, 3.0, 4.0] * 2
    torch.testing.assert_close(fraction.flatten(), torch.tensor([3, 3, 2] * 2).double() / 9)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_mean_of_many_cells_in_half_precision(kind: torch.dtype) -> None:
    x = torch.full((1, 1, 1, 260, 300), 0.01, dtype=kind)
    mask = torch.ones(x.shape, dtype=torch.bool)
    mean, fraction = xsm_kernels.masked_mean(x, mask, 257)  # 66,049 cells; float16 ends at 65,504
    assert torch.equal(mean, x) and fraction.dtype == kind
    assert 0.25 < float(fraction.min()) and float(fraction.max()) == 1
    mask[:] = False
    mask[..., 130, 150] = True
    assert torch.equal(xsm_kernels.masked_mean(x, mask, 601)[0], x)


def test_mask_update_by_hand() -> None:
    mask = torch.zeros(1, 1, 1, 1, 6, dtype=torch.bool)
    mask[..., 0] = True
    kwargs = {"padding": (0, 0, 1), "wrap_longitude": True}
    assert xsm_kernels.update_mask(mask, (1, 1, 3), **kwargs).flatten().tolist() == [
        True, True, False, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "silu", "tanh"])
def test_activations_keep_zero(activation: str) -> None:
    assert activate(torch.zeros(1), activation).item() == 0


@pytest.mark.parametrize("wrap", [False, True])
def test_gradients(wrap: bool) -> None:
    case = Case((1, 2, 3, 2, 3), 2, wrap=wrap, residual=True, active=0.8, observed=0.3)
    arrays = {k: torch.from_numpy(v) for k, v in draw(case).items()}
    free = ["x", "weight", "bias", "residual"]
    # finite differences need finite numbers
    arrays["x"] = arrays["x"].nan_to_num(0.5, 0.5, 0.5)

    def function(*tensors: torch.Tensor) -> torch.Tensor:
        given = arrays | dict(zip(free, tensors, strict=True))
        return xsm_kernels.masked_conv3d(**given, **case.window, activation="silu")[0]

    torch.autograd.gradcheck(function, [arrays[name].requires_grad_() for name in free])
    torch.autograd.gradcheck(
        lambda x: xsm_kernels.masked_mean(x, arrays["mask"], 3, wrap_longitude=wrap),
        [arrays["x"]],
    )


def test_gradients_do_not_see_what_is_under_the_mask() -> None:
    case = Case(residual=True, activation="silu")
    arrays = {k: None if v is None else torch.from_numpy(v) for k, v in draw(case).items()}
    for name in ("x", "weight", "bias", "residual"):
        arrays[name].requires_grad_()
    y, new_mask = xsm_kernels.masked_conv3d(**arrays, **case.window, activation="silu")
    mean, _ = xsm_kernels.masked_mean(arrays["x"], arrays["mask"], 3)
    (y.square().sum() + mean.square().sum()).backward()
    for name in ("x", "weight", "bias", "residual"):
        assert arrays[name].grad.isfinite().all()
    assert not arrays["x"].grad[~arrays["mask"].expand_as(arrays["x"])].any()
    assert not arrays["residual"].grad[~new_mask.expand_as(y)].any()

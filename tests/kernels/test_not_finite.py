"""NaN and Inf among the values that count: every row of the table agrees with the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import xsm_kernels
from tests.kernels.samples import back, convert, skip_where_missing
from xsm_kernels.dispatch import TABLE

# what the interpreter of Triton computes with them
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
# bits of NaN as GPUs write it; rounding to tf32 by a sum of bits gave -0
GPU_NAN = np.uint32(0x7FFFFFFF).view("f4")
VALUES = [np.nan, -np.inf, GPU_NAN]
NAMES = ["nan", "inf", "nan of a GPU"]


def rows(op: str) -> list[str]:
    return [backend for name, backend in TABLE if name == op]


@pytest.fixture(params=["highest", "high"])
def products(request: pytest.FixtureRequest) -> Any:
    """Products in IEEE float32, and in tf32 where the backend has them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def agree(results: Any, expected: Any, products: str = "highest") -> None:
    """The same NaN, Inf and signs, and finite values within a rounding of the products."""
    limit = 0.02 if products == "high" else 1e-4
    for result, right in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, right, rtol=limit, atol=limit)


def call(op: str, backend: str, arrays: list[Any], **options: Any) -> list[Any]:
    """Results of the operation, in float32; the reference on NumPy arrays."""
    skip_where_missing(backend)

    def given(value: Any) -> Any:
        if isinstance(value, list):
            return [given(v) for v in value]
        return convert(value, backend, "float32") if isinstance(value, np.ndarray) else value

    result = getattr(xsm_kernels, op)(*given(arrays), **options, backend=backend)
    result = result if isinstance(result, tuple) else (result,)
    flat = [r for part in result for r in (part if isinstance(part, tuple) else (part,))]
    return [np.asarray(back(r)) for r in flat]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@pytest.mark.parametrize("backend", rows("masked_conv3d"))
def test_convolution(
    backend: str, value: float, products: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "triton":  # two days at once share a NaN, as documented
        module = pytest.importorskip("xsm_kernels.masked_conv3d._triton")
        one_day = module.Config(tile_h=4, tile_w=8, days=1)
        monkeypatch.setattr(module, "tuned", lambda *_: one_day)
    x, mask = normal(2, 20, 5, 6, 9), np.random.default_rng(1).random((2, 1, 5, 6, 9)) < 0.6
    mask[0, 0, 2, 3, 4] = True
    x = np.where(mask, x, np.float32(np.nan))
    x[0, 7, 2, 3, 4] = value
    arrays = [x, mask, normal(3, 20, 3, 3, 3) / 20, normal(3)]
    options = {"padding": (1, 1, 1), "wrap_longitude": True}
    expected = call("masked_conv3d", "reference", arrays, **options)
    assert np.isfinite(expected[0][0, :, [0, 4]]).all()  # days beyond the window
    agree(call("masked_conv3d", backend, arrays, **options), expected, products)


@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@pytest.mark.parametrize("backend", rows("masked_mean"))
def test_mean(backend: str, value: float) -> None:
    x, mask = normal(2, 3, 2, 5, 7), np.random.default_rng(1).random((2, 1, 2, 5, 7)) < 0.6
    mask[0, 0, 1, 2, 3] = True
    x[0, 1, 1, 2, 3] = value
    expected = call("masked_mean", "reference", [x, mask, 3])
    agree(call("masked_mean", backend, [x, mask, 3]), expected)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@pytest.mark.parametrize("backend", rows("pointwise_layers"))
def test_layers_of_one_cell(backend: str, value: float, activation: str, products: str) -> None:
    # 5 and 3 outputs: rows of the weights are padded to 16
    x, mask = normal(1, 4, 2, 3, 5), np.ones((1, 1, 2, 3, 5), bool)
    x[0, 1, 1, 2, 3] = value
    weights = [abs(normal(5, 4)), normal(3, 5), normal(2, 3)]
    arrays = [[x], mask, weights, [normal(5), normal(3), normal(2)]]
    options = {"activations": [activation, activation, None]}
    expected = call("pointwise_layers", "reference", arrays, **options)
    agree(call("pointwise_layers", backend, arrays, **options), expected, products)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("hidden", [16, 20])  # a whole vector, and units beside it
@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@pytest.mark.parametrize("backend", rows("lstm"))
def test_lstm(backend: str, value: float, hidden: int, masked: bool, products: str) -> None:
    if backend == "torch" and masked:
        pytest.skip("it takes no mask")
    x, mask = normal(30, 6, 3), np.random.default_rng(1).random((30, 6)) < 0.7
    mask[7, 2] = True
    x[7, 2, 1] = value
    arrays = [x, normal(2, 4 * hidden, 3), normal(2, 4 * hidden, hidden) / 4, normal(2, 4 * hidden)]
    options = {"mask": mask if masked else None}
    expected = call("lstm", "reference", arrays, **options)
    if np.isinf(value):  # gates saturate
        assert np.isfinite(expected[0]).all()
    if masked:
        options["mask"] = convert(mask, backend, "float32")
    agree(call("lstm", backend, arrays, **options), expected, products)


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("hidden", [1, 20])
@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@pytest.mark.parametrize("backend", rows("self_attention"))
def test_attention(
    backend: str, value: float, hidden: int, window: int | None, products: str
) -> None:
    x = normal(2, 40, 3)
    x[1, 20, 1] = value
    arrays = [x, abs(normal(4, hidden, 3)) / 2, normal(4, hidden)]
    (expected,) = call("self_attention", "reference", arrays, window=window)
    near = slice(None) if window is None else slice(20 - window, 21 + window)
    right = np.zeros(40, bool)
    right[near] = True
    np.testing.assert_array_equal(np.isnan(expected[1]).all(axis=1), right)
    np.testing.assert_array_equal(np.isnan(expected[1]).any(axis=1), right)
    assert np.isfinite(expected[0]).all()
    agree(call("self_attention", backend, arrays, window=window), [expected], products)


@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_a_gradient_of_attention_stays_in_its_window(backend: str) -> None:
    x = torch.from_numpy(normal(1, 12, 3))
    x[0, 6, 1] = torch.nan
    weight, bias = torch.from_numpy(normal(4, 5, 3)), torch.from_numpy(normal(4, 5))
    x.requires_grad_()
    y = xsm_kernels.self_attention(x, weight, bias, window=2, backend=backend)
    y[torch.isfinite(y)].sum().backward()
    assert torch.isfinite(x.grad).all() and x.grad[0, [0, 1, 10, 11]].abs().sum(-1).all()

"""Attention of days to each other: by hand, every row against float64, random sizes, arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm_kernels
from tests.kernels.samples import DTYPES, TOLERANCE, back, convert, round_to, skip_where_missing
from xsm_kernels.dispatch import TABLE
from xsm_kernels.errors import ArgumentError

# Allowed |error| as a part of the largest value: weights are e^score, so the 64 roundings of a sum
# of products (2^-53, 2^-24) count as often as the largest sum of |query||key| / sqrt(H) is large.
# In reduced precision queries, keys, values and weights are rounded once each.
ROUNDINGS = {"float64": 64 * 2.0**-53, "float32": 64 * 2.0**-24}
ROUNDINGS |= {name: 4 * TOLERANCE[name] for name in ("tf32", "float16", "bfloat16")}
ROWS = [
    pytest.param(backend, dtype, id=f"{backend}-{dtype}")
    for op, backend in TABLE
    if op == "self_attention"
    for dtype in DTYPES.get(backend, ["float32"])
]
Sizes = tuple[int, int, int]


def draw(shape: Sizes, hidden: int, seed: int = 0) -> list[Any]:
    """x of `shape`, weight and bias, float64 that float32 can hold; parts of the order of 1."""
    rng = np.random.default_rng(seed)
    sizes = (shape, (4, hidden, shape[2]), (4, hidden))
    arrays = [rng.normal(size=size) for size in sizes]
    arrays[1] /= np.sqrt(shape[2])
    return [array.astype("f4").astype("f8") for array in arrays]


def check(shape: Sizes, hidden: int, window: int | None, backend: str, dtype: str) -> None:
    """`backend` agrees with the reference in float64."""
    skip_where_missing(backend)
    arrays = [round_to(array, dtype) for array in draw(shape, hidden)]
    expected = xsm_kernels.self_attention(*arrays, window=window, backend="reference")
    inputs = [convert(array, backend, dtype) for array in arrays]
    y = xsm_kernels.self_attention(*inputs, window=window, backend=backend)
    assert type(y) is type(inputs[0]) and y.dtype == inputs[0].dtype
    assert y.shape == expected.shape
    x, weight, bias = map(np.abs, arrays)
    query, key, value, _ = (x @ w.T + b for w, b in zip(weight, bias, strict=True))
    scores = (query @ key.swapaxes(-1, -2)).max() / np.sqrt(hidden)
    allowed = ROUNDINGS[dtype] * (1 + scores) * value.max(initial=0)
    assert np.abs(back(y) - expected).max(initial=0) <= allowed


@pytest.mark.parametrize("window", [None, 0, 1, 7, 30, 500])
@pytest.mark.parametrize(
    ("shape", "hidden"),
    [((1, 1, 1), 1), ((3, 17, 8), 5), ((2, 100, 96), 64), ((2, 70, 20), 70), ((1, 130, 3), 2)],
)
@pytest.mark.parametrize(("backend", "dtype"), ROWS)
def test_parity(shape: Sizes, hidden: int, window: int | None, backend: str, dtype: str) -> None:
    check(shape, hidden, window, backend, dtype)


def test_three_days_by_hand() -> None:
    # H = 1; x holds query, key, value and own of each day
    x = np.array([[[1.0, 0.0, 1.0, 0.0], [2.0, 1.0, 0.0, 0.5], [0.0, 2.0, 4.0, -1.0]]])
    y = xsm_kernels.self_attention(x, np.eye(4)[:, None], np.zeros((4, 1)), window=1)
    e = np.e
    context = [1 / (1 + e), (1 + 4 * e**4) / (1 + e**2 + e**4), 2.0]
    np.testing.assert_allclose(y[0, :, 0], np.tanh(np.add(context, [0.0, 0.5, -1.0])), rtol=1e-14)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 90), st.integers(1, 20)),
    st.integers(1, 70),
    st.sampled_from([None, 0, 1, 5, 16, 33, 64, 100]),
)
def test_random_sizes(shape: Sizes, hidden: int, window: int | None) -> None:
    check(shape, hidden, window, "numba", "float32")


def test_a_pixel_does_not_depend_on_its_neighbours() -> None:
    x, weight, bias = (array.astype("f4") for array in draw((5, 20, 8), 6))
    whole = xsm_kernels.self_attention(x, weight, bias, window=4)
    alone = [xsm_kernels.self_attention(x[n : n + 1], weight, bias, window=4)[0] for n in range(5)]
    np.testing.assert_array_equal(whole, alone)


def test_any_strides_are_taken() -> None:
    x, weight, bias = (array.astype("f4") for array in draw((3, 20, 8), 6))
    expected = xsm_kernels.self_attention(x, weight, bias, window=4)
    for axis in range(3):
        every = (slice(None),) * axis + (slice(None, None, 2),)
        twice = x.repeat(2, axis=axis)[every]
        np.testing.assert_array_equal(
            xsm_kernels.self_attention(twice, weight, bias, window=4), expected
        )


def test_large_scores_do_not_overflow() -> None:
    x, weight, bias = (array.astype("f4") for array in draw((1, 40, 8), 3))
    weight[:2] *= 100
    bias[3], weight[3] = 0, 0
    y = xsm_kernels.self_attention(x, weight, bias)
    query, key, value = (x[0] @ w.T + b for w, b in zip(weight[:3], bias[:3], strict=True))
    best = np.argmax(query @ key.T, axis=1)
    np.testing.assert_allclose(y[0], np.tanh(value[best]), rtol=1e-5)


def test_a_missing_value_is_seen_by_the_days_that_look_at_it() -> None:
    x, weight, bias = (array.astype("f4") for array in draw((2, 40, 8), 6))
    x[1, 20, 3] = np.nan
    y = xsm_kernels.self_attention(x, weight, bias, window=2)
    assert np.isnan(y[1, 18:23]).all()
    assert np.isfinite(y[0]).all() and np.isfinite(y[1, :12]).all()
    assert np.isfinite(y[1, 30:]).all()


def test_gradients() -> None:
    tensors = [torch.from_numpy(array).requires_grad_() for array in draw((2, 5, 3), 2)]
    for backend in ("reference", "torch"):
        torch.autograd.gradcheck(
            lambda *given, backend=backend: xsm_kernels.self_attention(
                *given, window=1, backend=backend
            ),
            tensors,
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": np.ones((2, 3))}, r"x: shape \(2, 3\), dtype float64; expected floats"),
        ({"weight": np.ones((4, 5, 3))}, r"weight: shape \(4, 5, 3\); expected \(4, H, 6\)"),
        ({"weight": np.ones((3, 5, 6))}, r"weight: shape \(3, 5, 6\); expected \(4, H, 6\)"),
        ({"bias": np.ones(20)}, r"bias: shape \(20,\); expected \(4, 5\)"),
        ({"window": -1}, "window=-1: give days, 0 or more, or None"),
        ({"window": 1.5}, "window=1.5: give days"),
        ({"backend": "cudnn"}, "'cudnn': self_attention has auto, reference, numba, torch"),
    ],
)
def test_wrong_arguments_are_named(changes: dict, words: str) -> None:
    good = {"x": np.ones((2, 3, 6)), "weight": np.ones((4, 5, 6)), "bias": np.ones((4, 5))}
    with pytest.raises(ArgumentError, match=words):
        xsm_kernels.self_attention(**(good | changes))

"""Attention over days: by hand, every row against float64, random sizes, wrong arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm_kernels
from tests.kernels.samples import DTYPES, back, convert
from xsm_kernels.dispatch import TABLE
from xsm_kernels.errors import ArgumentError

# Allowed |error| as a part of the largest value: weights are e^score, so the 64 roundings of a sum
# of products (2^-53, 2^-24) count as often as the largest sum of |query||key| / sqrt(K) is large.
ROUNDINGS = {"float64": 64 * 2.0**-53, "float32": 64 * 2.0**-24}
ROWS = [
    pytest.param(backend, dtype, id=f"{backend}-{dtype}")
    for op, backend in TABLE
    if op == "attention"
    for dtype in (DTYPES | {"torch": ["float64", "float32"]})[backend]
]


def draw(shape: tuple[int, int, int], outputs: int, seed: int = 0) -> list[Any]:
    """Query, key (both of `shape`) and value, float64 that float32 can hold."""
    rng = np.random.default_rng(seed)
    sizes = (shape, shape, (*shape[:2], outputs))
    return [rng.normal(size=size).astype("f4").astype("f8") for size in sizes]


def check(
    shape: tuple[int, int, int], outputs: int, window: int | None, backend: str, dtype: str
) -> None:
    """`backend` agrees with the reference in float64."""
    arrays = draw(shape, outputs)
    expected = xsm_kernels.attention(*arrays, window=window, backend="reference")
    turned = [convert(array, backend, dtype) for array in arrays]
    found = xsm_kernels.attention(*turned, window=window, backend=backend)
    assert type(found) is type(turned[0]) and found.dtype == turned[0].dtype
    assert found.shape == expected.shape
    query, key, value = map(np.abs, arrays)
    scores = (query @ key.swapaxes(-1, -2)).max() / np.sqrt(shape[-1])
    allowed = ROUNDINGS[dtype] * (1 + scores) * value.max(initial=0)
    assert np.abs(back(found) - expected).max(initial=0) <= allowed


@pytest.mark.parametrize("window", [None, 0, 1, 7, 30, 500])
@pytest.mark.parametrize(
    ("shape", "outputs"),
    [((1, 1, 1), 1), ((3, 17, 8), 5), ((2, 100, 64), 64), ((2, 70, 20), 70), ((1, 130, 3), 2)],
)
@pytest.mark.parametrize(("backend", "dtype"), ROWS)
def test_parity(
    shape: tuple[int, int, int], outputs: int, window: int | None, backend: str, dtype: str
) -> None:
    check(shape, outputs, window, backend, dtype)


def test_three_days_by_hand() -> None:
    query = torch.tensor([[[1.0], [2.0], [0.0]]], dtype=torch.float64)
    key = torch.tensor([[[0.0], [1.0], [2.0]]], dtype=torch.float64)
    value = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [4.0, 2.0]]], dtype=torch.float64)
    context = xsm_kernels.attention(query, key, value, window=1)
    e = np.e
    expected = [
        [1 / (1 + e), e / (1 + e)],
        [(1 + 4 * e**4) / (1 + e**2 + e**4), (e**2 + 2 * e**4) / (1 + e**2 + e**4)],
        [2.0, 1.5],
    ]
    np.testing.assert_allclose(context[0], expected, rtol=1e-14)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 90), st.integers(1, 20)),
    st.integers(1, 70),
    st.sampled_from([None, 0, 1, 5, 16, 33, 64, 100]),
)
def test_random_sizes(shape: tuple[int, int, int], outputs: int, window: int | None) -> None:
    check(shape, outputs, window, "numba", "float32")


def test_parts_of_a_larger_array_are_taken_as_they_lie() -> None:
    joined = np.random.default_rng(0).normal(size=(3, 20, 24)).astype("f4")
    parts = np.split(joined, 3, axis=-1)
    expected = xsm_kernels.attention(*map(np.ascontiguousarray, parts), window=4)
    np.testing.assert_array_equal(xsm_kernels.attention(*parts, window=4), expected)
    turned = [np.ascontiguousarray(part.T).T for part in parts]
    np.testing.assert_array_equal(xsm_kernels.attention(*turned, window=4), expected)


def test_large_scores_do_not_overflow() -> None:
    query, key, value = (array.astype("f4") for array in draw((1, 40, 8), 3))
    found = xsm_kernels.attention(100 * query, 100 * key, value)
    best = np.argmax(query[0] @ key[0].T, axis=1)
    np.testing.assert_allclose(found[0], value[0, best], rtol=1e-5)


def test_gradients() -> None:
    tensors = [torch.from_numpy(array).requires_grad_() for array in draw((2, 5, 3), 2)]
    for backend in ("reference", "torch"):
        torch.autograd.gradcheck(
            lambda *given, backend=backend: xsm_kernels.attention(
                *given, window=1, backend=backend
            ),
            tensors,
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"query": np.ones((2, 3))}, r"query: shape \(2, 3\), dtype float64; expected floats"),
        ({"key": np.ones((2, 3, 5))}, r"key: shape \(2, 3, 5\); expected \(2, 3, 4\)"),
        ({"value": np.ones((2, 4, 4))}, r"value: shape \(2, 4, 4\); expected \(2, 3, V\)"),
        ({"window": -1}, "window=-1: give days, 0 or more, or None"),
        ({"window": 1.5}, "window=1.5: give days"),
        ({"backend": "triton"}, "backend='triton': attention knows auto, reference, numba, torch"),
    ],
)
def test_wrong_arguments_are_named(changes: dict, words: str) -> None:
    good = dict.fromkeys(("query", "key", "value"), np.ones((2, 3, 4)))
    with pytest.raises(ArgumentError, match=words):
        xsm_kernels.attention(**(good | changes))

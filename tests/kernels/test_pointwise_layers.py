"""Layers of one cell: the definition by hand, and every row of the table against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import xsm_kernels
from tests.kernels.samples import DTYPES, Layers, check_layers, draw_layers, skip_where_missing
from xsm_kernels.dispatch import TABLE
from xsm_kernels.errors import ArgumentError

ROWS = [
    pytest.param(backend, dtype, id=f"{backend}-{dtype}")
    for op, backend in TABLE
    if op == "pointwise_layers"
    for dtype in DTYPES[backend]
]
CASES = {
    "two": Layers(active=0.4),
    "three of the default network": Layers(
        (32, 32, 32, 32, 17), (96, 64, 2), ("relu", "relu", None), (1, 2, 5, 13), active=0.6
    ),
    "one source, more channels than are taken at once": Layers(
        (100,), (20, 4), ("tanh", "silu"), (1, 1, 4, 33)
    ),
    "more than the kernel takes": Layers(
        (1,) * 6, (3, 3, 3, 3), ("relu",) * 4, (1, 1, 3, 5)
    ),
    "nothing": Layers(observed=0.0),
    "everything": Layers(observed=1.1, shape=(1, 1, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("backend", "dtype"), ROWS)
def test_cell_layers(name: str, backend: str, dtype: str) -> None:
    skip_where_missing(backend)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    try:
        check_layers(CASES[name], backend, dtype)
    finally:
        torch.set_float32_matmul_precision(before)


def test_two_layers_by_hand() -> None:
    x = np.array([[2.0, np.nan], [-1.0, 7.0]]).reshape(1, 2, 1, 1, 2)
    mask = np.array([True, False]).reshape(1, 1, 1, 1, 2)
    y, new_mask = xsm_kernels.pointwise_layers(
        [x[:, :1], x[:, 1:]],
        mask,
        [np.array([[1.0, 3.0], [1.0, 1.0]]), np.array([[10.0, 2.0]])],
        [np.array([0.5, 0.0]), np.array([1.0])],
        activations=("relu", None),
        backend="reference",
    )
    # relu(2 - 3 + 0.5) = 0, relu(2 - 1) = 1; 10 x 0 + 2 x 1 + 1
    np.testing.assert_array_equal(y[0, 0, 0, 0], [3.0, 0.0])
    np.testing.assert_array_equal(new_mask, mask)


def test_they_equal_masked_convolutions() -> None:
    given = draw_layers(Layers(active=0.5))
    y, mask = np.concatenate(given["sources"], axis=1), given["mask"]
    for weight, bias, activation in zip(
        given["weights"], given["biases"], ("relu", None), strict=True
    ):
        y, mask = xsm_kernels.masked_conv3d(
            y, mask, weight[:, :, None, None, None], bias, activation=activation,
            active=given["active"], backend="reference",
        )  # fmt: skip
    result = xsm_kernels.pointwise_layers(**given, activations=("relu", None), backend="reference")
    np.testing.assert_allclose(result[0], y, atol=1e-14)
    np.testing.assert_array_equal(result[1], mask)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": [np.ones((5, 4))]}, "weights, biases, activations: 1, 2, 2 of them"),
        ({"weights": [np.ones((5, 3))] * 2}, r"weights\[0\]: shape \(5, 3\); expected \(O, 4\)"),
        ({"biases": [np.ones(4), np.ones(4)]}, r"biases\[0\]: shape \(4,\); expected \(5,\)"),
        ({"activations": ("relu6", None)}, "activations='relu6': use one of"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], words: str) -> None:
    given = draw_layers(Layers()) | {"activations": ("relu", None)}
    with pytest.raises(ArgumentError, match=words):
        xsm_kernels.pointwise_layers(**(given | changes))


@pytest.mark.parametrize("axis", [0, 2, 3, 4])
@pytest.mark.parametrize("backend", [b for op, b in TABLE if op == "pointwise_layers"])
def test_an_empty_axis_gives_an_empty_result(backend: str, axis: int) -> None:
    skip_where_missing(backend)
    shape = [2, 2, 3, 4, 5]
    shape[axis] = 0
    x, mask = torch.zeros(shape), torch.ones((shape[0], 1, *shape[2:]), dtype=torch.bool)
    weights, biases = [torch.ones(3, 2), torch.ones(1, 3)], [torch.ones(3), torch.ones(1)]
    y, new_mask = xsm_kernels.pointwise_layers(
        [x], mask, weights, biases, activations=(None, None), backend=backend
    )
    assert y.shape == new_mask.shape == mask.shape

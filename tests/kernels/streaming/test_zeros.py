"""Channels that are 0 are left out of the sums of later layers, which have the same bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from xsm_kernels import RingBuffer, make_schedule, masked_conv3d, stream_network
from xsm_kernels._numba_simd import OUTPUTS
from xsm_kernels.streaming.ring_buffer import CellIndex

CHANNELS = 2 * OUTPUTS
INPUTS = {"x": OUTPUTS, "flag": 1}
LAYERS: list[dict[str, Any]] = [
    {"name": "sparse", "inputs": ["x"], "kernel": (1, 3, 3), "channels": CHANNELS},
    {"name": "few", "inputs": ["sparse"], "kernel": (1, 1, 1), "channels": 3},
    {"name": "skip", "inputs": ["x"], "kernel": (1, 1, 1), "channels": CHANNELS},
    {"name": "added", "inputs": ["sparse"], "kernel": (3, 3, 1), "channels": CHANNELS},
    {
        "name": "output", "inputs": ["added", "sparse", "few", "flag"], "kernel": (3, 3, 3),
        "channels": OUTPUTS + 2,
    },
]  # fmt: skip
for layer in LAYERS[:-1]:
    layer["activation"] = "relu"
LAYERS[3]["skip"] = "skip"
HALO = (2, 3, 3)


def make_params(bias: float) -> dict[str, np.ndarray]:
    """Parameters with which about a half (bias 0), few (-2) or no (-100) values are above 0."""
    rng = np.random.default_rng(1)
    width = INPUTS | {layer["name"]: layer["channels"] for layer in LAYERS}
    params = {}
    for layer in LAYERS:
        shape = (layer["channels"], sum(width[n] for n in layer["inputs"]), *layer["kernel"])
        scale = np.float32(1 / np.sqrt(np.prod(shape[1:])))
        params[f"{layer['name']}.weight"] = scale * rng.standard_normal(shape, np.float32)
        params[f"{layer['name']}.bias"] = np.full(shape[0], bias, np.float32)
    return params


class Inputs:
    """Values of the whole grid."""

    def __init__(self, values: dict[str, np.ndarray], mask: np.ndarray) -> None:
        self.values, self.mask = values, mask

    def write_static(self, buffer: RingBuffer) -> None:
        """Nothing."""

    def write_days(self, buffer: RingBuffer, start: int, stop: int) -> None:
        for name, array in self.values.items():
            for day in range(start, stop):
                values, mask = buffer.rows(name, day)
                values[...] = array[:, day].reshape(len(array), -1)[:, buffer.cells.flat].T
                mask[:] = self.mask[day].reshape(-1)[buffer.cells.flat]


def make_inputs() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    shape = 7, 17, 21
    values = {name: rng.standard_normal((n, *shape), np.float32) for name, n in INPUTS.items()}
    return values, rng.random(shape) < 0.6


def layer_by_layer(params: Any, values: Any, mask: Any) -> tuple[Any, Any]:
    results = {name: (x[None], mask[None, None]) for name, x in values.items()}
    for layer in LAYERS:
        name, kernel = layer["name"], layer["kernel"]
        y, new_mask = masked_conv3d(
            np.concatenate([results[source][0] for source in layer["inputs"]], axis=1),
            results[layer["inputs"][0]][1], params[f"{name}.weight"], params[f"{name}.bias"],
            activation=layer.get("activation"), padding=tuple(size // 2 for size in kernel),
        )  # fmt: skip
        results[name] = y + (results[layer["skip"]][0] if "skip" in layer else 0), new_mask
    inner = tuple(slice(h, -h) for h in HALO)
    return results["output"][0][(0, slice(None), *inner)], results["output"][1][(0, 0, *inner)]


def streamed(schedule: Any, values: Any, mask: Any, wanted: Any) -> tuple[Any, Any]:
    everywhere = np.ones(mask.shape[1:], bool)
    return stream_network(
        schedule, Inputs(values, mask), wanted, active=everywhere, available=everywhere, halo=HALO
    )


@pytest.mark.parametrize("bias", [0, -0.5, -2, -100])
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_bits_are_those_of_the_sums_over_all_channels(bias: float, share: float) -> None:
    params, (values, mask) = make_params(bias), make_inputs()
    values["x"][:, 3, 8, 8], mask[3, 8, 8] = np.nan, True
    expected, expected_mask = layer_by_layer(params, values, mask)
    wanted = np.random.default_rng(2).random(expected_mask.shape) < share
    schedule = make_schedule(LAYERS, params, INPUTS)
    result, new_mask = streamed(schedule, values, mask, wanted)
    np.testing.assert_array_equal(new_mask, expected_mask & wanted)
    assert np.isnan(expected).any() and not np.isnan(expected).all()
    np.testing.assert_array_equal(result[:, new_mask], expected[:, new_mask])


def test_zeros_are_not_multiplied() -> None:
    schedule = make_schedule(LAYERS, make_params(-100), INPUTS)
    cells = CellIndex(np.ones((5, 6), bool), schedule.border, False)
    buffer, rows = RingBuffer(schedule, cells, days_at_once=1), np.arange(cells.count)
    for array in buffer.rows("x", 0):
        array[...] = 1
    sparse, few = schedule.steps[:2]
    for step in (sparse, replace(few, weight=np.full_like(few.weight, np.nan))):
        buffer.convolve(step, 0, rows)
        values, mask = buffer.rows(step.name, 0)
        assert mask.all() and not values.any()


def test_weights_that_are_not_finite_reach_the_results() -> None:
    params, (values, mask) = make_params(-100), make_inputs()
    params["few.weight"][0, 0] = np.inf  # times 0
    expected, new_mask = layer_by_layer(params, values, mask)
    result, _ = streamed(make_schedule(LAYERS, params, INPUTS), values, mask, new_mask)
    assert np.isnan(expected[:, new_mask]).any()
    np.testing.assert_array_equal(result[:, new_mask], expected[:, new_mask])

"""A streamed network equals its layers over the whole record and computes only what is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xsm_kernels import ArgumentError, RingBuffer, make_schedule, masked_conv3d, stream_network

INPUTS = {"anomaly": 1, "features": 4}
LAYERS = [
    {"name": "head", "inputs": ["anomaly"], "kernel": (3, 3, 3), "channels": 5},
    {"name": "wide", "inputs": ["features"], "kernel": (1, 1, 3), "channels": 5},
    {
        "name": "trunk", "inputs": ["wide", "head"], "mask": "features", "kernel": (3, 3, 1),
        "channels": 5, "residual": "head",
    },
    {"name": "output", "inputs": ["trunk"], "kernel": (1, 1, 1), "channels": 2, "skip": "pair"},
]  # fmt: skip
LAYERS.insert(3, {"name": "pair", "inputs": ["wide"], "kernel": (1, 1, 1), "channels": 2})
for number, layer in enumerate(LAYERS):
    layer["activation"] = (None, "relu", "tanh")[number % 3]
HALO = (2, 2, 2)
# days, rows, columns and observed share; odd sizes are not whole blocks of cells
RECORDS = {
    "odd sizes": (5, 13, 19, 0.4),
    "one day": (1, 9, 11, 0.5),
    "one cell": (3, 1, 1, 0.6),
    "hardly any": (6, 12, 21, 0.01),
    "none missing": (3, 7, 8, 1.0),
    "all missing": (3, 7, 8, 0.0),
}


class WholeRecord:
    """Inputs from arrays of the whole record; the second channel of the features is static."""

    def __init__(self, record: dict[str, Any], static: bool = True) -> None:
        self.record, self.static = record, static

    def write_static(self, buffer: RingBuffer) -> None:
        if not self.static:
            return
        static = self.record["features"][0][1, 0].reshape(-1)[buffer.cells.flat]
        for slot in range(buffer.slots["features"]):
            buffer.rows("features", slot)[0][:, 1] = static

    def write_days(self, buffer: RingBuffer, start: int, stop: int) -> None:
        for name, (array, array_mask) in self.record.items():
            for day in range(start, stop):
                values, mask = buffer.rows(name, day)
                for channel in {*range(len(array))} - ({1} if name == "features" else set()):
                    values[:, channel] = array[channel, day].reshape(-1)[buffer.cells.flat]
                mask[:] = array_mask[day].reshape(-1)[buffer.cells.flat]


def make_record(days: int, rows: int, columns: int, observed: float, wrap: bool = False) -> Any:
    """Inputs with the halo, and where layers are active; no land in a corner."""
    rng = np.random.default_rng(0)
    shape = days + 2 * HALO[0], rows + 2 * HALO[1], columns + (0 if wrap else 2 * HALO[2])
    active = np.ones(shape[1:], bool)
    active[: shape[1] // 3, : shape[2] // 2] = False
    record = {}
    for name, channels in INPUTS.items():
        values = rng.standard_normal((channels, *shape), np.float32)
        values[1:2] = values[1:2, :1]
        record[name] = values, (rng.random(shape) < observed) & active
    return record, active


def make_params(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    channels = INPUTS | {layer["name"]: layer["channels"] for layer in LAYERS}
    params = {}
    for layer in LAYERS:
        inputs = sum(channels[name] for name in layer["inputs"])
        shape = (layer["channels"], inputs, *layer["kernel"])
        scale = np.float32(1 / np.sqrt(np.prod(shape[1:])))
        params[f"{layer['name']}.weight"] = scale * rng.standard_normal(shape, np.float32)
        params[f"{layer['name']}.bias"] = rng.standard_normal(shape[0], np.float32)
    return params


PARAMS = make_params()


def layer_by_layer(
    record: Any, active: Any, wrap: bool = False, halo: tuple[int, ...] = HALO
) -> tuple[Any, Any]:
    """Each layer over the whole record; output and mask without the halo."""
    results = {name: (x[None], mask[None, None]) for name, (x, mask) in record.items()}
    for layer in LAYERS:
        name, kernel = layer["name"], layer["kernel"]
        y, mask = masked_conv3d(
            np.concatenate([results[source][0] for source in layer["inputs"]], axis=1),
            results[layer.get("mask", layer["inputs"][0])][1],
            PARAMS[f"{name}.weight"], PARAMS[f"{name}.bias"], activation=layer["activation"],
            residual=results[layer["residual"]][0] if "residual" in layer else None,
            padding=tuple(size // 2 for size in kernel), wrap_longitude=wrap, active=active,
        )  # fmt: skip
        results[name] = y + (results[layer["skip"]][0] if "skip" in layer else 0), mask
    inner = [slice(h, -h or None) for h in halo[: 2 if wrap else 3]]
    y, mask = results["output"]
    return y[(0, slice(None), *inner)], mask[(0, 0, *inner)]


def streamed(record: Any, active: Any, wanted: Any, wrap: bool = False) -> tuple[Any, Any]:
    return stream_network(
        make_schedule(LAYERS, PARAMS, INPUTS), WholeRecord(record), wanted,
        active=active, available=np.ones_like(active),
        halo=(*HALO[:2], 0 if wrap else HALO[2]), wrap_longitude=wrap,
    )  # fmt: skip


def agree(result: Any, expected: Any, wanted: Any) -> None:
    mask = expected[1] & wanted
    np.testing.assert_array_equal(result[1], mask)
    np.testing.assert_allclose(result[0][:, mask], expected[0][:, mask], rtol=0, atol=1e-5)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("name", RECORDS)
def test_equals_the_layers_one_after_the_other(name: str, wrap: bool) -> None:
    record, active = make_record(*RECORDS[name], wrap=wrap)
    expected = layer_by_layer(record, active, wrap)
    assert expected[1].any() == (RECORDS[name][3] > 0)
    wanted = np.ones(RECORDS[name][:3], bool)
    agree(streamed(record, active, wanted, wrap), expected, wanted)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_wanted_outputs_do_not_depend_on_the_others(share: float) -> None:
    record, active = make_record(6, 20, 23, 0.4)
    wanted = np.random.default_rng(1).random((6, 20, 23)) < share
    agree(streamed(record, active, wanted), layer_by_layer(record, active), wanted)


def test_buffers_are_written_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    record, active = make_record(4, 15, 17, 0.3)
    wanted = np.ones((4, 15, 17), bool)
    expected = streamed(record, active, wanted)  # compiled before NumPy is changed under it
    real = np.empty

    def poisoned(*args: Any, **options: Any) -> Any:
        array = real(*args, **options)
        array.fill(np.nan if array.dtype.kind == "f" else 1)
        return array

    monkeypatch.setattr(np, "empty", poisoned)
    for result, other in zip(streamed(record, active, wanted), expected, strict=True):
        np.testing.assert_array_equal(result, other)


def test_only_cells_that_a_wanted_output_depends_on_are_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record, active = make_record(5, 21, 21, 0.9)
    wanted = np.zeros((5, 21, 21), bool)
    wanted[2, 15, 15] = True
    computed: dict[str, int] = {}

    def count(self: Any, step: Any, day: int, rows: Any, real: Any = RingBuffer.convolve) -> None:
        computed[step.name] = computed.get(step.name, 0) + rows.size
        real(self, step, day, rows)

    monkeypatch.setattr(RingBuffer, "convolve", count)
    streamed(record, active, wanted)
    # the window of the trunk is 3 days x 3 rows x 1 column
    assert computed == {"output": 1, "pair": 1, "trunk": 1, "wide": 9, "head": 9}


def test_masks_in_any_memory_order() -> None:
    record, active = make_record(4, 15, 17, 0.3)
    wanted = np.random.default_rng(1).random((4, 15, 17)) < 0.7
    expected = streamed(record, active, wanted)
    reverse = (slice(None, None, -1),) * 3
    for changed in (np.asfortranarray(wanted), wanted[reverse].copy()[reverse]):
        changed.setflags(write=False)
        for result, other in zip(streamed(record, active, changed), expected, strict=True):
            np.testing.assert_array_equal(result, other)


@pytest.mark.parametrize("halo", [(3, 2, 2), (5, 0, 1)])
def test_any_halo_that_is_long_enough(halo: tuple[int, int, int]) -> None:
    record, active = make_record(12, 15, 17, 0.3)
    grid = active.shape
    wanted = np.ones((16 - 2 * halo[0], grid[0] - 2 * halo[1], grid[1] - 2 * halo[2]), bool)
    result = stream_network(
        make_schedule(LAYERS, PARAMS, INPUTS), WholeRecord(record), wanted,
        active=active, available=np.ones_like(active), halo=halo,
    )  # fmt: skip
    y, mask = layer_by_layer(record, active, halo=halo)
    agree(result, (y, mask), wanted)


def test_outputs_without_an_observed_cell_are_zero() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((3, 5, 6)) < 0.5
    x = np.where(mask, rng.standard_normal((3, 5, 6), np.float32), np.nan)
    layer = {"name": "output", "inputs": ["x"], "kernel": (1, 1, 1), "channels": 1, "skip": "x"}
    params = {"output.weight": np.ones((1,) * 5, "f4"), "output.bias": np.ones(1, "f4")}
    whole = np.ones((5, 6), bool)
    output, observed = stream_network(
        make_schedule([layer], params, {"x": 1}), WholeRecord({"x": (x[None], mask)}, static=False),
        np.ones(mask.shape, bool), active=whole, available=whole, halo=(0, 0, 0),
    )  # fmt: skip
    np.testing.assert_array_equal(observed, mask)
    np.testing.assert_allclose(output[0], np.where(mask, 2 * x + 1, 0), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 15, 17), (4, 0, 17), (4, 15, 0)])
def test_nothing_wanted_gives_an_empty_result(shape: tuple[int, int, int]) -> None:
    record, active = make_record(*shape, 0.3)
    output, mask = streamed(record, active, np.ones(shape, bool))
    assert output.shape == (2, *shape) and mask.shape == shape


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wanted": np.ones((4, 15, 17))}, "wanted: .*float64; expected bool"),
        ({"wanted": np.ones((4, 15, 16), bool)}, r"shapes \(4, 15, 16\).*\(T, \*\(15, 17\)\)"),
        ({"active": np.ones((19, 21), "u1")}, "active: .*uint8; expected bool"),
        ({"available": np.ones((19, 20), bool)}, "wanted, active, available: shapes"),
        ({"halo": (2, 2)}, "halo=.*: give three integers >= 0"),
        ({"halo": (1, 2, 2)}, r"halo=\(1, 2, 2\): 1 days; the layers look 2 days ahead"),
        ({"wrap_longitude": True}, "expected no columns where the longitude wraps"),
        ({"wrap_longitude": "no"}, "wrap_longitude='no': give True or False"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], words: str) -> None:
    record, active = make_record(4, 15, 17, 0.3)
    masks = {
        "active": active,
        "available": np.ones_like(active),
        "wanted": np.ones((4, 15, 17), bool),
    }
    given = masks | {"halo": HALO} | changes
    with pytest.raises(ArgumentError, match=words):
        stream_network(make_schedule(LAYERS, PARAMS, INPUTS), WholeRecord(record), **given)

"""The local part: cells by position, climates, features of the process."""

import numpy as np
import pytest

from xsm.conventions.nearest_cells import unit_vectors
from xsm.estimation.local import (
    CELL,
    PREFIX,
    LocalPart,
    add_local_inputs,
    anomalies,
    climate_of,
    local_rows,
    read_local_part,
    response_features,
    same_cell_tolerance,
    shrunk_variance,
)


def local_part(seed=0, cells=3, inputs=2, frequencies=5, cycle=4):
    rng = np.random.default_rng(seed)
    lat, lon = np.array([50.0, 50.0, 47.0])[:cells], np.array([0.0, 3.0, 359.0])[:cells]
    position = unit_vectors(lat, lon)

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    features = 1 + inputs + 2 * frequencies + cycle
    return LocalPart(
        position=position, tolerance=same_cell_tolerance(position),
        mean=np.float32([0.1, 0.2, 0.3])[:cells], std=np.float32([0.01, 0.02, 0.03])[:cells],
        input_mean=draw(cells, inputs), input_scale=np.exp(draw(cells, inputs)),
        weights=draw(cells, features), linear=abs(draw(inputs)),
        frequencies=draw(inputs, frequencies), global_std=np.ones(inputs, np.float32),
        error=np.float32([1.0, 2.0, 3.0])[:cells], regional_error=5.0, amplitude=0.4,
        constant=0.3, track=0.2, repeat_cycle=cycle, inputs=(0, 2),
    )  # fmt: skip


def test_cells_are_found_by_position():
    part = local_part()
    lat = np.array([50.0, 47.0, 47.0, 50.0, np.nan, 50.05])
    lon = np.array([3.0, -1.0, 359.0, 6.0, 0.0, 360.0])
    assert part.index(lat, lon).tolist() == [1, 2, 2, -1, -1, 0]
    # twentieth of the distance between cells, about two degrees of longitude here
    assert part.index(np.array([50.2]), np.array([0.0])).tolist() == [-1]


def test_it_survives_the_file():
    part = local_part()
    card, params = {"local": part.entry()}, part.params()
    assert all(name.startswith(PREFIX) for name in params)
    again = read_local_part(card, params)
    np.testing.assert_allclose(again.position, part.position, atol=1e-7)
    x = np.random.default_rng(1).standard_normal((3, 6, 3))
    cells = np.arange(3)
    np.testing.assert_array_equal(again.predict(x, cells, 7), part.predict(x, cells, 7))
    assert again.repeat_cycle == 4 and again.inputs == (0, 2)
    assert read_local_part({}, {}) is None


def test_prediction_by_hand_and_nothing_for_other_cells():
    part = local_part()
    x = np.random.default_rng(2).standard_normal((2, 5, 3))
    added = part.predict(x, np.array([1, -1]), 10)
    z = (x[0][:, [0, 2]] - part.input_mean[1]) / part.input_scale[1]
    phase = z @ part.frequencies
    scale = np.sqrt(0.4 / 5)
    w = part.weights[1]
    expected = np.sqrt(0.3) * w[0] + (z * part.linear) @ w[1:3]
    expected += scale * (np.cos(phase) @ w[3:8] + np.sin(phase) @ w[8:13])
    expected += np.sqrt(0.2) * w[13:][np.arange(10, 15) % 4]
    np.testing.assert_allclose(added[0], expected, rtol=1e-4)
    assert (added[1] == 0).all()
    np.testing.assert_array_equal(part.error_factor(np.array([2, -1])), [3.0, 5.0])


def test_products_of_features_are_the_covariance():
    rng = np.random.default_rng(0)
    z = 0.7 * rng.standard_normal((6, 3))
    lengths, linear = np.array([0.5, 0.3, 0.8]), np.array([0.1, 0.2, 0.0])
    frequencies = rng.standard_normal((3, 20_000)) * lengths[:, None]
    days = np.array([0, 1, 2, 8, 9, 11])
    phi = response_features(z, days, linear, frequencies, 0.5, 0.1, 0.2, 8).astype(float)
    distance = (((z[:, None] - z) * lengths) ** 2).sum(-1)
    same = (days[:, None] - days) % 8 == 0
    expected = 0.5 * np.exp(-0.5 * distance) + (z * linear**2) @ z.T + 0.1 + 0.2 * same
    np.testing.assert_allclose(phi @ phi.T, expected, atol=0.02)
    assert response_features(z, days, linear, frequencies, 0.5, 0.1, 0.2, 0).shape[1] == 40_004


def test_climate_and_departures():
    rng = np.random.default_rng(3)
    x = 2.0 + 3.0 * rng.standard_normal((4, 4000, 2))
    x[0, :5] = np.nan
    mean, scale = climate_of(x, np.array([5.0, 3.0]))
    np.testing.assert_allclose(mean, 2.0, atol=0.2)
    np.testing.assert_allclose(scale[:, 1], 3.0, rtol=0.05)
    np.testing.assert_allclose(scale[:, 0], np.sqrt(0.7 * 9 + 0.3 * 25), rtol=0.05)
    z = anomalies(x[0], mean[0], scale[0])
    assert (z[:5] == 0).all()
    assert z[5:, 1].std() == pytest.approx(1.0, rel=0.02)


def test_inputs_of_the_local_part():
    rows = [{"name": "rain", "static": False}, {"name": "sand", "static": True}]
    names = [row["name"] for row in local_rows(rows)]
    assert names == ["rain departure", *CELL]
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    nan = np.float32(np.nan)
    full = add_local_inputs(
        x, [0], np.float32([[2], [8]]), np.float32([[2], [2]]), np.float32([0.2, nan]),
        np.float32([0.1, nan]),
    )  # fmt: skip
    np.testing.assert_array_equal(full[:, :, :2], x)
    np.testing.assert_array_equal(full[0, :, 2], [-1, 0, 1])
    np.testing.assert_allclose(full[0, 0, 3:], [0.2, 0.1, 1])
    np.testing.assert_allclose(full[1, 0, 3:], [nan, nan, 0])


def test_other_cells_take_the_climate_of_the_days_at_hand():
    part = local_part()
    x = np.random.default_rng(4).standard_normal((1, 50, 3)).astype(np.float32)
    inputs = part.add_inputs(x, np.array([-1]))
    mean, scale = climate_of(x[:, :, [0, 2]], part.global_std)
    np.testing.assert_allclose(inputs[0, :, 3], (x[0, :, 0] - mean[0, 0]) / scale[0, 0], rtol=1e-5)
    of_cell = part.add_inputs(x, np.array([1]))
    assert not np.allclose(of_cell[0, :, 3], inputs[0, :, 3])
    assert of_cell[0, 0, 5] == np.float32(0.2)


def test_shrunk_variance():
    y = np.array([[0.0, 2.0, np.nan], [0.0, 4.0, 2.0]])
    own = np.array([1.0, 8 / 3])
    np.testing.assert_allclose(shrunk_variance(y, 0.3), 0.7 * own + 0.3 * own.mean())

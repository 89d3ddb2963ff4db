"""Nominal depths, their units and directions."""

import numpy as np
import pytest

from xsm.errors import InputError, UnitError
from xsm.insitu.sensor_depth import depth_in_metres, within_layer


@pytest.mark.parametrize("depth, layer, inside", [
    (0.05, (0, 0.05), True),
    (0.0508, (0, 0.05), True),  # 2 inches
    (0.055, (0, 0.05), True),
    (0.056, (0, 0.05), False),
    (0.06, (0, 0.05), False),
    (0.2032, (0.1, 0.2), True),  # 8 inches
    (0.508, (0.2, 0.5), True),  # 20 inches: 8 mm below, 2 %
    (1.016, (0.5, 1.0), True),  # 40 inches
    (0.52, (0.2, 0.5), False),
    (0.0508, (0.05, 0.1), True),
    (0.02, (0.05, 0.1), False),
    (float("nan"), (0, 1), False),
])  # fmt: skip
def test_a_sensor_is_within_a_layer_by_its_nominal_depth(depth, layer, inside):
    assert within_layer([depth], [depth], layer).tolist() == [inside]
    assert within_layer(np.float32([depth]), np.float32([depth]), layer).tolist() == [inside]


def test_a_sensor_is_within_a_layer_with_both_its_ends():
    ends = [0.0, 0.0, 0.04], [0.05, 0.1, 0.06]
    assert within_layer(*ends, (0, 0.05)).tolist() == [True, False, False]


@pytest.mark.parametrize("units, values", [
    ("m", [0.0508]), ("cm", [5.08]), ("mm", [50.8]), ("inch", [2]), ("inches", [2]), ("in", [2]),
    ("centimeters", [5.08]), (None, [0.0508]),
])  # fmt: skip
def test_depths_in_any_unit_become_metres(units, values):
    attrs = {} if units is None else {"units": units}
    np.testing.assert_allclose(depth_in_metres(values, attrs), [0.0508])
    np.testing.assert_allclose(depth_in_metres(-np.array(values), attrs), [0.0508])


def test_the_attribute_positive_decides_the_sign_of_depths():
    assert depth_in_metres([-0.05, -0.0, np.nan], {})[:2].tolist() == [0.05, 0.0]
    assert depth_in_metres([-0.05, 0.05], {"positive": "up"}).tolist() == [0.05, -0.05]
    assert depth_in_metres([-0.05, 0.05], {"positive": "down"}).tolist() == [-0.05, 0.05]
    with pytest.raises(InputError, match="both signs.*positive"):
        depth_in_metres([-0.05, 0.05], {})


def test_what_is_no_depth_is_an_error():
    with pytest.raises(InputError, match=r"depth_to holds 5 and has no attribute 'units'.*'cm'"):
        depth_in_metres([5, 2], {}, "depth_to")
    assert depth_in_metres([5.0], {"units": "m"}).tolist() == [5.0]
    with pytest.raises(UnitError, match="depth has units 'K'"):
        depth_in_metres([5], {"units": "K"})
    with pytest.raises(InputError, match="depth holds .'five'.: expected numbers in m"):
        depth_in_metres(np.array(["five"], object), {})
    assert depth_in_metres(np.array([0.05, "0.1"], object), {}).tolist() == [0.05, 0.1]


def test_the_input_does_not_change():
    values = np.array([-5.0])
    depth_in_metres(values, {"units": "cm"})
    assert values.tolist() == [-5.0]


def test_one_depth_is_one_number():
    units = {"units": "cm"}
    assert depth_in_metres([7.0], units) == [0.07] == depth_in_metres(np.float32([0.07]), {})

"""The held-out rule: disjoint, complete, the same for every grid, and never to change."""

import hashlib

import numpy as np
import pytest

from xsm.errors import InputError
from xsm.training.splits import day_mask, region_mask

PARTS = ("train", "val", "test")
LAT = np.arange(89.875, -90, -0.25)
LON = np.arange(-179.875, 180, 0.25)


def test_the_split_is_what_it_was_when_weights_were_trained():
    lat, lon = np.arange(-80, 90, 20), np.arange(-170, 180, 20)
    boxes = np.select([region_mask(lat, lon, part) for part in PARTS], range(3))
    found = hashlib.sha256(boxes.astype(np.uint8).tobytes()).hexdigest()
    assert found[:16] == "b1762a2fb7b0a5c8"


@pytest.mark.parametrize("masks", [
    [region_mask(LAT, LON, part) for part in PARTS],
    [day_mask(30, part) for part in PARTS],
    [day_mask(3, part) for part in PARTS],
])  # fmt: skip
def test_parts_are_disjoint_and_complete(masks):
    assert (np.sum(masks, axis=0) == 1).all()
    assert all(mask.any() for mask in masks)


def test_shares_of_the_globe():
    test, val = region_mask(LAT, LON, "test").mean(), region_mask(LAT, LON, "val").mean()
    assert test == pytest.approx(3 / 18)
    assert val == pytest.approx(2 / 18)


def test_boxes_are_whole():
    mask = region_mask(LAT, LON, "test")
    blocks = mask.reshape(9, 80, 18, 80)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_conventions_of_coordinates_do_not_matter():
    mask = region_mask(LAT, LON, "test")
    np.testing.assert_array_equal(region_mask(LAT[::-1], LON, "test"), mask[::-1])
    np.testing.assert_array_equal(region_mask(LAT, LON % 360, "test"), mask)
    np.testing.assert_array_equal(region_mask(LAT, LON + 360, "test"), mask)
    lat, lon = np.meshgrid(LAT[::40], LON[::40], indexing="ij")
    np.testing.assert_array_equal(region_mask(lat, lon, "test"), mask[::40, ::40])


def test_poles_and_dateline_have_a_part():
    masks = [region_mask([-90.0, 90.0], [-180.0, 180.0], part) for part in PARTS]
    assert (np.sum(masks, axis=0) == 1).all()
    np.testing.assert_array_equal(masks[2][:, 0], masks[2][:, 1])


@pytest.mark.parametrize(
    ("n_days", "val", "test"), [(30, [23, 24], [25, 29]), (3, [1, 1], [2, 2]), (366, 0, 0)]
)
def test_last_days_are_held_out(n_days, val, test):
    days = {part: np.flatnonzero(day_mask(n_days, part)) for part in PARTS}
    assert days["train"][-1] + 1 == days["val"][0]
    assert days["val"][-1] + 1 == days["test"][0]
    assert days["test"][-1] == n_days - 1
    if val:
        assert days["val"][[0, -1]].tolist() == val
        assert days["test"][[0, -1]].tolist() == test


def test_parts_days_and_positions_that_do_not_exist_are_errors():
    with pytest.raises(InputError, match="part='holdout'"):
        region_mask(LAT, LON, "holdout")
    with pytest.raises(InputError, match="part='holdout'"):
        day_mask(30, "holdout")
    with pytest.raises(InputError, match="n_days=2"):
        day_mask(2, "test")
    with pytest.raises(InputError, match=r"-90\.\.90"):
        region_mask([91.0], [0.0], "test")
    with pytest.raises(InputError, match="lon be finite"):
        region_mask([0.0], [np.nan], "test")
    with pytest.raises(InputError, match="shape"):
        region_mask(np.zeros((2, 3)), np.zeros(3), "test")

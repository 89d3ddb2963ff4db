"""Random fields: right variance and length, the same Earth on every grid."""

import numpy as np
import pytest

from xsm.errors import InputError
from xsm.osse.earth_grid import KM_PER_DEGREE, blur, make_days, make_grid
from xsm.osse.fields import Canvas, Field, MovingField


@pytest.fixture(scope="module")
def globe():
    return make_grid(np.arange(-89.5, 90), np.arange(-179.5, 180))


def test_unit_variance_and_correlation_length(globe):
    field = Field(Canvas(globe), 3, "a", [600], [1])
    band = np.stack([field.draw(day)[60:120] for day in range(12)])
    assert band.std() == pytest.approx(1.0, abs=0.04)
    lag = 600 / KM_PER_DEGREE  # e^-1/2 at one length, interpolated between whole cells
    near, far = ((band[:, k:] * band[:, :-k]).mean() for k in (5, 6))
    assert near + (far - near) * (lag - 5) == pytest.approx(np.exp(-0.5), abs=0.05)


def test_field_is_seamless_at_the_dateline(globe):
    x = Field(Canvas(globe), 3, "a", [400], [1]).draw()
    seam = np.abs(x[:, 0] - x[:, -1])[30:150].mean()
    inside = np.abs(np.diff(x, axis=1))[30:150].mean()
    assert seam < 1.5 * inside


def test_a_region_is_a_cut_of_the_globe(globe):
    region = make_grid(np.arange(30.5, 50), np.arange(-20.5, 20))
    whole = Field(Canvas(globe), 3, "a", [900, 500], [0.5, 0.5]).draw(7)
    part = Field(Canvas(region), 3, "a", [900, 500], [0.5, 0.5]).draw(7)
    np.testing.assert_allclose(part, whole[120:140, 159:200], atol=2e-3)


def test_names_days_and_seeds_are_independent(globe):
    first = Field(Canvas(globe), 3, "a", [800], [1]).draw(1)
    for other in (("a", 3, 2), ("b", 3, 1), ("a", 4, 1)):
        second = Field(Canvas(globe), other[1], other[0], [800], [1]).draw(other[2])
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.3


def test_storms_move_with_the_wind(globe):
    field = MovingField(
        Canvas(globe), 3, "s", [500], [1], [0.9], lambda lat: np.full_like(lat, 12.87)
    )
    before, after = field.advance(0)[88:92], field.advance(1)[88:92]
    shifts = range(-20, 21)
    match = [np.corrcoef(np.roll(before, k, 1).ravel(), after.ravel())[0, 1] for k in shifts]
    assert shifts[int(np.argmax(match))] == pytest.approx(10, abs=1)  # 12.87 m/s = 10 deg/day
    assert max(match) > 0.8


def test_blur_keeps_a_constant_and_the_mean(globe):
    assert blur(np.ones(globe.shape), globe, 300.0) == pytest.approx(1.0, abs=1e-5)
    spike = np.zeros(globe.shape)
    spike[90, 180] = 1
    assert blur(spike, globe, 300.0).sum() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        ([0, 1, 3], [0, 1], "lat has steps"),
        ([0, 1], [0, 1, 1], "lon has steps"),
        ([80, 95], [0, 1], "lat runs from"),
        ([[0, 1]], [0, 1], "lat has shape"),
        ([], [0, 1], "lat has shape"),
        ([0, np.nan], [0, 1], "lat runs from"),
        ([0, 1], np.arange(-180, 200), "lon spans"),
    ],
)
def test_bad_grids_are_named(lat, lon, message):
    with pytest.raises(InputError, match=message):
        make_grid(lat, lon)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ([], "time has shape"),
        (["2015-04-01", "2015-04-03"], "consecutive days"),
        (["2015-04-01", "2015-04-01"], "consecutive days"),
        (["NaT"], "valid days"),
        (["spring"], "convert to datetime64"),
    ],
)
def test_bad_days_are_named(time, message):
    with pytest.raises(InputError, match=message):
        make_days(time)

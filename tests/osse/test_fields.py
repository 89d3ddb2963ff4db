"""Random fields: right variance and length, the same Earth on every grid."""

import numpy as np
import pytest

from xsm.osse.earth_grid import KM_PER_DEGREE, make_grid
from xsm.osse.fields import AdvectedField, RandomField, ZonalSynthesis


@pytest.fixture(scope="module")
def globe():
    return make_grid(np.arange(-89.5, 90), np.arange(-179.5, 180))


def test_unit_variance_and_correlation_length(globe):
    field = RandomField(ZonalSynthesis(globe), 3, "a", [600], [1])
    band = np.stack([field.draw(day)[60:120] for day in range(12)])
    assert band.std() == pytest.approx(1.0, abs=0.04)
    lag = 600 / KM_PER_DEGREE  # e^-1/2 at one length, interpolated between whole cells
    near, far = ((band[:, k:] * band[:, :-k]).mean() for k in (5, 6))
    assert near + (far - near) * (lag - 5) == pytest.approx(np.exp(-0.5), abs=0.05)


def test_field_is_seamless_at_the_dateline(globe):
    x = RandomField(ZonalSynthesis(globe), 3, "a", [400], [1]).draw()
    seam = np.abs(x[:, 0] - x[:, -1])[30:150].mean()
    inside = np.abs(np.diff(x, axis=1))[30:150].mean()
    assert seam < 1.5 * inside


def test_a_region_is_a_cut_of_the_globe(globe):
    region = make_grid(np.arange(30.5, 50), np.arange(-20.5, 20))
    whole = RandomField(ZonalSynthesis(globe), 3, "a", [900, 500], [0.5, 0.5]).draw(7)
    part = RandomField(ZonalSynthesis(region), 3, "a", [900, 500], [0.5, 0.5]).draw(7)
    np.testing.assert_allclose(part, whole[120:140, 159:200], atol=2e-3)


def test_names_days_and_seeds_are_independent(globe):
    first = RandomField(ZonalSynthesis(globe), 3, "a", [800], [1]).draw(1)
    for other in (("a", 3, 2), ("b", 3, 1), ("a", 4, 1)):
        second = RandomField(ZonalSynthesis(globe), other[1], other[0], [800], [1]).draw(other[2])
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.3


def test_storms_move_with_the_wind(globe):
    field = AdvectedField(
        ZonalSynthesis(globe), 3, "s", [500], [1], [0.9], lambda lat: np.full_like(lat, 12.87)
    )
    before, after = field.advance(0)[88:92], field.advance(1)[88:92]
    shifts = range(-20, 21)
    match = [np.corrcoef(np.roll(before, k, 1).ravel(), after.ravel())[0, 1] for k in shifts]
    assert shifts[int(np.argmax(match))] == pytest.approx(10, abs=1)  # 12.87 m/s = 10 deg/day
    assert max(match) > 0.8

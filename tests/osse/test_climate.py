"""Climate of the simulated Earth: seasons, wind, potential evaporation after Hamon."""

import numpy as np
import pytest

from xsm.osse.climate import annual_cycle, make_climate, zonal_wind
from xsm.osse.earth_grid import make_grid


@pytest.fixture(scope="module")
def climate():
    """Land everywhere at sea level, one column of latitudes."""
    grid = make_grid(np.arange(-60, 61, 10.0), [20.0])
    land = np.ones(grid.shape, bool)
    zero = np.zeros(grid.shape, np.float32)
    return make_climate(grid, land, zero, zero)


def test_the_annual_cycle_peaks_in_july_and_repeats():
    day = int(np.datetime64("2015-07-14").astype("datetime64[D]").astype(int))
    assert annual_cycle(day) == pytest.approx(1.0, abs=0.01)
    assert annual_cycle(day + 183) == pytest.approx(-1.0, abs=0.01)


def test_trade_winds_blow_west_and_westerlies_east():
    wind = zonal_wind(np.array([-48.0, 0.0, 48.0]))
    assert wind[0] == wind[2] > 9 and wind[1] < -5


def test_the_hemispheres_have_opposite_seasons(climate):
    july, january = climate.temperature(195), climate.temperature(195 + 183)
    assert july.dtype == np.float32
    assert (july - january)[climate.lat > 20].min() > 5
    assert (july - january)[climate.lat < -20].max() < -2


def test_potential_evaporation_at_the_equator_is_that_of_hamon(climate):
    equator = climate.lat == 0
    vapour = 0.6108 * np.exp(17.27 * 25 / (25 + 237.3))
    expected = 29.8 * 12 * vapour / (25 + 273.2)
    warm = climate.potential_evaporation(np.full(climate.lat.size, 25.0), 100)
    assert warm[equator] == pytest.approx(expected, rel=1e-5)
    frozen = climate.potential_evaporation(np.full(climate.lat.size, -10.0), 100)
    assert frozen == pytest.approx(0.02)

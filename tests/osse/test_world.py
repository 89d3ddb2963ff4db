"""The water balance closes and stays within the soil."""

import numpy as np
import pytest

from xsm.osse.world import DEPTH_MM, make_soil, snow_step, soil_step


@pytest.fixture
def soil():
    sand = np.linspace(0.1, 0.85, 50)
    clay = np.linspace(0.5, 0.05, 50)
    return make_soil(sand, clay, 0.489 - 0.126 * sand)


def test_every_drop_is_accounted_for(soil):
    rng = np.random.default_rng(1)
    theta = soil.residual + 0.1
    for _ in range(100):
        water = rng.exponential(6, 50) * (rng.random(50) < 0.3)
        temperature = rng.normal(8, 8, 50)
        new, evaporation, drainage, runoff = soil_step(
            theta, water, np.full(50, 3.0), temperature, soil
        )
        stored = (new - theta) * DEPTH_MM
        np.testing.assert_allclose(water - evaporation - drainage - runoff, stored, atol=1e-10)
        assert (evaporation >= 0).all() and (drainage >= 0).all() and (runoff >= -1e-12).all()
        theta = new
        assert (theta <= soil.porosity).all() and (theta >= soil.residual - 1e-12).all()


def test_evaporation_is_limited_by_water_and_by_energy(soil):
    cold, warm = np.full(50, -20.0), np.full(50, 25.0)
    wet, dry, nothing = soil.field_capacity, soil.residual, np.zeros(50)
    strong = soil_step(wet, nothing, np.full(50, 6.0), warm, soil)[1]
    weak = soil_step(wet, nothing, np.full(50, 1.0), warm, soil)[1]
    assert (strong > 2 * weak).all()
    assert soil_step(dry, nothing, np.full(50, 6.0), warm, soil)[1] == pytest.approx(0)
    frozen = soil_step(wet, nothing, np.full(50, 6.0), cold, soil)
    assert frozen[1] == pytest.approx(0) and frozen[2] == pytest.approx(0)


def test_a_flood_fills_the_pores_and_runs_off(soil):
    theta, _, _, runoff = soil_step(
        soil.field_capacity, np.full(50, 500.0), np.zeros(50), np.full(50, -9.0), soil
    )
    assert theta == pytest.approx(soil.porosity, rel=1e-6)
    assert (runoff > 450).all()


def test_snow_gathers_in_frost_melts_in_warmth_and_loses_nothing():
    snow, total, given = np.zeros(3), np.zeros(3), 0.0
    for temperature in (-5.0, -5.0, 0.2, 4.0, 9.0):
        snow, water = snow_step(snow, np.full(3, 10.0), np.full(3, temperature))
        total += water
        given += 10.0
        np.testing.assert_allclose(snow + total, given)
        if temperature < 0:
            assert (water == 0).all()
    assert (snow < 30).all()

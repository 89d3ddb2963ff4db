"""Stores of water and heat: balances, decay, units, and what each formula needs."""

import numpy as np
import pytest

from xsm.estimation.memory import (
    WEATHER,
    antecedent_names,
    antecedent_predictors,
    bucket,
    clear_sky_emission,
    evaporative_demand,
    exponential_mean,
    oudin,
    priestley_taylor,
    saturation_pressure,
    snow_and_water,
    vapour_pressure,
)

MIDDLE = {
    "precipitation": 3.0, "air_temperature": 285.0, "shortwave_radiation": 200.0,
    "longwave_radiation": 320.0, "specific_humidity": 0.008, "dewpoint_temperature": 280.0,
    "relative_humidity": 0.7, "surface_pressure": 95000.0, "eastward_wind": 2.0,
    "northward_wind": 1.0, "wind_speed": 2.0,
}  # fmt: skip


def weather(days=500, cells=2, seed=3, names=WEATHER):
    rng = np.random.default_rng(seed)
    return {n: MIDDLE[n] * (0.98 + 0.04 * rng.random((days, cells))) for n in names}


def test_exponential_mean_decays():
    x = np.zeros((400, 1))
    x[370] = 1.0
    mean = exponential_mean(x, 10.0)[370:, 0]
    np.testing.assert_allclose(mean[1:] / mean[:-1], np.exp(-0.1))
    assert mean[0] == pytest.approx(1 - np.exp(-0.1))


def test_water_is_conserved_and_a_bucket_stays_within_its_capacity():
    rain = np.random.default_rng(2).exponential(5.0, (500, 3))
    warm = 8 * np.sin(np.arange(500) / 20)[:, None] * np.ones(3)
    snow, water = snow_and_water(rain, warm)
    np.testing.assert_allclose(rain.sum(0), water.sum(0) + snow[-1])
    assert (snow >= 0).all() and snow.max() > 10
    store = bucket(water, np.full_like(water, 2.0), 20.0, 0.8, 0.03)
    assert 0 < store.min() < store.max() <= 1


def test_snow_melts_by_degree_days():
    fall = np.array([[10.0], [0.0], [0.0], [0.0]])
    degrees = np.array([[-5.0], [1.0], [2.0], [9.0]])
    snow, water = snow_and_water(fall, degrees)
    np.testing.assert_allclose(snow[:, 0], [10, 7, 1, 0])
    np.testing.assert_allclose(water[:, 0], [0, 3, 6, 1])


def test_formulas_by_hand():
    one = np.ones((1, 1))
    assert saturation_pressure(20 * one)[0, 0] == pytest.approx(2.338, abs=1e-3)  # FAO-56 table 2.3
    # FAO-56, example 8: top-of-atmosphere radiation of 32.2 MJ m-2 at 20 S on 3 September
    angle = 2 * np.pi / 365 * 246
    expected = 32.2 / 0.0864 / 28.4 * 25 / 100
    assert oudin(20 * one, angle * one, np.array([-20.0]))[0, 0] == pytest.approx(
        expected, rel=0.01
    )
    assert oudin(20 * one, 0 * one, np.array([80.0]))[0, 0] == 0.05  # polar night
    net = 0.77 * 250 + 0.97 * (350 - 5.67e-8 * 293.15**4)
    slope = 0.1447  # kPa K-1 at 20 degC, FAO-56 table 2.4
    expected = 1.26 * slope / (slope + 0.066) * 0.9 * net / 28.4
    demand = priestley_taylor(20 * one, 250 * one, 350 * one)[0, 0]
    assert demand == pytest.approx(expected, rel=2e-3)
    expected = 1.24 * (15 / 293.15) ** (1 / 7) * 5.67e-8 * 293.15**4
    assert clear_sky_emission(20 * one, 1.5 * one)[0, 0] == pytest.approx(expected)


def test_the_measures_of_humidity_agree():
    kelvin = np.full((1, 1), 293.15)
    vapour = 0.6 * saturation_pressure(kelvin - 273.15)
    humidity = 0.622 * vapour / (95.0 - 0.378 * vapour)
    of_humidity = vapour_pressure(
        {"specific_humidity": humidity, "surface_pressure": np.full((1, 1), 95000.0)}
    )
    of_relative = vapour_pressure(
        {"relative_humidity": 0.6 + 0 * kelvin, "air_temperature": kelvin}
    )
    dew_point = 237.3 / (17.27 / np.log(vapour / 0.6108) - 1) + 273.15
    of_dew_point = vapour_pressure({"dewpoint_temperature": dew_point})
    for value in (of_humidity, of_relative, of_dew_point):
        np.testing.assert_allclose(value, vapour, rtol=1e-6)
    assert vapour_pressure({"air_temperature": kelvin}) is None


def test_the_demand_takes_the_best_formula_that_the_weather_suffices_for():
    full = weather()
    both = [full["air_temperature"] - 273.15, full["shortwave_radiation"]]
    np.testing.assert_array_equal(
        evaporative_demand(full), priestley_taylor(*both, full["longwave_radiation"])
    )
    no_longwave = {k: v for k, v in full.items() if k != "longwave_radiation"}
    emission = clear_sky_emission(both[0], vapour_pressure(full))
    np.testing.assert_array_equal(
        evaporative_demand(no_longwave), priestley_taylor(*both, emission)
    )
    warm = {"air_temperature": full["air_temperature"]}
    angle, latitude = np.full((500, 1), 1.0), np.array([10.0, 20.0])
    np.testing.assert_array_equal(
        evaporative_demand(warm, angle, latitude), oudin(both[0], angle, latitude)
    )
    assert evaporative_demand(warm) is None and evaporative_demand({}) is None


def test_predictors_use_no_later_weather_than_the_next_days():
    forcing = weather()
    later = {name: values.copy() for name, values in forcing.items()}
    for values in later.values():
        values[450:] *= 0.99
    one, two = antecedent_predictors(forcing), antecedent_predictors(later)
    for name in one:
        # rain of up to two days later: an overpass of the satellite lies between two of its days
        unchanged = 450 - max(0, int(name.partition("+")[2] or 0))
        np.testing.assert_array_equal(one[name][:unchanged], two[name][:unchanged], err_msg=name)
        assert unchanged >= 448
        assert one[name].shape == (500, 2) and one[name].dtype == np.float32
        assert np.isfinite(one[name]).all(), name


def test_days_around_end_with_the_series():
    forcing = weather()
    made = antecedent_predictors(forcing)
    today = made["precipitation_+0"]
    np.testing.assert_allclose(today, np.sqrt(forcing["precipitation"]), rtol=1e-6)
    np.testing.assert_array_equal(made["precipitation_+2"][:-2], today[2:])
    np.testing.assert_array_equal(made["precipitation_+2"][-2:], today[[-1, -1]])
    np.testing.assert_array_equal(made["precipitation_-2"][2:], today[:-2])
    celsius = (forcing["air_temperature"] - 273.15).astype(np.float32)
    np.testing.assert_array_equal(made["temperature_-1"][1:], celsius[:-1])
    np.testing.assert_array_equal(made["shortwave_+1"][:-1], made["shortwave"][1:])


def test_humidity_and_net_longwave_radiation_by_hand():
    steady = {name: np.full((500, 1), MIDDLE[name]) for name in WEATHER}
    made = antecedent_predictors(steady)
    vapour = 0.008 * 95.0 / (0.622 + 0.378 * 0.008)
    for d in (1, 3, 8, 30):
        humidity = vapour / saturation_pressure(np.float64(285.0 - 273.15))
        np.testing.assert_allclose(made[f"relative_humidity_{d}"], humidity, rtol=1e-5)
    np.testing.assert_allclose(made["net_longwave_5"], 320.0 - 5.67e-8 * 285.0**4, rtol=1e-5)
    np.testing.assert_allclose(made["wind_20"], 2.0, rtol=1e-6)


def test_names_are_those_of_the_result():
    assert antecedent_names(["air_temperature"]) == []
    for names in (("precipitation",), ("precipitation", "air_temperature"), WEATHER):
        made = antecedent_predictors(weather(days=400, names=names))
        assert antecedent_names(names, latitude=False) == list(made)
    assert "bucket_8" in antecedent_names(["precipitation", "air_temperature"])
    assert "bucket_8" not in antecedent_names(["precipitation"])


def test_a_missing_day_takes_the_mean_of_its_cell():
    forcing = weather(days=400)
    forcing["precipitation"][100, 0] = np.nan
    made = antecedent_predictors(forcing)
    forcing["precipitation"][100, 0] = np.nanmean(forcing["precipitation"][:, 0])
    expected = antecedent_predictors(forcing)
    for name in made:
        np.testing.assert_allclose(made[name], expected[name], rtol=1e-6)
    forcing["precipitation"][:, 1] = np.nan
    made = antecedent_predictors(forcing)
    assert np.isnan(made["water_8"][:, 1]).all() and np.isfinite(made["water_8"][:, 0]).all()

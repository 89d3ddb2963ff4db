"""The nature run: one Earth a seed, physical, CF, any grid."""

import cf_xarray.units  # noqa: F401  (defines the CF units for pint)
import numpy as np
import pandas as pd
import pint
import pytest
import xarray as xr

from xsm.errors import InputError
from xsm.osse import nature_run
from xsm.osse.attributes import ATTRIBUTES, STATIC
from xsm.osse.world import DEPTH_MM

LAT, LON = np.arange(36.25, 44, 0.5), np.arange(-9.75, 4, 0.5)
TIME = pd.date_range("2015-04-01", periods=6)


@pytest.fixture(scope="module")
def nature() -> xr.Dataset:
    return nature_run(LAT, LON, TIME, seed=5)


def test_the_same_seed_gives_the_same_earth_and_another_another(nature):
    again = nature_run(LAT, LON, TIME, seed=5, variables=["soil_moisture", "elevation"])
    xr.testing.assert_identical(again, nature[["soil_moisture", "elevation"]])
    other = nature_run(LAT, LON, TIME, seed=6, variables=["soil_moisture"])
    assert float(abs(other.soil_moisture - nature.soil_moisture).mean()) > 0.02


def test_known_values_of_the_random_numbers():
    from xsm.osse.fields import random_generator

    first = random_generator(0, "storms/0", 16526).standard_normal(3, dtype=np.float32)
    np.testing.assert_allclose(first, [-0.13189939, -0.9268528, -0.29859594], rtol=1e-6)


def test_values_are_physical_and_only_on_land(nature):
    land = nature.land.values
    assert 0.3 < land.mean() < 0.9
    limits = {
        "soil_moisture": (0.0, 0.5), "swvl1": (0.0, 0.7), "lst": (230, 340), "ndvi": (0, 0.95),
        "precipitation": (0, 300), "air_temperature": (-40, 45), "snow": (0, 1000),
        "elevation": (0, 6000), "slope": (0, 30), "porosity": (0.35, 0.5), "sand": (0, 1),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        values = nature[name].values[..., land]
        assert np.isfinite(values).all(), name
        assert values.min() >= low and values.max() <= high, name
        assert np.isnan(nature[name].values[..., ~land]).all(), name
    for name in (n for n in nature.data_vars if str(n).startswith("albedo")):
        values = nature[name].values[:, land]
        assert 0.02 < values.min() and values.max() < 0.95
    total = (nature.sand + nature.clay + nature.silt).values[land]
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert (nature.soil_moisture <= nature.porosity).values[:, land].all()


def test_the_water_balance_closes(nature):
    change = nature.soil_moisture.diff("time") * DEPTH_MM
    flux = nature.water_input - nature.evaporation - nature.drainage - nature.runoff
    np.testing.assert_allclose(
        change.values, flux.isel(time=slice(1, None)).values, atol=2e-4, equal_nan=True
    )
    stored = nature.snow.diff("time") + nature.water_input - nature.precipitation
    assert float(abs(stored).max()) < 1e-3


def test_rain_wets_and_drought_dries(nature):
    change = nature.soil_moisture.diff("time").values
    rain = nature.water_input.values[1:]
    assert np.nanmean(change[rain > 8]) > 0.02
    assert np.nanmean(change[rain == 0]) < 0


def test_wet_ground_is_darker_and_cooler():
    summer = nature_run(LAT, LON, ["2015-07-10", "2015-07-11", "2015-07-12"], seed=5)
    dry = (summer.soil_moisture - summer.soil_moisture.mean("time")).values.ravel()
    for name, limit in (("lst", -0.2), ("albedo_bsa_vis", -0.4)):
        other = (summer[name] - summer[name].mean("time")).values.ravel()
        both = np.isfinite(dry) & np.isfinite(other)
        assert np.corrcoef(dry[both], other[both])[0, 1] < limit


def test_reanalysis_is_smooth_and_biased(nature):
    truth, model = nature.soil_moisture, nature.swvl1
    rough = {n: float(abs(x.diff("lon")).mean()) for n, x in (("t", truth), ("m", model))}
    assert rough["m"] < 0.6 * rough["t"]
    assert float((model - truth).mean("time").std()) > 0.01


def test_seasons_and_climate_zones():
    lat, lon = np.arange(-58.0, 80, 4), np.arange(-178.0, 180, 4)
    names = ["air_temperature", "snow", "precipitation", "soil_moisture", "ndvi"]
    january, july = (
        nature_run(lat, lon, pd.date_range(start, periods=3), seed=1, variables=names)
        for start in ("2015-01-15", "2015-07-15")
    )
    north, south = {"lat": slice(45, 65)}, {"lat": slice(-50, -30)}
    warmer = july.air_temperature - january.air_temperature.values
    assert warmer.sel(north).mean() > 15 and warmer.sel(south).mean() < -5
    assert january.snow.sel(north).mean() > 10 * july.snow.sel(north).mean()
    assert july.ndvi.sel(north).mean() > january.ndvi.sel(north).mean() + 0.1
    sahara = {"lat": slice(18, 28), "lon": slice(-8, 28)}
    congo = {"lat": slice(-6, 6), "lon": slice(12, 28)}
    assert july.soil_moisture.sel(sahara).mean() < 0.1 < july.soil_moisture.sel(congo).mean()
    assert july.ndvi.sel(sahara).mean() < 0.25 < 0.5 < july.ndvi.sel(congo).mean()
    sahel = {"lat": slice(9, 15), "lon": slice(-10, 30)}  # rains come in July
    assert july.precipitation.sel(sahel).mean() > 3 * january.precipitation.sel(sahel).mean()


def test_cf_attributes(nature):
    registry = pint.get_application_registry()
    assert set(nature.data_vars) == set(ATTRIBUTES)
    for name, variable in nature.data_vars.items():
        assert variable.attrs["long_name"]
        registry.Unit(variable.attrs["units"])
        if name not in STATIC:
            assert variable.dims == ("time", "lat", "lon") and variable.dtype == np.float32
    named = [
        n
        for n, v in nature.data_vars.items()
        if v.attrs.get("standard_name") == "volume_fraction_of_condensed_water_in_soil"
    ]
    assert named == ["soil_moisture"]
    assert nature.cf["latitude"].name == "lat" and nature.cf["T"].name == "time"
    assert nature.attrs["Conventions"].startswith("CF-") and nature.attrs["seed"] == 5


def test_any_orientation_gives_the_same_cells(nature):
    flipped = nature_run(LAT[::-1], LON[::-1], TIME, seed=5, variables=["soil_moisture"])
    np.testing.assert_array_equal(flipped.lat, LAT[::-1])
    xr.testing.assert_identical(flipped.sortby(["lat", "lon"]).soil_moisture, nature.soil_moisture)


def test_longitudes_of_0_to_360_are_the_same_places():
    west = nature_run([40, 40.5], np.arange(-9, -3, 0.5), TIME[:2], variables=["soil_moisture"])
    east = nature_run([40, 40.5], np.arange(351, 357, 0.5), TIME[:2], variables=["soil_moisture"])
    np.testing.assert_allclose(
        west.soil_moisture.values, east.soil_moisture.values, atol=1e-4, equal_nan=True
    )


def test_a_later_start_is_the_same_weather(nature):
    later = nature_run(LAT, LON, TIME[4:], seed=5, variables=["precipitation", "soil_moisture"])
    same = nature.isel(time=slice(4, None))
    land = nature.land.values
    rain = np.corrcoef(later.precipitation.values[:, land].ravel(),
                       same.precipitation.values[:, land].ravel())[0, 1]  # fmt: skip
    assert rain > 0.98
    assert float(abs(later.soil_moisture - same.soil_moisture).mean()) < 0.01


def test_one_day_and_one_cell():
    one = nature_run([40.0], [-4.0], ["2016-02-29"], variables=["soil_moisture", "slope"])
    assert one.soil_moisture.shape == (1, 1, 1)
    assert np.isfinite(one.soil_moisture.values).all() and float(one.slope[0, 0]) == 0


def test_all_sea_is_all_missing():
    sea = nature_run([0, 1], [-30, -29, -28], ["2015-01-01"], variables=["soil_moisture", "land"])
    assert not sea.land.any() and sea.soil_moisture.isnull().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed=-1: expected a whole number"),
        ({"seed": "x"}, "seed='x'"),
        ({"variables": ["sm"]}, r"variables holds \['sm'\]; expected some of"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        nature_run([40], [0], ["2015-01-01"], **arguments)

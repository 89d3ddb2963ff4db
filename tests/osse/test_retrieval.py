"""Simulated retrievals: where they are, how they are rounded, how they err."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.errors import InputError
from xsm.osse import nature_run, observe, observed_mask

LAT, LON = np.arange(40.25, 56, 0.5), np.arange(-4.75, 24, 0.5)
TIME = pd.date_range("2015-03-01", periods=8)


@pytest.fixture(scope="module")
def nature() -> xr.Dataset:
    return nature_run(LAT, LON, TIME, seed=2)


def test_observed_where_a_swath_passes_over_thawed_land(nature):
    observed = observe(nature, "amsr2").soil_moisture.notnull().values
    swath = observed_mask(LAT, LON, TIME, "amsr2").values
    assert not observed[~swath].any()
    assert not observed[:, ~nature.land.values].any()
    assert not observed[(nature.snow > 4).values].any()
    assert not observed[(nature.air_temperature < -2).values].any()
    thawed = swath & ((nature.air_temperature > 6) & (nature.snow < 1)).values
    thawed &= (nature.land_fraction > 0.6).values
    assert observed[thawed].mean() > 0.9


def test_retrievals_are_rounded_clipped_and_float32(nature):
    values = observe(nature, "amsr2").soil_moisture
    flat = values.values[values.notnull().values]
    assert values.dtype == np.float32
    assert flat.min() >= 0 and flat.max() <= 0.99
    np.testing.assert_allclose(flat * 100, np.round(flat * 100), atol=1e-4)


def test_errors_have_their_own_seed(nature):
    a, b, c = (observe(nature, "amsr2", seed=s).soil_moisture for s in (2, 2, 3))
    xr.testing.assert_identical(a, b)
    xr.testing.assert_identical(a, observe(nature, "amsr2").soil_moisture)
    assert float(abs(a - c).mean()) > 0.005


def test_smap_and_cci_are_less_noisy_than_amsr2(nature):
    def noise(sensor: str) -> float:
        observed = observe(nature, sensor).soil_moisture
        change = (observed - nature.soil_moisture).diff("time")
        return float(change.std())

    assert noise("cci") < noise("smap") < noise("amsr2")


def test_any_orientation_gives_the_same_retrievals(nature):
    flipped = observe(nature.isel(lat=slice(None, None, -1)), "amsr2").soil_moisture
    np.testing.assert_array_equal(flipped.lat, LAT[::-1])
    xr.testing.assert_equal(flipped.sortby("lat"), observe(nature, "amsr2").soil_moisture)


def test_a_nature_run_without_what_is_needed_is_named(nature):
    with pytest.raises(InputError, match="nature holds .*expected .*'ndvi'.*nature_run"):
        observe(nature[["soil_moisture"]])
    with pytest.raises(InputError, match="sensor is 'modis'"):
        observe(nature, "modis")


@pytest.mark.parametrize(
    ("name", "factor", "offset", "units"),
    [
        ("soil_moisture", 100.0, 0.0, "%"),
        ("air_temperature", 1.0, 273.15, "K"),
        ("elevation", 1e-3, 0.0, "km"),
    ],
)
def test_a_nature_run_in_other_units_is_refused(nature, name, factor, offset, units):
    converted = (nature[name] * factor + offset).assign_attrs(units=units)
    with pytest.raises(InputError, match=f"{name} is in '{units}'; expected .*convert it"):
        observe(nature.assign({name: converted}))


def test_a_masked_land_fraction_is_refused_before_it_empties_the_retrievals(nature):
    sea = int((~nature.land).sum())
    with pytest.raises(InputError, match=f"land_fraction is missing on {sea} cells.*a mask"):
        observe(nature.where(nature.land))


def test_dimensions_that_are_not_those_of_a_nature_run_are_named(nature):
    with pytest.raises(InputError, match=r"soil_moisture has the dimensions \('lat', 'lon'\)"):
        observe(nature.isel(time=0))
    with pytest.raises(InputError, match="has the dimensions .*'latitude'.*rename"):
        observe(nature.rename(lat="latitude"))
    with pytest.raises(InputError, match="has the dimensions .*'member'"):
        observe(nature.expand_dims(member=2))
    one_day = observe(nature.isel(time=[0])).soil_moisture
    xr.testing.assert_equal(one_day, observe(nature).soil_moisture.isel(time=[0]))
    with pytest.raises(InputError, match=r"sensor is \['amsr2'\]"):
        observe(nature, ["amsr2"])

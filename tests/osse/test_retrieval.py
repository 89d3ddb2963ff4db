"""What the sensors make of it, and the tutorial data sets."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.errors import InputError
from xsm.osse import nature_run, observe, observed_mask
from xsm.osse.tutorial import COVARIATES, RECIPES, open_dataset

LAT, LON = np.arange(40.25, 56, 0.5), np.arange(-4.75, 24, 0.5)
TIME = pd.date_range("2015-03-01", periods=8)


@pytest.fixture(scope="module")
def nature() -> xr.Dataset:
    return nature_run(LAT, LON, TIME, seed=2)


@pytest.fixture(scope="module")
def iberia() -> xr.Dataset:
    return open_dataset("amsr2-iberia", days=16)


def test_observed_where_a_swath_passes_over_thawed_land(nature):
    seen = observe(nature, "amsr2").soil_moisture.notnull().values
    swath = observed_mask(LAT, LON, TIME, "amsr2").values
    assert not seen[~swath].any()
    assert not seen[:, ~nature.land.values].any()
    assert not seen[(nature.snow > 4).values].any()
    assert not seen[(nature.air_temperature < -2).values].any()
    thawed = swath & ((nature.air_temperature > 6) & (nature.snow < 1)).values
    thawed &= (nature.land_fraction > 0.6).values
    assert seen[thawed].mean() > 0.9


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


def test_neighbours_share_their_error(iberia):
    error = iberia.soil_moisture - iberia.soil_moisture_truth
    anomaly = (error - error.mean("time")).values
    pair = np.stack([anomaly[:, :, 1:].ravel(), anomaly[:, :, :-1].ravel()])
    pair = pair[:, np.isfinite(pair).all(0)]
    assert np.corrcoef(pair)[0, 1] > 0.75


def test_smap_and_cci_are_less_noisy_than_amsr2(nature):
    def noise(sensor: str) -> float:
        seen = observe(nature, sensor).soil_moisture
        change = (seen - nature.soil_moisture).diff("time")
        return float(change.std())

    assert noise("cci") < noise("smap") < noise("amsr2")


def test_any_orientation_gives_the_same_retrievals(nature):
    turned = observe(nature.isel(lat=slice(None, None, -1)), "amsr2").soil_moisture
    np.testing.assert_array_equal(turned.lat, LAT[::-1])
    xr.testing.assert_equal(turned.sortby("lat"), observe(nature, "amsr2").soil_moisture)


def test_a_nature_run_without_what_is_needed_is_named(nature):
    with pytest.raises(InputError, match="nature holds .*expected .*'ndvi'.*nature_run"):
        observe(nature[["soil_moisture"]])
    with pytest.raises(InputError, match="sensor is 'modis'"):
        observe(nature, "modis")


def test_iberia_has_what_the_other_parts_expect(iberia):
    assert {"soil_moisture", "soil_moisture_truth", "land", *COVARIATES} <= set(iberia.data_vars)
    assert dict(iberia.sizes) == {"time": 16, "lat": 32, "lon": 56}
    assert iberia.lat[0] > iberia.lat[-1]
    assert iberia.land.dtype == bool
    truth = iberia.soil_moisture_truth.notnull()
    assert bool((truth == iberia.land).all())
    assert not iberia.soil_moisture.notnull().values[:, ~iberia.land.values].any()
    assert float(iberia.depth) == 0.025
    coverage = iberia.soil_moisture.notnull().values[:, iberia.land.values].mean(1)
    assert 0.5 < coverage.mean() < 0.85 and coverage.min() < 0.6


def test_truth_has_no_noise(iberia):
    """The truth of a dry day only changes as the soil dries; the retrieval jumps about."""

    def jump(x):
        return float(abs(x - (x.shift(time=1) + x.shift(time=-1)) / 2).mean())

    assert jump(iberia.soil_moisture) > 1.5 * jump(iberia.soil_moisture_truth)
    assert float(iberia.soil_moisture_truth.max()) <= np.float32(0.99)
    bias = float((iberia.soil_moisture - iberia.soil_moisture_truth).mean())
    assert abs(bias) < 0.02


def test_covariates_and_truth_can_be_left_out():
    bare = open_dataset("amsr2-iberia", days=2, resolution=1.0, covariates=False, truth=False)
    assert set(bare.data_vars) == {"soil_moisture", "land"}
    some = open_dataset("global-month", days=1, resolution=5.0, covariates=["lst", "clay"])
    assert {"lst", "clay"} < set(some.data_vars) and "sand" not in some
    full = open_dataset("amsr2-iberia", days=2, resolution=1.0)
    xr.testing.assert_identical(full.soil_moisture, bare.soil_moisture)


@pytest.mark.parametrize("name", RECIPES)
def test_every_name_opens(name):
    ds = open_dataset(name, days=2, resolution=2.0, covariates=False)
    values = ds.soil_moisture.values[:, ds.land.values]
    assert ds.sizes["time"] == 2
    assert 0.1 < np.isfinite(values).mean() <= 1
    assert ds.soil_moisture.attrs["units"] == "m3 m-3"
    steps = np.diff(ds.lon)
    np.testing.assert_allclose(steps, steps[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "amsr3"}, "name is 'amsr3'; expected one of .*'amsr2-iberia'"),
        ({"days": 0}, "days is 0; expected a number"),
        ({"resolution": "fine"}, "resolution is 'fine'"),
        ({"covariates": ["lai"]}, r"covariates holds \['lai'\]; expected True, False"),
        ({"start": "soon"}, "start is 'soon'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        open_dataset(**({"name": "amsr2-iberia"} | arguments))

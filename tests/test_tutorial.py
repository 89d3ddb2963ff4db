"""Tutorial datasets: every name opens, with the variables that the documentation promises."""

import numpy as np
import pytest
import xarray as xr

from xsm.errors import InputError
from xsm.tutorial import COVARIATES, RECIPES, open_dataset, open_stations


@pytest.fixture(scope="module")
def iberia() -> xr.Dataset:
    return open_dataset("amsr2-iberia", days=16)


def test_errors_of_neighbouring_cells_are_correlated(iberia):
    error = iberia.soil_moisture - iberia.soil_moisture_truth
    anomaly = (error - error.mean("time")).values
    pair = np.stack([anomaly[:, :, 1:].ravel(), anomaly[:, :, :-1].ravel()])
    pair = pair[:, np.isfinite(pair).all(0)]
    assert np.corrcoef(pair)[0, 1] > 0.75


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
    """The truth changes smoothly from day to day, the retrieval does not."""

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
        ({"days": 0}, "days is 0; expected a whole number"),
        ({"resolution": "fine"}, "resolution is 'fine'"),
        ({"covariates": ["lai"]}, r"covariates holds \['lai'\]; expected True, False"),
        ({"start": "soon"}, "start is 'soon'"),
        ({"start": 2015}, "start is 2015; expected a day such as"),
        ({"start": 20150401}, "start is 20150401; expected a day such as"),
        ({"start": "NaT"}, "start is 'NaT'; expected a day such as"),
        ({"days": 2.5}, "days is 2.5; expected a whole number"),
        ({"days": True}, "days is True; expected a whole number"),
        ({"covariates": 3}, "covariates=3; expected True, False"),
        ({"name": ["amsr2-iberia"]}, "name is .'amsr2-iberia'.; expected one of"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        open_dataset(**({"name": "amsr2-iberia"} | arguments))


def test_stations_are_those_of_the_dataset_number_and_seed(iberia):
    stations = open_stations(iberia, 12, seed=1)
    xr.testing.assert_identical(stations, open_stations(iberia, 12, seed=1))
    assert dict(stations.sizes) == {"station": 12, "time": 16}
    assert stations.soil_moisture.dims == ("station", "time")

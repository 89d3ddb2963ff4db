"""Layers: each variable of the product against the sensors of its depth; sensors of one cell."""

import logging

import numpy as np
import pytest

from tests.validation.samples import UNITS, cell, grid, stations
from xsm.errors import InputError
from xsm.validate import validate

DEPTHS = {"surface": (0, 0.05), "root_zone": (0.1, 1.0)}


@pytest.fixture
def profile():
    """A product of two layers; two stations with sensors at 5 cm, one of them at 20 and 50 cm."""
    ds = grid(30, lat=[44.0, 43.0], lon=[0.0, 1.0])
    deep = (0.5 * ds.soil_moisture + 0.1).assign_attrs(UNITS)
    ds = ds.assign(deep=deep)
    truth = [cell(ds, 0, 0, 0.01), cell(ds, 1, 1, 0.02)]
    roots = ds.deep.values[:, 0, 0]
    about = {"station_name": ["x", "y", "x", "x"], "depth_from": [0.05, 0.05, 0.2, 0.5],
             "depth_to": [0.05, 0.05, 0.2, 0.5]}  # fmt: skip
    series = [*truth, roots + np.float32(0.03), roots + np.float32(0.05)]
    return ds, stations([44.0, 43, 44, 44], [0.0, 1, 0, 0], ds.time, series, **about)


def test_each_layer_is_scored_against_its_sensors(profile):
    ds, sites = profile
    scores = validate(ds, sites, var={"surface": "soil_moisture", "root_zone": "deep"},
                      stations={"depth": DEPTHS}, metrics="bias")  # fmt: skip
    assert scores.bias.dims == ("layer", "station")
    assert scores.layer.values.tolist() == ["surface", "root_zone"]
    by_layer = scores.bias.sel(station=["x", "y"]).values
    np.testing.assert_allclose(by_layer, [[-0.01, -0.02], [-0.04, np.nan]], atol=1e-6)
    assert scores.n_obs.sel(layer="root_zone", station="y").item() == 0
    assert scores.status.sel(layer="root_zone", station="y").item() != 0
    # the depths differ between the layers, the positions do not
    assert scores.depth_to.dims == ("layer", "station") and scores.lat.dims == ("station",)
    assert scores.depth_to.sel(layer="root_zone", station="x").item() == 0.5


def test_layers_of_another_product(profile):
    ds, _ = profile
    other = (ds + 0.01).map(lambda da: da.assign_attrs(UNITS))
    names = {"top": "soil_moisture", "bottom": "deep"}
    scores = validate(ds, other, var=names, reference_var=names, metrics="bias")
    assert scores.bias.dims == ("layer", "lat", "lon")
    np.testing.assert_allclose(scores.bias, -0.01, atol=1e-6)


def test_layers_that_do_not_fit_say_why(profile):
    ds, sites = profile
    names = {"surface": "soil_moisture", "deep": "deep"}
    with pytest.raises(InputError, match="stations: depth has the layers surface, root_zone, var"):
        validate(ds, sites, var=names, stations={"depth": DEPTHS})
    with pytest.raises(InputError, match="layer 'deep'"):
        validate(ds, sites, var={"surface": "soil_moisture", "deep": "deep"},
                 stations={"depth": {"surface": (0, 0.05), "deep": (2, 3)}})  # fmt: skip
    with pytest.raises(InputError, match="var is empty"):
        validate(ds, sites, var={})


def test_all_sensors_of_a_cell_are_averaged():
    ds = grid(20, lat=[44.0, 43.0], lon=[0.0, 1.0])
    series = [cell(ds, 0, 0, 0.01), cell(ds, 0, 0, 0.03), cell(ds, 1, 1, 0.05), cell(ds, 0, 0)]
    about = {"network": ["A", "B", "A", "A"], "station_name": ["p", "q", "r", "far"]}
    sites = stations([44.2, 43.8, 43.0, 60.0], [0.1, -0.1, 1.0, 0.0], ds.time, series, **about)
    scores = validate(ds, sites, metrics="bias", stations={"sensors": "cell_mean"})
    assert scores.station_name.values.tolist() == ["p + q", "r", "far"]
    assert scores.network.values.tolist() == ["A + B", "A", "A"]
    np.testing.assert_allclose(scores.bias, [-0.02, -0.05, np.nan], atol=1e-6)
    assert scores.n_sensors.values.tolist() == [2, 1, 1]
    np.testing.assert_allclose(scores.lat, [44.0, 43.0, 60.0])
    assert scores.status.values.tolist() == [0, 0, 2]


def test_no_station_within_the_period_is_a_warning_and_a_status(profile, caplog):
    ds, sites = profile
    late = sites.assign_coords(time=sites.time + np.timedelta64(4000, "D"))
    with caplog.at_level(logging.WARNING, logger="xsm.validation.in_situ"):
        scores = validate(ds, late, metrics="bias")
    assert "no station has a value on a day of soil_moisture (2015-04-01" in caplog.text
    assert (scores.status == 1).all() and (scores.n_obs == 0).all()

"""Arguments of other types than expected: an InputError that names the argument and the value."""

import numpy as np
import pytest

import xsm
from tests.validation.samples import cell, grid, stations
from xsm.errors import GridError, InputError


@pytest.fixture(scope="module")
def record():
    return grid(30)


@pytest.fixture(scope="module")
def sites(record):
    return stations([43.0, 42.0], [-4.0, -3.0], record["time"], [cell(record, 2, 2)] * 2)


CASES = {
    "metrics": ({"metrics": 5}, "metrics=.5,."),
    "by": ({"by": 5}, "by=5: 5 is no stratum"),
    "by period": ({"by": {"period": {"early": 5}}}, "by: period="),
    "by years": ({"by": {"period": ["a"]}}, "by: period="),
    "by bands": ({"by": {"latitude_band": "x"}}, "by: latitude_band='x'"),
    "by winter": ({"by": {"winter": "x"}}, "by: winter='x'"),
    "flags": ({"stations": {"flags": 5}}, "stations: flags=5"),
    "flags of numbers": ({"stations": {"flags": (1, 2)}}, r"stations: flags=\(1, 2\)"),
    "window": ({"stations": {"window": 5}}, "stations: window=5.*a number without a unit"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_odd_argument_is_named(record, sites, case):
    arguments, message = CASES[case]
    with pytest.raises(InputError, match=message):
        xsm.validate(record, sites, **arguments)


def test_regions_that_are_no_boxes_are_errors(record):
    for regions in (5, {"a": 5}, {"a": "text"}, {"a": (1, 2)}, {"a": (2, 1, 0, 0)}):
        with pytest.raises(InputError, match="product: regions"):
            xsm.validate(record, record, product={"regions": regions})


def test_stations_without_values_or_time_are_errors(record, sites):
    with pytest.raises(InputError, match="reference: soil_moisture has no values"):
        xsm.validate(record, sites.isel(time=[]))
    with pytest.raises(GridError, match="lies on points"):
        xsm.validate(record, sites.isel(time=0, drop=True))
    several = sites.assign_coords(a=("station", ["x", "y"]), b=("station", [1, 2]))
    scores = xsm.validate(record, several.set_index(station=["a", "b"]), metrics="bias")
    assert scores.sizes["station"] == 2 and np.isfinite(scores["bias"]).all()


def test_latitudes_that_are_no_numbers(record):
    for lat in (list("abcdefgh"), np.array([1.0, None] * 4, object)):
        with pytest.raises(GridError, match="lat holds .*expected degrees as numbers"):
            xsm.validate(record.assign_coords(lat=lat), record)
    holes = record["lat"].where(np.arange(8) != 3)
    with pytest.raises(GridError, match="lat has 1 missing values"):
        record.assign_coords(lat=("lat", holes.values)).sm.gapfill()


def test_a_reference_to_other_variables_that_is_no_text(record):
    for group in ("attrs", "encoding"):
        odd = record.copy(deep=True)
        getattr(odd["soil_moisture"], group)["grid_mapping"] = 5
        for call in (lambda odd=odd: odd.sm.gapfill(), lambda odd=odd: xsm.validate(odd, record)):
            with pytest.raises(InputError, match="'grid_mapping' of soil_moisture is 5"):
                call()


def test_a_background_of_another_type_is_named(record):
    with pytest.raises(InputError, match="background is a int"):
        record.sm.gapfill(background=5)


@pytest.mark.parametrize("options", [{"metrics": "spearman_rho"}, {"ci": "bca"},
                                     {"p_values": True, "metrics": "kendall_tau"}])  # fmt: skip
def test_no_day_in_winter_on_dask(options):
    """Neither ranks nor intervals nor p values can be computed from no day."""
    pytest.importorskip("dask")
    summer, other = grid(60, start="2015-06-01"), grid(60, start="2015-06-01", seed=1)
    if options.get("ci") == "bca":
        options = {"ci": {"method": "bca", "n": 20}, "metrics": "bias"}
    expected = xsm.validate(summer, other, by="winter", **options)
    lazy = xsm.validate(summer.chunk(lat=4), other.chunk(lat=4), by="winter", **options).compute()
    assert (lazy["n_obs"].sel(winter="winter") == 0).all()
    for name in expected.data_vars:
        np.testing.assert_allclose(lazy[name], expected[name], rtol=1e-5)

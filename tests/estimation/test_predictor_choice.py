"""Which variables become predictors by default, and questions about units."""

import logging

import numpy as np
import pytest

from tests.estimation.worlds import world
from xsm.errors import UnitError
from xsm.estimation.predictor_choice import choose_predictors, present_position
from xsm.estimation.samples import read_samples


def test_every_numeric_variable_but_those_of_the_target(caplog):
    ds = world()
    ds["soil"].attrs["ancillary_variables"] = "quality"
    ds["quality"] = ds["soil"] > 0.2
    ds["soil_error"] = ds["soil"] * 0.1
    ds["porosity"] = ds["sand"] * 0.5
    ds["label"] = ds["sand"].astype(str)
    ds["bounds"] = (("time", "edge"), np.zeros((60, 2)))
    ds["my_rain"] = ds["precipitation"].assign_attrs(standard_name="lwe_precipitation_rate")
    ds = ds.drop_vars("precipitation")
    with caplog.at_level(logging.INFO, logger="xsm"):
        names = choose_predictors(ds, ds["soil"], None)
    assert names == ["lst", "precipitation", "sand", "porosity"]
    text = [record.message for record in caplog.records if "predictors:" in record.message]
    assert len(text) == 1
    assert "precipitation (variable my_rain)" in text[0] and "as they are: porosity" in text[0]
    assert "not used: quality, soil_error, label, bounds" in text[0]
    assert choose_predictors(ds, ds["soil"], {"mine": "porosity"})[-1] == "mine"


def test_positions_only_where_there_are_any():
    ds = world()
    assert present_position(ds, ds["soil"]) == ["latitude", "longitude"]
    bare = ds.drop_vars(["lat", "lon"])
    assert present_position(bare, bare["soil"]) == []


def test_lacking_units_are_listed_together():
    ds = world()
    for name in ("lst", "precipitation"):
        del ds[name].attrs["units"]
    with pytest.raises(UnitError, match="'lst' .*'precipitation' .*Set them"):
        read_samples(ds, "soil", None)


def test_precipitation_that_looks_hourly_is_asked_about(caplog):
    ds = world()
    ds["precipitation"] = (ds["precipitation"] / 24).assign_attrs(units="mm")
    with pytest.raises(UnitError, match='sums of a day, or means of hourly sums.*"mm hour-1"'):
        read_samples(ds, "soil", None)
    ds["precipitation"].attrs["units"] = "mm day-1"
    with caplog.at_level(logging.WARNING, logger="xsm"):
        read_samples(ds, "soil", None)
    assert "is it a rate per hour" in caplog.text
    caplog.clear()
    ds["precipitation"].attrs["units"] = "mm hour-1"
    with caplog.at_level(logging.WARNING, logger="xsm"):
        samples = read_samples(ds, "soil", None)
    assert not caplog.text
    np.testing.assert_allclose(
        samples.x[0, :, [r["name"] for r in samples.rows].index("precipitation")],
        world()["precipitation"][:, 0, 0],
        rtol=1e-5,
    )


def test_whole_numbers_of_a_static_variable_are_classes():
    ds = world()
    ds["cover"] = (("lat", "lon"), np.arange(20.0).reshape(4, 5) % 4)
    rows = {row["name"]: row for row in read_samples(ds, "soil", None).rows}
    assert rows["cover"]["classes"] == [0.0, 1.0, 2.0, 3.0]
    assert "classes" not in rows["sand"]


@pytest.mark.parametrize(
    ("name", "attrs", "cycle"),
    [("SMAP_AM", {}, 8), ("sm", {"long_name": "LPRM AMSR2 soil moisture"}, 16), ("soil", {}, None)],
)
def test_the_repeat_cycle_of_the_product(name, attrs, cycle):
    ds = world().rename(soil=name)
    ds[name].attrs |= attrs
    assert read_samples(ds, name, None).repeat_cycle == cycle


def test_a_grid_mapping_is_no_predictor():
    ds = world()
    expected = choose_predictors(ds, ds["soil"], None)
    named = ds.assign(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}), spatial_ref=((), 0))
    named["lst"].encoding["grid_mapping"] = "spatial_ref"
    assert choose_predictors(named, named["soil"], None) == expected

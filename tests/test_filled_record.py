"""A filled record as input: what was filled is no observation."""

import logging

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import world
from xsm.conventions.filled import observed_values
from xsm.estimation.samples import read_samples
from xsm.training.fit_gapfill import _records

pytestmark = pytest.mark.usefixtures("network")
SM = "soil_moisture"


@pytest.fixture
def ds(long_record):
    return long_record


@pytest.fixture
def filled(ds):
    out = xsm.gapfill(ds)
    assert int(out[SM].notnull().sum()) > 1.5 * int(ds[SM].notnull().sum())
    return out


@pytest.mark.parametrize("order", [("time", "lat", "lon"), ("lon", "lat", "time")])
def test_statistics_are_of_the_observed_values(ds, filled, order):
    expected = xsm.record_statistics(ds)
    xr.testing.assert_equal(xsm.record_statistics(filled.transpose(*order)), expected)


def test_statistics_of_a_lazy_record_are_of_the_observed_values(ds, filled):
    pytest.importorskip("dask")
    found = xsm.record_statistics(filled.chunk(time=5, lat=4))
    xr.testing.assert_allclose(found, xsm.record_statistics(ds))


@pytest.mark.parametrize("lat", [slice(None), slice(None, None, -1)])
def test_a_network_learns_from_the_observed_values(ds, filled, lat):
    (expected,), *_ = _records(ds, None)
    (found,), *_ = _records(filled.isel(lat=lat), None)
    np.testing.assert_array_equal(found, expected)


def test_an_estimator_learns_from_the_observed_values():
    ds = world(rows=6, columns=8)
    kept = np.random.default_rng(0).random(ds["soil"].shape) < 0.6
    target = ds["soil"].where(kept)
    filled = xsm.gapfill(target.to_dataset(name="soil"), var="soil")
    assert int(filled["soil"].notnull().sum()) > int(kept.sum())
    expected = read_samples(ds.assign(soil=target), "soil", None)
    found = read_samples(ds.drop_vars("soil").merge(filled), "soil", None)
    np.testing.assert_array_equal(found.y, expected.y)
    assert [row["name"] for row in found.rows] == [row["name"] for row in expected.rows]


def test_new_days_that_are_filled_give_their_observed_values(ds, tmp_path):
    pytest.importorskip("zarr")
    first, new = ds.isel(time=slice(0, 30)), ds.isel(time=slice(30, None))
    for name, days in (("a", new), ("b", xsm.gapfill(new))):
        xsm.write_zarr(xsm.gapfill(first.chunk(time=10)), tmp_path / name)
        xsm.append_zarr(days, tmp_path / name)
    a, b = (xr.open_zarr(tmp_path / name, chunks=None).load() for name in "ab")
    xr.testing.assert_equal(b, a)


def test_a_record_of_one_depth(filled):
    deep = filled.expand_dims(depth=1)
    found = observed_values(deep[SM].squeeze("depth", drop=True), deep)
    expected = filled[SM].where(filled[f"{SM}_flag"] == 0)
    xr.testing.assert_equal(found, expected)
    assert "gapfill_model" not in found.attrs


def test_a_filled_reference_is_told(ds, filled, caplog):
    """What is validated may be filled; a reference, and each record of a triple, is observed."""
    xsm.validate(filled, ds)
    xsm.validate(ds, (ds, ds))
    assert "is filled" not in caplog.text
    for obj, reference, told in (
        (ds, filled, ["reference"]),
        (filled, (ds, filled), ["reference", "obj"]),
    ):
        caplog.clear()
        xsm.validate(obj, reference)
        assert [r.getMessage().partition(":")[0] for r in caplog.records] == told
        advice = caplog.records[0].getMessage().partition("out: ")[2].rstrip(".")
        observed = eval(advice, {"reference": filled})
        xr.testing.assert_equal(observed.drop_attrs(), ds[SM].drop_attrs())


def test_a_filled_array_without_its_flags_gives_a_warning(ds, filled, caplog):
    for call in (
        lambda: xsm.gapfill(filled[SM]),
        lambda: xsm.record_statistics(filled[SM]),
        lambda: xsm.record_statistics(filled.drop_vars(f"{SM}_flag")),
    ):
        caplog.clear()
        call()
        assert "soil_moisture was filled (attribute gapfill_model)" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "xsm"):
        xsm.record_statistics(filled)
        xsm.gapfill(ds)
    assert not caplog.records

"""Files in the form of each product open as one daily record with the values they hold."""

import dask
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.opening.made_files import MAKERS, PRODUCT_OF
from xsm.conventions.record import open_record as read_record
from xsm.opening.file_forms import PRODUCT_KEYS


def refuse_to_compute(*args, **kwargs):
    raise AssertionError("values were read while the record was opened")


def options(made):
    return {key: value for key, value in made.open.items() if key == "porosity"}


@pytest.mark.parametrize("form", MAKERS)
def test_values_places_and_days_of_every_form(form, tmp_path):
    made = MAKERS[form](tmp_path)
    with dask.config.set(scheduler=refuse_to_compute):
        ds = xsm.open_record(made.paths, quality=None, **options(made))
    da = ds[made.variable]
    assert ds.attrs["xsm_product"] == PRODUCT_OF.get(form, form)
    assert da.dims == ("time", "lat", "lon") and da.chunks is not None
    np.testing.assert_allclose(da, made.values, rtol=2e-6)
    np.testing.assert_allclose(ds["lat"], made.lat, atol=1e-5)
    np.testing.assert_allclose(ds["lon"], made.lon, atol=1e-5)
    assert [str(time)[:10] for time in ds["time"].values] == made.days
    assert ds["lat"].attrs["units"] == "degrees_north" and ds["lon"].attrs["axis"] == "X"
    record = read_record(ds)
    assert record.name == made.variable and record.regular


@pytest.mark.parametrize("form", MAKERS)
def test_in_memory_as_in_dask(form, tmp_path):
    made = MAKERS[form](tmp_path)
    lazy = xsm.open_record(made.paths, quality=None, **options(made))
    memory = xsm.open_record(made.paths, quality=None, chunks=None, **options(made))
    assert not memory.chunks
    xr.testing.assert_identical(lazy.compute().drop_attrs(), memory.compute().drop_attrs())


def test_every_product_has_a_form_that_is_tested():
    assert {PRODUCT_OF.get(form, form) for form in MAKERS} == set(PRODUCT_KEYS)


def test_a_record_is_filled(tmp_path):
    made = MAKERS["lprm"](tmp_path)
    filled = xsm.open_record(made.paths).sm.gapfill()
    assert "soil_moisture_c1_flag" in filled

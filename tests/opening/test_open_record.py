"""Files in the form of each product open as one daily record with the values they hold."""

import dask
import netCDF4
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.opening.made_files import MAKERS, PRODUCT_OF, put
from xsm.conventions.record import gridded_record
from xsm.errors import InputError
from xsm.opening.file_forms import PRODUCT_KEYS


def refuse_to_compute(*args, **kwargs):
    raise AssertionError("values were read while the record was opened")


def options(made):
    return {key: value for key, value in made.open.items() if key == "porosity"}


@pytest.mark.parametrize("form", MAKERS)
def test_values_places_and_days_of_every_form(form, tmp_path):
    made = MAKERS[form](tmp_path)
    with dask.config.set(scheduler=refuse_to_compute):
        ds = xsm.open_record(made.paths, **options(made))  # the flags of these files are clear
    da = ds[made.variable]
    assert ds.attrs["xsm_product"] == PRODUCT_OF.get(form, form)
    assert da.dims == ("time", "lat", "lon") and da.chunks is not None
    np.testing.assert_allclose(da, made.values, rtol=2e-6)
    np.testing.assert_allclose(ds["lat"], made.lat, atol=1e-5)
    np.testing.assert_allclose(ds["lon"], made.lon, atol=1e-5)
    assert [str(time)[:10] for time in ds["time"].values] == made.days
    assert ds["lat"].attrs["units"] == "degrees_north" and ds["lon"].attrs["axis"] == "X"
    record = gridded_record(ds)
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


def made_with_a_flag(form, tmp_path):
    """Files of a form, and the row and column of a value of the first day that a flag removes."""
    made = MAKERS[form](tmp_path)
    group, name, value = CASES[form]
    row, column = np.argwhere(np.isfinite(made.values[0]))[5]
    with_flags(made, group, name, (..., row, column), value)
    return made, row, column


def with_flags(made, group, name, cell, value):
    """Set a flag in one cell of the first day."""
    with netCDF4.Dataset(made.paths[0], "a") as root:
        variable = (root[group] if group else root)[name]
        variable.set_auto_maskandscale(False)
        variable[cell] = value


CASES = {
    "smap_l3": ("Soil_Moisture_Retrieval_Data_AM", "retrieval_qual_flag", 1),
    "esa_cci": ("", "flag", 2),
    "c3s": ("", "flag", 1),
    "smos_ic": ("", "Scene_Flags", 8),
    "smos_l3": ("", "Rfi_Prob", 0.9),
}


@pytest.mark.parametrize("form", CASES)
def test_recommended_quality(form, tmp_path):
    made, row, column = made_with_a_flag(form, tmp_path)
    raw = xsm.open_record(made.paths, quality=None)[made.variable]
    with dask.config.set(scheduler=refuse_to_compute):
        ds = xsm.open_record(made.paths)
    screened = ds[made.variable]
    assert np.isfinite(raw[0, row, column]) and np.isnan(screened[0, row, column])
    assert int(raw.count() - screened.count()) == 1
    assert screened.attrs["screening_product"] == form
    assert sum(xsm.screening_counts(ds, made.variable).values()) == 1
    assert gridded_record(ds).name == made.variable


def test_rules_by_name_and_files_without_flags(tmp_path):
    made = MAKERS["smap_l3"](tmp_path)
    group, name, value = CASES["smap_l3"]
    with_flags(made, group, name, (0, 1), value)
    named = xsm.open_record(made.paths, quality=["not_successful"])["soil_moisture"]
    np.testing.assert_allclose(named, made.values, rtol=1e-6)
    with pytest.raises(InputError, match="best"):
        xsm.open_record(made.paths, quality="best")
    points = MAKERS["smap_points"](tmp_path)
    da = xsm.open_record(points.paths)["soil_moisture"]
    np.testing.assert_allclose(da, points.values, rtol=1e-6)


def test_each_orbit_is_screened_before_the_mean_of_the_day(tmp_path):
    made = MAKERS["smap_l2"](tmp_path)
    for path in made.paths:
        with netCDF4.Dataset(path, "a") as root:
            group = root["Soil_Moisture_Retrieval_Data"]
            size = len(group.dimensions["phony_dim_0"])
            flag = np.zeros(size, np.uint16)
            flag[0] = 1 if path == made.paths[0] else 0  # the first cell is in both orbits
            put(group, "retrieval_qual_flag", ("phony_dim_0",), flag, fill=np.uint16(65534))
    da = xsm.open_record(made.paths)["soil_moisture"]
    assert float(da[0, 0, 0]) == pytest.approx(0.3, rel=1e-6)
    assert float(xsm.open_record(made.paths, quality=None)["soil_moisture"][0, 0, 0]) == (
        pytest.approx(0.2, rel=1e-6)
    )

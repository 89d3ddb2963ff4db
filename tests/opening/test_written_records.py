"""Records that were opened here and written are opened again as they were."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.opening.made_files import MAKERS
from tests.opening.test_open_record import CASES, made_with_a_flag, options
from xsm.errors import InputError

TWO_OVERPASSES = ("smap_l3", "smap_l2", "smos_l3", "smos_ic", "lprm")


def without_history(ds):
    """`ds` without its log of calls, its attributes as NetCDF returns them."""
    ds = ds.copy()
    ds.attrs = {k: v for k, v in ds.attrs.items() if k != "history"}
    for variable in ds.variables.values():
        single = {k: v for k, v in variable.attrs.items() if np.size(v) == 1}
        variable.attrs |= {k: np.ravel(v)[0] for k, v in single.items()}
    return ds


def assert_opened_as_written(ds, path):
    ds.to_netcdf(path)
    opened = xsm.open_record(path, chunks=None)
    xr.testing.assert_identical(without_history(opened), without_history(ds))


@pytest.mark.parametrize("form", MAKERS)
def test_a_record_and_its_fill(form, tmp_path):
    """Product, screening, uncertainty and flag are kept, under a name that tells nothing."""
    made = MAKERS[form](tmp_path)
    record = xsm.open_record(made.paths, chunks=None, **options(made))
    record = record.isel(lat=slice(0, 8), lon=slice(0, 8))  # of global grids a corner
    assert_opened_as_written(record, tmp_path / "a.nc")
    filled = record.sm.gapfill(var=made.variable)
    assert f"{made.variable}_flag" in filled
    assert_opened_as_written(filled, tmp_path / "b.nc")


@pytest.mark.parametrize("form", TWO_OVERPASSES)
def test_overpasses(form, tmp_path):
    made = MAKERS[form](tmp_path)
    both = xsm.open_record(made.paths, overpass="both", chunks=None)
    assert_opened_as_written(both, tmp_path / "both.nc")
    assert_opened_as_written(both.isel(overpass=[0]), tmp_path / "one.nc")


def test_overpasses_written_apart(tmp_path):
    made = MAKERS["smap_l3"](tmp_path)
    expected = xsm.open_record(made.paths, overpass="both", chunks=None)
    paths = []
    for overpass in ("AM", "PM"):
        paths.append(tmp_path / f"{overpass}.nc")
        record = expected.sel(overpass=overpass, drop=True)
        record.assign_attrs(overpass=overpass).to_netcdf(paths[-1])
    both = xsm.open_record(paths, overpass="both")["soil_moisture"]
    np.testing.assert_array_equal(both, expected["soil_moisture"])
    evening = xsm.open_record(paths, overpass="PM")["soil_moisture"]
    np.testing.assert_array_equal(evening, expected["soil_moisture"].sel(overpass="PM"))


@pytest.mark.parametrize("form", CASES)
def test_what_screening_removed_and_gapfill_filled(form, tmp_path):
    """Values filled where a flag removed the retrieval stay, and the rule that removed it too."""
    made, row, column = made_with_a_flag(form, tmp_path)
    record = xsm.open_record(made.paths, chunks=None)
    assert np.isnan(record[made.variable][0, row, column])
    filled = record.assign({made.variable: record[made.variable].fillna(0.2)})
    flag = xr.zeros_like(record[made.variable], dtype="int8").assign_attrs(
        flag_meanings="observed filled_by_network", flag_values=np.array([0, 1], "int8")
    )
    for number, ds in enumerate((record, filled.assign({f"{made.variable}_flag": flag}))):
        ds.to_netcdf(path := tmp_path / f"{number}.nc")
        opened = xsm.open_record(path)
        assert sum(xsm.screening_counts(opened, made.variable).values()) == 1
        np.testing.assert_array_equal(opened[made.variable], ds[made.variable])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_of_write_zarr(zarr_format, tmp_path):
    """The group with the log of writing is no obstacle, neither here nor for xarray."""
    zarr = pytest.importorskip("zarr")
    made = MAKERS["c3s_cells"](tmp_path)  # of two files on other cells: in even chunks
    filled = xsm.open_record(made.paths).sm.gapfill()
    path = tmp_path / "filled.zarr"
    xsm.write_zarr(filled, path, zarr_format=zarr_format, progress=False)
    assert zarr.open_group(path, mode="r").metadata.zarr_format == zarr_format
    opened = xsm.open_record(path).load()
    xr.testing.assert_identical(without_history(opened), without_history(filled.load()))
    xr.testing.assert_equal(xr.open_datatree(path, engine="zarr").to_dataset().load(), filled)


def test_a_store_that_is_not_complete_is_refused(tmp_path):
    pytest.importorskip("zarr")
    made = MAKERS["c3s_cells"](tmp_path)
    record = xsm.open_record(made.paths)

    def break_off(block, block_info=None):
        if block_info[0]["chunk-location"][-1] > 0:
            raise OSError("disk full")
        return block

    broken = record["sm"].chunk(lon=4).data.map_blocks(break_off, dtype="float32")
    ds = record[["sm"]].assign(sm=(record["sm"].dims, broken, record["sm"].attrs))
    path = tmp_path / "broken.zarr"
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(ds, path, progress=False)
    with pytest.raises(InputError, match="^broken.zarr is not complete.*Repeat the call"):
        xsm.open_record(path)


@pytest.mark.parametrize("form", ["smap_points", "c3s_cells", "smap_l2"])
def test_files_on_other_cells_give_even_chunks(form, tmp_path):
    """Zarr takes chunks of one size, but for the last."""
    made = MAKERS[form](tmp_path)
    da = xsm.open_record(made.paths, quality=None)[made.variable]
    for sizes in (da.chunksizes["lat"], da.chunksizes["lon"]):
        assert len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0]

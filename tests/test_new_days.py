"""New days are filled with the statistics of the years before, and a filled store grows."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.blockwise.full_disk import FullDisk
from xsm.blockwise import zarr_days
from xsm.errors import GridError, InputError

pytest.importorskip("dask")
pytest.importorskip("zarr")
pytestmark = pytest.mark.usefixtures("network")
SM = "soil_moisture"
NAMES = (SM, f"{SM}_uncertainty", f"{SM}_flag")


@pytest.fixture
def ds(long_record):
    long_record[SM].attrs["units"] = "m3 m-3"
    return long_record


@pytest.mark.parametrize("chunks", [None, {"time": 5, "lat": 4}])
def test_own_statistics_change_nothing(ds, chunks):
    statistics = xsm.record_statistics(ds if chunks is None else ds.chunk(chunks))
    own = xsm.gapfill(ds)
    for given in (ds, ds.chunk(time=12), ds.chunk(time=1, lat=3)):
        filled = xsm.gapfill(given, statistics=statistics)
        for name in NAMES:
            np.testing.assert_allclose(filled[name], own[name], rtol=4e-6, err_msg=name)
    assert "statistics='given'" in filled.attrs["history"]


def test_they_are_stored_and_are_those_of_any_storage_order(ds, tmp_path):
    xsm.record_statistics(ds).to_netcdf(tmp_path / "s.nc")
    with xr.open_dataset(tmp_path / "s.nc") as statistics:
        flipped = ds.isel(lat=slice(None, None, -1)).transpose("lon", "time", "lat")
        own, given = xsm.gapfill(flipped), xsm.gapfill(flipped, statistics=statistics)
        xr.testing.assert_allclose(given[SM], own[SM], rtol=4e-6)


def test_a_day_alone_is_filled_as_in_its_record(ds):
    """The last nine days have all neighbours of their fifth."""
    statistics = xsm.record_statistics(ds)
    whole = xsm.gapfill(ds)
    part = xsm.gapfill(ds.isel(time=slice(-9, None)), statistics=statistics)
    for name in NAMES:
        np.testing.assert_allclose(part[name][4], whole[name][-5], rtol=4e-6, err_msg=name)
    alone = xsm.gapfill(ds.isel(time=slice(-9, None)))
    assert not np.allclose(alone[SM][4], whole[SM][-5], equal_nan=True)


def test_a_season_that_is_not_covered_is_that_of_other_years():
    from xsm.gapfilling.given_statistics import _cycle_on

    knots = np.arange(0, 1000, 10.0)
    cycle = np.sin(2 * np.pi * knots / 365.2425).astype(np.float32)[:, None, None]
    days = np.arange(1005, 1400, 7)
    (out,) = _cycle_on(knots, cycle, days).T[0]
    np.testing.assert_allclose(out, np.sin(2 * np.pi * days / 365.2425), atol=0.01)
    short = _cycle_on(knots[:5], cycle[:5], np.array([90]))
    np.testing.assert_array_equal(short[0], cycle[4])


def test_statistics_that_are_none_or_of_other_cells(ds):
    statistics = xsm.record_statistics(ds)
    with pytest.raises(InputError, match="statistics is a dict"):
        xsm.gapfill(ds, statistics={})
    with pytest.raises(InputError, match=r"lacks \['mean'\]"):
        xsm.gapfill(ds, statistics=statistics.drop_vars("mean"))
    with pytest.raises(GridError, match=r"of \(9, 16\) cells, the record has \(8, 16\)"):
        xsm.gapfill(ds.isel(lat=slice(8)), statistics=statistics)
    with pytest.raises(GridError, match="lat begins with 60, in the record with 59"):
        xsm.gapfill(ds.assign_coords(lat=ds["lat"] - 1), statistics=statistics)
    with pytest.raises(InputError, match="besides time and space"):
        xsm.record_statistics(ds.expand_dims(orbit=2))


@pytest.mark.parametrize("steps", [[36], [30, 36], [30, 31, 32, 36]])
def test_a_store_that_grows_is_that_of_the_whole_record(ds, tmp_path, steps):
    statistics = xsm.record_statistics(ds)
    expected = xsm.gapfill(ds, statistics=statistics)
    first = xsm.gapfill(ds.isel(time=slice(20)).chunk(time=6), statistics=statistics)
    path = xsm.write_zarr(first, tmp_path / "filled.zarr", progress=False)
    start = 20
    for stop in steps:
        xsm.append_zarr(ds.isel(time=slice(start, stop)), path, statistics=statistics)
        start = stop
    with xr.open_zarr(path) as stored:
        assert (stored["time"].values == ds["time"].values).all()
        for name in NAMES:
            np.testing.assert_allclose(stored[name], expected[name], rtol=4e-6, err_msg=name)
        observed = np.isfinite(ds[SM].values)
        assert (stored[SM].values[observed] == ds[SM].values[observed]).all()


@pytest.mark.parametrize("units", ["%", "m3 m-3"])
def test_new_days_in_another_unit(ds, tmp_path, units):
    """The store keeps its unit; its last days, which are filled once more, too."""
    statistics = xsm.record_statistics(ds)
    percent = (100 * ds[SM]).assign_attrs(units="%").to_dataset(name=SM)
    stored, new = (ds, percent) if units == "m3 m-3" else (percent, ds)
    expected = xsm.gapfill(stored, statistics=statistics)
    first = xsm.gapfill(stored.isel(time=slice(20)), statistics=statistics)
    first.to_zarr(tmp_path / "filled.zarr", consolidated=False)
    xsm.append_zarr(new.isel(time=slice(20, 36)), tmp_path / "filled.zarr", statistics=statistics)
    with xr.open_zarr(tmp_path / "filled.zarr") as grown:
        assert grown[SM].attrs["units"] == units
        for name in NAMES:
            np.testing.assert_allclose(grown[name], expected[name], rtol=4e-6, err_msg=name)


def test_other_variables_of_each_day(ds, tmp_path):
    """Gap filling returns them with the filled one, so a store has them."""
    ds["quality"] = ds[SM].isnull().astype("int8")
    path = tmp_path / "filled.zarr"
    xsm.gapfill(ds.isel(time=slice(20))).to_zarr(path, consolidated=False)
    with pytest.raises(InputError, match=r"\['quality'\] of each day, which the new days lack"):
        xsm.append_zarr(ds[[SM]].isel(time=slice(20, 30)), path)
    xsm.append_zarr(ds.isel(time=slice(20, 30)).transpose("lon", "time", "lat"), path)
    with xr.open_zarr(path) as grown:
        assert grown["quality"].dtype == np.int8
        np.testing.assert_array_equal(grown["quality"], ds["quality"].isel(time=slice(30)))


@pytest.mark.parametrize("units", ["m3 m-3", "%"])
def test_the_uncertainty_of_the_product_is_kept(ds, tmp_path, units):
    """Of the last days, which are filled once more, and of the new ones, in the unit of the store.

    A coordinate of each day is appended, one that the store lacks is not.
    """
    values = np.random.default_rng(3).uniform(0.01, 0.05, ds[SM].shape).astype("float32")
    std = xr.DataArray(values, ds[SM].coords, attrs={"units": "m3 m-3"}).where(ds[SM].notnull())
    ds = ds.assign({f"{SM}_uncertainty": std}).assign_coords(orbit=("time", np.arange(36)))
    statistics = xsm.record_statistics(ds)
    path = tmp_path / "filled.zarr"
    xsm.gapfill(ds.isel(time=slice(20)), statistics=statistics).to_zarr(path, consolidated=False)
    new = ds.isel(time=slice(20, 36)).assign_coords(scene=("time", np.arange(16)), level=1)
    if units == "%":
        new[f"{SM}_uncertainty"] = (100 * new[f"{SM}_uncertainty"]).assign_attrs(units="%")
    xsm.append_zarr(new, path, statistics=statistics)
    expected = xsm.gapfill(ds, statistics=statistics)
    with xr.open_zarr(path, consolidated=False) as grown:
        assert set(grown.coords) == set(ds.coords)
        np.testing.assert_array_equal(grown["orbit"], np.arange(36))
        for name in NAMES:
            np.testing.assert_allclose(grown[name], expected[name], rtol=4e-6, err_msg=name)
    with pytest.raises(InputError, match=r"has \['orbit'\] of each day, which the new days lack"):
        xsm.append_zarr(shifted(ds).drop_vars("orbit"), path)
    with pytest.raises(InputError, match=r"\['soil_moisture_uncertainty'\] of each day"):
        xsm.append_zarr(shifted(ds)[[SM]], path)


def shifted(ds):
    """The same values after the end of the record."""
    return ds.assign_coords(time=ds["time"] + (ds["time"][-1] - ds["time"][0]) + 86400 * 10**9)


def hours_later(ds):
    return ds.assign_coords(time=ds["time"] + np.timedelta64(6, "h"))


UNFIT = {
    "time of day": (hours_later, "time", "give them the time of day of the others"),
    "number": (lambda ds: ds.assign(n=ds["n"].astype("int16") + 3000), "n", "int8"),
    "packing": (lambda ds: ds.assign(dry=ds["dry"] + 40.0), "dry", "int16"),
    "kind": (lambda ds: ds.assign(n=ds["n"] + 0.5), "n", "20.5 would be read as 20"),
    "text": (lambda ds: ds.assign(orbit=ds["orbit"].astype("U3") + "x"), "orbit", "Ax"),
    "calendar": (lambda ds: ds.convert_calendar("noleap"), "the calendar", "convert_calendar"),
}


@pytest.mark.filterwarnings("ignore:The data type")  # of text, which is not in Zarr format 3
@pytest.mark.parametrize("case", UNFIT)
def test_values_that_the_encoding_of_the_store_cannot_hold(ds, tmp_path, case):
    """Dates and numbers are packed as those before them: others would be read as other values."""
    change, name, message = UNFIT[case]
    ds = ds.isel(lat=slice(3), lon=slice(3)).assign(
        n=("time", np.arange(36, dtype="int8")),
        dry=("time", np.linspace(0, 1, 36)),
        orbit=("time", np.full(36, "A")),
    )
    ds["dry"].encoding = {"dtype": "int16", "scale_factor": 0.001, "_FillValue": -9999}
    path = tmp_path / "filled.zarr"
    xsm.gapfill(ds.isel(time=slice(20)), calibrate=False).to_zarr(path, consolidated=False)
    with xr.open_zarr(path, consolidated=False) as stored:
        before = stored.load()
    with pytest.raises(InputError, match=f"{name}.*{message}"):
        xsm.append_zarr(change(ds.isel(time=slice(20, 30))), path)
    with xr.open_zarr(path, consolidated=False) as stored:
        xr.testing.assert_identical(stored.load(), before)
    xsm.append_zarr(ds.isel(time=slice(20, 30)), path)
    with xr.open_zarr(path, consolidated=False) as grown:
        np.testing.assert_array_equal(grown["time"], ds["time"][:30])
        np.testing.assert_allclose(grown["dry"], ds["dry"][:30], atol=0.0005)


def test_an_interrupted_append_is_undone(ds, tmp_path, monkeypatch):
    statistics = xsm.record_statistics(ds)
    first = xsm.gapfill(ds.isel(time=slice(20)).chunk(time=6), statistics=statistics)
    path = xsm.write_zarr(first, tmp_path / "filled.zarr", progress=False)

    def stop(store):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(xr.Dataset, "to_zarr", lambda *a, **k: stop(None))
        xsm.append_zarr(ds.isel(time=slice(20, 30)), path, statistics=statistics)
    xsm.append_zarr(ds.isel(time=slice(20, 30)), path, statistics=statistics)
    original = xr.Dataset.to_zarr

    def late(self, *args, **options):
        original(self, *args, **options)
        if "append_dim" in options:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(xr.Dataset, "to_zarr", late)
        xsm.append_zarr(ds.isel(time=slice(30, 36)), path, statistics=statistics)
    xsm.append_zarr(ds.isel(time=slice(30, 36)), path, statistics=statistics)
    expected = xsm.gapfill(ds, statistics=statistics)
    with xr.open_zarr(path) as stored:
        assert not (path / zarr_days.APPENDING).exists()
        np.testing.assert_allclose(stored[SM], expected[SM], rtol=4e-6)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_disk_that_is_full_at_any_moment(ds, tmp_path, monkeypatch, zarr_format):
    monkeypatch.setattr(FullDisk, "cuts", False)
    small = ds.isel(lat=slice(3), lon=slice(3))
    first = xsm.gapfill(small.isel(time=slice(8)), calibrate=False)
    statistics, new = xsm.record_statistics(small), small.isel(time=slice(8, 10))
    failed = 0
    for room in range(1, 60):
        store = FullDisk(tmp_path / f"{room}.zarr")
        FullDisk.room = 10**6
        first.to_zarr(store, zarr_format=zarr_format, consolidated=False)
        FullDisk.room = room
        try:
            xsm.append_zarr(new, store, statistics=statistics)
        except OSError:
            failed += 1
            FullDisk.room = 10**6
            xsm.append_zarr(new, store, statistics=statistics)
        else:
            break
    expected = xr.open_zarr(store, consolidated=True).load()
    assert failed > 5 and expected.sizes["time"] == 10
    for path in tmp_path.iterdir():
        with xr.open_zarr(path, consolidated=True) as stored:
            xr.testing.assert_equal(stored, expected)


def test_two_calls_that_append_the_same_days(ds, tmp_path, monkeypatch):
    first = xsm.gapfill(ds.isel(time=slice(20)), calibrate=False)
    path, new = tmp_path / "filled.zarr", ds.isel(time=slice(20, 24))
    first.to_zarr(path, consolidated=False)
    write = zarr_days.GrowingStore.write

    def after_another(self, *args):
        monkeypatch.setattr(zarr_days.GrowingStore, "write", write)
        xsm.append_zarr(new, path)
        return write(self, *args)

    monkeypatch.setattr(zarr_days.GrowingStore, "write", after_another)
    with pytest.raises(InputError, match="another call has appended days meanwhile"):
        xsm.append_zarr(new, path)
    with xr.open_zarr(path, consolidated=False) as stored:
        assert (stored["time"].values == ds["time"].values[:24]).all()


def test_days_and_stores_that_do_not_fit(ds, tmp_path):
    first = xsm.gapfill(ds.isel(time=slice(20)).chunk(time=6))
    path = xsm.write_zarr(first, tmp_path / "filled.zarr", progress=False)
    with pytest.raises(InputError, match="expected later days"):
        xsm.append_zarr(ds.isel(time=slice(19, 22)), path)
    with pytest.raises(InputError, match="'lat' of soil_moisture differs"):
        xsm.append_zarr(ds.isel(time=slice(20, 22), lat=slice(8)), path)
    with pytest.raises(InputError, match="holds no Zarr store"):
        xsm.append_zarr(ds.isel(time=slice(20, 22)), tmp_path / "none.zarr")
    ds.isel(time=slice(20)).to_zarr(tmp_path / "raw.zarr", consolidated=False)
    with pytest.raises(InputError, match="has no variable 'soil_moisture_flag'"):
        xsm.append_zarr(ds.isel(time=slice(20, 22)), tmp_path / "raw.zarr")
    changed = first.assign({SM: first[SM].assign_attrs(gapfill_model="other")})
    xsm.write_zarr(changed, path, mode="overwrite", progress=False)
    with pytest.raises(InputError, match="was filled by the model other"):
        xsm.append_zarr(ds.isel(time=slice(20, 22)), path)


def test_samples_are_refused_by_a_store_that_grows(ds, tmp_path):
    with pytest.raises(InputError, match="samples=3: .* holds no samples"):
        xsm.append_zarr(ds, tmp_path / "filled.zarr", samples=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"keep_observed": False},
            "keep_observed=False: a store that grows keeps",
        ),
        ({"calibrate": True}, "calibrate=True: the network alone fills new days"),
    ],
)
def test_options_that_a_store_cannot_hold_are_refused(ds, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        xsm.append_zarr(ds, tmp_path / "filled.zarr", **options)


def test_a_store_without_observations_does_not_grow(ds, tmp_path):
    path, statistics = tmp_path / "filled.zarr", xsm.record_statistics(ds)
    first, new = ds.isel(time=slice(0, 20)), ds.isel(time=slice(20, 22))
    xsm.gapfill(first, statistics=statistics, keep_observed=False).to_zarr(path, consolidated=False)
    with pytest.raises(InputError, match="holds no observed value .*keep_observed=False"):
        xsm.append_zarr(new, path, statistics=statistics)

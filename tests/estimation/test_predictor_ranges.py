"""Predictors outside their declared range are missing: in memory, on Dask, in files."""

import numpy as np
import pytest
import xarray as xr

from tests.estimation.worlds import any_model, world
from xsm import warn_once
from xsm.conventions.valid_values import apply_declared_range
from xsm.errors import InputError
from xsm.estimation.samples import read_samples

WORLD = world()
HIDDEN = np.random.default_rng(3).random(WORLD["lst"].shape) < 0.1
GAPS = WORLD.assign(lst=WORLD["lst"].where(~HIDDEN).assign_attrs(units="K"))
NAMES = ["lst", "sand", "precipitation"]
RANGES = {
    "valid_range": {"valid_range": np.float32([200, 340])},
    "minimum": {"valid_min": 200.0},
    "maximum": {"valid_min": -20000.0, "valid_max": 340.0, "fill": 9999.0},
    "packed": {"valid_range": np.uint16([10000, 17000]), "scale_factor": 0.02},
    "packed with offset": {
        "valid_min": np.int16(0), "valid_max": np.int16(7000), "scale_factor": 0.02,
        "add_offset": 200.0,
    },
}  # fmt: skip


def undecoded(attrs):
    """The world with numbers in place of missing temperatures."""
    attrs = dict(attrs)
    packing = {k: attrs.pop(k) for k in ("scale_factor", "add_offset") if k in attrs}
    lst = WORLD["lst"].where(~HIDDEN, attrs.pop("fill", -9999.0)).assign_attrs(units="K", **attrs)
    lst.encoding = packing
    return WORLD.assign(lst=lst)


def forms(ds, tmp_path, chunk_file_backed):
    """In memory, in chunks, and in a file, as a whole and in blocks."""
    yield ds
    yield ds.chunk(time=7, lat=2)
    path = tmp_path / "predictors.nc"
    plain = ds.copy()
    plain["lst"].encoding = {}
    plain.to_netcdf(path)
    for block_bytes in (2**20, 1000):
        chunk_file_backed.setattr("xsm.blockwise.chunks.BLOCK_BYTES", block_bytes)
        with xr.open_dataset(path) as opened:
            for name in opened.variables:
                opened[name].encoding = dict(ds[name].encoding)
            yield opened


@pytest.mark.parametrize("case", RANGES)
def test_values_out_of_range_are_missing(case, tmp_path, monkeypatch):
    expected = read_samples(GAPS, "soil", NAMES)
    estimate = GAPS.sm.estimate(model=any_model())
    for ds in forms(undecoded(RANGES[case]), tmp_path, monkeypatch):
        np.testing.assert_array_equal(read_samples(ds, "soil", NAMES).x, expected.x)
        out = ds.drop_vars("soil").sm.estimate(model=any_model())
        np.testing.assert_array_equal(out["soil_moisture_flag"], estimate["soil_moisture_flag"])
        np.testing.assert_allclose(out["soil_moisture"], estimate["soil_moisture"], atol=1e-6)


def test_numbers_in_place_of_missing_values_of_integers():
    whole = WORLD["lst"].round()
    ints = whole.where(~HIDDEN, -9999).astype(np.int16)
    ds = WORLD.assign(lst=ints.assign_attrs(units="K", valid_range=np.int16([200, 340])))
    expected = WORLD.assign(lst=whole.where(~HIDDEN).assign_attrs(units="K"))
    found, wanted = (read_samples(d, "soil", NAMES).x for d in (ds, expected))
    np.testing.assert_array_equal(found, wanted)


def test_before_a_mean_of_hours_and_before_regridding():
    hours = WORLD["lst"].time.values[0] + np.arange(4 * 60) * np.timedelta64(6, "h")
    four = WORLD["lst"].isel(time=np.repeat(np.arange(60), 4)).assign_coords(time=hours)
    first = xr.DataArray(np.arange(240) % 4 == 0, dims="time")  # a quarter may be missing
    packed = {"units": "K", "valid_range": np.uint16([10000, 17000])}
    four = four.where(~first, -9999.0).assign_attrs(packed)
    four.encoding = {"scale_factor": 0.02}
    sand = WORLD["sand"].interp(lat=[49.5, 45.0, 42.0], lon=[1.0, 6.0, 11.0])
    sand[1, 1] = -9999.0
    sand = sand.assign_attrs(units="1", valid_range=[0.0, 1.0])
    for lst in (four, four.chunk(time=50)):
        out = WORLD.sm.estimate(
            model=any_model(), features={"lst": lst, "sand": sand}, regrid="nearest"
        )
        masked = {"lst": WORLD["lst"], "sand": sand.where(sand > 0).assign_attrs(units="1")}
        expected = WORLD.sm.estimate(model=any_model(), features=masked, regrid="nearest")
        np.testing.assert_array_equal(out["soil_moisture_flag"], expected["soil_moisture_flag"])
        np.testing.assert_allclose(out["soil_moisture"], expected["soil_moisture"], atol=1e-6)


def test_a_target_of_several_times_a_day():
    hours = WORLD["soil"].time.values[0] + np.arange(120) * np.timedelta64(12, "h")
    soil = WORLD["soil"].isel(time=np.repeat(np.arange(60), 2)).assign_coords(time=hours)
    soil[::14] = -9999.0
    soil = soil.assign_attrs(units="m3 m-3", valid_range=np.int16([0, 6000]))
    soil.encoding = {"scale_factor": 1e-4}
    found = read_samples(WORLD.drop_vars("soil"), soil, NAMES).y
    expected = read_samples(WORLD, "soil", NAMES).y.copy()
    expected[:, ::7] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_longitudes_that_were_shifted_keep_their_place():
    """The range of a coordinate is not that of its values after a shift."""
    ds = WORLD.assign_coords(lon=WORLD["lon"] - 6.0)
    ds["lon"].attrs = {"units": "degrees_east", "valid_range": [0.0, 360.0]}
    samples = read_samples(ds, "soil", [*NAMES, "latitude", "longitude"])
    assert np.unique(samples.x[:, :, -1]).tolist() == [-6.0, -3.0, 0.0, 3.0, 6.0]


@pytest.mark.parametrize("chunks", [None, {"lat": 1}])
def test_a_range_in_another_unit_is_not_used(chunks, caplog, monkeypatch):
    """It was left as it was by a conversion of the values, or is in packed numbers."""
    celsius = (WORLD["lst"] - 273.15).assign_attrs(units="degC", valid_range=[200, 340])
    millimetres = WORLD["precipitation"].assign_attrs(valid_max=0.5)  # of metres
    masked = WORLD["lst"].assign_attrs(valid_range=np.uint16([7500, 65535])).where(~HIDDEN)
    for changed in (celsius, millimetres, masked):
        monkeypatch.setattr(warn_once, "_given", set())
        ds = WORLD.assign({changed.name: changed})
        plain = WORLD.assign({changed.name: changed.drop_attrs().assign_attrs(units=changed.units)})
        given = ds if chunks is None else ds.chunk(chunks)
        caplog.clear()
        out = given.sm.estimate(model=any_model()).compute()
        text = "\n".join(r.getMessage() for r in caplog.records)
        assert text.count("the range is not used. If the range is in another unit") == 1
        assert f'del ds["{changed.name}"].attrs["valid_range"]' in text
        xr.testing.assert_allclose(out, plain.sm.estimate(model=any_model()))
        found, wanted = (read_samples(d, "soil", NAMES).x for d in (given, plain))
        np.testing.assert_array_equal(found, wanted)


def test_measurements_that_are_left_out_are_reported_once(caplog):
    ds = WORLD.assign(lst=WORLD["lst"].assign_attrs(valid_min=280.0))
    for _ in range(2):
        read_samples(ds, "soil", NAMES)
    texts = [r.getMessage() for r in caplog.records if "valid range" in r.getMessage()]
    share = 100 * float((WORLD["lst"] < 280).mean())
    assert len(texts) == 1 and f"{share:.3g} % of those read: they count as missing" in texts[0]
    read_samples(undecoded(RANGES["valid_range"]), "soil", NAMES)  # fill values are no measurements
    assert len([r for r in caplog.records if "valid range" in r.getMessage()]) == 1


def test_what_is_averaged_loses_the_attributes_of_its_range():
    ds = undecoded(RANGES["packed"])
    for lst in (ds["lst"], ds["lst"].chunk(time=9)):
        out = apply_declared_range(lst)
        np.testing.assert_array_equal(out, GAPS["lst"])
        assert out.attrs == {"units": "K"} and "valid_range" in lst.attrs


def test_a_static_predictor_that_is_out_of_range_everywhere_is_named():
    percent = xr.full_like(WORLD["sand"], 55.0).assign_attrs(units="1", valid_range=[0.0, 1.0])
    with pytest.raises(InputError, match=r"predictors \['sand'\] have no value.*valid range"):
        read_samples(WORLD.assign(sand=percent), "soil", NAMES)

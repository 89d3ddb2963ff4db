"""Original files of the products, compared to parsing them by hand with netCDF4."""

import netCDF4
import numpy as np
import pytest

import xsm
from xsm.errors import InputError


@pytest.fixture
def forms(real_data):
    """Find files below the real data; skips where they are absent."""

    def find(pattern):
        paths = sorted(real_data.glob(pattern))
        if not paths:
            pytest.skip(f"no {pattern} in {real_data}")
        return paths

    return find


def by_hand(path, name, group=None):
    """A variable as netCDF4 decodes it, NaN where masked."""
    with netCDF4.Dataset(path) as root:
        values = (root[group] if group else root)[name][...]
    return np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)


@pytest.mark.parametrize(
    ("pattern", "product", "n"),
    [
        ("c3s_sm/*.nc", "c3s", 3),
        ("esa_cci_sm/*PASSIVE*.nc", "esa_cci", 5),
        ("esa_cci_sm/*COMBINED*.nc", "esa_cci", 2),
    ],
)
def test_images_of_cci_and_c3s(forms, pattern, product, n):
    paths = forms(pattern)
    ds = xsm.open_record(paths[::-1], quality=None)
    assert ds.attrs["xsm_product"] == product and ds.sizes["time"] == n
    expected = np.concatenate([by_hand(path, "sm") for path in paths])
    np.testing.assert_array_equal(ds["sm"], expected)
    assert ds["sm_uncertainty"].attrs["units"] == "m3 m-3"


def test_active_with_a_porosity(forms):
    paths = forms("esa_cci_sm/*ACTIVE*.nc")
    da = xsm.open_record(paths, quality=None, porosity=0.45)["sm"]
    np.testing.assert_allclose(da, 0.0045 * by_hand(paths[0], "sm"), rtol=1e-6)


def test_a_folder_of_mixed_editions_is_refused(forms):
    forms("esa_cci_sm/*ACTIVE*.nc")
    with pytest.raises(InputError, match=r"several records.*such as '\*[A-Z]+\*'"):
        xsm.open_record(forms("esa_cci_sm")[0])


def test_lprm_granule(forms):
    (path,) = forms("amsr2_lprm/LPRM*.nc4")
    ds = xsm.open_record(path, quality=None)
    assert str(ds["time"].values[0])[:10] == "2015-04-01" and ds.attrs["overpass"] == "AM"
    np.testing.assert_array_equal(ds["soil_moisture_c1"][0], by_hand(path, "soil_moisture_c1").T)


def test_lprm_record(forms):
    (path,) = forms("amsr2_lprm/lprm_*.nc")
    ds = xsm.open_record(path, quality=None).isel(time=slice(0, 2))
    np.testing.assert_array_equal(ds["soil_moisture_x"], by_hand(path, "soil_moisture_x")[:2])


def test_c3s_cell(forms):
    (path,) = forms("forms/c3s_cell/*.nc")
    ds = xsm.open_record(path, quality=None)
    values, lat, lon = (by_hand(path, name) for name in ("sm", "lat", "lon"))
    values[values < 0] = np.nan
    for number in range(lat.size):
        series = ds["sm"].sel(lat=lat[number], lon=lon[number], method="nearest")
        np.testing.assert_array_equal(series, values[number])
    assert int(ds["sm"].count()) == np.isfinite(values).sum()


def test_cmip6(forms):
    (path,) = forms("forms/cmip6/mrsos*.nc")
    da = xsm.open_record(path)["mrsos"]
    np.testing.assert_allclose(da, by_hand(path, "mrsos") / 100, rtol=1e-6)
    assert xsm.open_record(path.parent).sizes["time"] == 31  # beside a land mask


def test_era5_of_2024(forms):
    (path,) = forms("forms/era5_2024/*.nc")
    ds = xsm.open_record(path)
    expected = by_hand(path, "swvl1").reshape(7, 24, 17, 21).mean(1)
    np.testing.assert_allclose(ds["swvl1"], expected, rtol=1e-6)
    assert list(ds["swvl1"].coords) == ["lat", "lon", "time"] or "expver" not in ds.coords


def test_gldas_3_hourly(forms):
    paths = forms("forms/gldas/*.nc4")
    da = xsm.open_record(paths)["SoilMoi0_10cm_inst"]
    steps = np.stack([by_hand(path, "SoilMoi0_10cm_inst")[0] for path in paths])
    np.testing.assert_allclose(da[0], steps.mean(0) / 100, rtol=1e-6)
    assert da.attrs["times_a_day"] == "2"


def test_smos_l3(forms):
    paths = forms("forms/smos_l3/*.nc")
    ds = xsm.open_record(paths, quality=None)
    expected = np.stack([by_hand(path, "Soil_Moisture") for path in paths])
    np.testing.assert_allclose(ds["Soil_Moisture"], expected, rtol=1e-6)
    assert [str(t)[8:10] for t in ds["time"].values] == ["06", "07", "08"]


def test_smap_l2_granule(forms):
    (path,) = forms("forms/smap_l2/*.h5")
    da = xsm.open_record(path, quality=None)["soil_moisture"]
    group = "Soil_Moisture_Retrieval_Data"
    names = ("soil_moisture", "EASE_row_index", "EASE_column_index")
    values, row, column = (by_hand(path, name, group) for name in names)
    expected = np.full((406, 964), np.nan)
    expected[row.astype(int), column.astype(int)] = values
    whole = da.reindex(lat=global_latitudes(), method="nearest", tolerance=1e-6)
    np.testing.assert_array_equal(whole[0], expected)


def global_latitudes():
    from xsm.opening.ease_grid import ease2_axes

    return ease2_axes(36.0)[0]


def test_smap_points_of_14_days(forms):
    paths = forms("forms/smap_points/*.nc")
    da = xsm.open_record(paths)["soil_moisture"]
    assert da.sizes["time"] == 14
    for number, path in enumerate(paths):
        lat, lon, values = (by_hand(path, n) for n in ("latitude", "longitude", "soil_moisture"))
        cells = {}
        for key in zip(lat.round(3), lon.round(3), values, strict=True):
            cells.setdefault(key[:2], []).append(key[2])
        expected = [np.mean(v) for _, v in sorted(cells.items())]
        day = da[number].sortby(["lat", "lon"]).stack(cell=("lat", "lon")).dropna("cell")
        np.testing.assert_allclose(day, expected, rtol=1e-6)

"""Results files of QA4SM: names, values and attributes; its reader opens them if installed."""

import importlib.util

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from tests.validation.test_product import shifted
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation import stability, to_qa4sm

METRICS = ["pearson_r", "bias", "ubrmsd", "rss"]


@pytest.fixture(scope="module")
def data():
    ds = grid(400, lat=[44.0, 43.0], lon=[0.0, 1.0])
    products = {"A and B": shifted(ds, 0.02, seed=1), "model": shifted(ds, 0.0, 0.02, seed=2)}
    about = {"network": ["N", "M"], "station_name": ["x", "y"], "depth_from": [0.0, 0.0],
             "depth_to": [0.05, 0.05], "frm_class": ["representative", ""]}  # fmt: skip
    series = [cell(ds, 0, 0), cell(ds, 1, 1)]
    return ds, products, stations([44.0, 43.0], [0.0, 1.0], ds.time, series, **about)


@pytest.fixture(scope="module")
def written(data, tmp_path_factory):
    """Scores at stations, and the file with seasons and a stability made up."""
    _, products, sites = data
    scores = validate(products, sites, metrics=METRICS, p_values=True, ci={"n": 20})
    seasons = validate(products, sites, metrics=METRICS, by="season", several={"triples": False})
    years = xr.concat([scores[["pearson_r", "bias"]]] * 5, "period")
    years = years.assign_coords(period=[str(2010 + i) for i in range(5)])
    years["bias"] = years.bias + 0.01 * xr.DataArray(np.arange(5.0), dims="period")
    path = tmp_path_factory.mktemp("qa4sm") / "results.nc"
    return scores, to_qa4sm(scores, path, windows=seasons, stability=stability(years))


def test_variables_have_the_names_and_values_of_qa4sm(written):
    scores, path = written
    ds = xr.open_dataset(path)
    assert set(ds.tsw.values) == {
        "bulk", "S1", "S2", "S3", "S4"}  # fmt: skip
    bulk = ds.sel(tsw="bulk")
    for i, name in ((1, "A_and_B"), (2, "model")):
        label = name.replace("_and_", "_")
        own = scores.isel(product=i - 1)
        between = f"between_0-ISMN_and_{i}-{label}"
        np.testing.assert_allclose(bulk[f"R_{between}"], own.pearson_r, rtol=1e-6)
        np.testing.assert_allclose(bulk[f"RSS_{between}"], own.rss, rtol=1e-6)
        np.testing.assert_allclose(bulk[f"R_ci_lower_{between}"], own.pearson_r_low, rtol=1e-6)
        np.testing.assert_allclose(bulk[f"p_R_{between}"], own.p_pearson_r, rtol=1e-6, atol=1e-38)
        np.testing.assert_allclose(bulk[f"slopeBIAS_{between}"], 0.1, rtol=1e-5)
        assert (bulk[f"status_{between}"] == 0).all()
    triple = "between_0-ISMN_and_1-A_B_and_2-model"
    snr = scores.tc_snr_db.isel(triple=0).sel(dataset="model")
    np.testing.assert_allclose(bulk[f"snr_2-model_{triple}"], snr, rtol=1e-6)
    assert ds.attrs["val_dc_dataset_pretty_name1"] == "A and B"
    assert ds.frm_class.values.tolist() == ["representative", ""]
    np.testing.assert_allclose(ds.instrument_depthto, 0.05)
    summer = ds.sel(tsw="S3")["n_obs"]
    assert (summer > 60).all() and (summer < bulk["n_obs"]).all()


def test_maps_are_flat_with_their_positions(data, tmp_path):
    ds, products, _ = data
    scores = validate(products["model"], ds, metrics=METRICS)
    out = xr.open_dataset(to_qa4sm(scores, tmp_path / "maps.nc")).sel(tsw="bulk")
    np.testing.assert_allclose(out.lat, [44, 44, 43, 43])
    np.testing.assert_allclose(out.lon, [0, 1, 0, 1])
    np.testing.assert_allclose(
        out["BIAS_between_0-soil_moisture_and_1-soil_moisture"],
        scores.bias.values.ravel(),
        rtol=1e-5,
    )
    assert out.attrs["val_resolution"] == 1.0 and out.attrs["val_resolution_unit"] == "deg"


def test_what_has_another_form_is_refused(data, written, tmp_path):
    ds, products, sites = data
    seasons = validate(products["model"], sites, metrics="bias", by="season")
    with pytest.raises(InputError, match="has the strata season"):
        to_qa4sm(seasons, tmp_path / "a.nc")
    with pytest.raises(InputError, match="kind of the scores is None"):
        to_qa4sm(ds, tmp_path / "a.nc")
    with pytest.raises(InputError, match="expected equal ones"):
        to_qa4sm(written[0], tmp_path / "a.nc", windows=seasons)
    with pytest.raises(InputError, match="does not exist"):
        to_qa4sm(written[0], tmp_path / "no" / "a.nc")


def test_windows_and_trends_are_matched_by_their_labels(data, tmp_path):
    _, products, sites = data
    scores = validate(products, sites, metrics=METRICS, several={"triples": False})
    seasons = validate(products, sites, metrics=METRICS, by="season", several={"triples": False})
    years = xr.concat([scores[["bias"]]] * 5, "period")
    years = years.assign_coords(period=[str(2010 + i) for i in range(5)])
    years["bias"] = years.bias * xr.DataArray(np.arange(5.0), dims="period")
    turned = {"product": [1, 0], "station": [1, 0]}
    same, other = (
        to_qa4sm(
            scores,
            tmp_path / f"{i}.nc",
            windows=seasons.isel(index),
            stability=stability(years.isel(index)),
        )
        for i, index in enumerate(({}, turned))
    )
    with xr.open_dataset(same) as expected, xr.open_dataset(other) as found:
        xr.testing.assert_equal(found, expected)
        bias = "between_0-ISMN_and_2-model"
        np.testing.assert_allclose(
            found[f"BIAS_{bias}"].sel(tsw="S3"),
            seasons.bias.sel(product="model", season="JJA"),
            rtol=1e-5,
        )
        np.testing.assert_allclose(
            found[f"slopeBIAS_{bias}"].sel(tsw="bulk"),
            10 * scores.bias.sel(product="model"),
            rtol=1e-5,
        )
    elsewhere = seasons.assign_coords(station=["N/x", "M/z"])
    with pytest.raises(InputError, match="windows has other labels of 'station'.*M/z"):
        to_qa4sm(scores, tmp_path / "a.nc", windows=elsewhere)
    one = stability(years.sel(product="model"))
    with pytest.raises(InputError, match="stability: expected the products of scores"):
        to_qa4sm(scores, tmp_path / "a.nc", stability=one)
    with pytest.raises(InputError, match="stability: expected the products of scores"):
        to_qa4sm(scores.sel(product="model"), tmp_path / "a.nc", stability=stability(years))


def test_the_reader_of_qa4sm_opens_it(written):
    if importlib.util.find_spec("qa4sm_reader") is None:
        pytest.skip("the package qa4sm-reader is not installed (it needs Python 3.12)")
    from qa4sm_reader.img import QA4SMImg

    image = QA4SMImg(written[1])
    assert {"R", "BIAS", "urmsd", "RSS"} <= set(image.double) and "snr" in image.triple
    assert image.has_CIs

"""Settings of a validation, written out and read again."""

import json

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation import write_settings


@pytest.fixture(scope="module")
def data():
    ds = grid(60, lat=[44.0, 43.0], lon=[0.0, 1.0])
    return ds, stations(
        [44.0], [0.0], ds.time, cell(ds, 0, 0, 0.01), depth_to=[0.1], depth_from=[0.1]
    )


OPTIONS = {
    "metrics": ["bias", "pearson_r"],
    "by": {"season": 10, "period": {"early": ("2015-04", "2015-05")}},
    "scaling": {"method": "cdf", "by": None, "to": "reference"},
    "ci": {"method": "percentile", "n": 30},
    "min_pairs": 5,
    "stations": {"depth": (0, 0.1), "window": "6h"},
}


def test_a_file_gives_the_same_scores(data, tmp_path):
    scores = validate(*data, **OPTIONS)
    path = write_settings(scores, tmp_path / "settings.json")
    for settings in (path, str(path), scores):
        repeated = validate(*data, settings=settings)
        xr.testing.assert_identical(repeated.drop_attrs(), scores.drop_attrs())
    assert json.loads(path.read_text())["validate"]["stations"]["window"] == "6h"


def test_arguments_of_the_call_come_first(data, tmp_path):
    path = write_settings(validate(*data, **OPTIONS), tmp_path / "settings.json")
    scores = validate(*data, settings=path, metrics="rmsd", by="month")
    assert scores.rmsd.dims == ("station", "month") and "bias" not in scores
    assert "rmsd_low" in scores


def test_what_cannot_be_read_says_why(data, tmp_path):
    path = tmp_path / "settings.json"
    with pytest.raises(InputError, match="cannot be read"):
        validate(*data, settings=path)
    for content, words in (
        ({"format": 99, "xsm_version": "9.0", "validate": {}}, "format 99, written by xsm 9.0"),
        ({"format": 1, "validate": {"metric": "bias"}}, "unknown arguments 'metric'"),
        ([1], "is no file of xsm.write_settings"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=words):
            validate(*data, settings=path)
    with pytest.raises(InputError, match="settings is a int"):
        validate(*data, settings=3)


def test_what_cannot_be_written_says_why(data, tmp_path):
    ds, sites = data
    scores = validate(ds, sites, by={"land_cover": np.array([1])}, stations={"depth": None})
    with pytest.raises(InputError, match="the settings by were given as objects"):
        write_settings(scores, tmp_path / "settings.json")
    with pytest.raises(InputError, match="no attribute settings"):
        write_settings(scores.drop_attrs(), tmp_path / "settings.json")
    plain = validate(ds, sites, stations={"depth": None})
    with pytest.raises(InputError, match="folder"):
        write_settings(plain, tmp_path / "no" / "settings.json")

"""The archive of a validation holds all its parts, which are the scores."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.plotting.scores_made_up import simulated, stations
from xsm.errors import InputError
from xsm.report import bundle


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")
    path = tmp_path_factory.mktemp("bundle") / "validation.zip"
    assert bundle({"A": stations(8), "B/<b>": simulated()}, path, metrics=["rmsd"]) == path
    return zipfile.ZipFile(path)


def test_scores_are_netcdf_and_csv(archive, tmp_path):
    (tmp_path / "scores.nc").write_bytes(archive.read("a/scores.nc"))
    with xr.open_dataset(tmp_path / "scores.nc") as ds:
        np.testing.assert_allclose(ds.rmsd, stations(8).rmsd)
        assert ds.attrs["xsm_scores"] == "in_situ"
    table = pd.read_csv(io.BytesIO(archive.read("a/station.csv")))
    np.testing.assert_allclose(table["rmsd"], stations(8).rmsd)
    assert table["network"].tolist() == stations(8).network.values.tolist()
    gaps = pd.read_csv(io.BytesIO(archive.read("b_b/fill_method-gap_pattern.csv")))
    assert len(gaps) == 16 and "rmsd" in gaps


def test_report_figures_and_settings(archive):
    names = archive.namelist()
    report = archive.read("report.html").decode()
    assert "B/&lt;b&gt;" in report and "<b>&" not in report
    svgs = [name for name in names if name.endswith(".svg")]
    assert len(svgs) >= 4 and all(archive.read(name).startswith(b"<?xml") for name in svgs)
    settings = json.loads(archive.read("a/settings.json"))
    assert settings["validate"]["window"] == "12h"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        bundle(stations(8), tmp_path / "no" / "a.zip")

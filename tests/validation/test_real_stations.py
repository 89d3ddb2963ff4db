"""Real station data, where present: read, select, match."""

import numpy as np
import pytest

from benchmarks.validation.us_stations import us_stations
from tests.validation.samples import grid
from xsm.insitu import open_ismn
from xsm.validate import validate


def test_a_table_of_many_sensors(real_data):
    if not (real_data / "insitu" / "us_stations.csv").exists():
        pytest.skip("no us_stations.csv")
    ref = us_stations(real_data / "insitu")
    assert ref.sizes["station"] == 331 and ref.depth_to.max() == 0.1
    ds = grid(90, "2019-06-01", lat=np.arange(50.0, 36, -2), lon=np.arange(-125.0, -66, 2))
    scores = validate(ds, ref)
    assert set(scores.network.values) == {"ARM", "USCRN"}
    assert float(scores.depth_to.max()) <= 0.05 and int(scores.n_sensors.max()) > 1
    outside = scores.lat < 37
    assert outside.any() and (scores.status.values[outside] == 2).all()
    assert (scores.status.values[~outside] != 2).any()
    assert int((scores.status == 0).sum()) > 50
    ok = scores.where(scores.status == 0, drop=True)
    assert float(abs(ok.pearson_r).max()) <= 1 and int(ok.n_obs.max()) <= 90
    late = validate(ds.assign_coords(time=ds.time - np.timedelta64(2000, "D")), ref)
    assert set(np.unique(late.status)) <= {1, 2, 5} and (late.n_obs == 0).all()


def test_files_of_the_ismn(real_data):
    folder = real_data / "insitu"
    if not list(folder.glob("*.stm")):
        pytest.skip(f"no .stm files in {folder}")
    ref = open_ismn(folder)
    ds = grid(40, "2017-09-01", lat=np.arange(80.0, 20, -5), lon=np.arange(-175.0, 180, 5))
    scores = validate(ds, ref, stations={"depth": None})
    assert scores.depth_to.values.round(2).tolist() == [0.19, 0.21, 0.05]
    names = scores.status.attrs["flag_meanings"].split()
    found = [names[code] for code in scores.status.values]
    # the third ended in 2010; flagged hours do not count
    assert found[0] == "ok" and found[2] in ("no_overlap_in_time", "all_missing")
    assert 0 < int(scores.n_obs[0]) <= 40

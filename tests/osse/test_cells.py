"""Cells of a simulated Earth, and the command that trains the shipped estimator on them."""

import numpy as np
import pytest

from xsm.estimation.samples import read_samples
from xsm.networks.model import load_model
from xsm.osse import nature_run
from xsm.osse.cells import FEATURES, TARGET, simulated_cells
from xsm.training.recipes import shipped_estimator as estimator_default


@pytest.fixture(scope="module")
def cells():
    return simulated_cells(7, stride=3, days=70, resolution=4.0)


def test_they_are_cells_of_the_nature_run(cells):
    lat, lon = np.arange(-58, 84, 4.0), np.arange(-178, 180, 4.0)
    whole = nature_run(lat, lon, cells.time.values, seed=7, variables=["lst", TARGET, "clay"])
    nearest = {"lat": cells.lat, "lon": cells.lon, "method": "nearest"}
    for name in ("lst", TARGET, "clay"):
        np.testing.assert_allclose(cells[name], whole[name].sel(**nearest), atol=1e-4)
        assert cells[name].attrs["units"] == whole[name].attrs["units"]


def test_they_lie_on_a_lattice_and_are_ready_for_a_fit(cells):
    assert set(np.round(np.diff(np.unique(cells.lat)) % 12.0, 6)) == {0.0}
    samples = read_samples(cells, TARGET, FEATURES)
    assert samples.x.shape == (cells.sizes["cell"], 70, len(FEATURES))
    assert np.isfinite(samples.x).all()
    assert samples.lat.tolist() == cells.lat.values[samples.cells].tolist()
    assert samples.lat.tolist() == sorted(cells.lat.values.tolist(), reverse=True)


def test_the_command_trains_and_says_that_the_earth_is_simulated(cells, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(estimator_default, "simulated_cells", lambda seed, **options: cells)
    small = estimator_default.SETTINGS | {"hidden_size": 8, "input_size": 8}
    monkeypatch.setattr(estimator_default, "SETTINGS", small)
    model = estimator_default.main(["--out", str(tmp_path / "weights"), "--epochs", "1"])
    card = load_model(tmp_path / "weights").card
    assert card["simulated"] is True
    assert "xsm.fit_estimator" in card["meaning"]
    assert model.config["features"] == list(FEATURES)
    assert card["training"]["min_crop_days"] == 60

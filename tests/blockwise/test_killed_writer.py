"""A process that writes a store is killed: the next one ends with the same bits."""

import pytest

pytest.importorskip("dask")
pytest.importorskip("zarr")


def test_killed_and_resumed(monkeypatch):
    from benchmarks.scale import kill_trials

    root = str(kill_trials.Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root}/kernels")
    assert kill_trials.trial(0.01, after_regions=3)

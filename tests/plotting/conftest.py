"""Pictures are drawn without a screen and closed after each test."""

import pytest


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")
    matplotlib.use("agg")
    monkeypatch.setattr("xsm.plotting.geography.coast_lines", lambda: [])  # nothing is fetched
    import matplotlib.pyplot as plt

    yield
    plt.close("all")

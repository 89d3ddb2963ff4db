"""Pictures are drawn without a screen and closed after each test."""

import pytest


@pytest.fixture(autouse=True)
def no_screen():
    matplotlib = pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")

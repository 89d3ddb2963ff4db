"""The accessor's methods, and that matplotlib is imported only when something is drawn."""

import subprocess
import sys

import pytest

from tests.plotting.scores_made_up import product, stations
from xsm import plotting
from xsm.plotting import Plot
from xsm.plotting.selection import role_names


@pytest.mark.parametrize("name", ["map", "box", "taylor", "scatter", "series"])
def test_each_method_is_a_function_of_the_same_name(name):
    ax = getattr(Plot(stations()), name)()
    other = getattr(plotting, name)(stations())
    assert ax.get_xlabel() == other.get_xlabel()
    assert len(ax.get_children()) == len(other.get_children()) > 5


def test_a_single_variable_can_be_drawn():
    assert Plot(product()["rmsd"]).map().collections


def test_importing_the_plots_does_not_import_matplotlib():
    code = "import sys, xsm.plotting.plot_methods; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'xsm\[plot\]'"):
        plotting.box(stations())


def test_estimate_and_reference_of_one_name_have_their_roles_in_the_legend():
    scores = stations().assign_attrs(estimate_name="soil_moisture", reference_name="soil_moisture")
    assert role_names(scores) == ["soil_moisture (estimate)", "soil_moisture (reference)"]
    legend = plotting.series(scores).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == role_names(scores)[::-1]

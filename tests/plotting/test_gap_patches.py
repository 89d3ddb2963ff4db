"""Patches of simulated gaps: kept by the validation, and drawn with their edge."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, QuadMesh

from tests.validation.samples import NO_NETWORK, gappy
from xsm import plotting
from xsm.errors import InputError
from xsm.plotting.gap_patches import _outline
from xsm.validate import validate


@pytest.fixture(scope="module")
def scores():
    gaps = NO_NETWORK | {"baselines": ["linear", "window_mean"], "keep_patches": 2}
    return validate(gappy(12), gaps=gaps, metrics="rmsd")


def test_patches_are_what_was_hidden_and_filled(scores):
    ds = gappy(12)
    assert scores.patch_filled.dims == ("fill_method", "patch_time", "lat", "lon")
    observed = ds.soil_moisture.sel(time=scores.patch_time.values).values
    np.testing.assert_array_equal(scores.patch_observed, observed)
    hidden = scores.patch_hidden.values > 0
    assert hidden.any(axis=(1, 2)).all() and np.isfinite(observed[hidden]).all()
    assert scores.patch_hidden.attrs["flag_meanings"] == "not_hidden block swath cell"
    filled = scores.patch_filled.sel(fill_method="linear").values
    kept = np.isfinite(observed) & ~hidden
    np.testing.assert_array_equal(filled[kept], observed[kept])
    assert np.abs(filled[hidden] - observed[hidden])[np.isfinite(filled[hidden])].max() > 0
    assert "patch_filled" not in validate(gappy(12), gaps=NO_NETWORK, metrics="rmsd")


def test_all_panels_have_one_scale_and_the_edge_of_the_patch(scores):
    figure = plotting.patches(scores, day=1)
    panels = [ax for ax in figure.axes if any(isinstance(c, QuadMesh) for c in ax.collections)]
    titles = [ax.get_title(loc="left") for ax in panels if ax.get_title(loc="left")]
    assert titles == ["observed", "with the gap", "filled, linear", "filled, window_mean"]
    meshes = [ax.collections[0] for ax in panels if ax.get_title(loc="left")]
    assert len({mesh.get_clim() for mesh in meshes}) == 1
    n_missing = [np.ma.count_masked(np.ma.masked_invalid(m.get_array())) for m in meshes]
    assert n_missing[1] > n_missing[0]
    assert all(any(isinstance(c, LineCollection) for c in ax.collections) for ax in panels[:4])
    one = plotting.patches(scores, fill_method="linear", title="A day")
    assert one.get_suptitle() == "A day"


def test_the_outline_is_between_hidden_and_other_cells():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    hidden = np.zeros((4, 5), bool)
    hidden[1:3, 2] = True
    _outline(ax, hidden, np.arange(4.0), np.arange(5.0))
    edges = {tuple(map(tuple, segment)) for segment in ax.collections[0].get_segments()}
    assert len(edges) == 6
    assert ((1.5, 0.5), (2.5, 0.5)) in edges and ((1.5, 0.5), (1.5, 1.5)) in edges


def test_what_cannot_be_drawn_says_why(scores):
    with pytest.raises(InputError, match="keep them with validate"):
        plotting.patches(scores.drop_vars("patch_filled"))
    with pytest.raises(InputError, match="day=2: expected a position below 2"):
        plotting.patches(scores, day=2)
    with pytest.raises(InputError, match="expected some of .'linear', 'window_mean'"):
        plotting.patches(scores, fill_method="dctpls")
    with pytest.raises(InputError, match="keep_patches=-1"):
        validate(gappy(12), gaps={"keep_patches": -1})

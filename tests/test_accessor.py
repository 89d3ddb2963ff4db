"""The accessor, the package's front door, and the options."""

import copy
import inspect
import pickle
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.errors import InputError
from xsm.options import get_option

ROOT = Path(__file__).resolve().parents[1]


def test_accessor_and_function_agree(record, network):
    by_accessor, by_function = record.sm.gapfill(), xsm.gapfill(record)
    by_accessor.attrs.clear()
    by_function.attrs.clear()
    xr.testing.assert_identical(by_accessor, by_function)


def test_accessor_of_an_array_gives_a_dataset(record, network):
    out = record["soil_moisture"].sm.gapfill()
    assert list(out) == ["soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"]
    assert set(out.coords) == {"time", "lat", "lon"}


def test_accessor_passes_all_options(record, network):
    out = record.sm.gapfill(uncertainty=False, backend="numba", dtype="float16", device="cpu")
    assert "soil_moisture_uncertainty" not in out
    assert network.settings[0] == {"backend": "numba", "dtype": "float16", "device": "cpu"}


def test_accessor_hides_a_variable_called_sm_and_says_so(record, network):
    ds = record.rename(soil_moisture="sm")
    assert set(ds.sm.gapfill()) == {"sm", "sm_uncertainty", "sm_flag"}
    with pytest.raises(AttributeError, match=r"no attribute 'values'.*ds\[\"sm\"\]"):
        ds.sm.values  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'mean'"):
        ds.sm.mean  # noqa: B018


@pytest.mark.parametrize(
    "use",
    [
        lambda ds: ds.sm.plot(),
        lambda ds: ds.sm[0],
        lambda ds: ds.sm * 100,
        lambda ds: 100 - ds.sm,
        lambda ds: -ds.sm,
        lambda ds: ds.sm > 0.1,
        lambda ds: np.asarray(ds.sm),
        lambda ds: list(ds.sm),
        lambda ds: ds.sm(time=0),
        lambda ds: ds.sm == 1,
        lambda ds: 1 != ds.sm,
        lambda ds: len(ds.sm),
    ],
)
def test_what_a_variable_called_sm_would_do_says_where_it_is(record, use):
    with pytest.raises(TypeError, match=r'ds\["sm"\]'):
        use(record.rename(soil_moisture="sm"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("gapfil", "did you mean 'gapfill'"), ("mean", r'is ds\["sm"\]'), ("xyz", "of gapfill, est")],
)
def test_an_unknown_attribute_names_the_methods(record, name, hint):
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}'.*{hint}"):
        getattr(record.sm, name)


def test_methods_have_the_signatures_and_docstrings_of_the_functions():
    for name in ("gapfill", "estimate", "validate", "check", "screen"):
        function, method = getattr(xsm, name), getattr(xr.Dataset.sm, name)
        parameters = list(inspect.signature(method).parameters.values())
        assert parameters[0].name == "self"
        assert parameters[1:] == list(inspect.signature(function).parameters.values())[1:]
        assert method.__doc__ == function.__doc__


def test_repr_says_what_the_object_is_taken_for(record):
    lines = repr(record.sm).splitlines()
    assert lines[0].startswith(
        "<xsm accessor .sm of a Dataset: gapfill, estimate, validate, screen"
    )
    rows = {line[:19].strip(): line[19:] for line in lines[1:]}
    assert rows["variable"] == "soil_moisture" and rows["unit"] == "m3 m-3"
    assert rows["grid"].startswith("9 x 16 (lat, lon)") and "2015-04-01" in rows["days"]
    assert rows["missing"].endswith("% of all cells and days") and rows["chunks"].startswith("none")
    html = record.sm._repr_html_()
    assert html.count("<tr>") == len(rows) and "soil_moisture" in html
    lazy = record.chunk(time=4)
    assert "not counted" in repr(lazy.sm) and "time 4" in repr(lazy.sm)
    assert "no soil moisture was found" in repr(xr.Dataset({"t": ("x", [1.0])}).sm)
    assert "repeated days" in repr(xr.concat([record, record], "time").sm)


def test_accessor_survives_copies(record):
    assert copy.copy(record.sm)._obj is record
    assert pickle.loads(pickle.dumps(record.sm))._obj.equals(record)


def test_unknown_option_is_refused(record):
    with pytest.raises(TypeError, match="max_gaps"):
        record.sm.gapfill(max_gaps=3)


@pytest.mark.parametrize("obj", [np.zeros((2, 2, 2)), None, "file.nc", xr.Variable("x", [1.0])])
def test_other_objects_are_refused(obj):
    with pytest.raises(InputError, match="obj is a .*expected an xarray Dataset or DataArray"):
        xsm.gapfill(obj)


def test_version_is_that_of_the_project():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in build["project"]["dynamic"]
    source = (ROOT / build["tool"]["hatch"]["version"]["path"]).read_text()
    assert f'__version__ = "{xsm.__version__}"' in source


def test_unknown_name_of_the_package():
    with pytest.raises(AttributeError, match="module 'xsm' has no attribute 'nothing'"):
        xsm.nothing  # noqa: B018
    assert {"gapfill", "models", "tutorial", "fit_gapfill", "set_options"} <= set(dir(xsm))


def test_the_function_keeps_the_name_of_its_module():
    import xsm.gapfill  # noqa: F401

    assert callable(xsm.gapfill)


def test_options_hold_for_the_block(record, network):
    before = get_option("backend")
    with xsm.set_options(backend="reference", progress=False, tile=(4, 5, 6)):
        assert get_option("tile") == (4, 5, 6)
        record.sm.gapfill()
        record.sm.gapfill(backend="numba")
    assert network.settings[0]["backend"] == "reference"
    assert network.settings[-1]["backend"] == "numba"
    assert get_option("backend") == before
    assert get_option("tile") != (4, 5, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": 1}, "no option 'colour'; expected one of backend"),
        ({"backend": "cuda"}, "backend='cuda': expected one of 'auto'"),
        ({"progress": "yes"}, "progress='yes': expected True"),
        ({"tile": (0, 1, 1)}, "tile=.*three positive"),
        ({"tile": 5}, "tile=5"),
    ],
)
def test_wrong_options_are_refused(options, message):
    before = get_option("backend")
    with pytest.raises(InputError, match=message):
        xsm.set_options(**options)
    assert get_option("backend") == before


def test_wrong_backend_is_refused_before_anything_is_done(record, network):
    with pytest.raises(InputError, match="backend='fast'"):
        record.sm.gapfill(backend="fast")
    assert network.fill_block == network.record_statistics == 0


def test_progress_bar_is_shown_when_asked_for(record, network, capsys):
    record.sm.gapfill(progress=True)
    assert "gapfill soil_moisture" in capsys.readouterr().err
    record.sm.gapfill(progress=False)
    record.sm.gapfill()  # no terminal here
    assert capsys.readouterr().err == ""


def test_repr_of_scores_says_what_was_compared(record):
    scores = record.sm.validate(record["soil_moisture"].rename("other"))
    rows = repr(scores.sm).splitlines()[1:]
    lines = dict(re.split(r"  +", row.strip(), maxsplit=1) for row in rows)
    assert lines["scores"] == "product"
    assert lines["compared"] == "soil_moisture against other"
    assert "pearson_r" in lines["variables"] and "plot.map" in lines["drawn by"]

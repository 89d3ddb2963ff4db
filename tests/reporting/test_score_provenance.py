"""Names, period, area, settings, versions and hash of scores."""

import numpy as np
import pytest
import xarray as xr

from tests.plotting.scores_made_up import stations
from xsm._version import __version__
from xsm.reporting.score_provenance import digest, identity, settings, versions


def test_the_hash_depends_on_values_names_and_types_but_not_on_attributes():
    scores = stations(5)
    same = digest(scores)
    assert digest(stations(5)) == same == digest(scores.assign_attrs(history="later"))
    changed = scores.copy(deep=True)
    changed["bias"][0] += 1e-9
    others = [
        changed,
        scores.rename(bias="mean_bias"),
        scores.assign(bias=scores["bias"].astype("float32")),
        scores.assign_coords(station_name=("station", list("abcde"))),
        scores.assign_coords(time=scores["time"] + np.timedelta64(1, "D")),
    ]
    assert len({same, *map(digest, others)}) == 6


def test_the_hash_is_that_of_the_same_numbers_in_another_byte_order():
    scores = stations(5)
    swapped = scores.assign(bias=scores["bias"].astype(">f8"))
    assert digest(swapped) == digest(scores)


def test_identity_has_names_period_area_pairs_and_other_attributes():
    scores = stations(5).assign_attrs(regions=["a", "b"], nothing=None)
    facts = dict(identity(scores))
    assert facts["Kind of validation"] == "in situ"
    assert (facts["Estimate"], facts["Reference"]) == ("AMSR2, filled", "in situ")
    assert facts["Period"] == "2015-04-01 to 2015-06-29"
    lat = scores["lat"].values
    assert facts["Area (degrees)"].startswith(f"lat {lat.min():.2f} to {lat.max():.2f}, lon ")
    assert facts["Pairs (all scores)"] == f"{scores['n_obs'].sum().item():,}"
    assert (facts["regions"], facts["nothing"]) == ("a, b", "none")
    assert facts["SHA-256 of the scores"] == digest(scores)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"window": "12h", "ci": null, "by": {"a": [1, 2]}}',
            [("window", "12h"), ("by", "a: 1, 2")],
        ),
        ("no json", [("settings", "no json")]),
        ("[1, 2]", [("settings", "1, 2")]),
    ],
)
def test_settings_are_those_that_were_given(text, expected):
    assert settings(xr.Dataset(attrs={"settings": text})) == expected
    assert settings(xr.Dataset()) == []


def test_versions_begin_with_xsm():
    table = dict(versions())
    assert next(iter(table)) == "xsm" and table["xsm"] == __version__
    assert table["xarray"] == xr.__version__

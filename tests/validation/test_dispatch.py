"""Which kind of validation runs, and that arguments that do not apply are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.validation.samples import NO_NETWORK, cell, gappy, grid, stations
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation import GapOptions, StationOptions


@pytest.fixture(scope="module")
def references():
    """A record, and a reference of each kind."""
    ds = grid()
    sites = stations(43.1, -4.8, ds.time, cell(ds, 2, 0))
    other, third = grid(seed=1), grid(seed=2)
    return ds, {
        "gaps": None,
        "stations": sites,
        "product": other,
        "triple of grids": (other, third),
        "triple at stations": (other, sites),
    }


@pytest.mark.parametrize(
    ("kind", "scores"),
    [
        ("stations", "in_situ"),
        ("product", "product"),
        ("triple of grids", "triple_collocation"),
        ("triple at stations", "triple_collocation"),
    ],
)
def test_the_reference_decides(references, kind, scores):
    ds, known = references
    assert validate(ds, known[kind]).attrs["xsm_scores"] == scores


@pytest.mark.parametrize(
    ("kind", "applies"),
    [
        ("gaps", "gaps"),
        ("stations", "stations"),
        ("product", "product"),
        ("triple of grids", "product"),
        ("triple at stations", "stations"),
    ],
)
def test_options_of_another_kind_of_reference_are_refused(references, kind, applies):
    ds, known = references
    for group in {"stations", "product", "gaps"} - {applies}:
        with pytest.raises(InputError, match=f"{group}=.* does not apply to .*{applies}"):
            validate(ds, known[kind], **{group: {}})


TRIPLE = {
    "metrics": "bias",
    "by": "season",
    "scaling": "cdf",
    "anomalies": "climatology",
    "p_values": True,
    "keep_pairs": True,
    "progress": True,
}


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("gaps", {"anomalies": "climatology", "keep_pairs": True, "reference_var": "sm"}),
        ("stations", {"progress": True}),
        ("product", {"progress": True}),
        ("triple of grids", TRIPLE | {"product": {"regions": {"here": (40, 44, -5, 0)}}}),
        ("triple at stations", TRIPLE),
    ],
)
def test_arguments_that_do_not_apply_are_refused(references, kind, arguments):
    ds, known = references
    for name, value in arguments.items():
        with pytest.raises(InputError, match=f"{name}.*=.* does not apply to "):
            validate(ds, known[kind], **{name: value})


def test_values_equal_to_the_defaults_are_accepted(references):
    ds, known = references
    metrics = ["bias", "rmsd", "ubrmsd", "mae", "pearson_r", "std_ratio"]
    defaults = {"metrics": metrics, "by": None, "keep_pairs": False, "progress": False}
    assert validate(ds, known["triple of grids"], **defaults, min_pairs=10).err_std.notnull().all()
    assert validate(ds, known["stations"], progress=False).status.item() == 0


def test_settings_hold_every_argument_and_the_options_with_their_defaults(references):
    ds, known = references
    options = StationOptions(flags="G", depth=None)
    scores = validate(ds, known["stations"], stations=options, by={"land_cover": np.array([1])})
    settings = json.loads(scores.attrs["settings"])
    assert settings["stations"] == {
        "match": "nearest", "window": "12h", "pairing": "mean", "overpass": None, "depth": None,
        "flags": ["G"], "sensors": "mean",
    }  # fmt: skip
    assert settings["by"] == {"land_cover": "<ndarray>"} and settings["seed"] == 0
    assert settings["product"] is None and settings["gaps"] is None


def test_settings_of_simulated_gaps_name_the_files_of_models():
    from xsm.validation.dispatch import _settings

    settings = json.loads(_settings({"gaps": GapOptions(model=Path("folder") / "net")}))
    assert settings["gaps"]["model"] == str(Path("folder") / "net")


def test_gapfill_is_passed_down(monkeypatch):
    calls = []

    def fake(da, *, model, progress):
        calls.append(model)
        filled = da.fillna(0.25)
        std = (0 * filled + 0.1).rename("soil_moisture_uncertainty")
        return filled.to_dataset().assign(soil_moisture_uncertainty=std)

    monkeypatch.setitem(validate.__globals__, "gapfill", fake)
    options = {**NO_NETWORK, "model": "mine", "baselines": [], "gap_patterns": "cell"}
    scores = validate(gappy(), gaps=options)
    assert calls == ["mine"] and scores.fill_method.values.tolist() == ["mine"]


def test_no_references_is_an_error(references):
    with pytest.raises(InputError, match="reference is empty"):
        validate(references[0], [])

"""The table of networks: every kind keeps its contract, and a new kind is one row."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.networks.sequence_networks import FEATURES, predictors, random_network, run
from xsm.errors import InputError, MissingPackageError, ModelError
from xsm.gapfilling.statistics import COUNT
from xsm.networks import registry
from xsm.networks.device import operations
from xsm.networks.features import standardise
from xsm.networks.model import load_model, make_model, save_model
from xsm.networks.registry import NETWORKS, GapfillNetwork, kinds, network

TRAINED = [kind for kind in kinds("estimate") if NETWORKS[kind].gradient_trained]


@pytest.mark.parametrize("kind", TRAINED)
def test_shapes(kind):
    found = run(random_network(kind), predictors())
    assert found.mean.shape == found.log_variance.shape == (3, 17)
    assert found.mean.dtype == np.float32
    assert not np.array_equal(found.mean, found.log_variance)
    if kind in ("atlstm", "transformer"):
        assert NETWORKS[kind].attention
        assert found.attention.shape == (3, 17, 17)
        np.testing.assert_allclose(found.attention.sum(-1), 1, rtol=1e-5)
    else:
        assert not NETWORKS[kind].attention
        assert found.attention is None


@pytest.mark.parametrize("kind", TRAINED)
def test_torch_and_numpy_agree_and_gradients_reach_every_weight(kind):
    torch = pytest.importorskip("torch")
    net, x = random_network(kind, input=6), predictors()
    expected = run(net, x)
    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in net[0].items()}
    found = run((tensors, net[1]), torch.from_numpy(x))
    np.testing.assert_allclose(found.mean.detach().numpy(), expected.mean, atol=2e-5)
    (found.mean.square().mean() + found.log_variance.square().mean()).backward()
    silent = [key for key, value in tensors.items() if not value.grad.abs().sum() > 0]
    # a bias of the keys moves all scores of a day alike
    assert silent == [] or all(key.endswith("key.bias") for key in silent)


@pytest.mark.parametrize("kind", TRAINED)
def test_traits_are_those_of_the_network(kind):
    net, x = random_network(kind), predictors()
    whole, start = run(net, x).mean, run(net, x[:, :9]).mean
    ahead = not np.allclose(whole[:, :9], start, atol=1e-6)
    alone = np.allclose(run(net, x[:, 4:5]).mean, whole[:, 4:5], atol=1e-6)
    row = network(kind)
    assert (row.looks_ahead, row.days_alone) == (ahead, alone)
    if row.forward_state:
        first = run(net, x[:, :7])
        second = run(net, x[:, 7:], state=first.state)
        joined = np.concatenate([first.mean, second.mean], 1)
        np.testing.assert_allclose(joined, whole, atol=1e-6)


def test_the_dense_network_sees_each_day_alone():
    net, x = random_network("dense"), predictors()
    whole = run(net, x).mean
    np.testing.assert_allclose(run(net, x[:, 4:5]).mean, whole[:, 4:5], atol=1e-6)
    np.testing.assert_allclose(run(net, x[:, ::-1]).mean, whole[:, ::-1], atol=1e-6)


def test_days_that_a_record_must_have():
    assert [network(kind).min_days() for kind in ("atlstm", "lstm", "xgboost")] == [30, 1, 1]
    assert network("bilstm").min_days(7) == 7


def test_kinds_and_sizes_that_do_not_exist_are_refused():
    with pytest.raises(InputError, match="network='gru'.*'lstm'"):
        network("gru")
    with pytest.raises(InputError, match="model='gru'.*'xgboost'"):
        network("gru", argument="model")
    with pytest.raises(InputError, match="network='partial_conv': expected one of 'lstm'"):
        network("partial_conv", "estimate")
    with pytest.raises(InputError, match=r"network=\['lstm'\]"):
        network(["lstm"])
    with pytest.raises(InputError, match="window=3 does not apply.*'lstm': expected hidden or inp"):
        network("lstm").default_config(FEATURES, window=3)
    with pytest.raises(InputError, match="hidden=8 does not apply.*'xgboost': expected no sizes"):
        network("xgboost").default_config(FEATURES, hidden=8)
    assert network("xgboost").default_config(FEATURES, hidden=None) == {
        "kind": "xgboost",
        "features": FEATURES,
    }


def test_boosted_trees_have_no_initial_parameters():
    row = network("xgboost")
    assert not row.gradient_trained
    with pytest.raises(InputError, match="'xgboost' is not trained from initial parameters"):
        row.initial_params(row.default_config(FEATURES))


def test_a_package_that_a_kind_needs_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xgboost", None)
    for run_import, wording in (
        (network("xgboost").import_required, "a model of the kind 'xgboost'"),
        (network("xgboost").import_for_training, "a fit of the kind 'xgboost'"),
    ):
        with pytest.raises(MissingPackageError, match=rf"{wording}.*xsm\[trees\]"):
            run_import()
    network("lstm").import_required()  # needs nothing


# ------------------------------------------------------------------ a gap-filling network of ours


def _reach(config):
    return config["days"], config["cells"], config["cells"]


def _inputs(values, stats, config, ops):
    return {"anomaly": standardise(values, stats)}


def _window_mean(params, inputs, config, ops, *, land=None):
    """Mean anomaly of the days and cells around, times a factor; the log-variance is constant."""
    anomaly, observed = inputs["anomaly"]
    count, (days, cells, _) = anomaly.shape[2], _reach(config)
    means, fractions = ops.masked_mean(anomaly, observed, 2 * cells + 1)
    spans = [slice(day, count - 2 * days + day) for day in range(2 * days + 1)]
    weight = sum(fractions[:, :, span] for span in spans)
    total = sum((means * fractions)[:, :, span] for span in spans)
    mean = params["factor"] * total / np.maximum(weight, np.float32(1e-6))
    output = np.concatenate([mean, np.full_like(mean, params["log_variance"][0])], axis=1)
    return output, (weight > 0) & land


WINDOW_MEAN = GapfillNetwork(
    kind="window_mean",
    apply=_window_mean,
    init=None,
    inputs=_inputs,
    reach=_reach,
    halo=_reach,
    operations=("masked_mean",),
)
CONFIG = {"days": 2, "cells": 1}
PARAMS = {"factor": np.ones(1, np.float32), "log_variance": np.full(1, -1.0, np.float32)}


@pytest.fixture
def with_window_mean(monkeypatch):
    monkeypatch.setitem(registry.NETWORKS, "window_mean", WINDOW_MEAN)


def record(days=30, rows=9, columns=11):
    rng = np.random.default_rng(0)
    values = 0.25 + 0.05 * rng.standard_normal((days, rows, columns))
    values[rng.random(values.shape) < 0.4] = np.nan
    values[:, :2, :3] = np.nan  # sea
    time = np.datetime64("2015-04-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    return xr.DataArray(
        values.astype(np.float32),
        {"time": time, "lat": 40.0 - np.arange(rows), "lon": np.arange(columns) * 1.0},
        ("time", "lat", "lon"),
        "sm",
        {"units": "m3 m-3"},
    )


def test_a_gapfilling_network_of_another_architecture_fills_gaps(with_window_mean, tmp_path):
    save_model(tmp_path / "mine", {"network": "window_mean", "config": CONFIG}, PARAMS)
    model = load_model(tmp_path / "mine", "gapfill")
    assert model.halo == (2, 1, 1)
    ds = record()
    filled = xsm.gapfill(ds, model=tmp_path / "mine", progress=False)
    land = ds.notnull().any("time")
    reached = xr.DataArray(
        np.lib.stride_tricks.sliding_window_view(
            np.pad(ds.notnull().values, ((2, 2), (1, 1), (1, 1))), (5, 3, 3), (0, 1, 2)
        ).any((3, 4, 5)),
        ds.coords,
        ds.dims,
    )
    np.testing.assert_array_equal(filled["sm"].notnull(), reached & land)
    assert int((filled["sm"].notnull() & ds.isnull()).sum()) > 500
    xr.testing.assert_equal(filled["sm"].where(ds.notnull()), ds)
    assert (filled["sm_uncertainty"].where(ds.isnull() & filled["sm"].notnull()) > 0).sum() > 500
    with xsm.set_options(tile=(7, 4, 5)):
        tiled = xsm.gapfill(ds, model=tmp_path / "mine", progress=False)
    xr.testing.assert_allclose(tiled["sm"], filled["sm"], atol=1e-6)
    lazy = xsm.gapfill(ds.chunk(time=8, lat=4), model=tmp_path / "mine")
    xr.testing.assert_allclose(lazy["sm"].compute(), filled["sm"], atol=1e-6)
    # half the anomaly is another value: the parameters are those of the file
    halved = PARAMS | {"factor": PARAMS["factor"] / 2}
    half = make_model("half", {"network": "window_mean", "config": CONFIG}, halved)
    alone, other = (
        xsm.gapfill(ds, model=m, calibrate=False, progress=False) for m in (tmp_path / "mine", half)
    )
    assert not np.allclose(other["sm"], alone["sm"], equal_nan=True)


def test_its_values_are_the_means_of_the_window(with_window_mean):
    from xsm.networks.block_inference import run_network

    rng = np.random.default_rng(1)
    values = rng.standard_normal((5, 3, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    stats = np.zeros((5, 3, 3), np.float32)
    stats[1:] = 1  # standard deviation 1, mean 0
    assert (stats[COUNT] > 0).all()
    model = make_model("m", {"network": "window_mean", "config": CONFIG}, PARAMS)
    ops = operations(WINDOW_MEAN.operations, "numba")
    output, mask = run_network(values, stats, model.params, model, ops)
    assert output.shape == (2, 1, 1, 1) and mask.all()
    np.testing.assert_allclose(output[0, 0, 0, 0], np.nanmean(values), rtol=1e-5)


def test_a_card_with_an_unknown_network_is_refused(tmp_path):
    save_model(tmp_path / "mine", {"network": "window_mean", "config": CONFIG}, PARAMS)
    with pytest.raises(ModelError, match="'mine' names an unknown network: .*'window_mean'"):
        xsm.gapfill(record(), model=tmp_path / "mine")
    swapped = make_model("swapped", {"network": "lstm", "config": CONFIG}, PARAMS)
    with pytest.raises(ModelError, match="network='lstm': expected one of 'partial_conv'"):
        xsm.gapfill(record(), model=swapped)

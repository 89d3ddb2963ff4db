"""Sequences: gaps, windows with context, ensembles, what the output means."""

from functools import partial

import numpy as np
import pytest

from tests.estimation.worlds import NAMES, any_model
from xsm.errors import InputError
from xsm.networks import sequence_inference as sequences
from xsm.networks.device import operations
from xsm.networks.registry import network
from xsm.networks.sequence_inference import (
    attention_weights,
    ensemble_params,
    estimate_sequences,
    fill_short_gaps,
    in_blocks,
    windows,
)

NAN = np.nan


def predictors(days=100, pixels=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((pixels, days, len(NAMES))) * (6.0, 8.0, 0.2) + (3.0, 285.0, 0.5)
    return x.astype(np.float32)


@pytest.mark.parametrize("days", [5, 182, 365, 366, 548, 800, 14610])
def test_windows_keep_every_day_once(days):
    kept = []
    for window in windows(days):
        assert 0 <= window.days.start < window.days.stop <= days
        kept += list(range(days)[window.days][window.core])
    assert kept == list(range(days))


def test_a_leap_year_is_one_window_and_neighbours_lend_their_days():
    assert [w.days for w in windows(366)] == [slice(0, 366)]
    middle = windows(3 * 365)[1]
    assert middle.days == slice(335, 760)
    assert middle.days.stop - middle.days.start == 365 + 30 + 30


def test_gaps_as_long_as_allowed_are_interpolated_whole_or_not_at_all():
    x = np.array([[1, NAN, NAN, 4, NAN, NAN, NAN, 8], [NAN, NAN, 3, 3, 3, 3, 3, NAN]])
    found = fill_short_gaps(x, 2)
    np.testing.assert_allclose(found[0], [1, 2, 3, 4, NAN, NAN, NAN, 8])
    np.testing.assert_array_equal(found[1], np.full(8, 3.0))
    assert np.isnan(x[0, 1])
    np.testing.assert_allclose(fill_short_gaps(x, 3)[0], np.arange(1, 9))
    assert np.isnan(fill_short_gaps(np.full((2, 5), NAN), 8)).all()


def test_one_direction_is_exact_over_windows():
    x = predictors()
    cut, _ = estimate_sequences(x, any_model("lstm", days=30, context=5))
    whole, _ = estimate_sequences(x, any_model("lstm", days=1000))
    np.testing.assert_allclose(cut, whole, atol=1e-6)


@pytest.mark.parametrize("kind", ["lstm", "atlstm"])
def test_pixels_in_blocks_are_as_all_at_once(kind, monkeypatch):
    row = network(kind)
    config = row.default_config(NAMES, hidden=8)
    params = row.initial_params(config, seed=1)
    params["output.weight"] += np.float32(0.1)
    z = predictors(days=9, pixels=7)
    ops = operations(row.operations)
    run = partial(row.apply, params, config=config, ops=ops, weights=False)
    first = run(z)
    whole = run(z, state=first.state)
    for pixels in (3, 7, 100):
        monkeypatch.setattr(sequences, "PIXELS", pixels)
        found = in_blocks(run, z, in_blocks(run, z).state)
        np.testing.assert_allclose(found.mean, whole.mean, atol=1e-6)
        np.testing.assert_allclose(found.log_variance, whole.log_variance, atol=1e-6)
        for state, expected in zip(found.state, whole.state, strict=True):
            np.testing.assert_allclose(state, expected, atol=1e-6)
    assert in_blocks(run, z[:0]).mean.shape == (0, 9)


@pytest.mark.parametrize("kind", ["bilstm", "atlstm", "transformer"])
def test_one_window_is_one_long_run_and_more_context_comes_closer(kind):
    if kind != "bilstm":  # these look at all days of a window: only one window is exact
        x = predictors(days=40)
        one = estimate_sequences(x, any_model(kind, days=40))[0]
        two = estimate_sequences(x, any_model(kind, days=60))[0]
        np.testing.assert_array_equal(one, two)
        return
    x = predictors()
    whole, _ = estimate_sequences(x, any_model(kind, days=1000))
    errors = [
        abs(estimate_sequences(x, any_model(kind, days=30, context=c))[0] - whole).max()
        for c in (0, 5, 30)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


def test_an_ensemble_is_the_mean_and_its_spread_counts():
    x = predictors(days=40)
    both = any_model(members=2)
    means, stds = zip(
        *(
            estimate_sequences(
                x, any_model().__class__(both.card, {f"0/{k}": v for k, v in p.items()})
            )
            for p in ensemble_params(both.params)
        ),
        strict=True,
    )
    mean, std = estimate_sequences(x, both)
    np.testing.assert_allclose(mean, np.mean(means, axis=0), atol=1e-6)
    expected = np.mean(np.square(stds), axis=0) + np.var(means, axis=0)
    np.testing.assert_allclose(std**2, expected, rtol=1e-4)


def test_location_and_scale_may_be_predictors():
    x = predictors(days=40)
    x[..., 2] = np.array([0.1, 0.3, 0.5])[:, None]
    plain = any_model(target={"location": 0.0, "scale": 0.01})
    moved = any_model(target={"location": "sand", "scale": 0.01})
    shift = estimate_sequences(x, moved)[0] - estimate_sequences(x, plain)[0]
    # values below 0 m3 m-3 are cut
    positive = estimate_sequences(x, plain)[0] > 0
    assert positive.any()
    np.testing.assert_allclose(shift[positive], x[..., 2][positive], atol=1e-6)


def test_estimates_stay_within_the_physical_range():
    wild = any_model(target={"location": 0.5, "scale": 10.0})
    mean, std = estimate_sequences(predictors(days=40), wild)
    assert mean.min() == 0.0
    assert mean.max() == 1.0
    assert (std > 0).all()


def test_attention_of_a_window():
    weights = attention_weights(predictors(days=40), any_model("atlstm", members=2))
    assert weights.shape == (3, 40, 40)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="'bilstm' has no attention"):
        attention_weights(predictors(days=40), any_model("bilstm"))


def test_attention_runs_where_it_is_asked_to(monkeypatch):
    torch = pytest.importorskip("torch")
    x, model = predictors(days=40), any_model("atlstm")
    expected = attention_weights(x, model)
    used = []
    real = sequences.ExecutionConfig.tensors

    def tensors(self, arrays):
        used.append((self.device, self.dtype))
        return real(self, arrays)

    monkeypatch.setattr(sequences.ExecutionConfig, "tensors", tensors)
    there = sequences.ExecutionConfig("reference", "cpu", "float64")
    found = attention_weights(x, model, there)
    assert set(used) == {("cpu", "float64")} and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="sees 0 NVIDIA"):
        attention_weights(x, model, sequences.ExecutionConfig(device="cuda"))
    with pytest.raises(InputError, match="backend='triton'.*sees 0 NVIDIA"):
        attention_weights(x, model, sequences.ExecutionConfig("triton"))

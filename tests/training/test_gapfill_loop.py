"""Training: samples are honest, the loss is what it says, a fit learns and repeats."""

import numpy as np
import pytest

from xsm.networks.features import channels
from xsm.networks.model import Model
from xsm.networks.partial_conv import default, initial_params
from xsm.training.patches import Record, Sampler

torch = pytest.importorskip("torch")


def small_model():
    config = default(width=4, hidden=8)
    config |= {"scales": [3, 7], "features": channels([3, 7])}
    return Model({"name": "small", "config": config, "sha256": "0" * 64}, initial_params(config))


def weather(days=24, height=40, width=44, seed=0):
    """Smooth fields that persist, half of them missing."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((days, height // 10, width // 10)).cumsum(0) / 4
    values = 0.4 + 0.1 * np.repeat(np.repeat(field, 10, 1), 11, 2)
    values += 0.005 * rng.standard_normal(values.shape)
    values = np.clip(values, 0, 1).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    return values


def sampler(seed=0, **options):
    options = {"patch": 16, "days": 6, **options}
    return Sampler([Record(weather())], small_model(), seed=seed, **options)


def test_hidden_cells_are_gone_from_the_inputs_and_known_as_target():
    sample = sampler().draw()
    inner = slice(4, -4)
    seen = sample.inputs["anomaly"][1][0, 0, 4:-4, inner, inner]
    assert sample.hidden.any()
    assert not (seen & sample.hidden).any()
    assert np.isfinite(sample.target[sample.hidden]).all()
    known = np.isfinite(sample.target)
    np.testing.assert_array_equal(seen | sample.hidden, known & (sample.land[inner, inner]))


def test_statistics_do_not_know_what_is_hidden():
    source = sampler()
    values = source.records[0].values[:, :30, :30].copy()
    hidden = np.zeros(values.shape, bool)
    hidden[5, 15, 15] = np.isfinite(values[5, 15, 15])
    hidden[6, 15, 15] = np.isfinite(values[6, 15, 15])
    assert hidden.any()
    other = np.where(hidden, np.float32(0.9), values)
    source.rng = np.random.default_rng(1)
    one = source._sample(values, hidden, values)
    source.rng = np.random.default_rng(1)
    two = source._sample(other, hidden, values)
    for name in one.inputs:
        np.testing.assert_array_equal(one.inputs[name][0], two.inputs[name][0])
    np.testing.assert_array_equal(one.mean, two.mean)


def test_a_simulated_record_is_trained_on_its_truth():
    values = weather()
    truth = np.where(np.isfinite(values), values + 0.25, np.float32(0.5))
    source = Sampler([Record(values, truth=truth)], small_model(), patch=16, days=6)
    sample = source.draw()
    seen = sample.inputs["anomaly"][1][0, 0, 4:-4, 4:-4, 4:-4]
    known = sample.inputs["anomaly"][0][0, 0, 4:-4, 4:-4, 4:-4] * sample.std + sample.mean
    unclipped = seen & (np.abs(known - sample.mean) < 4.9 * sample.std)
    assert unclipped.any()
    np.testing.assert_allclose(sample.target[unclipped], known[unclipped] + 0.25, atol=1e-4)


def test_same_seed_same_samples():
    one, two, other = sampler(3).draw(), sampler(3).draw(), sampler(4).draw()
    np.testing.assert_array_equal(one.target, two.target)
    assert not np.array_equal(one.hidden, other.hidden)


def test_workers_draw_the_same_every_time_and_each_its_own():
    from itertools import islice

    from xsm.training.patches import stream

    one, two = (list(islice(stream(sampler(3), workers=2), 4)) for _ in "ab")
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.hidden, b.hidden)
    assert not np.array_equal(one[0].hidden, one[1].hidden)
    assert not np.array_equal(one[0].hidden, one[2].hidden)


def test_days_beyond_the_record_are_missing():
    source = sampler(days=24)
    sample = source.draw()
    mask = sample.inputs["features"][1][0, 0]
    assert mask.shape[0] == 24 + 8
    assert not mask[:4].any()
    assert not mask[-4:].any()
    assert mask[4].any()


def test_loss_by_hand():
    from xsm.training.losses import FLOOR, GLOBAL, SCALE, SPREAD, gapfill_loss

    output = torch.zeros(1, 2, 1, 1, 2)
    target = torch.tensor([[[[0.3, 0.5]]]])
    mean, std = torch.full((1, 1, 2), 0.2), torch.full((1, 1, 2), 0.1)
    hidden = torch.tensor([[[[True, False]]]])
    loss, parts = gapfill_loss(output, mean, std, target, hidden)
    # errors 0.1 (hidden) and 0.3; log-variance 0, so the likelihood is (0.1 / 0.1)^2
    # both cells weigh 1 / (FLOOR + 0.1), scaled to 1 over the hidden ones
    assert FLOOR > 0
    expected = (0.01 + GLOBAL * (0.01 + 0.09) / 2) / SCALE**2 + SPREAD * 1.0
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert parts["n"] == 1
    assert parts["squared_error"] == pytest.approx(0.01, rel=1e-5)


def test_large_expected_errors_weigh_less():
    from xsm.training.losses import FLOOR, GLOBAL, SCALE, SPREAD, gapfill_loss

    output = torch.zeros(1, 2, 1, 1, 2)
    target = torch.full((1, 1, 1, 2), 0.3)
    mean, std = torch.full((1, 1, 2), 0.2), torch.tensor([[[0.1, 0.3]]])
    loss, _ = gapfill_loss(output, mean, std, target, torch.ones(1, 1, 1, 2, dtype=bool))
    weights = np.array([1 / (FLOOR + 0.1), 1 / (FLOOR + 0.3)])
    weights *= 2 / weights.sum()
    error = (weights * 0.01).sum() / 2
    likelihood = (0 + 1 + 0 + 1 / 9) / 2 + np.log(1.0)
    expected = (1 + GLOBAL) * error / SCALE**2 + SPREAD * likelihood
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_variance_cannot_excuse_the_mean():
    from xsm.training.losses import gapfill_loss

    output = torch.zeros(1, 2, 1, 1, 1, requires_grad=True)
    one = torch.ones(1, 1, 1)
    gapfill_loss(output, one, one, 3 * one[None], one[None].bool())[0].backward()
    mean_grad = output.grad[0, 0].clone()
    assert mean_grad.abs() > 0
    output.grad = None
    shifted = output + torch.tensor([0.0, 2.0]).view(1, 2, 1, 1, 1)
    gapfill_loss(shifted, one, one, 3 * one[None], one[None].bool())[0].backward()
    torch.testing.assert_close(output.grad[0, 0], mean_grad)


def test_a_fit_learns():
    from xsm.training.gapfill_loop import fit

    model = small_model()
    held_out = [sampler(seed=9).draw() for _ in range(2)]
    params, curve = fit(
        model.params,
        model.config,
        sampler(1),
        held_out,
        steps=80,
        batch=1,
        check_every=20,
        rate=0.01,
    )
    assert curve.step == [20, 40, 60, 80]
    at_first = np.concatenate([(s.target - s.mean)[s.hidden] ** 2 for s in held_out]).mean() ** 0.5
    assert min(curve.held_out_rmse) < 0.8 * at_first
    assert params["output.weight"].any()
    assert not model.params["output.weight"].any()


def test_a_fit_repeats():
    from xsm.training.gapfill_loop import fit

    model = small_model()
    one, two = (fit(model.params, model.config, sampler(1), [], steps=3, batch=1)[0] for _ in "ab")
    for key, value in one.items():
        np.testing.assert_array_equal(value, two[key])


def test_calibration_reaches_its_coverage():
    from xsm.training.calibration import calibrate

    model = small_model()
    samples = [sampler(seed=s).draw() for s in range(4)]
    found = calibrate(model.params, model.config, samples)
    assert found["n"] == sum(int(s.hidden.sum()) for s in samples)
    assert len(found["scale"]) == len(found["log_variance"]) >= 2
    assert np.all(np.diff(found["log_variance"]) >= 0)
    assert abs(found["coverage_68"] - 0.68) < 0.1

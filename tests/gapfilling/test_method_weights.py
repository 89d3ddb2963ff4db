"""No harm: on records of every sort filled values are as good as linear interpolation and
climatology, and the calibration depends on the values alone."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

import xsm
from xsm.baselines import baseline
from xsm.conventions.cf import BY_INTERPOLATION, BY_NETWORK
from xsm.gapfilling.fill_calibration import METHODS, NETWORK, VECTOR, Calibration
from xsm.gapfilling.gap_classes import CLASSES, observed_beside
from xsm.gapfilling.gap_patterns import sample_gaps
from xsm.gapfilling.hidden_values import hidden_values, samples
from xsm.gapfilling.method_mixture import mixture_of_series
from xsm.gapfilling.method_weights import _std_factor, calibrate, choose_weights, mixture_weights
from xsm.gapfilling.own_series import LINEAR, Calendar
from xsm.gapfilling.space_time_interpolation import SpatialCorrelation
from xsm.gapfilling.temporal_interpolation import Covariance

SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"


def process(shape, phi, rng, smooth=0.0):
    noise = rng.standard_normal(shape)
    if smooth:
        noise = gaussian_filter(noise, (0, smooth, smooth))
        noise /= noise.std()
    out = noise.copy()
    for t in range(1, shape[0]):
        out[t] = phi * out[t - 1] + (1 - phi**2) ** 0.5 * noise[t]
    return out


#            shape, phi, smooth in space, signal, noise, season, missing
RECORDS = {
    "noise": ((60, 8, 8), 0.0, 0, 0.0, 0.06, 0.0, 0.4),
    "one cell": ((600, 1, 1), 0.9, 0, 0.07, 0.02, 0.0, 0.4),
    "two cells": ((400, 1, 2), 0.9, 0, 0.07, 0.02, 0.05, 0.4),
    "one row": ((120, 1, 30), 0.9, 2, 0.07, 0.02, 0.0, 0.4),
    "five days": ((5, 20, 20), 0.9, 2, 0.07, 0.02, 0.0, 0.4),
    "90 % missing": ((200, 14, 14), 0.9, 2, 0.07, 0.02, 0.0, 0.9),
    "season": ((450, 4, 4), 0.0, 0, 0.0, 0.03, 0.1, 0.5),
    "slow": ((150, 8, 8), 0.99, 0, 0.07, 0.002, 0.0, 0.4),
    "ordinary": ((60, 24, 24), 0.9, 2, 0.07, 0.02, 0.0, 0.4),
    "several seasons": ((400, 10, 10), 0.9, 2, 0.07, 0.02, 0.0, 0.4),
}


def made(name: str, seed: int = 0) -> xr.DataArray:
    shape, phi, smooth, signal, noise, season, missing = RECORDS[name]
    rng = np.random.default_rng(seed)
    values = 0.25 + season * np.sin(2 * np.pi * np.arange(shape[0]) / 365)[:, None, None]
    values = values + signal * process(shape, phi, rng, smooth) + noise * rng.standard_normal(shape)
    values[rng.random(shape) < missing] = np.nan
    return xr.DataArray(
        values.clip(0, 0.6).astype(np.float32),
        {
            "time": np.datetime64("2005-01-01", "ns")
            + np.arange(shape[0]) * np.timedelta64(1, "D"),
            "lat": 40 - 0.25 * np.arange(shape[1]),
            "lon": 0.25 * np.arange(shape[2]),
        },
        ("time", "lat", "lon"),
        SM,
        {"units": "m3 m-3"},
    )


def rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.concatenate(error) ** 2)))


def scores(records: list[xr.DataArray], **options) -> dict[str, float]:
    """RMSE at values hidden here, of what is filled and of the baselines."""
    errors: dict[str, list[np.ndarray]] = {"filled": [], "linear": [], "climatology": []}
    for number, record in enumerate(records):
        values = record.values
        hidden = sample_gaps(np.isfinite(values), "cell", 0.15, 1000 + number)
        remaining = np.where(hidden, np.float32(np.nan), values)
        filled = record.copy(data=remaining).sm.gapfill(progress=False, **options)[SM].values
        days = record["time"].dt.dayofyear.values
        climatology = baseline("climatology")(remaining, day_of_year=days)
        estimates = filled, baseline("linear")(remaining), climatology
        used = hidden & np.isfinite(estimates).all(axis=0)
        assert used.sum() > 0.8 * hidden.sum()
        for method, estimate in zip(errors, estimates, strict=True):
            errors[method].append((estimate - values)[used])
    return {method: rmse(error) for method, error in errors.items()}


@pytest.mark.parametrize("name", [name for name in RECORDS if "cell" not in name])
def test_no_harm(name):
    score = scores([made(name)])
    assert score["filled"] <= 1.02 * min(score["linear"], score["climatology"]), score


@pytest.mark.parametrize("name", ["one cell", "two cells"])
def test_no_harm_on_isolated_cells(name, network):
    """Many records, for enough values; with a network that takes little time, and does harm."""
    records = [made(name, seed) for seed in range(12)]
    score = scores(records, calibrate=True)
    assert score["filled"] <= 1.02 * min(score["linear"], score["climatology"]), score
    alone = scores(records[:4], calibrate=False)
    assert alone["filled"] > 1.1 * alone["linear"]


def test_no_harm_of_the_network_on_one_cell():
    record = made("one cell")[:250]
    filled = record.sm.gapfill(progress=False)
    assert (filled[FLAG] == BY_INTERPOLATION).sum() > 40
    assert not (filled[FLAG] == BY_NETWORK).any()


@pytest.fixture(scope="module")
def season() -> tuple[xr.DataArray, xr.Dataset]:
    """A record on which the network is replaced, filled."""
    record = made("season")
    return record, record.sm.gapfill(progress=False)


def test_flags_and_attributes_tell_what_was_used(season):
    record, filled = season
    gaps = filled[FLAG].values[np.isnan(record.values)]
    assert (gaps == BY_INTERPOLATION).mean() > 0.9
    meanings = filled[FLAG].attrs["flag_meanings"].split()
    assert meanings[BY_INTERPOLATION] == "filled_by_interpolation"
    text = filled[SM].attrs["gapfill_hidden_rmse"]
    assert text.startswith("network 0.") and "The network was replaced" in text
    assert (filled[UNC].values[np.isnan(record.values)] > 0).all()


def test_observed_values_stay(season):
    record, filled = season
    observed = np.isfinite(record.values)
    assert filled[SM].values[observed].tobytes() == record.values[observed].tobytes()


def test_the_same_call_gives_the_same_result(season):
    record, filled = season
    xr.testing.assert_equal(record.sm.gapfill(progress=False), filled)


def test_dask_and_storage_order_change_nothing(season):
    pytest.importorskip("dask")
    record, filled = season
    stored = record[:, ::-1].transpose("lon", "time", "lat")
    lazy = stored.chunk(time=70, lat=2).sm.gapfill()
    assert "when values are computed" in lazy[SM].attrs["gapfill_hidden_rmse"]
    lazy = lazy.compute(scheduler="synchronous").transpose("time", "lat", "lon")[
        {"lat": slice(None, None, -1)}
    ]
    np.testing.assert_allclose(lazy[SM], filled[SM], rtol=1e-5)
    np.testing.assert_allclose(lazy[UNC], filled[UNC], rtol=1e-5)
    np.testing.assert_array_equal(lazy[FLAG], filled[FLAG])


def test_a_large_record_is_sampled_in_windows_alike_on_dask(monkeypatch):
    pytest.importorskip("dask")
    monkeypatch.setattr("xsm.gapfilling.hidden_values.WHOLE_VALUES", 1)
    record = made("noise")
    filled = record.sm.gapfill(progress=False)
    assert (filled[FLAG] == BY_INTERPOLATION).any()
    lazy = record.chunk(time=30, lon=4).sm.gapfill().compute(scheduler="synchronous")
    np.testing.assert_allclose(lazy[SM], filled[SM], rtol=1e-5)
    np.testing.assert_array_equal(lazy[FLAG], filled[FLAG])


def test_a_globe_is_calibrated_alike_from_any_first_column(monkeypatch):
    record = made("noise").isel(lon=np.arange(8))
    globe = record.assign_coords(lon=-157.5 + 45.0 * np.arange(8), lat=70 - 20.0 * np.arange(8))
    filled = globe.sm.gapfill(progress=False)
    rolled = globe.roll(lon=3, roll_coords=True).sm.gapfill(progress=False)
    np.testing.assert_allclose(rolled[SM].roll(lon=-3), filled[SM], rtol=1e-5)
    np.testing.assert_array_equal(rolled[FLAG].roll(lon=-3), filled[FLAG])


def test_calibrate_false_is_the_network_alone(season, monkeypatch):
    record, filled = season
    alone = record.sm.gapfill(calibrate=False, progress=False)
    gaps = np.isnan(record.values)
    assert set(np.unique(alone[FLAG].values[gaps])) <= {BY_NETWORK, 3}
    assert "gapfill_hidden_rmse" not in alone[SM].attrs
    assert "calibrate=False" in alone.attrs["history"]
    assert rmse([(alone[SM] - filled[SM]).values[np.isfinite(filled[SM].values)]]) > 0.005
    with xsm.set_options(calibrate=False):
        xr.testing.assert_equal(record.sm.gapfill(progress=False), alone)
    with pytest.raises(xsm.errors.InputError, match="calibrate='no'"):
        record.sm.gapfill(calibrate="no")


def test_a_record_of_land_keeps_its_network_where_no_cell_beside_is_observed():
    """Relief and soils make neighbours differ, which the network was trained on."""
    record = xsm.tutorial.open_dataset("amsr2-iberia", days=75, covariates=False)[SM]
    record = record.transpose("time", "lat", "lon")
    filled = record.sm.gapfill(progress=False)
    alone = record.sm.gapfill(calibrate=False, progress=False)
    beside = observed_beside(record.values)
    for name in (SM, FLAG):
        np.testing.assert_array_equal(filled[name].values[~beside], alone[name].values[~beside])
    hidden = sample_gaps(np.isfinite(record.values), "cell", 0.05, 1)
    errors = [
        rmse([(record.where(~hidden).sm.gapfill(**options)[SM] - record).values[hidden]])
        for options in ({}, {"calibrate": False})
    ]
    assert errors[0] < 0.95 * errors[1]


def test_smooth_fields_are_interpolated_in_space_and_time():
    record = made("ordinary")
    hidden = sample_gaps(np.isfinite(record.values), "cell", 0.1, 1)
    left = record.where(~hidden).assign_attrs(record.attrs)
    filled, alone = (
        left.sm.gapfill(progress=False),
        left.sm.gapfill(calibrate=False, progress=False),
    )
    errors = [(out[SM] - record).values[hidden] for out in (filled, alone)]
    assert rmse(errors[:1]) < 0.95 * rmse(errors[1:])
    assert "space-time" in filled[SM].attrs["gapfill_hidden_rmse"]
    std = filled[UNC].values[hidden]
    assert np.mean(abs(errors[0]) < std) == pytest.approx(0.68, abs=0.06)


@pytest.mark.parametrize(("cells", "flag"), [(2, BY_INTERPOLATION), (6, BY_NETWORK)])
def test_too_few_values_to_hide(cells, flag):
    """Four cells with two observations are interpolated, 36 with one are left to the network."""
    values = np.full((6, cells, cells), np.nan, np.float32)
    values[0] = 0.2
    if cells == 2:
        values[2] = 0.3
    record = xr.DataArray(
        values,
        {
            "time": np.datetime64("2005-01-01", "ns") + np.arange(6) * np.timedelta64(1, "D"),
            "lat": 40 - np.arange(cells) / 4,
            "lon": np.arange(cells) / 4,
        },
        ("time", "lat", "lon"),
        SM,
        {"units": "m3 m-3"},
    )
    filled = record.sm.gapfill(progress=False)
    assert filled[SM].attrs["gapfill_hidden_rmse"].startswith("too few observations")
    assert (filled[FLAG].values[1] == flag).all()
    if flag == BY_INTERPOLATION:
        np.testing.assert_allclose(filled[SM].values[1], 0.25, atol=1e-6)


def test_an_empty_record_is_returned_empty():
    record = made("noise")[:8]
    filled = record.where(False).sm.gapfill(progress=False)
    assert np.isnan(filled[SM]).all()


def test_weights_of_a_mixture():
    """Two methods with independent errors are weighted by their variances; a useless one not."""
    rng = np.random.default_rng(0)
    errors = rng.standard_normal((4000, 3)) * [0.05, 0.025, 1.0]
    weights = mixture_weights(errors)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, [0.2, 0.8, 0.0], atol=0.03)
    chosen, held_out = choose_weights(errors, np.arange(4000) % 5)
    np.testing.assert_allclose(chosen, weights)
    assert np.sqrt(np.mean(held_out**2)) == pytest.approx(0.05 * 0.2**0.5, rel=0.05)


def test_small_gains_leave_the_network_alone():
    rng = np.random.default_rng(0)
    network = rng.standard_normal(500) * 0.05
    errors = np.stack([network, network + 0.05 * rng.standard_normal(500)], axis=1)
    weights, held_out = choose_weights(errors, np.arange(500) % 5)
    assert weights.tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(held_out, network)


def test_the_uncertainty_of_the_network_alone_is_only_widened():
    rng = np.random.default_rng(0)
    errors = 0.05 * rng.standard_normal(2000)
    for alone, stated, factor in [
        (True, 0.10, 1.0),
        (True, 0.045, 1.0),
        (True, 0.025, 2.0),
        (False, 0.10, 0.5),
        (False, 0.05, 1.0),
    ]:
        got = _std_factor(errors, np.full(2000, stated), alone)
        assert got == pytest.approx(factor, abs=0.1 if factor != 1 else 0)


def test_cells_without_observations_change_nothing():
    """Values of a cell depend on its own series only, also where others have none."""
    series = made("two cells").values
    about = Covariance(0.5, 0.9, 0.2, 0.98, 0.005)
    weights = np.full((CLASSES, len(METHODS)), 1 / len(METHODS))
    days = np.arange(len(series))
    calendar = Calendar(days, days, days % 365 + 1, 366)
    alone, rmse = SpatialCorrelation(), np.full(len(METHODS) + 1, np.nan)
    vector = Calibration(weights, np.ones(CLASSES), (about, about), alone, rmse, 50).to_vector()
    both = mixture_of_series(series, vector, calendar)
    beside = np.full((len(series), 3, 2), np.nan, np.float32)
    beside[:, 1] = series[:, 0]
    wide = mixture_of_series(beside, vector, calendar)
    np.testing.assert_allclose(wide[:, :, 1], both[:, :, 0], rtol=1e-6)
    assert (wide[[0, 2]][:, :, 0] == 1).all() and (wide[[1, 3]][:, :, 0] == 0).all()


def calibration_of(record: xr.DataArray, error) -> Calibration:
    """Of a network with given errors (T, H, W), or a function of the hidden values."""
    truth = record.values
    days = np.arange(len(truth))
    calendar = Calendar(days, days, days % 365 + 1, 366)

    def predict(values, hidden, _sample):
        assert not np.isfinite(values[hidden]).any()
        added = error(hidden) if callable(error) else error
        return np.stack([truth + added, np.full_like(truth, 0.02)])

    return calibrate([truth], samples(truth.shape, (4, 4), False), calendar, predict)


def test_the_network_is_judged_by_several_seasons():
    """One that is right on the days hidden first, and wrong on others, is not used alone."""
    record = made("several seasons")
    days = np.arange(len(record))[:, None, None]
    noise = 0.1 * np.random.default_rng(5).standard_normal(record.shape)
    near = abs(days - len(record) / 2) < 25
    calibration = calibration_of(record, np.where(near, 0.01, 1.0) * noise)
    assert calibration.rmse[NETWORK] > 1.5 * calibration.rmse[1 + LINEAR]
    assert calibration.weights[:, NETWORK].max() < 0.3
    alone = calibration_of(record, 0.01 * noise)
    assert alone.network_alone and alone.number > 1000


def test_a_season_without_observations_is_passed_over():
    """The first days that would be hidden have none; others are hidden instead."""
    record = made("several seasons")
    empty = record.copy()
    empty[150:250] = np.nan
    calibration = calibration_of(empty, np.zeros(record.shape))
    assert calibration.number > 1000 and calibration.rmse[NETWORK] < 1e-6


def test_samples_lie_within_the_record_but_for_their_margin():
    for shape in ((30, 720, 1440), (400, 60, 60), (5000, 15, 15)):
        for sample in samples(shape, (44, 44), False):
            days, rows, columns = sample.window
            assert 0 <= days.start < days.stop <= shape[0]
            assert rows.start >= -44 and rows.stop <= shape[1] + 44
            assert columns.start >= -44 and columns.stop <= shape[2] + 44
            for number in range(5):
                t, y, x = sample.box(number)
                assert 0 <= t.start < t.stop <= days.stop - days.start
                assert 44 <= y.start < y.stop <= rows.stop - rows.start - 44
                assert 44 <= x.start < x.stop <= columns.stop - columns.start - 44


@pytest.mark.parametrize(
    ("shape", "windows", "boxes"),
    [
        ((400, 1, 1), 1, 1),  # a box is the record
        ((100, 20, 20), 1, 2),  # a quarter of the record at most
        ((365, 20, 40), 1, 8),
        ((400, 60, 60), 2, 2),
        ((730, 100, 100), 2, 1),
        ((30, 720, 1440), 8, 1),
    ],
)
def test_boxes_lie_in_several_seasons_and_places(shape, windows, boxes):
    of = samples(shape, (44, 44), False)
    assert (len(of), of[0].boxes) == (windows, boxes)
    assert len({str(sample.window) for sample in of}) == windows
    first = of[0]
    days = [first.box(number)[0].start for number in range(boxes)]
    if boxes == 8:
        assert len(days) == len(set(days)) and max(days) - min(days) > shape[0] / 2
    hidden = boxes * np.prod(first.box_shape)
    assert hidden <= max(0.25 * np.prod(shape), np.prod(first.box_shape))


def test_hidden_values_are_observations_of_the_box():
    values = made("ordinary").values[10:40, 0:24, 0:20]
    hidden = hidden_values(values, (0, 0))
    assert 0.05 < hidden.sum() / np.isfinite(values).sum() < 0.4
    assert np.isfinite(values[hidden]).all()


def test_a_calibration_goes_into_one_vector():
    rng = np.random.default_rng(0)
    about = Covariance(0.1, 0.5, 0.2, 0.9, 0.01), Covariance(0.3, 0.65, 0.1, 0.98, 0.02)
    between, rmse = SpatialCorrelation(0.7, 2.0, 0.8, 3.0), rng.random(len(METHODS) + 1)
    before = Calibration(
        rng.random((CLASSES, len(METHODS))), rng.random(CLASSES), about, between, rmse, 17
    )
    vector = before.to_vector()
    assert vector.shape == (VECTOR,)
    after = Calibration.from_vector(vector)
    np.testing.assert_array_equal(after.weights, before.weights)
    np.testing.assert_array_equal(after.rmse, before.rmse)
    assert after.about == about and after.correlation == between
    assert after.number == 17 and not after.network_alone
    assert METHODS[NETWORK] == "network"

"""The streamed network equals its definition, and computes only what is needed."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.gapfilling.statistics import STATISTICS
from xsm.networks.block_inference import fill_block, record_statistics, run_network
from xsm.networks.device import operations
from xsm.networks.model import make_model
from xsm.networks.partial_conv import default, initial_params, sgd_sm
from xsm.networks.streamed_features import model_schedule, stream
from xsm_kernels import RingBuffer


def small(config):
    scales = [scale for scale in config["scales"] if scale <= 7]
    names = [f for f in config["features"] if f.rsplit("_")[-1] not in ("15", "31", "61")]
    config |= {"scales": scales, "features": names}
    rng = np.random.default_rng(0)
    params = {
        k: v + 0.1 * rng.standard_normal(v.shape, np.float32)
        for k, v in initial_params(config).items()
    }
    return make_model("small", {"config": config}, params)


MODELS = {"default": small(default(width=5, hidden=35)), "sgd-sm": small(sgd_sm(8, depth=2))}
# days, rows, columns and observed share; odd sizes are not whole blocks of cells
RECORDS = {
    "odd sizes": (5, 13, 19, 0.4),
    "one day": (1, 9, 11, 0.5),
    "one cell": (3, 1, 1, 0.6),
    "hardly any": (6, 12, 21, 0.01),
    "none missing": (3, 7, 8, 1.0),
    "all missing": (3, 7, 8, 0.0),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def block(model, days, rows, columns, observed, seed=0):
    """Values with the halo of the model, and their statistics; sea in a corner."""
    rng = np.random.default_rng(seed)
    far = [n + 2 * h for n, h in zip((days, rows, columns), model.halo, strict=True)]
    values = (0.25 + 0.05 * rng.standard_normal(far)).astype(np.float32)
    values[rng.random(values.shape) >= observed] = np.nan
    values[:, : far[1] // 3, : far[2] // 2] = np.nan
    return values, record_statistics(values)[: len(STATISTICS)]


def defined(values, stats, model):
    ops = operations(model.network.operations, "numba")
    return run_network(values, stats, model.params, model, ops)


def agree(found, expected, need=True):
    mask = expected[1] & need
    np.testing.assert_array_equal(found[1], mask)
    np.testing.assert_allclose(found[0][:, mask], expected[0][:, mask], rtol=0, atol=1e-5)
    assert not found[0][:, ~mask].any()


@pytest.mark.parametrize("name", RECORDS)
def test_equals_the_definition(model, name):
    values, stats = block(model, *RECORDS[name])
    expected = defined(values, stats, model)
    assert expected[1].any() == (RECORDS[name][3] > 0)
    agree(stream(values, stats, model), expected)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_what_is_needed_does_not_depend_on_what_is_not(model, share):
    values, stats = block(model, 6, 20, 23, 0.4)
    need = np.random.default_rng(1).random((6, 20, 23)) < share
    agree(stream(values, stats, model, need), defined(values, stats, model), need)


def test_buffers_are_written_before_they_are_read(model, monkeypatch):
    values, stats = block(model, 4, 15, 17, 0.3)
    expected = stream(values, stats, model)  # compiled before NumPy is changed under it
    real = np.empty

    def poisoned(*args, **options):
        array = real(*args, **options)
        array.fill(np.nan if array.dtype.kind == "f" else 1)
        return array

    monkeypatch.setattr(np, "empty", poisoned)
    agree(stream(values, stats, model), expected)


def test_observations_of_cells_that_the_statistics_do_not_know(model):
    values, stats = block(model, 4, 15, 17, 0.5)
    middle = tuple(n // 2 for n in stats.shape[1:])
    stats[:, middle[0], middle[1] - 2 : middle[1] + 2] = 0
    agree(stream(values, stats, model), defined(values, stats, model))


def test_no_more_cells_are_computed_than_one_gap_depends_on(model, monkeypatch):
    values, stats = block(model, 5, 21, 21, 0.9)
    need = np.zeros((5, 21, 21), bool)
    need[2, 15, 15] = True
    computed = {}

    def count(self, step, day, rows, real=RingBuffer.convolve):
        computed[step.name] = computed.get(step.name, 0) + rows.size
        real(self, step, day, rows)

    monkeypatch.setattr(RingBuffer, "convolve", count)
    stream(values, stats, model, need)
    days, rows, columns = (2 * h + 1 for h in model.halo)
    assert computed["output"] == 1
    assert max(computed.values()) < days * rows * columns
    if "trunk3" in computed:
        assert (computed["trunk3"], computed["trunk2"], computed["trunk1"]) == (1, 27, 125)


def test_days_that_each_layer_holds():
    config = default()
    schedule = model_schedule(make_model("default", {"config": config}, initial_params(config)))
    assert schedule.lag["output"] == 4
    # the branches wait for the head, the trunk keeps the three days of a window
    assert (schedule.lag["temporal"], schedule.lag["spatial"], schedule.lag["trunk1"]) == (4, 4, 2)
    assert {
        k: schedule.days_held[k] for k in ("temporal", "trunk1", "wide", "features", "anomaly")
    } == {
        "temporal": 1,
        "trunk1": 3,
        "wide": 4,
        "features": 5,
        "anomaly": 9,
    }


def test_fill_block_leaves_out_what_is_not_needed(model):
    values, stats = block(model, 4, 12, 14, 0.5)
    whole = fill_block(values, stats, model)
    need = np.random.default_rng(2).random(whole.shape[1:]) < 0.3
    part = fill_block(values, stats, model, need=need)
    np.testing.assert_allclose(part[:, need], whole[:, need], rtol=0, atol=1e-5)
    assert np.isnan(part[:, ~need]).all()


def test_memory_of_a_month_and_of_a_year(monkeypatch):
    """Bytes beyond input and output do not grow with the record; a calibration holds a sample."""
    monkeypatch.setattr("xsm.blockwise.tiling.SERIES_VALUES", 20_000)
    model = small(default())

    def beyond(days):
        values = np.random.default_rng(3).random((days, 48, 48), np.float32)
        values[values < 0.4] = np.nan
        when = np.datetime64("2015-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
        da = xr.DataArray(values, dims=("time", "y", "x"), coords={"time": when}, name="sm")
        da.attrs["units"] = "m3 m-3"
        with xsm.set_options(tile=(16, 48, 48), calibrate=False):
            da[:9].sm.gapfill(model=model)  # imports, compiles, plans
            tracemalloc.start()
            out = da.sm.gapfill(model=model)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak - sum(v.nbytes for v in out.data_vars.values())

    assert beyond(365) < 1.1 * beyond(30)

"""What makes a pair, what is refused, and which status says why a score is missing."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from tests.metrics.samples import series
from xsm import metrics
from xsm.errors import InputError, TimeAxisError, UnitError

NAN = np.nan
OK, NO_OVERLAP, _, TOO_FEW, CONSTANT, MISSING = range(6)


def test_a_value_without_a_partner_counts_nowhere():
    est = series([[0.1, 0.4, NAN, 0.2, np.inf, 0.3]])
    ref = series([[0.2, 0.2, 0.9, NAN, 0.5, 0.1]])
    few_est, few_ref = est[:, [0, 1, 5]], ref[:, [0, 1, 5]]
    names = list(metrics.METRICS)
    with_gaps = metrics.scores(est, ref, dim="time", metrics=names)
    without = metrics.scores(few_est, few_ref, dim="time", metrics=names)
    assert with_gaps.n_obs.item() == 3
    for name in set(names) - {"anomaly_r"}:
        assert with_gaps[name].item() == pytest.approx(without[name].item(), abs=1e-14), name


@pytest.mark.parametrize(
    "est, ref, status",
    [
        ([0.1, 0.2, 0.3, 0.2], [0.2, 0.3, 0.3, 0.1], OK),
        ([0.1, 0.2, NAN, NAN], [NAN, NAN, 0.3, 0.1], NO_OVERLAP),
        ([0.1, 0.2, NAN, NAN], [0.1, 0.3, 0.3, 0.1], TOO_FEW),
        ([0.1, 0.1, 0.1, 0.1], [0.1, 0.3, 0.3, 0.1], CONSTANT),
        ([0.2, 0.1, 0.3, 0.1], [0.7, 0.7, 0.7, 0.7], CONSTANT),
        ([NAN, NAN, NAN, NAN], [0.1, 0.3, 0.3, 0.1], MISSING),
        ([0.1, 0.3, 0.3, 0.1], [NAN, NAN, NAN, NAN], MISSING),
    ],
)
def test_status_says_why(est, ref, status):
    est, ref = series([est]), series([ref])
    found = metrics.scores(est, ref, dim="time", metrics=list(metrics.METRICS))
    assert found.status.item() == status
    assert found.status.dtype == np.int8
    assert (
        found.status.attrs["flag_meanings"].split()[status]
        == {
            OK: "ok",
            NO_OVERLAP: "no_overlap_in_time",
            TOO_FEW: "too_few_pairs",
            CONSTANT: "constant_series",
            MISSING: "all_missing",
        }[status]
    )
    defined = np.isfinite(found.bias.item())
    assert defined == (status in (OK, CONSTANT))
    for name in ("pearson_r", "r2", "spearman_rho", "kendall_tau", "kge", "anomaly_r"):
        assert np.isfinite(found[name].item()) == (status == OK), name
    bounds = metrics.interval(est, ref, dim="time", metric="pearson_r", n=20)
    assert bounds.status.item() == status
    assert np.isfinite(bounds.pearson_r_low.item()) == (status == OK)
    p = metrics.p_value(est, ref, dim="time")
    assert np.isfinite(p.item()) == (status == OK)
    third = series([[0.3, 0.1, 0.2, 0.4]])
    triple = metrics.triple_collocation(est, ref, third, dim="time", ci="bca", n=20)
    negative_variances = (6, 7)  # which four values can have
    expected = (OK, *negative_variances) if status == OK else (status,)
    assert triple.status.isin(expected).all() and triple.status.dims == ("cell", "dataset")


def test_a_constant_series_is_constant_in_any_chunks():
    est, ref = series(np.full((1, 60), 0.1)), series(np.random.default_rng(0).random((1, 60)))
    found = metrics.scores(est.chunk(time=7), ref, dim="time", metrics="pearson_r").compute()
    assert found.status.item() == CONSTANT
    assert np.isnan(found.pearson_r.item())


def test_series_of_other_days_have_no_overlap():
    est, ref = series(np.ones((2, 9)), "2015-01-01"), series(np.ones((2, 9)), "2016-01-01")
    found = metrics.scores(est, ref, dim="time", metrics=["bias", "kendall_tau", "anomaly_r"])
    assert found.status.values.tolist() == [NO_OVERLAP] * 2
    assert found.n_obs.values.tolist() == [0, 0]
    assert found.bias.isnull().all()
    bounds = metrics.interval(est, ref, dim="time", metric="rmsd")
    assert bounds.status.values.tolist() == [NO_OVERLAP] * 2


def test_common_days_alone_are_compared():
    values = np.random.default_rng(0).random((1, 20))
    est, ref = series(values, "2015-01-01"), series(values, "2015-01-11")
    found = metrics.bias(est, ref, dim="time")
    assert found.item() == pytest.approx(values[0, 10:].mean() - values[0, :10].mean())


def test_no_station_no_score():
    empty = series(np.ones((0, 9)))
    found = metrics.scores(empty, empty, dim="time", metrics=list(metrics.METRICS))
    assert found.sizes == {"cell": 0}
    assert metrics.interval(empty, empty, dim="time", metric="kge").sizes == {"cell": 0}


def test_min_pairs_hides_scores_of_fewer():
    est, ref = series([[0.1, 0.2, 0.4]]), series([[0.1, 0.3, 0.2]])
    assert metrics.scores(est, ref, dim="time", min_pairs=4).status.item() == TOO_FEW
    assert metrics.scores(est, ref, dim="time", min_pairs=4).rmsd.isnull().all()
    assert metrics.scores(est, ref, dim="time").rmsd.notnull().all()


def test_units_of_the_data_are_those_of_the_score():
    est, ref = series([[0.1, 0.2, 0.4]]), series([[0.1, 0.3, 0.2]])
    found = metrics.scores(est, ref, dim="time", metrics=["rmsd", "mse", "pearson_r"])
    units = {name: da.attrs["units"] for name, da in found.items() if name != "status"}
    assert units == {"rmsd": "m3 m-3", "mse": "(m3 m-3)2", "pearson_r": "1", "n_obs": "1"}
    assert found.rmsd.attrs["long_name"] == "root-mean-square difference"


def test_units_must_agree_where_they_matter():
    est, ref = series([[0.1, 0.2, 0.4]]), series([[10.0, 30.0, 20.0]])
    percent = ref.assign_attrs(units="%")
    with pytest.raises(UnitError, match="est is in 'm3 m-3', ref is in '%'.*Convert"):
        metrics.rmsd(est, percent, dim="time")
    assert np.isfinite(metrics.pearson_r(est, percent, dim="time").item())
    spelt = metrics.rmsd(est, ref.assign_attrs(units="m³/m³"), dim="time")
    assert np.isfinite(spelt.item())


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"est": np.ones(3)}, InputError, "est is a ndarray: expected an xarray.DataArray"),
        ({"ref": xr.DataArray(["a"], dims="time")}, InputError, "ref holds <U1: expected real"),
        ({"dim": "day"}, InputError, "dim='day': expected one or more of.*'cell', 'time'"),
        ({"dim": ()}, InputError, r"dim=\(\)"),
        ({"metrics": "rmse"}, InputError, "metric 'rmse' is unknown: expected one of bias, rmsd"),
        ({"min_pairs": 0}, InputError, "min_pairs=0: expected a whole number"),
        ({"min_pairs": 2.5}, InputError, "min_pairs=2.5"),
        ({"ref": series(np.ones((3, 4)))}, InputError, "est and ref cannot be paired"),
        (
            {"metrics": "kendall_tau", "weights": xr.DataArray(np.ones(4), dims="time")},
            InputError,
            "weights: kendall_tau is of ranks",
        ),
        ({"metrics": "anomaly_r", "dim": "cell"}, TimeAxisError, "none of these holds dates"),
    ],
)
def test_what_cannot_be_scored_says_so(change, error, words):
    arguments = {"est": series(np.ones((2, 4))), "ref": series(np.ones((2, 4))), "dim": "time"}
    arguments |= change
    est, ref = arguments.pop("est"), arguments.pop("ref")
    with pytest.raises(error, match=words):
        metrics.scores(est, ref, **arguments)


def test_inputs_are_left_as_they_were(osse):
    est, ref = osse
    before = est.copy(deep=True), ref.copy(deep=True)
    metrics.scores(est, ref, dim="time", metrics=list(metrics.METRICS))
    metrics.interval(est, ref, dim="time", metric="spearman_rho", n=10)
    xr.testing.assert_identical(est, before[0])
    xr.testing.assert_identical(ref, before[1])


def test_every_metric_is_in_the_table_and_says_what_it_is():
    for name, row in metrics.METRICS.items():
        function = row.load()
        assert function is getattr(metrics, name)
        assert function.__name__ == name
        assert len(function.__doc__.splitlines()[0]) > 20


def test_coordinates_of_what_stays_are_kept_unless_they_differ():
    est = series(np.random.default_rng(0).random((2, 9)))
    ref = est.assign_coords(
        network=("cell", ["ARM", "USCRN"]), lat=("cell", [1.0, 2.0]), depth=0.05,
        day=("time", np.arange(9)),
    )  # fmt: skip
    est = est.assign_coords(lat=("cell", [1.0, 2.5]), lon=("cell", [7.0, 8.0]))
    for lazy in (False, True):
        x = est.chunk(time=3) if lazy else est
        found = metrics.scores(x, ref, dim="time", metrics=["bias", "kendall_tau"])
        assert set(found.coords) == {"network", "lon", "depth"}
        assert found.network.values.tolist() == ["ARM", "USCRN"]
        bounds = metrics.interval(x, ref, dim="time", metric="bias", n=10)
        assert set(bounds.coords) == {"network", "lon", "depth"}


def test_import_brings_no_heavy_module():
    heavy = "{'numba', 'scipy', 'dask', 'torch', 'matplotlib', 'cftime'}"
    code = (
        "import sys, xarray\nbefore = set(sys.modules)\nimport xsm.metrics, xsm.compare\n"
        f"print({heavy} & (set(sys.modules) - before) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "none\n", done.stderr


def test_dates_of_cftime_and_datetime64_are_not_silently_without_pairs():
    est = series([[0.1, 0.2, 0.3, 0.4]])[0]
    noleap = est.convert_calendar("noleap")
    with pytest.raises(InputError, match=r"ref has dates of the calendar 'noleap' along 'time'"):
        metrics.bias(est, noleap, dim="time")
    back = noleap.convert_calendar("standard", use_cftime=False, dim="time")
    assert int(metrics.n_obs(est, back, dim="time")) == 4

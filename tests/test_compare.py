"""Two products at the same stations."""

import logging

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from xsm.compare import compare, correct_p_values
from xsm.errors import InputError


def scores(n: int = 40, gain: float = 0.05, seed: int = 0) -> tuple[xr.Dataset, xr.Dataset]:
    """Scores of two products: a correlates better by `gain`, has the bias of b, other sign."""
    rng = np.random.default_rng(seed)
    r = rng.uniform(0.4, 0.8, n)
    better = r + gain + 0.03 * rng.standard_normal(n)
    bias = rng.normal(0.05, 0.02, n)
    coords = {
        "station": [f"s{k}" for k in range(n)],
        "network": ("station", np.where(np.arange(n) < n // 4, "ARM", "USCRN")),
    }
    a, b = (
        xr.Dataset({"pearson_r": ("station", x), "bias": ("station", y)}, coords)
        for x, y in ((better, -bias), (r, bias))
    )
    return a, b


def test_tests_equal_scipy_per_group_and_for_all():
    a, b = scores()
    found = compare(a, b, metric=["pearson_r", "bias"])
    assert found.group.values.tolist() == ["all", "ARM", "USCRN"]
    assert found.metric.values.tolist() == ["pearson_r", "bias"]
    for group in found.group.values:
        members = slice(None) if group == "all" else a.network.values == group
        x, y = a.pearson_r.values[members], b.pearson_r.values[members]
        here = found.sel(metric="pearson_r", group=group)
        assert here.p_t.item() == pytest.approx(stats.ttest_rel(x, y).pvalue, rel=1e-9)
        assert here.p_wilcoxon.item() == pytest.approx(stats.wilcoxon(x, y).pvalue, rel=1e-9)
        assert here.fraction_won.item() == pytest.approx((x > y).mean())
        assert here.mean_a.item() == pytest.approx(x.mean())
        assert here.median_b.item() == pytest.approx(np.median(y))
        assert here.n_stations.item() == x.size


def test_stations_without_a_network_are_one_group(caplog):
    a, b = (scores_.drop_vars("network") for scores_ in scores())
    with caplog.at_level(logging.INFO, logger="xsm.compare"):
        for options in ({}, {"by": "network"}):
            compared = compare(a, b, metric="pearson_r", **options)
            assert compared.group.values.tolist() == ["all"]
            assert compared.n_stations.item() == 40
    assert "no coordinate 'network'" in caplog.text
    expected = compare(a, b, metric="pearson_r", by=None)
    xr.testing.assert_equal(compared, expected)


def test_a_network_named_all_does_not_replace_all_stations():
    a, b = scores()
    network = np.array(["all"] * 10 + ["network=all"] * 5 + ["USCRN"] * 25)
    a, b = (scores_.assign_coords(network=("station", network)) for scores_ in (a, b))
    compared = compare(a, b, metric="pearson_r")
    labels = ["all", "network=all", "network=network=all", "USCRN"]
    assert compared.group.values.tolist() == labels
    assert compared.n_stations.sel(metric="pearson_r").values.tolist() == [40, 10, 5, 25]
    total = compare(a, b, metric="pearson_r", by=None)
    xr.testing.assert_equal(compared.p_t.sel(group="all"), total.p_t.sel(group="all"))


def test_biases_of_equal_size_are_a_tie_whatever_their_sign():
    found = compare(*scores(), metric="bias").sel(metric="bias", group="all")
    assert found.fraction_tied.item() == 1.0
    assert found.fraction_won.item() == 0.0
    assert found.p_t.item() == found.p_wilcoxon.item() == 1.0


def test_lower_is_better_for_a_difference():
    a, b = (s.rename(pearson_r="rmsd") for s in scores())
    assert compare(a, b, metric="rmsd").fraction_won.sel(group="all").item() < 0.2


def test_swapping_swaps_the_winner_and_keeps_the_p_values():
    a, b = scores()
    one, other = compare(a, b, metric="pearson_r"), compare(b, a, metric="pearson_r")
    xr.testing.assert_allclose(one.p_t, other.p_t)
    np.testing.assert_allclose(one.fraction_won, 1 - other.fraction_won)


def test_stations_are_matched_by_label_and_missing_scores_left_out():
    a, b = scores()
    b = b.isel(station=slice(None, None, -1)).isel(station=slice(0, 30))
    a.pearson_r[35] = np.nan
    found = compare(a, b, metric="pearson_r", by=None)
    assert found.group.values.tolist() == ["all"]
    assert found.n_stations.item() == 29
    x, y = a.pearson_r[10:].drop_sel(station="s35"), b.pearson_r[::-1].drop_sel(station="s35")
    assert found.p_t.item() == pytest.approx(stats.ttest_rel(x, y).pvalue, rel=1e-9)


def test_a_group_of_one_has_no_p_value():
    a, b = scores(5)
    found = compare(a, b, metric="pearson_r")
    assert found.n_stations.sel(group="ARM").item() == 1
    assert np.isnan(found.p_t.sel(group="ARM").item())
    assert np.isfinite(found.p_t_corrected.sel(group="all").item())


def test_all_missing_is_no_crash():
    a, b = scores(6)
    found = compare(a * np.nan, b, metric="pearson_r")
    assert (found.n_stations == 0).all() and found.p_t.isnull().all()


def test_corrections_are_those_of_the_books():
    p = np.array([0.001, 0.02, 0.03, 0.04, np.nan])
    np.testing.assert_allclose(correct_p_values(p, "bonferroni"), [0.004, 0.08, 0.12, 0.16, np.nan])
    np.testing.assert_allclose(correct_p_values(p, "holm"), [0.004, 0.06, 0.06, 0.06, np.nan])
    rate = stats.false_discovery_control(p[:4])
    np.testing.assert_allclose(correct_p_values(p, "fdr_bh")[:4], rate)
    assert correct_p_values(np.array([0.9, 0.8]), "bonferroni").tolist() == [1.0, 1.0]


def test_all_tests_of_a_kind_are_corrected_together():
    a, b = scores(gain=0.02)
    found = compare(a, b, metric=["pearson_r", "bias"])
    expected = correct_p_values(found.p_wilcoxon.values, "holm")
    np.testing.assert_allclose(found.p_wilcoxon_corrected, expected)
    assert (found.p_t_corrected >= found.p_t).all()
    assert "p_t_corrected" not in compare(a, b, metric="bias", correction=None)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"metric": "kge"}, "a has no metric 'kge', only pearson_r, bias"),
        ({"metric": "rmse"}, "metric 'rmse' is unknown"),
        ({"metric": "n_obs"}, "has no best value"),
        ({"by": "climate"}, "by='climate': expected a coordinate along 'station'.*'network'"),
        ({"names": ["new", "new"]}, r"names=\['new', 'new'\]: expected two different names"),
        ({"correction": "tukey"}, "correction='tukey': expected None or one of 'holm'"),
    ],
)
def test_wrong_options_say_what_is_right(options, words):
    with pytest.raises(InputError, match=words):
        compare(*scores(6), **({"metric": "bias"} | options))


def test_scores_that_cannot_be_matched_say_why():
    a, b = scores(6)
    with pytest.raises(InputError, match="no label of 'station' in common"):
        compare(a, b.assign_coords(station=[f"t{k}" for k in range(6)]), metric="bias")
    with pytest.raises(InputError, match="a repeats labels of 'station'"):
        compare(a.assign_coords(station=["s0"] * 6), b, metric="bias")
    strata = a.expand_dims(season=["DJF"])
    with pytest.raises(InputError, match=r"a.isel\(season=0\)"):
        compare(strata, b, metric="bias")


def test_unlabelled_stations_in_another_order_are_refused():
    a, b = scores()
    names = ("station", a.station.values)
    a, b = (s.drop_vars("station").assign_coords(station_name=names) for s in (a, b))
    reversed_b = b.isel(station=slice(None, None, -1))
    with pytest.raises(InputError, match="no labels of 'station' and differ in .*set_index"):
        compare(a, reversed_b, metric="pearson_r")
    labelled = [s.set_index(station="station_name") for s in (a, reversed_b)]
    xr.testing.assert_allclose(
        compare(*labelled, metric="pearson_r").p_t, compare(a, b, metric="pearson_r").p_t
    )


def test_stations_without_a_value_are_in_no_group_and_equal_labels_are_one_group():
    a, b = scores(6)
    for zone, labels, counts in (
        ([np.nan, np.nan, 1.0, 1.0, 2.0, 2.0], ["all", "1.0", "2.0"], [6, 2, 2]),
        (np.array([None, 1, "1", "x", "x", "x"], object), ["all", "1", "x"], [6, 2, 3]),
    ):
        compared = compare(
            a.assign_coords(zone=("station", zone)), b, metric="pearson_r", by="zone"
        )
        assert compared.group.values.tolist() == labels
        assert compared.n_stations.values.tolist() == [counts]


@pytest.mark.parametrize("metric", [[], None, ["bias", "bias"], 3])
def test_metrics_are_names_each_once(metric):
    with pytest.raises(InputError, match="expected a name, or a list of names, each once"):
        compare(*scores(), metric=metric)


def test_other_types_are_named():
    a, b = scores()
    with pytest.raises(InputError, match="a is a DataArray: expected a Dataset of scores"):
        compare(a.bias, b, metric="bias")
    with pytest.raises(InputError, match=r"by=\['network'\]: expected the name of one coordinate"):
        compare(a, b, metric="bias", by=["network"])
    with pytest.raises(InputError, match="names=3: expected two different names"):
        compare(a, b, metric="bias", names=3)

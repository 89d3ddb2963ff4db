"""Selection of variables, strata, groups and stations from a scores Dataset."""

import numpy as np
import pytest
import xarray as xr

from tests.plotting.scores_made_up import product, seasons, simulated, stations
from xsm.errors import InputError
from xsm.plotting.selection import (
    datasets_by_name,
    metric_names,
    role_names,
    sample_dims,
    select_metric,
    select_stratum,
    station_index,
    station_label,
    values_by_group,
)


def test_metrics_exclude_intervals_p_values_and_summaries():
    scores = stations()
    for name in ("pearson_r_low", "pearson_r_high", "p_pearson_r", "summary_rmsd"):
        scores[name] = scores["pearson_r"]
    assert metric_names(scores) == ["pearson_r", "bias", "rmsd", "ubrmsd"]


def test_the_default_metric_is_the_correlation_else_the_first():
    scores = stations()
    assert select_metric(scores, None).name == "pearson_r"
    assert select_metric(scores.drop_vars("pearson_r"), None).name == "ubrmsd"
    assert select_metric(xr.Dataset({"nse": ("station", [0.5])}), None).name == "nse"
    with pytest.raises(InputError, match="scores has no metric"):
        select_metric(scores[["n_obs"]], None)


def test_sample_dimensions_are_those_that_are_no_strata():
    assert sample_dims(seasons()["rmsd"]) == {"station"}
    assert sample_dims(simulated()["rmsd"]) == set(simulated()["rmsd"].dims)
    by_season = product()["rmsd"].expand_dims(season=["JJA", "DJF"])
    assert sample_dims(by_season) == {"lat", "lon"}
    assert sample_dims(xr.DataArray([1.0], dims="season", coords={"season": ["JJA"]})) == set()


def test_the_total_is_selected_and_a_single_value_is_dropped():
    scores = seasons()["rmsd"]
    xr.testing.assert_identical(select_stratum(scores, {"station"}), scores.sel(season="all"))
    assert select_stratum(scores.isel(season=[1]), {"station"}).season.item() == "JJA"


def test_groups_hold_the_finite_values_in_order_of_skill():
    scores = stations(30)
    groups, by = values_by_group(scores["rmsd"], None)
    assert by == "network"
    medians = [np.median(values) for values in groups.values()]
    assert medians == sorted(medians)
    assert sum(map(len, groups.values())) == 29
    one, by = values_by_group(scores["rmsd"].drop_vars("network"), None)
    assert list(one) == ["all"] and by == ""


def test_one_dataset_has_no_name():
    scores = stations()
    assert list(datasets_by_name(scores)) == [""]
    assert list(datasets_by_name({1: scores, "b": scores})) == ["1", "b"]


def test_a_station_is_found_by_label_name_and_position():
    scores = stations(6)
    assert station_index(scores, "s03") == station_index(scores, "Station <3> & sons") == 3
    assert station_index(scores, -1) == -1
    assert station_label(scores, 3) == "Station <3> & sons (REMEDHUS)"
    with pytest.raises(InputError, match="a position below 6; the first are"):
        station_index(scores, 6)


def test_estimate_and_reference_of_one_name_have_their_roles_added():
    scores = stations().assign_attrs(estimate_name="soil_moisture", reference_name="soil_moisture")
    assert role_names(scores) == ["soil_moisture (estimate)", "soil_moisture (reference)"]
    assert role_names(scores.drop_attrs()) == ["estimate", "reference"]

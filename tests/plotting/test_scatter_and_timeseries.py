"""Scatter of the pairs, and the record of a station."""

import numpy as np
import pytest
import xarray as xr

from tests.plotting.scores_made_up import stations
from xsm import plotting
from xsm.errors import InputError
from xsm.plotting.timeseries import median_station


def line(ax, name):
    (artist,) = [line for line in ax.lines if line.get_label() == name]
    return artist


def test_density_counts_every_pair_but_the_extremes():
    scores = stations(40)
    ax = plotting.scatter(scores)
    number = int(scores["estimate"].notnull().sum())
    (cells,) = ax.collections
    assert 0.99 * number <= cells.get_array().sum() <= number
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_aspect() == 1


def test_statistics_are_those_of_the_drawn_pairs():
    scores = stations(40)
    est, ref = (scores[name].values[scores["estimate"].notnull().values] for name in ROLES)
    text = plotting.scatter(scores).get_legend().get_title().get_text()
    assert f"n = {est.size:,}" in text
    assert f"R = {np.corrcoef(est, ref)[0, 1]:.3f}" in text
    assert f"bias = {np.mean(est - ref):+.3f} m³\xa0m⁻³" in text
    assert f"ubRMSD = {np.std(est - ref):.3f}" in text


ROLES = ("estimate", "reference")


def test_the_fit_is_least_squares_and_stands_in_the_legend():
    scores = stations(3, days=50)
    scores["estimate"] = 0.5 * scores["reference"] + 0.1
    scores["estimate"].attrs["units"] = "m3 m-3"
    ax = plotting.scatter(scores)
    fit = line(ax, "y = 0.50 x + 0.100")
    x, y = fit.get_data()
    assert y == pytest.approx(0.5 * np.asarray(x) + 0.1)
    x, y = line(ax, "1:1").get_data()
    np.testing.assert_array_equal(x, y)


def test_few_pairs_are_points_of_one_station():
    scores = stations()
    ax = plotting.scatter(scores, station="s03")
    both = scores["estimate"].notnull().values[3]
    (points,) = ax.collections
    np.testing.assert_allclose(points.get_offsets()[:, 0], scores["reference"].values[3][both])
    assert ax.get_title(loc="left") == "Station <3> & sons (REMEDHUS)"
    assert ax.get_xlabel() == "in situ (m³\xa0m⁻³)"
    assert ax.get_ylabel() == "AMSR2, filled (m³\xa0m⁻³)"


def test_series_draws_both_records_with_gaps_left_open():
    scores = stations()
    ax = plotting.series(scores, "s02")
    np.testing.assert_array_equal(line(ax, "in situ").get_ydata(), scores["reference"].values[2])
    np.testing.assert_array_equal(line(ax, "AMSR2, filled").get_ydata(), scores["estimate"][2])
    assert ax.get_ylabel() == "soil moisture (m³\xa0m⁻³)"
    assert ax.get_title(loc="left").startswith("Station <2> & sons (RSMN), ")


def test_the_band_is_1_96_standard_deviations_on_each_side():
    scores = stations()
    scores["estimate_uncertainty"] = 0.02 + 0 * scores["estimate"]
    ax = plotting.series(scores, 1)
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices[:, 1]
    estimate = scores["estimate"].values[1]
    first = estimate[np.isfinite(estimate)][0]
    assert np.isclose(corners, first + 1.96 * 0.02).any()
    assert np.isclose(corners, first - 1.96 * 0.02).any()


def test_the_station_taken_is_the_median_one():
    scores = stations(25)
    r = scores["pearson_r"].values
    assert r[median_station(scores)] == np.sort(r[np.isfinite(r)])[12]
    bare = scores[["estimate", "reference"]]
    assert median_station(bare) == int(bare["estimate"].notnull().sum("time").values.argmax())


def test_pairs_of_several_products_are_not_one_cloud():
    both = xr.concat([stations(6), stations(6, shift=0.2)], "product")
    both = both.assign_coords(product=["a", "b"])
    with pytest.raises(InputError, match="estimate has a value per product .a, b.: select one"):
        plotting.scatter(both)
    legend = plotting.scatter(both.sel(product="b")).get_legend().get_title().get_text()
    own = both["estimate"].sel(product="b") - both["reference"].sel(product="b")
    assert f"n = {int(own.notnull().sum())}" in legend
    assert f"bias = {own.mean().item():+.3f}" in legend


@pytest.mark.parametrize("draw", [plotting.scatter, plotting.series])
def test_what_is_missing_raises(draw):
    with pytest.raises(InputError, match="keep_pairs=True"):
        draw(stations().drop_vars("estimate"))
    with pytest.raises(InputError, match="station='nowhere' is not in scores"):
        draw(stations(), station="nowhere")


@pytest.mark.parametrize("draw", [plotting.series, plotting.cycle])
def test_lazy_scores_and_those_of_other_calendars_are_drawn(draw):
    pytest.importorskip("dask")
    pytest.importorskip("cftime")
    scores = stations()
    lines = [line.get_ydata() for line in draw(scores, 0).lines]
    dates = xr.date_range("2020-01-01", periods=scores.sizes["time"], calendar="noleap",
                          use_cftime=True)  # fmt: skip
    for ds in (scores.chunk(), scores.assign_coords(time=dates)):
        for line, expected in zip(draw(ds, 0).lines, lines, strict=True):
            if draw is plotting.series or ds.chunks:
                np.testing.assert_array_equal(line.get_ydata(), expected)
    if draw is plotting.series:
        day = draw(scores.assign_coords(time=dates), 0).lines[0].get_xdata()[59]
        assert str(day)[:10] == "2020-03-01"


@pytest.mark.parametrize("draw", [plotting.series, plotting.cycle, plotting.scatter])
def test_no_station_is_told(draw):
    with pytest.raises(InputError, match="scores has 0 stations"):
        draw(stations().isel(station=[]))


@pytest.mark.parametrize("draw", [plotting.series, plotting.cycle])
def test_the_selection_that_is_advised_works(draw):
    pairs = stations().rename(station="cell").expand_dims(product=["a", "b"])
    with pytest.raises(InputError, match="select one place and product first") as error:
        draw(pairs)
    advice = str(error.value).partition("such as ")[2].rstrip(".")
    draw(eval(advice, {"scores": pairs}))


def test_the_legend_leaves_no_pairs_below_it():
    scores = stations(40)
    rng = np.random.default_rng(1)  # pairs everywhere: no corner is free
    for name in ROLES:
        scores[name] = scores[name].copy(data=rng.random(scores[name].shape))
    full = plotting.scatter(scores, wet=0.5)
    close = scores.assign(estimate=0.9 * scores["reference"].assign_attrs(units="m3 m-3"))
    free = plotting.scatter(close)
    for ax, is_inside in ((full, False), (free, True)):
        ax.figure.canvas.draw()
        legend, axes = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert (legend.y0 >= axes.y0) == is_inside
        label = ax.xaxis.label.get_window_extent()
        assert is_inside or legend.y1 <= label.y0 + 1
    text = full.get_legend().get_title().get_text()
    assert "\nabove 0.5" in text and text.count("\n") == 3


def test_values_with_gaps_on_both_sides_are_drawn():
    scores = stations()
    alternate = np.arange(scores.sizes["time"]) % 2 == 0
    for name in ROLES:
        scores[name] = scores[name].where(xr.DataArray(alternate, dims="time"))
    ax = plotting.series(scores, "s02")
    for name in ROLES:
        expected = scores[name].values[2]
        expected = expected[np.isfinite(expected)]
        dots = [artist.get_ydata() for artist in ax.lines if artist.get_marker() == "."]
        assert any(np.array_equal(expected, dot) for dot in dots)


def test_one_day_is_drawn_on_its_date():
    scores = stations().isel(time=[20])
    ax = plotting.series(scores, "s02")
    start, end = ax.get_xlim()
    assert end - start == 2 and len(ax.get_xticks()) == 1

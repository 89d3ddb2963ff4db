"""The report: one self-contained HTML page with tables, figures and provenance."""

import base64
import re
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm.plotting as plotting
from tests.plotting.scores_made_up import product, seasons, simulated, stations
from tests.plotting.test_experiment_curves import made_curve, made_importance
from tests.reporting.html_reader import Reader
from xsm.compare import compare
from xsm.errors import InputError
from xsm.plotting.selection import select_metric
from xsm.report import report
from xsm.reporting.score_provenance import digest
from xsm.validation import difference, stability

pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


SETS = {"At <b>stations</b> & more": stations, "Maps": product, "Gaps": simulated}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of one Dataset of each of three kinds."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert report({name: make() for name, make in SETS.items()}, path) == path
    return path


@pytest.fixture(scope="module")
def read(page) -> Reader:
    return Reader(page.read_text(encoding="utf-8"))


def test_ids_are_unique_and_links_lead_to_them(read):
    assert len(set(read.ids)) == len(read.ids) >= 4
    assert read.links and {link.removeprefix("#") for link in read.links} <= set(read.ids)


def test_nothing_is_fetched_and_nothing_runs(page, read):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(", text)
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in read.images)


def test_every_figure_is_an_svg_with_alternative_text(read):
    assert len(read.images) >= 12
    for image in read.images:
        root = ElementTree.fromstring(base64.b64decode(image["src"].partition(",")[2]))
        assert root.tag.endswith("svg") and len(image["alt"]) > 10


def test_text_of_the_scores_is_escaped(page, read):
    text = page.read_text(encoding="utf-8")
    assert "<b>stations</b>" not in text and "At <b>stations</b> & more" in read.words
    assert "Station <3> & sons" not in text
    assert read.row("Station <3> & sons")[1] == "REMEDHUS"


def test_the_page_gives_what_was_compared_and_how(read):
    scores = stations()
    assert read.row("Estimate")[1] == "AMSR2, filled"
    assert read.row("Period")[1] == "2015-04-01 to 2015-06-29"
    assert read.row("SHA-256 of the scores")[1] == digest(scores)
    assert read.row("History")[1] == scores.attrs["history"]
    assert read.row("window")[1] == "12h"
    assert read.row("xarray")[1] == xr.__version__
    assert read.row("too few pairs")[1:] == ["1", "4.2 %"]


def test_medians_and_quartiles_per_network(read):
    scores = stations()
    r = scores["pearson_r"].values[scores["network"].values == "RSMN"]
    r = r[np.isfinite(r)]
    low, middle, high = np.percentile(r, [25, 50, 75])
    row = read.row("RSMN")
    assert row[1] == str(r.size)
    assert row[3] == f"{middle:.3f}\n({low:.3f}, {high:.3f})"
    head = next(row for row in read.rows if row[:1] == ["network"])
    assert head[3:5] == ["R", "bias (m³\xa0m⁻³)"]


def test_the_soil_layer_is_given_per_network(tmp_path):
    depth = {"RSMN": 0.05, "REMEDHUS": 0.05, "SMOSMANIA": 0.2}
    scores = stations()
    sensed = [depth[n] for n in scores["network"].values]
    scores = scores.assign_coords(
        depth_from=("station", np.zeros(24)), depth_to=("station", sensed)
    )
    read = Reader(report(scores, tmp_path / "l.html", metrics=["bias"]).read_text("utf-8"))
    assert read.row("network")[2] == "layer (m)"
    assert read.row("SMOSMANIA")[2] == "0 to 0.2" and read.row("RSMN")[2] == "0 to 0.05"


def test_gaps_have_a_row_per_method_and_a_column_per_kind(read):
    head = next(row for row in read.rows if row[:1] == ["fill method"] and "R" in row)
    rmsd = head.index("RMSD (m³\xa0m⁻³)")
    row = next(row for row in read.rows if row[0] == "network" and len(row) == len(head))
    assert row[rmsd] == "0.067" and row[-1] == "0.987"
    patterns = {"block", "swath", "cell", "all"}
    details = [row for row in read.rows if row[:1] == ["network"] and row[1] in patterns]
    assert [row[1] for row in details] == ["block", "swath", "cell", "all"]
    assert [row[rmsd + 1].split()[0] for row in details] == ["0.070", "0.063", "0.056", "0.067"]
    assert read.row("original record")[1:] == ["", "0.080"]
    assert ["window_mean", "1.300", "0.064"] in read.rows


def test_several_products_are_set_side_by_side_and_strata_are_rows(tmp_path):
    new = stations(12)
    new["p_pearson_r"] = ("station", np.where(np.arange(12) < 3, 0.01, 0.5))
    path = report(
        {"new": new, "old": stations(12, seed=9)}, tmp_path / "two.html", metrics=["bias"]
    )
    read = Reader(path.read_text(encoding="utf-8"))
    assert "Side by side, over stations" in read.words
    head = read.row("validation")
    assert (head[1], head[-1]) == ("stations", "p < 0.05, R")
    assert (read.row("new")[-1], read.row("old")[-1]) == ("25 %", "–")
    path = report(seasons(9), tmp_path / "strata.html", metrics=["bias"])
    read = Reader(path.read_text(encoding="utf-8"))
    head = next(i for i, row in enumerate(read.rows) if row[:1] == ["season"])
    assert [row[0] for row in read.rows[head + 1 : head + 4]] == ["all", "JJA", "DJF"]
    assert [image["alt"][:15] for image in read.images] == ["Mean difference"] * 2


def test_a_comparison_is_a_section_with_who_won_and_p_values(tmp_path):
    new, old = stations(30, shift=0.0), stations(30, shift=0.1)
    comparison = compare(new, old, metric=["bias", "pearson_r"], names=["new", "old"])
    several = {"new": new, "old": old, "new or old": comparison}
    path = report(several, tmp_path / "c.html", metrics=["bias"])
    read = Reader(path.read_text(encoding="utf-8"))
    assert "new or old" in read.words and read.row("name a")[1] == "new"
    head = next(row for row in read.rows if row[:2] == ["network", "stations"] and "tied" in row)
    assert head[2:6] == ["median, new", "median, old", "won by new", "tied"]
    assert head[6:] == ["p, paired t (holm)", "p, Wilcoxon (holm)"]
    rows = [row for row in read.rows if row[0] == "all" and len(row) == len(head)]
    won = comparison.fraction_won.sel(group="all").values
    assert [row[4] for row in rows] == [f"{100 * share:.0f} %" for share in won]
    assert rows[0][1] == "29" and rows[0][6:] == ["< 0.001", "< 0.001"]
    assert rows[1][7] == f"{comparison.p_wilcoxon_corrected.sel(group='all').values[1]:.3f}"


def test_the_same_scores_have_the_same_pictures_and_hash(tmp_path):
    texts = [
        report(product(), tmp_path / name, metrics=["rmsd"]).read_text(encoding="utf-8")
        for name in ("a.html", "b.html")
    ]
    first, second = (Reader(text) for text in texts)
    assert first.images == second.images
    changed = product()
    changed["rmsd"][0, 5] += 1e-6
    assert digest(changed) != digest(product()) == digest(product().assign_attrs(history="later"))


def test_several_products_have_maps_on_one_scale_and_their_triples(tmp_path):
    a, b = (stations(12, shift=s).drop_vars(["estimate", "reference"]) for s in (0.0, 0.1))
    both = xr.concat(
        [a.drop_dims("time"), b.drop_dims("time")], pd.Index(["a", "b"], name="product")
    )
    tc = xr.DataArray(np.full((12, 1, 3), 0.03), dims=("station", "triple", "dataset"))
    both = both.assign(
        tc_err_std=tc.assign_attrs(units="m3 m-3"), tc_snr_db=100 * tc, tc_r2=20 * tc
    )
    both["tc_status"] = (tc.dims, np.zeros((12, 1, 3), np.int8))
    both = both.assign_coords(dataset=["in situ", "a", "b"], triple=["in situ, a, b"])
    read = Reader(report(both, tmp_path / "p.html", metrics=["bias"]).read_text("utf-8"))
    assert [image["alt"] for image in read.images][0].endswith("of each product.")
    assert read.row("in situ")[1:] == ["0.030\n(0.030, 0.030)", "3.000\n(3.000, 3.000)",
                                      "0.600\n(0.600, 0.600)", "100 %"]  # fmt: skip
    assert "best median bias (m³\xa0m⁻³)" in read.words


def test_experiments_differences_trends_and_days_are_sections(tmp_path):
    a, b = product(), product()
    b["rmsd"] = b.rmsd + 0.01
    years = xr.concat([a[["bias"]] + 0.001 * i for i in range(6)], "period")
    years = years.assign_coords(period=[str(2010 + i) for i in range(6)])
    days = xr.Dataset({"bias": ("time", np.linspace(0, 0.1, 30), {"units": "m3 m-3"})},
                      {"time": a.time}, {"xsm_scores": "spatial", "settings": "{}"})  # fmt: skip
    results = {
        "importance": made_importance(),
        "curve": made_curve(),
        "new or old": difference(a, b, metrics="rmsd", names=["new", "old"]),
        "trend": stability(years),
        "by day": days,
    }
    read = Reader(report(results, tmp_path / "e.html").read_text("utf-8"))
    alts = [image["alt"] for image in read.images]
    assert [alt.split(" ")[0] for alt in alts[:2]] == ["Increase", "RMSE"] and len(alts) == 5
    assert alts[-1] == "Bias (m³\xa0m⁻³) over all places of a day."
    assert read.row("RMSD (m³\xa0m⁻³)")[2:4] == ["100 %", "0 %"]
    trend = next(row for row in read.rows if row and row[0].startswith("bias (m³"))
    assert trend[2].startswith("+0.0100") and trend[3] == "100 %"


def triple() -> xr.Dataset:
    """Error, signal-to-noise ratio and status of three datasets per cell."""
    one = product()
    labels = xr.DataArray(["a", "b", "c"], dims="dataset", name="dataset")
    ds = xr.Dataset({"err_std": one["rmsd"], "snr_db": 10 * one["pearson_r"]})
    return ds.expand_dims(dataset=labels.values).assign_attrs(xsm_scores="triple_collocation")


def test_triple_collocation_and_scores_with_little_in_them(tmp_path):
    read = Reader(report(triple(), tmp_path / "t.html").read_text(encoding="utf-8"))
    assert read.row("dataset")[:2] == ["dataset", "cells"]
    assert read.row("History")[1] == "not recorded"
    bare = stations().drop_vars(["estimate", "reference", "status", "n_obs"])
    bare = bare.drop_vars(["network", "station_name"]).drop_dims("time")
    read = Reader(report(bare, tmp_path / "bare.html").read_text(encoding="utf-8"))
    assert read.row("s03")[1:3] == [f"{bare[n].values[3]:.3f}".rstrip("0") for n in ("lat", "lon")]


def test_the_section_of_a_triple_has_its_errors_and_only_settings_that_apply(tmp_path):
    rng = np.random.default_rng(0)
    dims = ("station", "dataset")
    attrs = {"err_std": "m3 m-3", "snr_db": "dB", "r2": "1"}
    ds = xr.Dataset(
        {"err_var": (dims, rng.random((8, 3)), {"long_name": "variance of the error"})}
        | {n: (dims, rng.random((8, 3)), {"units": u}) for n, u in attrs.items()},
        {
            "dataset": ["a", "b", "in situ"],
            "station": [f"s{i}" for i in range(8)],
            "lat": ("station", 40 + np.arange(8.0)),
            "lon": ("station", np.arange(8.0)),
        },
        {
            "xsm_scores": "triple_collocation",
            "settings": '{"metrics": ["bias"], "across": "time", "ci": "bca", "seed": 0}',
        },
    )
    ds["r2"].attrs["long_name"] = "squared correlation with the truth"
    ds["err_std"].attrs["long_name"] = "standard deviation of the error"
    ds["snr_db"].attrs["long_name"] = "signal-to-noise ratio"
    read = Reader(report(ds, tmp_path / "triple.html").read_text(encoding="utf-8"))
    text = "".join(read.words).replace("\N{NO-BREAK SPACE}", " ")
    assert "R² with the truth" in read.row("dataset")
    assert "Standard deviation of the error (m³ m⁻³), in situ." in text
    assert "Signal-to-noise ratio (dB) over stations" in text
    assert "Variance of the error, a." not in text and "over cells" not in text
    assert read.row("ci")[1] == "bca" and ["across", "time"] not in read.rows
    assert "metrics" not in [row[0] for row in read.rows]
    # p_values do not apply
    assert read.row("Account for autocorrelation.")[1:] == ["not done", "ci='moving_block'"]
    assert select_metric(ds, None).name == "err_std"


def test_scores_without_any_number_still_give_a_page(tmp_path):
    for made_up in (product(), stations(), simulated()):
        scores = made_up.map(lambda da: da * np.nan if da.dtype.kind == "f" else da)
        scores.attrs = made_up.attrs
        read = Reader(report(scores, tmp_path / "empty.html").read_text(encoding="utf-8"))
        assert read.images == []
        if "status" in scores:
            assert read.row("all missing" if "all missing" in read.words else "ok")


def test_a_tree_has_a_section_for_each_group(tmp_path):
    tree = xr.DataTree.from_dict({"am": product(), "orbits/pm": product()})
    pages = [
        report(scores, tmp_path / "tree.html").read_text(encoding="utf-8")
        for scores in (tree, {"am": product(), "orbits/pm": product()})
    ]
    words = [Reader(page).words for page in pages]
    assert "orbits/pm" in words[0] and words[0][200:] == words[1][200:]
    assert list(plotting.box(tree, "bias").get_yticklabels())
    with pytest.raises(InputError, match=r'Choose a group, such as scores\["am"\]'):
        plotting.map(tree)


def test_scores_of_another_calendar_give_a_page(tmp_path):
    pytest.importorskip("cftime")
    scores = product()
    dates = xr.date_range("2021-02-01", periods=scores.sizes["time"], calendar="360_day",
                          use_cftime=True)  # fmt: skip
    images = [
        len(Reader(report(ds, tmp_path / "x.html").read_text(encoding="utf-8")).images)
        for ds in (scores, scores.assign_coords(time=dates))
    ]
    assert images[0] == images[1] > 0


def test_a_difference_has_maps_whatever_its_coordinates_are_called(tmp_path):
    a, b = product(), product()
    images = []
    for names in ({}, {"lat": "latitude", "lon": "longitude"}):
        result = difference(a.rename(names), b.rename(names), metrics="bias", names=["a", "b"])
        page = report(result, tmp_path / "x.html").read_text(encoding="utf-8")
        images.append(len(Reader(page).images))
    assert images[0] == images[1] > 0


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ({}, {}, "scores is empty"),
        ("scores.nc", {}, "scores is a str: expected what xsm.validate returns"),
        ({"a": 3}, {}, r"scores\['a'\] is a int"),
        (xr.Dataset(), {}, "xsm_scores=None: expected one of in_situ, product"),
        (product().assign_attrs(xsm_scores="magic"), {}, "xsm_scores='magic'"),
        (product()[["n_obs"]], {}, "has no metric"),
        (product(), {"metrics": ["skill"]}, r"no scores hold \['skill'\]"),
    ],
)
def test_bad_scores_raise_and_nothing_is_written(tmp_path, scores, options, message):
    with pytest.raises(InputError, match=message):
        report(scores, tmp_path / "report.html", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_raises(tmp_path):
    with pytest.raises(InputError, match="the folder .*missing.* does not exist"):
        report(product(), tmp_path / "missing" / "report.html")
    with pytest.raises(InputError, match="is a folder: expected a file"):
        report(product(), tmp_path)


def test_it_opens_in_a_browser(page, tmp_path):
    """All pictures are decoded, nothing overflows, and no message is logged."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no browser: looked for {', '.join(BROWSERS)}")
    probe = tmp_path / "probe.html"
    script = """<script>addEventListener("load", () => {
      const images = [...document.images], wide = document.documentElement;
      document.title = [images.length, images.filter(i => i.complete && i.naturalWidth > 99).length,
        wide.scrollWidth <= wide.clientWidth, document.querySelectorAll("table").length].join(" ");
    });</script></body>"""
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1100,900"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    match = re.search(r"<title>(\d+) (\d+) (\w+) (\d+)</title>", done.stdout)
    assert match is not None, done.stderr
    images = len(Reader(page.read_text(encoding="utf-8")).images)
    assert match.groups()[:3] == (str(images), str(images), "true")
    assert int(match[4]) >= 10

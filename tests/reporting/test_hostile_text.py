"""Whatever stands in names and attributes of data is text in a report, and no more than text."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from tests.plotting.scores_made_up import product, seasons, simulated, stations
from tests.reporting.html_reader import Reader
from xsm.report import bundle, report

pytest.importorskip("matplotlib", reason="drawing needs xsm[plot]")

TEXTS = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '"\' onload=alert(1) x="</td></svg>',
    "entity": "&lt;b&gt; &amp;",
    "mathematics": "$x_{ and $ \\frac{ $",
    "controls": "a\x00b\x07\x1b[31m\x7f\x9f",
    "surrogates": "a\udc80b\ud800",
    "underscore": "_hidden",
    "newlines": "a\r\nb\tc",
    "long": "x" * 3000,
    "other": "\u202e\u200b\ufeff\ufffe",
}


def with_text(ds: xr.Dataset, text: str) -> xr.Dataset:
    """Scores whose every text is `text`."""
    ds = ds.copy()
    for key in ("estimate_name", "reference_name", "history", "xsm_version"):
        ds.attrs[key] = text
    ds.attrs["settings"] = json.dumps({text: text, "window": text})
    ds.attrs[text] = text
    for name in ("network", "station_name", "fill_method", "season"):
        if name in ds.coords and ds[name].ndim == 1:
            label = text
            if name in ds.dims:  # pandas has no lone surrogates in an index
                label = text.encode("utf-8", "replace").decode()
            labels = [f"{label}{i if name in ds.dims else i // 4}" for i in range(ds[name].size)]
            ds = ds.assign_coords({name: (ds[name].dims, np.array(labels, object))})
    for name in ds.variables:
        ds[name].attrs |= {"long_name": f"{name} {text}", "comment": text}
    return ds


def image_of(source: str) -> ElementTree.Element:
    import base64

    return ElementTree.fromstring(base64.b64decode(source.partition(",")[2]))


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.filterwarnings("ignore:constrained_layout not applied:UserWarning")
@pytest.mark.parametrize("key", [*TEXTS, "all"])
def test_texts_of_scores_in_a_report(tmp_path, key):
    text = " ".join(TEXTS.values()) if key == "all" else TEXTS[key]
    sets = {text: with_text(simulated(), text)}
    if key == "all":
        sets |= {
            "Maps": with_text(product(), text),
            f"{text} 2": with_text(stations(), text),
            f"{text} 3": with_text(seasons(), text),
        }
    path = report(sets, tmp_path / "report.html", title=text, metrics=["rmsd"])
    page = path.read_text(encoding="utf-8")
    read = Reader(page)  # fails where tags do not match
    assert not {"script", "iframe", "object", "link"} & set(read.tags)
    assert all(set(image) <= {"src", "alt", "class"} for image in read.images)
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in read.images)
    for image in read.images:
        for element in image_of(image["src"]).iter():
            assert element.tag.rpartition("}")[2] not in ("script", "a", "foreignObject")
            for name, value in element.attrib.items():
                assert not name.lower().startswith("on")
                if name.endswith("href"):
                    assert value.startswith(("#", "data:image/png;base64,"))
    assert not any(ord(c) < 32 and c not in "\n\r\t" for c in page)


@pytest.mark.parametrize("key", ["markup", "controls", "surrogates", "long"])
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.filterwarnings("ignore:constrained_layout not applied:UserWarning")
def test_names_of_scores_in_a_bundle(tmp_path, key):
    text = TEXTS[key]
    path = bundle({text: stations(), f"{text}/../x": stations()}, tmp_path / "scores.zip")
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None and len(set(names)) == len(names)
        archive.extractall(tmp_path / "out")
    assert all(".." not in name.split("/") and not name.startswith("/") for name in names)
    assert all(name.isprintable() and len(name) < 200 for name in names)


def test_labels_of_pictures_are_what_the_data_say():
    import matplotlib.pyplot as plt

    import xsm

    scores = stations()
    scores = scores.assign_attrs(estimate_name="$a_ $", reference_name="_b")
    ax = xsm.plotting.series(scores)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["\xa0_b", r"\$a_ \$"]  # a legend leaves out what begins with _
    ax.figure.canvas.draw()
    plt.close(ax.figure)
    ax = xsm.plotting.series(scores, title="$R^2$")
    assert ax.get_title(loc="left") == "$R^2$"
    plt.close(ax.figure)

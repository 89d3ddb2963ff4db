"""The worked example runs, and its tables hold what was measured."""

import pytest

from benchmarks.validation import worked_example as example
from benchmarks.validation import worked_example_tables as tables


@pytest.fixture(scope="module")
def result():
    """A few days, without a network."""
    patch = pytest.MonkeyPatch()
    patch.setattr(example, "REGION", (46.0, 54.0, -5.0, 10.0))
    patch.setattr(example, "STEP", 1.0)
    patch.setattr(example, "STATIONS", 12)
    patch.setattr(example, "gapfill", lambda record, **_: record.fillna(record.mean("time")))
    yield example.measure(60, 1, model=None)
    patch.undo()


def test_every_table_has_its_rows(result):
    table = tables.in_situ(result)
    assert table.count("\n") == 4 and "filled by xsm" in table
    mean = result["in_situ"]["original"]
    assert f"{mean['pearson_r']:.3f}" in table and 0 < mean["stations"] <= 12
    networks = tables.networks(result)
    assert "SIM-NORTH" in networks and "Wilcoxon" in networks
    for write in (tables.winter, tables.wetness, tables.representative_stations):
        assert write(result).splitlines()[2].startswith("| original")
    assert "linear in time" in tables.simulated(result)
    assert tables.annual(result).count("\n") == 1  # shorter than a year: head and rule


def test_the_page_has_markers_for_every_table():
    page = (example.RESULT.parents[2] / "docs" / "how-to" / "validate.md").read_text()
    assert all(f"<!-- generated:validation-{name} -->" in page for name in tables.TABLES)


def test_marks_of_significance():
    marks = [tables._significance(p) for p in (0.2, 0.04, 0.004, 0.0004, None, float("nan"))]
    assert marks == ["", " *", " **", " ***", "", ""]

"""Generated tables: written once, unchanged when written again, and a failure when stale."""

import json

import pytest

from benchmarks import tables

PAGE = "# A\n\n<!-- generated:gapfill-amsr2 -->\n<!-- /generated -->\n\nend\n"


def row(method, gap_pattern, rmsd, **more):
    return {
        "reference": "retrieval",
        "scope": "strict",
        "gap_pattern": gap_pattern,
        "method": method,
        "n": 1200,
        "rmsd": rmsd,
        "mae": 0.02,
        "bias": -0.001,
        "r": 0.9,
        "r_anomaly": None,
        **more,
    }


@pytest.fixture
def project(tmp_path):
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(PAGE)
    (tmp_path / "docs" / "plain.md").write_text("nothing generated\n")
    return tmp_path


def measured(project, rmsd=0.0712):
    names = ("all", "block", "swath", "cell", "long")
    rows = [row("linear", name, 0.1) for name in names]
    rows += [row("default", name, rmsd, coverage_68=0.681, coverage_95=0.95) for name in names]
    result = {"date": "2015-04-30", "settings": {"n_realizations": 8}, "rows": rows}
    path = project / "benchmarks" / "results" / "gapfill_amsr2.json"
    path.write_text(json.dumps(result))


def test_a_missing_result_names_its_command(project):
    tables.main([], root=project)
    assert (
        "Not measured yet: `python -m benchmarks.skill.gapfill`"
        in (project / "README.md").read_text()
    )


def test_written_once_and_then_unchanged(project, capsys):
    measured(project)
    tables.main([], root=project)
    text = (project / "README.md").read_text()
    assert "| linear in time | 0.1000 |" in text
    assert "| **xsm, `default`** | 0.0712 |" in text
    assert text.startswith("# A\n\n") and text.endswith("\n\nend\n")
    assert "rewritten: README.md" in capsys.readouterr().out
    tables.main([], root=project)
    assert (project / "README.md").read_text() == text
    assert capsys.readouterr().out == ""
    tables.main(["--check"], root=project)


def test_check_fails_when_a_result_changes_and_writes_nothing(project):
    measured(project)
    tables.main([], root=project)
    before = (project / "README.md").read_text()
    measured(project, rmsd=0.0655)
    with pytest.raises(SystemExit, match="make tables"):
        tables.main(["--check"], root=project)
    assert (project / "README.md").read_text() == before


def test_intervals_list_only_methods_that_have_them(project):
    measured(project)
    result = json.loads((project / "benchmarks" / "results" / "gapfill_amsr2.json").read_text())
    text = tables.intervals(result)
    assert "68.1" in text
    assert "linear" not in text


def test_wrong_markers_are_errors(project):
    (project / "README.md").write_text(PAGE.replace("gapfill-amsr2", "gapfill-mars"))
    with pytest.raises(KeyError, match="gapfill-mars"):
        tables.main([], root=project)
    (project / "README.md").write_text("<!-- generated:throughput -->\n")
    with pytest.raises(ValueError, match="do not pair up"):
        tables.main([], root=project)


def test_tables_of_this_repository_are_up_to_date():
    assert tables.outdated(tables.ROOT, write=False) == []

"""The throughput probe runs in a separate process, and a failure gives no figure."""

import ast

import pytest

from benchmarks.skill import throughput


def test_the_probe_is_python():
    ast.parse(throughput.PROBE)


def test_rates_follow_from_the_figures_of_the_probe(monkeypatch):
    monkeypatch.setattr(
        throughput,
        "PROBE",
        "import json, os\n"
        "print(json.dumps({'cells_million': 8, 'land_cells_million': 2, 'seconds': 4,"
        " 'threads': os.environ['NUMBA_NUM_THREADS']}))",
    )
    figures = throughput.measure("amsr2", "default", threads=3)
    assert (figures["mcells_per_second"], figures["land_mcells_per_second"]) == (2, 0.5)
    assert figures["threads"] == "3"


def test_a_failing_probe_fails(monkeypatch):
    monkeypatch.setattr(throughput, "PROBE", "raise RuntimeError('no record')")
    with pytest.raises(SystemExit, match="no record"):
        throughput.measure("amsr2", "default", threads=1)

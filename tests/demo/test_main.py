"""The command of the demonstration: no side effects on import, and systems without `resource`."""

import subprocess
import sys

from xsm.demo import __main__ as demo


def test_importing_the_package_and_the_command_prints_nothing_and_loads_no_matplotlib():
    code = "import sys, xsm.demo, xsm.demo.__main__; sys.exit('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_command_reports_the_peak_memory_where_the_system_does(monkeypatch, tmp_path, capsys):
    calls = []
    monkeypatch.setattr(demo, "run", lambda out, dataset: calls.append((out, dataset)))
    assert demo.main(["--out", str(tmp_path), "--dataset", "smap-conus"]) == 0
    assert calls == [(tmp_path, "smap-conus")]
    assert " GB at the peak, with" in capsys.readouterr().out


def test_without_the_module_resource_no_peak_memory_is_printed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo, "run", lambda out, dataset: None)
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert demo.main(["--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "peak" not in printed and printed.startswith("0 s, with")


def test_the_peak_memory_is_in_gigabytes():
    peak = demo.peak_memory()
    assert peak is None or 0.02 < peak < 100

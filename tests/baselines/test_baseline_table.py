"""The table of baselines: complete, literal, and clear about missing packages."""

import sys

import pytest

from xsm.baselines import BASELINES, baseline
from xsm.errors import InputError, MissingPackageError


def test_table_is_complete():
    assert set(BASELINES) == {
        "linear",
        "window_mean",
        "climatology",
        "dctpls",
        "dineof",
        "trees",
    }
    for name in BASELINES:
        assert callable(baseline(name))
    with pytest.raises(InputError, match="'kriging' is not a baseline"):
        baseline("kriging")


@pytest.mark.parametrize(
    ("name", "package"), [("dctpls", "pytesmo"), ("dineof", "pydineof"), ("trees", "lightgbm")]
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, smooth, name, package):
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"'{package}'.*xsm\[baselines\]"):
        baseline(name)(smooth[1])

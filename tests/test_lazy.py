"""Lazy exports, and the one message for a missing optional package."""

import pytest

from xsm._lazy import lazy_exports, optional_import
from xsm.errors import MissingPackageError


def test_exports_are_imported_on_first_use():
    getattr_, dir_, names = lazy_exports("xsm.example", {"tau": "math:tau", "path": "os.path"})
    assert names == dir_() == ["path", "tau"]
    assert getattr_("tau") == pytest.approx(6.283185307)
    assert getattr_("path").__name__ in ("posixpath", "ntpath")


def test_an_unknown_name_is_an_attribute_error():
    getattr_, _, _ = lazy_exports("xsm.example", {})
    with pytest.raises(AttributeError, match=r"'xsm\.example' has no attribute 'pi'"):
        getattr_("pi")


def test_a_missing_package_names_its_user_and_the_extra():
    with pytest.raises(MissingPackageError) as error:
        optional_import("no_such_package.part", "fit_gapfill", "train")
    message = str(error.value)
    assert "fit_gapfill needs the package 'no_such_package'" in message
    assert "pip install 'xsm[train]'" in message
    assert isinstance(error.value, ImportError)


def test_an_installed_package_is_returned():
    assert optional_import("json.decoder", "anything", "train").__name__ == "json.decoder"

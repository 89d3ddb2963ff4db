"""Checks of arguments: what passes, and the one message of each."""

import numpy as np
import pytest

from xsm.argument_checks import check_choice, check_folder, check_whole
from xsm.errors import InputError


def test_a_whole_number_has_a_minimum():
    check_whole({"a": (1, 1), "b": (np.int64(3), 3)})
    with pytest.raises(InputError, match="a=None: expected a whole number, 1 or more"):
        check_whole({"a": (None, 1)})
    with pytest.raises(InputError, match="c=2.0: expected a whole number, 1 or more"):
        check_whole({"c": (2.0, 1)})
    with pytest.raises(InputError, match="d=True: expected a whole number, 1 or more"):
        check_whole({"d": (True, 1)})


def test_a_choice_is_one_of_the_names_and_none_only_where_it_is_optional():
    check_choice("how", "a", ("a", "b"))
    check_choice("how", None, ("a", "b"), optional=True)
    with pytest.raises(InputError, match="how='c': expected one of 'a', 'b'"):
        check_choice("how", "c", ("a", "b"))
    with pytest.raises(InputError, match="how=None: expected one of 'a', 'b'"):
        check_choice("how", None, ("a", "b"))
    with pytest.raises(InputError, match="expected None or one of 'a', 'b'"):
        check_choice("how", np.zeros(2), ("a", "b"), optional=True)


def test_a_file_is_written_into_a_folder_that_exists(tmp_path):
    check_folder("path", tmp_path / "report.html")
    with pytest.raises(InputError, match="path='.*report.html': the folder '.*lacking' does not"):
        check_folder("path", tmp_path / "lacking" / "report.html")

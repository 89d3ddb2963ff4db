"""Versions for a report of a fault, and the log of choices."""

import io
import logging
import re

import xsm
from xsm.installation import log_choices
from xsm_kernels import choose_backend


def test_versions_of_packages_are_listed_also_of_those_not_installed(monkeypatch, capsys):
    monkeypatch.setattr("xsm.installation.PACKAGES", ("xarray", "no-such-package"))
    stream = io.StringIO()
    xsm.show_versions(stream)
    lines = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in stream.getvalue().splitlines())
    assert lines["xsm"] == xsm.__version__ and lines["no-such-package"] == "not installed"
    assert lines["xarray"][0].isdigit() and int(lines["threads of the kernels"]) >= 1
    xsm.show_versions()
    assert capsys.readouterr().out == stream.getvalue()


def test_the_log_has_every_choice_of_a_backend(capsys):
    import numpy as np

    loggers = [logging.getLogger(name) for name in ("xsm", "xsm_kernels")]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    try:
        log_choices()
        x = np.zeros((1, 1, 3, 3, 3), np.float32)
        choose_backend("masked_mean", "auto", [x])
        choose_backend("masked_mean", "numba", [x])
    finally:
        for logger, (level, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers = handlers
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "xsm_kernels.dispatch: masked_mean: numba (refused: none)",
        "xsm_kernels.dispatch: masked_mean: numba (asked for)",
    ]

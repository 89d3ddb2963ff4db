"""Warnings that are logged once in a process, however many blocks or files give them."""

from __future__ import annotations

import logging
from collections.abc import Hashable

_given: set[tuple[str, Hashable]] = set()  # name of the logger and cause of each warning


def warn_once(logger: logging.Logger, cause: Hashable, message: str, *args: object) -> None:
    """Log a warning, unless this logger has given one for the same cause before."""
    if (logger.name, cause) not in _given:
        _given.add((logger.name, cause))
        logger.warning(message, *args)

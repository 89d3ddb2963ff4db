"""The settings of a validation as a file, written out and read again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from xsm._version import __version__
from xsm.argument_checks import check_folder
from xsm.errors import InputError

FORMAT = 1  # version of the file; it changes when a name or a meaning does
NOT_SETTINGS = ("progress", "settings")


def write_settings(scores: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write the settings of a validation, for ``validate(..., settings=path)``.

    Parameters
    ----------
    scores : Dataset
        From :func:`xsm.validate`.
    path : str or path
        JSON file to write.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    InputError
        If `scores` holds no settings, a setting was an object that is no text or number, or the
        folder does not exist.
    """
    text = settings_text(scores)
    path = Path(path)
    check_folder("path", path)
    path.write_text(text, encoding="utf-8")
    return path


def settings_text(scores: xr.Dataset) -> str:
    """What :func:`write_settings` writes."""
    settings = settings_of(scores)
    content = {"format": FORMAT, "xsm_version": __version__, "validate": settings}
    return json.dumps(content, indent=2) + "\n"


def read_settings(source: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of :func:`xsm.validate` from a file, or from scores.

    Parameters
    ----------
    source : path, or Dataset of scores
    names : mapping
        The arguments that exist.

    Raises
    ------
    InputError
        If it cannot be read, is of another version, or holds an unknown argument.
    """
    if isinstance(source, xr.Dataset):
        settings, origin = settings_of(source), "settings"
    else:
        settings, origin = _read_file(source), f"settings={os.fspath(source)!r}"
    unknown = [name for name in settings if name not in names or name in NOT_SETTINGS]
    if unknown:
        raise InputError(
            f"{origin}: unknown arguments {', '.join(map(repr, unknown))}; expected some of "
            f"{', '.join(name for name in names if name not in NOT_SETTINGS)}."
        )
    return settings


def settings_of(scores: xr.Dataset) -> dict[str, Any]:
    """The arguments with which scores were computed, without those left at None."""
    text = scores.attrs.get("settings") if isinstance(scores, xr.Dataset) else None
    try:
        settings = json.loads(text or "")
    except (TypeError, ValueError):
        settings = None
    if not isinstance(settings, dict):
        raise InputError(
            "scores has no attribute settings: expected the result of xsm.validate. Operations on "
            "a Dataset may drop it: use xr.set_options(keep_attrs=True)."
        )
    settings = {k: v for k, v in settings.items() if v is not None and k not in NOT_SETTINGS}
    objects = sorted(_objects(settings))
    if objects:
        raise InputError(
            f"scores: the settings {', '.join(objects)} were given as objects, which a file cannot "
            "hold. Put the array into the record or the stations, and name it instead."
        )
    return settings


def _objects(value: Any, name: str = "") -> set[str]:
    """Names of settings that stand for objects, such as "<DataArray>"."""
    if isinstance(value, Mapping):
        return set().union(*(_objects(v, name or str(k)) for k, v in value.items()))
    if isinstance(value, list):
        return set().union(*(_objects(v, name) for v in value))
    is_object = isinstance(value, str) and value.startswith("<") and value.endswith(">")
    return {name} if is_object else set()


def _read_file(source: Any) -> dict[str, Any]:
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"settings is a {type(source).__name__}: expected a file of xsm.write_settings, or "
            "scores of xsm.validate."
        )
    name = os.fspath(source)
    try:
        content = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"settings={name!r} cannot be read ({error}): expected a file of xsm.write_settings."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("validate"), dict):
        raise InputError(
            f"settings={name!r} is no file of xsm.write_settings: expected the keys format and "
            "validate."
        )
    if content.get("format") != FORMAT:
        raise InputError(
            f"settings={name!r} has the format {content.get('format')!r}, written by xsm "
            f"{content.get('xsm_version', 'of unknown version')}: this version reads format "
            f"{FORMAT}. Call validate with these arguments, and write the settings again."
        )
    return dict(content["validate"])

"""Which files of the ISMN are read: by network, depth and period, from their names and headers."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from xsm.errors import InputError
from xsm.insitu.sensor_depth import within_layer

# what a file that is cut off, empty or of another kind raises in the package and in pandas
READ_ERRORS = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError,
    RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class SensorFile(NamedTuple):
    """A file of a sensor: the folder or archive, the name in it, and what the name says."""

    root: Path
    name: str
    network: str
    depth: tuple[float, float]
    dates: tuple[str, str]  # YYYYMMDD

    @property
    def folder(self) -> str:
        """Name of the folder of the network, or "" for a single file."""
        parts = PurePosixPath(self.name).parts
        return parts[-3] if len(parts) > 2 else ""


def list_files(paths: Sequence[Path]) -> tuple[list[SensorFile], list[tuple[str, str]]]:
    """Files of soil moisture in order, and those that cannot be, with the reason.

    Raises
    ------
    InputError
        If a path does not exist, is another kind of file, or there is no soil moisture at all.
    """
    files: dict[tuple[Path, str], SensorFile] = {}
    skipped: list[tuple[str, str]] = []
    for path in paths:
        if not path.exists():
            raise InputError(
                f"path={str(path)!r} is not there: expected an .stm file, folder or zip."
            )
        if path.is_dir():
            root, names = path, [p.relative_to(path).as_posix() for p in path.rglob("*")]
        elif path.suffix.lower() == ".zip":
            root = path
            try:
                with zipfile.ZipFile(path) as archive:
                    names = archive.namelist()
            except (OSError, zipfile.BadZipFile) as error:
                skipped.append((path.name, f"is not a complete zip archive: {error}"))
                continue
        else:
            root, names = path.parent, [path.name]
            if not _is_soil_moisture(path.name):
                raise InputError(
                    f"path: {path.name!r} is not named like a soil-moisture file of the ISMN "
                    "(CSE_Network_Station_sm_from_to_sensor_start_end.stm); keep the names as "
                    "downloaded."
                )
        for name in sorted(names):
            base = PurePosixPath(name).name
            if not base.lower().endswith(".stm") or base.startswith("."):
                continue
            if not _is_soil_moisture(base):
                if "_sm_" in base:
                    skipped.append((name, "is not named like a file of the ISMN"))
                continue
            words = base.removesuffix(PurePosixPath(base).suffix).split("_")
            file = SensorFile(
                root, name, words[1], (float(words[4]), float(words[5])), (words[-2], words[-1])
            )
            files.setdefault((root.resolve(), name), file)
    if not files and not skipped:
        shown = ", ".join(repr(str(path)) for path in paths[:3])
        raise InputError(
            f"path={shown} holds no file whose name ends in .stm with variable sm: "
            "expected data of the ISMN (www.ismn.earth) as downloaded."
        )
    return [*files.values()], skipped


def _is_soil_moisture(name: str) -> bool:
    """Whether a name is CSE_Network_Station_sm_from_to_sensor_start_end.stm."""
    parts = name.split("_")
    if not (name.lower().endswith(".stm") and len(parts) > 8 and parts[3] == "sm"):
        return False
    return all(re.fullmatch(r"-?\d+(\.\d+)?", part) for part in parts[4:6])


def _spelling(network: str) -> str:
    """A network name without case, hyphens, underscores and blanks."""
    return re.sub(r"[-_\s]+", "", network).casefold()


def select_networks(files: Sequence[SensorFile], networks: Sequence[str]) -> list[SensorFile]:
    """Files of some networks, by the names of files and folders, then by the headers.

    Raises
    ------
    InputError
        If one of the names is none of these; lists the networks there.
    """
    wanted = {_spelling(name): name for name in networks}
    names = {(file.network, file.folder) for file in files}
    spellings = {pair: {_spelling(text) for text in pair if text} for pair in names}
    if missing := wanted.keys() - set().union(*spellings.values()):
        for file in {(f.network, f.folder): f for f in reversed(files)}.values():
            spellings[file.network, file.folder].add(_spelling(_network_in_header(file)))
        missing -= set().union(*spellings.values())
    if missing:
        there = ", ".join(sorted({file.network for file in files}))
        raise InputError(
            f"networks={[*networks]!r}: no network {', '.join(repr(wanted[m]) for m in missing)}; "
            f"the {len(files)} sensors are of {there}."
        )
    return [f for f in files if spellings[f.network, f.folder] & wanted.keys()]


def _network_in_header(file: SensorFile) -> str:
    """The network in the first line of a file, or "" if there is none."""
    try:
        if file.root.suffix.lower() == ".zip" and file.root.is_file():
            with zipfile.ZipFile(file.root) as archive, archive.open(file.name) as packed:
                line = packed.readline(1000)
        else:
            with (file.root / file.name).open("rb") as plain:
                line = plain.readline(1000)
    except READ_ERRORS:
        return ""
    words = line.decode("ascii", errors="replace").split()
    # CEOP: two dates with times come first
    at = 5 if words and re.match(r"\d{4}/", words[0]) else 1
    return words[at] if len(words) > at else ""


def may_match(
    file: SensorFile, depth: tuple[float, float] | None, bounds: tuple[pd.Timestamp, pd.Timestamp]
) -> bool:
    """Whether a file may hold values in a layer and a period, by its name."""
    if depth is not None and not within_layer(*file.depth, depth):
        return False
    first, last = (pd.to_datetime(d, format="%Y%m%d", errors="coerce") for d in file.dates)
    return not (first > bounds[1] or last + pd.Timedelta(days=1) < bounds[0])

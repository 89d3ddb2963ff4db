"""Tables from text files: separators, lines above the header, rows of units below it."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from xsm.conventions.archives import LARGEST_TEXT, check_member, text_of_gzip
from xsm.errors import InputError
from xsm.insitu.table_columns import assign_columns, plain_name

SUFFIXES = (".csv", ".txt", ".tsv", ".dat")
LINES_READ = 60  # to detect the header


@dataclass(frozen=True)
class Table:
    """A table and where it is from.

    name : of the file, for messages; "" for a DataFrame
    frame : its rows, without those of names and units
    above : what lines above the header state, by plain names: station, lat, ...
    units : column -> unit, of a row of units below the header
    """

    name: str
    frame: pd.DataFrame
    above: dict[str, str] = field(default_factory=dict)
    units: dict[Any, str] = field(default_factory=dict)


def list_tables(paths: Sequence[Path]) -> list[Path]:
    """Files with tables, those of folders included, in order.

    Raises
    ------
    InputError
        If a path does not exist or holds no table.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"table={str(path)!r} is not there: expected a CSV file or a folder.")
        if path.is_file():
            files.append(path)
            continue
        inside = sorted(
            p for p in path.rglob("*")
            if p.name.lower().removesuffix(".gz").endswith(SUFFIXES) and not p.name.startswith(".")
        )  # fmt: skip
        if not inside:
            raise InputError(
                f"table={str(path)!r} holds no file whose name ends in {', '.join(SUFFIXES)}."
            )
        files += inside
    return list(dict.fromkeys(files))


def read_table(path: Path, columns: Mapping[str, Any] | None = None) -> Table:
    """Read a text file with a table, whatever separates its columns.

    Parameters
    ----------
    path : Path
        Text, gzipped or the only file of a zip archive.
    columns : mapping, optional
        Role -> column, as the user states them; helps to detect the header.

    Raises
    ------
    InputError
        If no line names columns of time and soil moisture.
    """
    text = _text(path)
    lines = text.split("\n", LINES_READ)[:LINES_READ]
    lines = [line.rstrip("\r") for line in lines]
    at, separator = _header(lines, columns)
    if at is None:
        raise InputError(
            f"table: no line of {path.name} names a time and soil moisture: it begins with "
            f"{lines[0][:120]!r}. State the columns, such as columns={{'time': 'Date', "
            "'soil_moisture': 'Theta'}."
        )
    data = [line for line in lines[at + 1 :] if line.strip()]
    decimal = "," if separator != "," and any(re.search(r"\d,\d", line) for line in data) else "."
    header = _split(lines[at].lstrip("#"), separator)
    frame = pd.read_csv(
        io.StringIO(text), skiprows=at + 1, header=None, names=header, index_col=False,
        sep=r"\s+" if separator == " " else separator, decimal=decimal, low_memory=False,
        keep_default_na=False, na_values=[""],
    )  # fmt: skip
    return _without_unit_rows(Table(path.name, frame, _above(lines[:at])), columns)


def _text(path: Path) -> str:
    """A file as text, with the line ends of any machine."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = text_of_gzip(path)
    elif raw[:2] == b"PK":
        try:
            raw = _only_table(raw, path.name)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"table: {path.name!r} is not a complete zip archive: {error}."
            ) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _only_table(raw: bytes, name: str) -> bytes:
    """The only table of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        tables = [n for n in archive.namelist() if n.lower().endswith(SUFFIXES)]
        if len(tables) != 1:
            raise InputError(
                f"table: {name} holds {len(tables)} tables: expected one; unpack it and give the "
                "folder."
            )
        check_member(archive.getinfo(tables[0]), name, LARGEST_TEXT)
        return archive.read(tables[0])


def _split(line: str, separator: str) -> list[str]:
    words = line.split() if separator == " " else line.split(separator)
    words = [word.strip().strip('"').strip() for word in words]
    repeated = Counter[str]()
    for i, word in enumerate(words):
        repeated[word] += 1
        if repeated[word] > 1:
            words[i] = f"{word}.{repeated[word] - 1}"
    return words


def _header(lines: Sequence[str], columns: Mapping[str, Any] | None) -> tuple[int | None, str]:
    """The first line that names a time and soil moisture, and what separates its columns."""
    stated = {str(c) for v in (columns or {}).values() for c in ([v] if isinstance(v, str) else v)}
    partly: tuple[int | None, str] = (None, ",")
    for i, line in enumerate(lines):
        for separator in (",", ";", "\t", "|", " "):
            words = _split(line.lstrip("#"), separator)
            if len(words) < 2:
                continue
            if stated and stated <= {*words}:
                return i, separator
            assigned = assign_columns(words)
            has_time = "time" in assigned.roles or {"year", "month", "day"} <= {*assigned.roles}
            has_time = has_time or {"year", "doy"} <= {*assigned.roles}
            if has_time and assigned.values:
                return i, separator
            # columns named by stations
            dated = has_time and "time" in assigned.roles and len(words) == len({*words})
            if dated and partly[0] is None and not _is_above(words):
                partly = i, separator
    return partly


def _is_above(words: Sequence[str]) -> bool:
    """Whether a line is a name and its value, above the header."""
    return len(words) == 2 and bool(re.match(r"[\d:\-T. ]+$", words[1]) or not words[1])


def _above(lines: Sequence[str]) -> dict[str, str]:
    """Names and values in the lines above the header: "# Site: US-Var", "site-id,MOORH"."""
    above: dict[str, str] = {}
    for line in lines:
        match = re.match(r"[#%\s\"]*([A-Za-z][\w \-]*?)\s*[:=,;\t]\s*(.+?)[\s\",;]*$", line)
        if match:
            above.setdefault(plain_name(match[1])[0], match[2].strip().strip('"'))
    return above


def _without_unit_rows(table: Table, columns: Mapping[str, Any] | None) -> Table:
    """A table without the rows of names and units that may follow the header."""
    frame = table.frame
    roles = assign_columns([*frame.columns], columns).roles
    dates = frame[roles["time" if "time" in roles else "year"]].head(4).astype(str)
    rows = 0
    while rows < min(3, len(frame)) and not re.match(r"\s*\"?[-+]?\d", dates.iloc[rows]):
        rows += 1
    if not rows:
        return table
    words = frame.iloc[rows - 1].dropna().astype(str).str.strip()
    units = {column: word for column, word in words.items() if word}
    return Table(table.name, frame.iloc[rows:].reset_index(drop=True), table.above, units)

"""Compressed files of others: no path outside, no more bytes than a file of its kind can have.

A few kilobytes can unpack to gigabytes, and the name of a member of an archive can be a path to
anywhere. Both are refused before anything is written or read.
"""

from __future__ import annotations

import gzip
import re
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from xsm.errors import InputError

LARGEST_TEXT = 128 * 2**20  # bytes; a hundred years of hours of one sensor are 90 MB
LARGEST_RATIO = 200  # of unpacked to packed bytes, beyond SMALL; text has 10 to 30
SMALL = 32 * 2**20  # bytes that do no harm, however well they are packed


def check_member(info: zipfile.ZipInfo, archive: str, largest: int | None = None) -> None:
    """Raise an InputError if a member of an archive is not to be unpacked.

    Parameters
    ----------
    info : ZipInfo
    archive : str
        Name of the archive, for messages.
    largest : int, optional
        Most bytes that a file of its kind has.
    """
    name = info.filename
    parts = re.split(r"[/\\]", name)
    if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", name):
        raise InputError(
            f"{archive!r}: its member {name!r} would be unpacked outside of the folder for it. "
            "Such an archive is damaged or hostile: download it again from its source."
        )
    if largest is not None and info.file_size > largest:
        raise InputError(
            f"{archive!r}: its member {name!r} has {info.file_size:,} bytes unpacked: expected up "
            f"to {largest:,}. Unpack it yourself if you trust it, and give the part you need."
        )
    if info.file_size > max(SMALL, LARGEST_RATIO * info.compress_size):
        raise InputError(
            f"{archive!r}: its member {name!r} has {info.file_size:,} bytes, packed in "
            f"{info.compress_size:,}: expected up to {LARGEST_RATIO} times as many. Unpack it "
            "yourself if you trust it."
        )


def extract_member(
    archive: zipfile.ZipFile,
    name: str,
    folder: Path,
    *,
    flat: bool = False,
    largest: int | None = None,
) -> Path:
    """Unpack a member below a folder, or directly into it if `flat`, and return its path.

    Raises
    ------
    InputError
        See :func:`check_member`.
    OSError, BadZipFile
        If it cannot be read or written.
    """
    info = archive.getinfo(name)
    check_member(info, Path(archive.filename or "archive").name, largest)
    if not flat:
        return Path(archive.extract(info, folder))
    path = folder / PurePosixPath(name).name
    with archive.open(info) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return path


def check_room(archive: zipfile.ZipFile, names: list[str], folder: Path) -> None:
    """Raise an InputError if a disk has no room for some members of an archive."""
    needed = sum(archive.getinfo(name).file_size for name in names)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{archive.filename!r} unpacks to {needed:,} bytes, {str(folder)!r} has {free:,} free: "
            "unpack it where there is room and give the folder, or set TMPDIR to another disk."
        )


def text_of_gzip(path: Path) -> bytes:
    """Bytes of a gzipped text file.

    Raises
    ------
    InputError
        If there are more than `LARGEST_TEXT`, or the file is damaged.
    """
    try:
        with gzip.open(path) as file:
            raw = file.read(LARGEST_TEXT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path.name!r} is not a complete gzip file: {error}.") from error
    if len(raw) > LARGEST_TEXT:
        raise InputError(
            f"{path.name!r} has more than {LARGEST_TEXT:,} bytes unpacked, too many for a table. "
            "Unpack it yourself if you trust it, and give the part you need."
        )
    return raw

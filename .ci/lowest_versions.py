"""The lowest version that pyproject.toml allows of each direct dependency, as constraints for pip.

``python .ci/lowest_versions.py test > lowest.txt; pip install -c lowest.txt -e '.[test]'``
"""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)(?:\[(?P<extras>[\w,-]+)\])?(?P<rest>.*)$")


def lowest(extras: list[str]) -> dict[str, str]:
    """Name -> lowest version, of the dependencies and those of `extras`."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    optional = project["optional-dependencies"]
    versions: dict[str, str] = {}
    for line in [*project["dependencies"], *_lines(extras, optional)]:
        match = REQUIREMENT.match(line.partition(";")[0].strip())
        bound = re.search(r">=\s*([\w.]+)", match["rest"]) if match else None
        if match is None or bound is None:
            raise ValueError(f"dependency {line!r} has no lower bound: expected 'name>=version'")
        versions[match["name"]] = bound[1]
    return versions


def _lines(extras: list[str], optional: dict[str, list[str]]) -> Iterator[str]:
    """Requirements of extras, those of ``xsm[other]`` resolved."""
    for extra in extras:
        for line in optional[extra]:
            if line.startswith("xsm["):
                yield from _lines(line[4:].rstrip("]").split(","), optional)
            elif _applies(line):
                yield line


def _applies(line: str) -> bool:
    """Whether the marker of a requirement holds for this system."""
    marker = re.search(r"platform_system (==|!=) '(\w+)'", line)
    return marker is None or (platform.system() == marker[2]) == (marker[1] == "==")


if __name__ == "__main__":
    pins = lowest(sys.argv[1:])
    sys.stdout.write("".join(f"{name}=={version}\n" for name, version in pins.items()))

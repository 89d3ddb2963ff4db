"""The README as long description of the package: on PyPI, links to files need a whole address."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

BRANCH = "main"
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_ABSOLUTE = re.compile(r"[a-z][a-z+.-]*:|#|//", re.IGNORECASE)


def with_absolute_links(text: str, source: str) -> str:
    """Markdown whose links to files of the repository `source` are addresses in it.

    Examples
    --------
    >>> with_absolute_links("![map](docs/map.png) [more](docs/index.md#skill)", "https://h.org/x")
    '![map](https://h.org/x/raw/main/docs/map.png) [more](https://h.org/x/blob/main/docs/index.md#skill)'
    """

    def absolute(link: re.Match[str]) -> str:
        if _ABSOLUTE.match(link["target"]):
            return link[0]
        view = "raw" if link["image"] else "blob"
        target = f"{source}/{view}/{BRANCH}/{link['target']}"
        return f"{link['image']}[{link['text']}]({target})"

    return _LINK.sub(absolute, text)


class CustomMetadataHook(MetadataHookInterface):
    """Sets ``readme`` of the metadata, for hatchling."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = with_absolute_links(text, metadata["urls"]["Source"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

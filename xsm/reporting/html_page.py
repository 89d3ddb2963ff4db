"""A self-contained HTML page; all text is escaped when it is added."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import NamedTuple

from xsm.plotting.style import without_controls

VOID_ELEMENTS = {"img", "meta", "br"}


class Markup(str):
    """Text that is HTML already; only :func:`tag` and :func:`join` make it."""


def _escaped(value: object) -> str:
    return escape(without_controls(str(value)))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An HTML element; children other than `Markup` are text and are escaped.

    Examples
    --------
    >>> tag("p", "a < b ", tag("b", "&"), class_="note")
    '<p class="note">a &lt; b <b>&amp;</b></p>'
    """
    attribute_text = [
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
    ]
    if name in VOID_ELEMENTS:
        return Markup(f"<{name}{''.join(attribute_text)}>")
    return Markup(f"<{name}{''.join(attribute_text)}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Markup:
    """Concatenate parts; text among them is escaped."""
    return Markup("".join(p if isinstance(p, Markup) else _escaped(p) for p in parts))


class Best(str):
    """Text of a cell that is printed in bold: the best of its column."""


def _cell(text: str) -> Markup:
    return tag("td", tag("b", str(text)) if isinstance(text, Best) else text)


class Figure(NamedTuple):
    """A caption and an SVG image; a wide figure takes a whole row."""

    caption: str
    svg: bytes
    wide: bool = False


class Page:
    """Sections with numbered tables and figures, and a table of contents."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.drawn: list[Figure] = []
        self._body: list[Markup] = []
        self._contents: list[Markup] = []
        self._count = {"Table": 0, "Figure": 0, "section": 0}

    def section(self, title: str, *, level: int = 2) -> None:
        """Begin a section; those of level 2 are in the contents."""
        self._count["section"] += 1
        name = f"section-{self._count['section']}"
        self._body.append(tag(f"h{level}", title, id=name))
        if level == 2:
            self._contents.append(tag("li", tag("a", title, href=f"#{name}")))

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._body.append(tag("p", text))

    def table(
        self,
        caption: str,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        folded: bool = False,
        text: bool = False,
    ) -> None:
        """Add a table whose first column names the rows.

        A folded table opens on a click. The cells of a table of text wrap.
        """
        number = self._number("Table")
        thead = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
        body = [
            tag("tr", tag("th", row[0], scope="row"), *(_cell(cell) for cell in row[1:]))
            for row in rows
        ]
        captions = [] if folded else [tag("caption", number, caption)]
        options = {"class_": "text"} if text else {}
        table = tag("table", *captions, thead, tag("tbody", *body), **options)
        scrollable = tag("div", table, class_="wide")
        if folded:
            scrollable = tag("details", tag("summary", number, caption), scrollable)
        self._body.append(scrollable)

    def tables(self, tables: Iterable[tuple[str, Sequence[str], Sequence[Sequence[str]]]]) -> None:
        """Add small tables, side by side where the page is wide enough."""
        before = len(self._body)
        for caption, head, rows in tables:
            self.table(caption, head, rows)
        self._body[before:] = [tag("div", *self._body[before:], class_="beside")]

    def tiles(self, tiles: Iterable[tuple[str, str, str]]) -> None:
        """Add numbers that are seen first: label, value and a note each."""
        elements = [
            tag(
                "div",
                tag("span", label, class_="label"),
                tag("strong", value),
                tag("span", note, class_="note"),
                class_="tile",
            )
            for label, value, note in tiles
        ]
        if elements:
            self._body.append(tag("div", *elements, class_="tiles"))

    def facts(self, caption: str, rows: Iterable[tuple[str, str]], *, folded: bool = False) -> None:
        """Add a table of names and values. A folded table opens on a click."""
        body = [tag("tr", tag("th", key, scope="row"), tag("td", value)) for key, value in rows]
        number = self._number("Table")
        head = [] if folded else [tag("caption", number, caption)]
        table = tag("table", *head, tag("tbody", *body), class_="facts")
        scrollable = tag("div", table, class_="wide")
        if folded:
            scrollable = tag("details", tag("summary", number, caption), scrollable)
        self._body.append(scrollable)

    def figures(self, figures: Iterable[Figure]) -> None:
        """Add figures, two in a row where they are not wide."""
        elements = []
        for figure in figures:
            self.drawn.append(figure)
            caption, svg, wide = figure
            data = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
            text = tag("figcaption", self._number("Figure"), caption)
            image = tag("img", src=data, alt=caption)
            options = {"class_": "broad"} if wide else {}
            elements.append(tag("figure", image, text, **options))
        if elements:
            self._body.append(tag("div", *elements, class_="figures"))

    def html(self) -> str:
        """The page as HTML."""
        style = files("xsm.reporting").joinpath("report.css").read_text(encoding="utf-8")
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name_="color-scheme", content="light dark"),
            tag("title", self.title),
            tag("style", Markup(style)),
        )
        contents = tag("nav", tag("ol", *self._contents), aria_label="Contents")
        body = tag("body", tag("main", tag("h1", self.title), contents, *self._body))
        return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"

    def _number(self, kind: str) -> Markup:
        self._count[kind] += 1
        return tag("b", f"{kind} {self._count[kind]}. ")

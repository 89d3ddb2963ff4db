"""A parser that checks and collects the parts of an HTML page."""

from html.parser import HTMLParser

from xsm.reporting.html_page import VOID_ELEMENTS


class Reader(HTMLParser):
    """Elements, ids, links, pictures and text of a page; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs)
        self.tags.append(tag)
        self.open += [] if tag in VOID_ELEMENTS else [tag]
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        self.images += [attributes] if tag == "img" else []
        self.rows += [[]] if tag == "tr" else []
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def row(self, name: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == name)

"""The HTML page: text is escaped, tables and figures are numbered, links lead to sections."""

from tests.reporting.html_reader import Reader
from xsm.reporting.html_page import Figure, Markup, Page, join, tag


def test_text_is_escaped_and_markup_is_not():
    assert join(["a < b", tag("b", "&")]) == "a &lt; b<b>&amp;</b>"
    assert isinstance(tag("p", "x"), Markup)
    assert tag("img", alt='"quoted"', class_="x") == '<img alt="&quot;quoted&quot;" class="x">'


def page() -> Page:
    page = Page("Title & more")
    page.section("First <section>")
    page.table("One.", ["name", "value"], [["a", "1"], ["b", "2"]])
    page.section("Detail", level=3)
    page.table("Two.", ["name"], [["c"]], folded=True)
    page.facts("Three.", [("key", "value")])
    page.tables([("Four.", ["n"], [["x"]]), ("Five.", ["n"], [["y"]])])
    page.figures([Figure("Small.", b"<svg/>"), Figure("Wide.", b"<svg/>", wide=True)])
    page.figures([])
    return page


def test_tables_and_figures_are_numbered_and_sections_are_in_the_contents():
    read = Reader(page().html())
    text = "".join(read.words)
    for number, caption in enumerate(("One.", "Two.", "Three.", "Four.", "Five."), 1):
        assert f"Table {number}. {caption}" in text
    assert "Figure 1. Small." in text and "Figure 2. Wide." in text
    assert read.links == ["#section-1"] and read.ids == ["section-1", "section-2"]
    assert read.row("a") == ["a", "1"] and read.row("key") == ["key", "value"]


def test_a_folded_table_opens_on_a_click_and_a_wide_figure_has_a_row():
    html = page().html()
    assert "<details><summary><b>Table 2. </b>Two.</summary>" in html
    assert html.count('<figure class="broad">') == 1
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>Title &amp; more</title>" in html


def test_cells_of_tables_wrap_on_paper():
    # on a screen a wide table scrolls; on paper its last columns would be cut
    _, _, on_paper = Page("a").html().partition("@media print")
    assert "td { white-space: pre-line; }" in on_paper

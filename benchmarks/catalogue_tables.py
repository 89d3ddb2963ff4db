"""The tables of docs/reference/products.md: products and quality rules, from the catalogue."""

from __future__ import annotations

from benchmarks.tables import markdown
from xsm.conventions import catalogue

OPENER = "`xsm.open_record`"


def products() -> str:
    """Product, files, what opens it, variable, unit, flags applied, tested, reference."""
    head = ["product", "`product=`", "files", "opened by", "variables", "unit", "layer, m",
            "removed by `quality=\"recommended\"`", "tested on files", "reference"]  # fmt: skip
    rows = []
    for key, row in catalogue.products().iterrows():
        unit = row.unit or "as in the file"
        if row.quantity != "volumetric":
            unit += f" ({row.quantity})"
        rows.append(
            [
                row.title,
                f"`{key}`",
                _code(row.files) if row.files else "-",
                OPENER,
                _code(_shortened(row.variables)),
                unit,
                row.layer or "-",
                row.rules or "-",
                row.tested.replace(", ", " and "),
                f"[link]({row.reference})",
            ]
        )
    return _left(head, rows)


def quality_rules() -> str:
    """The rules: what each removes, why, and where that is from."""
    head = ["product", "rule", "removed where", "reason", "recommended", "source"]
    # ESA CCI and C3S share their rules, ERA5 and ERA5-Land too
    shared: dict[tuple[str, ...], list[str]] = {}
    for _, row in catalogue.quality_rules().iterrows():
        where = f"`{row.variable}` {row.removed_where}"
        answer = "yes" if row.recommended else "no"
        cells = (row.rule, where, row.reason, answer, row.source)
        shared.setdefault(cells, []).append(f"`{row['product']}`")
    return _left(head, [[", ".join(keys), *cells] for cells, keys in shared.items()])


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" if _is_name(name) else name for name in names.split(", "))


def _is_name(text: str) -> bool:
    return " " not in text


def _shortened(names: str, most: int = 3) -> str:
    listed = names.split(", ")
    if len(listed) <= most:
        return names
    return ", ".join([*listed[:most], "and others"])


def _left(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with all columns left-aligned."""
    return markdown(head, rows).replace("--:", "---")

"""Sphinx extension: a page for each product and each shipped model, from the tables of xsm.

The pages are written before the others are read and are not part of the repository. Their code is
run on small made-up files by `tests/test_product_pages.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xsm
from xsm.conventions.products import PRODUCTS, Product
from xsm.opening.file_forms import PRODUCT_KEYS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# What is particular about a product; the rest of a page follows from the table.
NOTES = {
    "lprm": (
        "The files have a band (C1, C2, X) for each variable; `var=` chooses one. Night-time "
        "(descending) retrievals are usually better than those of the day."
    ),
    "sgd_sm": (
        "This product is gap-filled already. `original_sm_*` is opened, because a filled "
        "value must not pass for an observation."
    ),
    "smap_l3": (
        "By default the morning overpass is opened; `overpass='PM'` or `'both'` open the "
        "others. L2 granules and lists of points are placed on their EASE-Grid 2.0."
    ),
    "esa_cci": (
        "The variable is called `sm`: `record.sm` is the accessor, `record['sm']` the "
        "variable. ACTIVE is a degree of saturation and needs `porosity=`."
    ),
    "c3s": (
        "The variable is called `sm`: `record.sm` is the accessor, `record['sm']` the "
        "variable. Time-series cells (`locations`) open like images."
    ),
    "esa_cci_gapfilled": (
        "This product is filled by DCT-PLS already. Use it to compare with what xsm fills in "
        "ESA CCI, not as input."
    ),
    "smos_l3": (
        "Ascending orbits (morning) and descending ones are files of their own. Screening by "
        "the probability of radio interference removes much over Asia."
    ),
    "smos_ic": (
        "Screening by `RMSE` removes retrievals that do not fit the brightness temperatures."
    ),
    "ascat": (
        "A degree of saturation: pass the porosity of the soil, a number or a map, and the "
        "record is volumetric."
    ),
    "cgls_ssm": (
        "A degree of saturation at 1 km; codes for water, slopes and low sensitivity are "
        "missing after opening."
    ),
    "cgls_swi": (
        "A wetness index of several characteristic times; `var='SWI_010'` chooses another. It "
        "is smooth in time by construction, so gaps are short."
    ),
    "gldas": "A model without gaps: use it as a predictor, a background, or a reference.",
    "era5": (
        "A reanalysis without gaps: use it as a predictor, a background, or a reference. "
        "Hourly steps become daily means; final and preliminary data are joined."
    ),
    "era5_land": (
        "A reanalysis without gaps: use it as a predictor, a background, or a reference. "
        "Hourly steps become daily means."
    ),
    "nldas": (
        "A model of North America without gaps: use it as a predictor, a background, or a "
        "reference. Hourly steps become daily means."
    ),
    "merra2": (
        "A reanalysis without gaps: use it as a predictor, a background, or a reference. "
        "`var='GWETTOP'` opens the degree of saturation, with `porosity=`."
    ),
    "smap_l4": (
        "A model that assimilates brightness temperatures of SMAP: it has no gaps, and is no "
        "independent reference for SMAP. 3-hourly steps become daily means."
    ),
    "gleam": "A model without gaps: use it as a predictor, a background, or a reference.",
    "cygnss": (
        "Reflections of GNSS signals between 38 degrees south and north. Means of the day are "
        "opened; the files have no quality flags."
    ),
    "lis": (
        "A model without gaps: use it as a predictor, a background, or a reference. `layer=0` "
        "is the uppermost."
    ),
    "cmip6": (
        "A climate model: its days are not those of the weather. Compare climatologies, not days."
    ),
    "glass": "An estimate without gaps, from albedo, temperature and reanalysis.",
}
MODELS = {"gldas", "nldas", "merra2", "smap_l4", "gleam", "era5", "era5_land", "lis", "cmip6"}
WITHOUT_GAPS = MODELS | {"glass", "esa_cci_gapfilled"}


def page(row: Product) -> str:
    """The page of a product, as MyST Markdown."""
    pattern = row.files.split(", ")[0]
    porosity = ", porosity=0.45" if row.saturation else ""
    lines = [
        f"# {row.title}",
        "",
        NOTES[row.key],
        "",
        f"Source: <{row.reference}>. Files: {_files(row.files)}.",
        "",
        "## Open",
        "",
        "```python",
        "import xsm",
        "",
        f'record = xsm.open_record("{pattern}"{porosity})  # or a folder, a list, an archive',
        "record.sm.check()",
        "```",
        "",
    ]
    lines += ["## Screen", ""]
    if row.rules:
        lines += [
            "These quality rules are known. The recommended ones are applied when files are "
            "opened; `quality=None` keeps every retrieval, `quality=[...]` takes rules by name.",
            "",
            "| rule | removed where | reason | recommended |",
            "| --- | --- | --- | --- |",
        ]
        for _, rule in xsm.quality_rules(row.key).iterrows():
            where = f"`{rule.variable}` {rule.removed_where}"
            lines.append(f"| {rule.rule} | {where} | {rule.reason} | {_answer(rule.recommended)} |")
        lines.append("")
    else:
        lines += ["The files have no quality flags that xsm applies.", ""]
    if row.key in WITHOUT_GAPS:
        lines += [
            "## Use",
            "",
            "The record has few gaps or none. Compare another record with it:",
            "",
            "```python",
            "observed = record.where(record.time.dt.day % 2 == 0)  # stands for a record of yours",
            "scores = xsm.validate(observed, record)",
            "```",
            "",
        ]
    else:
        lines += [
            "## Fill and compare",
            "",
            "```python",
            'filled = record.sm.gapfill(max_gap="10D")',
            "other = record  # stands for a reanalysis, or another product of these days",
            "scores = filled.sm.validate(other)",
            "```",
            "",
            "[Filling gaps](../gapfill.md) has the options, [Validation](../validate.md) stations "
            "and other references.",
            "",
        ]
    return "\n".join(lines)


def model_cards() -> str:
    """The page of the shipped models, with their limits."""
    lines = ["# Model cards", "", "The shipped weights, from their cards (`xsm.models()`).", ""]
    for name, card in xsm.models().items():
        task = card.get("task", "gapfill")
        lines += [f"## {name}", "", f"Description: {card['description']}.", ""]
        facts = {
            "task": f"`xsm.{task}`",
            "kind of network": f"`{card.get('network', 'partial_conv')}`",
            "trained on": "; ".join(f"{k} ({v})" for k, v in card["trained_on"].items()),
            "licence": card["licence"],
            "sha256": f"`{card['sha256'][:16]}...`",
            "calibration": _calibration(card["calibration"]),
            "scores of the fit": ", ".join(f"{k} {v}" for k, v in card.get("scores", {}).items()),
            "limits": card.get("meaning", LIMITS),
        }
        lines += ["| | |", "| --- | --- |"]
        lines += [f"| {key} | {value} |" for key, value in facts.items() if value]
        lines.append("")
    return "\n".join(lines)


LIMITS = (
    "Trained on one month of AMSR2 and on simulated records: seasons other than spring come from "
    "the simulation. A rain event inside a gap that no adjacent day shows is not filled in. Each "
    "call compares the network with simpler methods and replaces it where it does worse."
)


def _calibration(card: dict[str, Any]) -> str:
    if "coverage_68" in card:
        inside = f"{100 * card['coverage_68']:.0f} and {100 * card['coverage_95']:.0f} %"
        return f"{inside} of {card['n']:,} held-out values inside the 68 and 95 % intervals"
    return f"standard deviation times {card['scale']}, from {card['n']:,} held-out values"


def _files(names: str) -> str:
    """Patterns of names as code, so that a star is a star."""
    return ", ".join(
        f"`{name}`" if "*" in name or "." in name else name for name in names.split(", ")
    )


def _answer(recommended: bool) -> str:
    return "yes" if recommended else "no"


def write(app: Sphinx) -> None:
    """Write the pages whose text has changed."""
    folder = Path(app.srcdir)
    products = folder / "how-to" / "products"
    rows = [row for row in PRODUCTS if row.key in PRODUCT_KEYS]
    entries = "\n".join(row.key for row in rows)
    index = f"# Products\n\n```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n"
    pages = {products / f"{row.key}.md": page(row) for row in rows}
    pages |= {products / "index.md": index, folder / "reference" / "model-cards.md": model_cards()}
    products.mkdir(exist_ok=True)
    for path, text in pages.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write before the pages are listed."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The code on the page of each product runs on files in its form."""

import re
import sys
from pathlib import Path

import pytest

DOCS = str(Path(__file__).resolve().parents[1] / "docs")
sys.path.insert(0, DOCS)
try:
    import product_pages
finally:
    sys.path.remove(DOCS)

from tests.opening.made_files import MAKERS, PRODUCT_OF  # noqa: E402

FORM_OF = {PRODUCT_OF.get(form, form): form for form in reversed(MAKERS)}
ROWS = {row.key: row for row in product_pages.PRODUCTS if row.key in product_pages.PRODUCT_KEYS}


def crop(record):
    """At most 8 x 8 cells; SGD-SM is global."""
    return record.isel({dim: slice(0, 8) for dim in ("lat", "lon") if dim in record.dims})


@pytest.mark.parametrize("key", ROWS)
def test_code_of_the_page_runs(key, tmp_path):
    text = product_pages.page(ROWS[key])
    made = MAKERS[FORM_OF[key]](tmp_path)
    code = "".join(re.findall(r"^```python\n(.*?)^```", text, re.S | re.M))
    assert "stands for" in code  # a record compared with itself says nothing
    code = re.sub(r"^(record = .*)$", r"\1\nrecord = crop(record)", code, flags=re.M)
    code = re.sub(r'open_record\("[^"]*"', "open_record(PATHS", code)
    names = {"PATHS": made.paths, "crop": crop}
    exec(compile(code, f"{key}.md", "exec"), names)
    assert names["scores"].attrs["xsm_scores"] == "product"
    assert (names["scores"]["n_obs"] > 0).any()


def test_every_product_has_a_page_and_a_note():
    assert set(product_pages.NOTES) == set(ROWS) == set(FORM_OF)
    assert "frozen" in product_pages.page(ROWS["smap_l3"])


def test_every_model_has_a_card():
    text = product_pages.model_cards()
    assert all(f"\n## {name}\n" in text for name in ("atlstm", "default", "sgd-sm"))
    assert "simulated" in text and "limits" in text

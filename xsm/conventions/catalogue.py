"""The table of known products: ``xsm.products()``."""

from __future__ import annotations

import pandas as pd

from xsm.conventions.products import PRODUCTS, Product, product_row
from xsm.conventions.quality_rules import QualityRule


def products() -> pd.DataFrame:
    """The products that xsm knows, with the quality rules that are applied to them.

    Returns
    -------
    DataFrame
        A row a product, with the index ``key``, the name for ``product=`` of
        ``xsm.open_record`` and ``xsm.screen``. Columns: ``title``; ``files``; ``variables``, the
        preferred one first; ``unit``, which is assumed where a file gives none; ``quantity``;
        ``layer``, in m; ``rules``, those of ``quality="recommended"``; ``further_rules``, applied
        by name; ``tested``, on real files or on files made in the form of the product;
        ``reference``.

    See Also
    --------
    quality_rules : each rule with its variable, condition, reason and source.

    Examples
    --------
    >>> import xsm
    >>> xsm.products().loc["smos_ic", "rules"]
    'strong_topography, polluted, frozen, rfi'
    """
    return pd.DataFrame.from_records([_row(row) for row in PRODUCTS]).set_index("key")


def quality_rules(product: str | None = None) -> pd.DataFrame:
    """The quality rules of the products: what each removes, and where it is from.

    Parameters
    ----------
    product : str, optional
        Key of ``xsm.products()``; default: all.

    Returns
    -------
    DataFrame
        A row a rule. Columns: ``product``, ``rule``, ``variable``, ``removed_where``,
        ``reason``, ``recommended``, ``source``.

    Raises
    ------
    InputError
        If there is no such product.

    Examples
    --------
    >>> import xsm
    >>> rules = xsm.quality_rules("smos_ic").set_index("rule")
    >>> rules.loc["rfi", ["variable", "removed_where"]].tolist()
    ['RMSE', '> 8 K']
    """
    rows = PRODUCTS if product is None else (product_row(product),)
    return pd.DataFrame.from_records(
        [
            {
                "product": row.key,
                "rule": rule.name,
                "variable": " or ".join(rule.flag_names(row.names[0], row.stem)),
                "removed_where": rule.condition,
                "reason": rule.reason,
                "recommended": rule.recommended,
                "source": rule.source,
            }
            for row in rows
            for rule in row.rules
        ],
        columns=[
            "product", "rule", "variable", "removed_where", "reason", "recommended", "source",
        ],
    )  # fmt: skip


def _row(row: Product) -> dict[str, str]:
    def names(rules: tuple[QualityRule, ...]) -> str:
        return ", ".join(rule.name for rule in rules)

    layer = "" if row.layer is None else f"{row.layer[0]:g} to {row.layer[1]:g}"
    return {
        "key": row.key,
        "title": row.title,
        "files": row.files,
        "variables": ", ".join(row.names),
        "unit": row.units or "",
        "quantity": row.quantity,
        "layer": layer,
        "rules": names(row.recommended),
        "further_rules": names(tuple(rule for rule in row.rules if not rule.recommended)),
        "tested": ", ".join(row.tested),
        "reference": row.reference,
    }

"""Words of the old vocabulary must not return, and no two modules share a name."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# (pattern, replacement). "<word>" stands for the word between other characters than letters, so
# that identifiers such as slow_course are found.
BANNED = [
    ("<worth>", "to_m3m3_factor; in prose 'useful', 'value'"),
    (r"(?<!of )(?<!of\n)<course>", "seasonal_cycle"),
    ("<rereading>|<read_again>", "clone_graph"),
    ("<rarity>", "density_weights, density_power"),
    ("<holes?>", "gap, gap_pattern"),
    (r"`members`|\"members\"|\bmembers(=|: int)", "ensemble_size; 'ensemble' for the models"),
    ("<rings>", "ring_buffer"),
    (r"<turned>(?! (on|off|into))", "roll_longitude, rolled"),
    (r"(?<!long-)<lasting>", "static; in prose 'persistent'"),
    ("<said>|<told>", "what the text holds: note, message, provenance"),
    (r"(?<![.\w])numbers\(", "to_m3m3"),
    (r"(?<!gradient[- ])<boosted>(?![- \n]+(decision |regression )?trees)", "xgboost_model"),
    (r"<attended>(?!_time)", "attention_weights"),
    ("<rivals?>", "baseline"),
    ("<fillers?>", "fill_method"),
    ("<seams?>", "edge_discontinuity, lon_origin, tile edge"),
    ("<thinned>", "subsample"),
    (r"\bshortest=|`shortest`|\"shortest\"", "min_crop_days"),
    (r"\bbalance=|`balance`|\"balance\"", "density_power"),
    (r"\bevery=|`every`|\"every\"", "stride"),
    (r"\bshare=|`share`|\"share\"", "fraction"),
    (r"\brate=|`rate`|\"rate\"", "learning_rate"),
    (r"\bdecay=|`decay`|\"decay\"", "weight_decay"),
    (r"\bgap=|`gap`|\"gap\"", "max_interp_gap"),
    (r"\bdraws(=|: int)|`draws`|\"draws\"", "n_realizations"),
    (r"\bkinds=|`kinds`|\"kinds\"", "gap_patterns"),
    (r"\bover=|`over`|\"over\"", "permute, region_dims"),
    (r"\bagain\(", "refit"),
    (r"\bhide\(", "sample_gaps"),
    ("<cell_layers>", "pointwise_layers"),
    ("<refusals?>", "unsupported_reason"),
    ("<slow_course>", "seasonal_cycle"),
    (r"\bspread( = |: )", "std"),
    (r"\bclass (Place|Job|Known|Request|Frame)\b",
     "ExecutionConfig, GapfillTask, PredictorSpec"),
    (r"<scenes?>", "synthetic_masks"),
    (r"\b(user|[Ii]t|network|model|file|record|card) (says|said|knows|tells|wants|thinks)\b",
     "a plain verb: 'gives', 'contains', 'states'"),
]  # fmt: skip
VARIABLES = {
    "found": "what it holds: rows, predictors, result",
    "kept": "persisted, selected",
    "known": "valid, observed, predictors",
    "place": "cell, index, location",
    "said": "note, provenance",
    "seen": "observed",
    "told": "notes, messages",
}
# Lists the old names and the new ones.
EXEMPT = {Path("docs/reference/whats-new.md")}
# Reviewed occurrences that mean something else: file -> words.
ALLOWED: dict[str, set[str]] = {
    # the title of a paper
    "kernels/xsm_kernels/masked_conv3d/__init__.py": {"holes"},
    # the variable Scene_Flags of SMOS-IC
    "xsm/conventions/products.py": {"scene"},
    "xsm/conventions/quality_rules.py": {"scene"},
    "xsm/opening/file_forms.py": {"scene"},
    "docs/reference/products.md": {"scene"},
    "docs/how-to/products/smos_ic.md": {"scene"},  # where the site was built
}


def compiled(pattern: str) -> re.Pattern:
    """The pattern with <word> bounded by anything but letters; case matters without <word>."""
    flags = re.IGNORECASE if "<" in pattern.replace("(?<", "") else 0
    pattern = re.sub(r"<(\w+\??)>", r"(?<![A-Za-z])\1(?![A-Za-z])", pattern)
    return re.compile(pattern, flags)


PATTERNS = [(compiled(pattern), replacement) for pattern, replacement in BANNED]


def files() -> list[Path]:
    """Code and prose, relative to the root."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]
    paths += (ROOT / "docs").rglob("*.md")
    for folder in ("xsm", "kernels", "benchmarks"):
        for suffix in ("py", "md", "sh"):
            paths += (ROOT / folder).rglob(f"*.{suffix}")
    return sorted({path.relative_to(ROOT) for path in paths} - EXEMPT)


FILES = files()
MODULES = [path for path in FILES if path.suffix == ".py"]


def findings(text: str, allowed: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """Line, word and replacement of every banned word in a text."""
    return [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}: use {replacement}"
        for pattern, replacement in PATTERNS
        for match in pattern.finditer(text)
        if match[0].lower() not in allowed
    ]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_banned_words(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    lines = findings(text, ALLOWED.get(str(path), set()))
    assert not lines, "\n".join([str(path), *lines])


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_variables_are_named_by_what_they_hold(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    names = [
        (node.lineno, node.id if isinstance(node, ast.Name) else node.arg)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        or isinstance(node, ast.arg)
    ]
    lines = [f"{path}:{line}: {name}: use {VARIABLES[name]}"
             for line, name in names if name in VARIABLES]  # fmt: skip
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("text", [
    "of course", "water_balance = 3", "gradient-boosted", "boosted\ntrees", "seamless", "coarse",
    "long-lasting", "turned off", "unattended", "an ensemble member", "zip members",
    "ring_buffers", "dropout_rate=0.1", "evenly spread over", "known products",
    "sharex=True", "step rate = 4", "threshold",
])  # fmt: skip
def test_other_uses_are_allowed(text):
    assert findings(text) == []


@pytest.mark.parametrize("text", [
    "worth_of(x)", "is it worth it", "slow_course", "the course of a year", "fill the holes",
    "fit(members=3)", "_turned(x)", "Turned longitudes", "a lasting error", "as said",
    "numbers(da)", "models.boosted", "attended", "the rival", "filler", "a seam", "shortest=60",
    "`balance`", "every=2", "class Place:", "what the user says", "thinned", "rarity", "rings",
])  # fmt: skip
def test_old_words_are_found(text):
    assert findings(text)


@pytest.mark.parametrize("package", ["xsm", "kernels/xsm_kernels", "benchmarks"])
def test_no_two_modules_share_a_name(package):
    shared = {"__init__", "__main__", "reference", "_numba", "_triton", "_torch"}
    paths = [path for path in MODULES if path.is_relative_to(package)]
    names = Counter(path.stem for path in paths if path.stem not in shared)
    twins = {name: [str(p) for p in paths if p.stem == name] for name, n in names.items() if n > 1}
    assert not twins

"""Rules of quality screening, as data: which variable a rule reads and which values it removes."""

from __future__ import annotations

from typing import NamedTuple

# Sources of several rules.
NSIDC = "NSIDC, SMAP passive soil moisture user guides; flag_meanings of the files"
QA4SM = "QA4SM filters, github.com/awst-austria/qa4sm validator/validation/filters.py"
CCI_GUIDE = "ESA CCI SM product user guide: use flag 0 only; flag_meanings of the files"
INRAE = "ib.remote-sensing.inrae.fr, SMOS-IC v2 product documentation"
HSAF = "H SAF ASCAT SSM product user manual, advisory flags; 50 %: more probable than not"
CGLS = "Copernicus Global Land Service, SSM1km and SWI product user manuals"


class QualityRule(NamedTuple):
    """Values of soil moisture are removed where another variable meets a condition.

    Exactly one of `bits`, `values`, `not_values`, `above` and `below` is given. A missing flag
    meets no condition.
    """

    name: str  # without spaces: the flag meaning in the file that is written
    # variables of which the first one that exists is read. "{var}" is the soil moisture itself,
    # "{suffix}" what follows the stem of its product in its name, "{overpass}" "_am" or "_pm" of it
    variables: tuple[str, ...]
    reason: str  # what the removed values are
    source: str
    bits: int | None = None  # removed where any of these bits is set
    values: tuple[int, ...] | None = None  # removed where the variable is one of these
    not_values: tuple[int, ...] | None = None  # removed where the variable is none of these
    above: float | None = None  # removed where the variable is larger, in `units`
    below: float | None = None  # removed where the variable is smaller, in `units`
    units: str | None = None  # of `above` and `below`; a variable in another unit is converted
    recommended: bool = True  # part of quality="recommended"; others are applied by name

    @property
    def condition(self) -> str:
        """The condition as text, such as ``retrieval_qual_flag{suffix}: bit 0``."""
        if self.bits is not None:
            bits = [str(bit) for bit in range(self.bits.bit_length()) if self.bits >> bit & 1]
            text = f"bit {', '.join(bits)}"
        elif self.values is not None:
            text = f"= {', '.join(map(str, self.values))}"
        elif self.not_values is not None:
            text = f"not {', '.join(map(str, self.not_values))}"
        else:
            sign, limit = (">", self.above) if self.above is not None else ("<", self.below)
            text = f"{sign} {limit:g}" + ("" if self.units in (None, "1") else f" {self.units}")
        return f"{' or '.join(self.variables)}: {text}"


_RETRIEVAL = ("retrieval_qual_flag{suffix}",)
_SURFACE = ("surface_flag{suffix}", "surface_flag{overpass}")
SMAP_RULES = (
    QualityRule("not_recommended", _RETRIEVAL, "retrieval not of recommended quality", NSIDC, 1),
    QualityRule("snow", _SURFACE, "snow or ice", NSIDC, 32 | 64),
    QualityRule("frozen", _SURFACE, "frozen ground, by radiometer or model", NSIDC, 128 | 256),
    QualityRule("not_attempted", _RETRIEVAL, "no retrieval", NSIDC, 2, recommended=False),
    QualityRule("not_successful", _RETRIEVAL, "retrieval failed", NSIDC, 4, recommended=False),
    QualityRule("open_water", _SURFACE, "open water", NSIDC, 1 | 2, recommended=False),
    QualityRule("mountains", _SURFACE, "mountainous terrain", NSIDC, 512, recommended=False),
    QualityRule("dense_vegetation", _SURFACE, "dense vegetation", NSIDC, 1024, recommended=False),
)
CCI_RULES = (
    QualityRule("snow_or_frozen", ("flag",), "snow, or temperature below zero", CCI_GUIDE, 1),
    QualityRule("dense_vegetation", ("flag",), "dense vegetation", CCI_GUIDE, 2),
    QualityRule("no_convergence", ("flag",), "no convergence of the model", CCI_GUIDE, 4),
    QualityRule("physical_boundary", ("flag",), "beyond the physical boundary", CCI_GUIDE, 8),
    QualityRule("low_weight", ("flag",), "weight of the measurement too low", CCI_GUIDE, 16),
    QualityRule("unreliable", ("flag",), "all data sets deemed unreliable", CCI_GUIDE, 32),
    QualityRule(
        "barren_ground", ("flag",), "barren ground (advisory)", CCI_GUIDE, 64, recommended=False
    ),
)
_SCIENCE = ("Science_Flags",)
SMOS_L3_RULES = (
    QualityRule(
        "rfi",
        ("Rfi_Prob", "RFI_Prob", "Ratio_RFI"),
        "radio interference",
        QA4SM,
        above=0.2,
        units="1",
    ),
    QualityRule("strong_topography", _SCIENCE, "strong topography", QA4SM, 1 << 3),
    QualityRule("snow", _SCIENCE, "mixed, wet or dry snow", QA4SM, 1 << 6 | 1 << 7 | 1 << 8),
    QualityRule("frozen", _SCIENCE, "frozen ground", QA4SM, 1 << 11),
    QualityRule("ice", _SCIENCE, "ice", QA4SM, 1 << 12),
    QualityRule(
        "poor_fit",
        ("Chi_2_P",),
        "poor fit of the brightness temperatures",
        QA4SM,
        below=0.05,
        units="1",
        recommended=False,
    ),
    QualityRule(
        "open_water",
        _SCIENCE,
        "open water, floods or wetlands",
        QA4SM,
        1 << 5 | 1 << 13 | 1 << 14,
        recommended=False,
    ),
    QualityRule("urban", _SCIENCE, "urban fraction above 30 %", QA4SM, 1 << 16, recommended=False),
    QualityRule("dense_forest", _SCIENCE, "dense forest", QA4SM, 1 << 27, recommended=False),
)
SMOS_IC_RULES = (
    QualityRule("strong_topography", ("Scene_Flags",), "strong topography", INRAE, 2),
    QualityRule("polluted_scene", ("Scene_Flags",), "water, towns and ice > 10 %", INRAE, 4),
    QualityRule("frozen", ("Scene_Flags",), "soil below 273 K", INRAE, 8),
    QualityRule("rfi", ("RMSE",), "misfit: radio interference", INRAE, above=8.0, units="K"),
    QualityRule(
        "moderate_topography", ("Scene_Flags",), "moderate topography", INRAE, 1, recommended=False
    ),
    QualityRule(
        "not_recommended",
        ("Quality_Flag",),
        "data not recommended or missing",
        QA4SM,
        not_values=(0,),
        recommended=False,
    ),
)
ASCAT_RULES = (
    QualityRule("frozen", ("ssf",), "surface frozen or melting", QA4SM, values=(2, 3)),
    QualityRule(
        "probably_frozen", ("frozen_soil_probability", "frozen_prob"), "soil probably frozen",
        HSAF, above=50.0, units="%",
    ),
    QualityRule(
        "probably_snow", ("snow_cover_probability", "snow_prob"), "probably snow", HSAF,
        above=50.0, units="%",
    ),
    QualityRule("confidence", ("conf_flag",), "a confidence flag is set", QA4SM, not_values=(0,)),
    QualityRule(
        "processing", ("proc_flag", "processing_flag"), "a processing flag is set", QA4SM,
        not_values=(0,),
    ),
)  # fmt: skip
CGLS_CODE = QualityRule(
    "flag_code", ("{var}",), "codes for water, low sensitivity or slopes, not moisture", CGLS,
    above=100.0, units="%",
)  # fmt: skip


def model_rules(temperature: str, snow: tuple[str, ...] = ()) -> tuple[QualityRule, ...]:
    """Frozen soil and snow of a land model: by name only, no guide recommends to remove them."""
    frozen = QualityRule(
        "frozen", (temperature,), "soil not above 1 degC", QA4SM, below=274.15, units="K",
        recommended=False,
    )  # fmt: skip
    if not snow:
        return (frozen,)
    return frozen, QualityRule(
        "snow", snow, "snow water equivalent", QA4SM, above=0.001, units="kg m-2",
        recommended=False,
    )  # fmt: skip

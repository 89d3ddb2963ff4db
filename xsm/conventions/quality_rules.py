"""Rules of quality screening, as data: which variable a rule reads and which values it removes."""

from __future__ import annotations

from typing import NamedTuple

# Sources of several rules.
NSIDC = "NSIDC help center, surface and quality flags of SMAP; flag_meanings of the files"
QA4SM = "QA4SM filters, github.com/awst-austria/qa4sm validator/validation/filters.py"
CCI_FLAGS = "flag_meanings of the files; QA4SM keeps flag 0 only"
INRAE = "ib.remote-sensing.inrae.fr, SMOS-IC v2 product documentation; bits as in QA4SM"
HSAF = "H SAF ASCAT SSM product user manual, advisory flags; 50 %: more probable than not"
CGLS = "land.copernicus.eu, technical characteristics of SWI1km: 0 to 100 %, SSF classes"


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
    missing: tuple[int, ...] = ()  # values of an undecoded flag that mean "no flag"

    @property
    def condition(self) -> str:
        """The condition as text, such as ``bit 0`` or ``> 50 %``."""
        if self.bits is not None:
            bits = [str(bit) for bit in range(self.bits.bit_length()) if self.bits >> bit & 1]
            return f"bit {', '.join(bits)}"
        if self.values is not None:
            return f"= {', '.join(map(str, self.values))}"
        if self.not_values is not None:
            return f"not {', '.join(map(str, self.not_values))}"
        sign, limit = (">", self.above) if self.above is not None else ("<", self.below)
        return f"{sign} {limit:g}" + ("" if self.units in (None, "1") else f" {self.units}")

    def flag_names(self, var: str, stem: str) -> list[str]:
        """Names of the variables for soil moisture `var` of a product with this stem."""
        overpass = next((part for part in ("_am", "_pm") if var.endswith(part)), "")
        places = {"var": var, "suffix": var.removeprefix(stem), "overpass": overpass}
        return list(dict.fromkeys(name.format_map(places) for name in self.variables))


def _smap(name: str, flag: str, bits: int, reason: str, recommended: bool = False) -> QualityRule:
    variables: tuple[str, ...] = (f"{flag}{{suffix}}",)
    if flag == "surface_flag":  # one for all algorithms
        variables += (f"{flag}{{overpass}}",)
    return QualityRule(
        name, variables, reason, NSIDC, bits, recommended=recommended, missing=(65534,)
    )


SMAP_RULES = (
    _smap("not_recommended", "retrieval_qual_flag", 1, "not of recommended quality", True),
    _smap("snow", "surface_flag", 32 | 64, "snow or ice", True),
    _smap("frozen", "surface_flag", 128 | 256, "frozen ground, by radiometer or model", True),
    _smap("not_attempted", "retrieval_qual_flag", 2, "no retrieval"),
    _smap("not_successful", "retrieval_qual_flag", 4, "retrieval failed"),
    _smap("open_water", "surface_flag", 1 | 2, "open water"),
    _smap("mountains", "surface_flag", 512, "mountainous terrain"),
    _smap("dense_vegetation", "surface_flag", 1024, "dense vegetation"),
)


def _cci(name: str, bits: int, reason: str, recommended: bool = True) -> QualityRule:
    return QualityRule(
        name, ("flag",), reason, CCI_FLAGS, bits, recommended=recommended, missing=(127,)
    )


CCI_RULES = (
    _cci("snow_or_frozen", 1, "snow, or temperature below zero"),
    _cci("dense_vegetation", 2, "dense vegetation"),
    _cci("no_convergence", 4, "no convergence of the model"),
    _cci("physical_boundary", 8, "beyond the physical boundary"),
    _cci("low_weight", 16, "weight of the measurement too low"),
    _cci("unreliable", 32, "all data sets deemed unreliable"),
    _cci("barren_ground", 64, "barren ground (advisory)", False),
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
    QualityRule("polluted", ("Scene_Flags",), "water, towns and ice > 10 %", INRAE, 4),
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

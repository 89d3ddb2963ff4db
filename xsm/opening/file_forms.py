"""The forms of the files of each product: one row each. A new form is one row more."""

from __future__ import annotations

import re
from typing import NamedTuple

from xsm.conventions.products import RECORD_OF
from xsm.errors import InputError, VariableNotFoundError
from xsm.opening.file_contents import FileContents

EVENING = "_pm"  # ending of the variables of the evening overpass, where they share a group


class FileForm(NamedTuple):
    """How the files of a product are recognised and what they contain.

    product : key of the product in the catalogue
    variables : of soil moisture, the preferred one first; regular expressions
    file_name, attributes : regular expressions for the name of the file, and for the values of
        its attributes
    marks : variables that only this form has
    groups : regular expression for the groups with the retrieval; "" where there are none
    companions : variables opened beside: uncertainty, flags, what screening needs, time of
        observation; regular expressions, ``{var}`` stands for the variable
    model : a model or reanalysis: times within a day are averaged
    units : where the file has none
    percent_is_saturation : percent means degree of saturation, not of volume
    layer_dims : dimensions of soil layers, of which one is taken
    overpasses : regular expression for group or file name -> overpass
    editions : regular expression for products of the same form that must not be mixed, in file
        name or title
    fill_values : beside those in the attributes
    grid : "ease2" or "quarter_degree": where the file has no coordinates and is of global shape
    """

    product: str
    title: str
    variables: tuple[str, ...]
    file_name: str = ""
    attributes: str = ""
    marks: tuple[str, ...] = ()
    groups: str = ""
    companions: tuple[str, ...] = ()
    model: bool = False
    units: str | None = None
    percent_is_saturation: bool = False
    layer_dims: tuple[str, ...] = ()
    overpasses: tuple[tuple[str, str], ...] = ()
    editions: str = ""
    fill_values: tuple[float, ...] = (-9999.0, -32768.0, -32767.0)
    grid: str = ""


_CCI = (
    "{var}_uncertainty",
    "{var}_noise",
    "flag",
    "dnflag",
    "mode",
    "sensor",
    "freqbandID",
    "t0",
)

_CCI_EDITIONS = r"(COMBINED|PASSIVE|ACTIVE)([-_ ]?(BREAK[-_ ]?)?ADJUSTED)?([-_ ](DEKADAL|MONTHLY))?"

FILE_FORMS: tuple[FileForm, ...] = (
    FileForm(
        "smap_l3",
        "SMAP L3, L3 enhanced and L2, and lists of their points",
        (
            "soil_moisture",
            "soil_moisture_am",
            "soil_moisture_dca",
            "soil_moisture_(scav|scah|option[123])",
        ),
        file_name=r"SMAP_L[23]_",
        attributes=r"^SPL[23]SM|\bSMAP\b",
        marks=("retrieval_qual_flag", "soil_moisture_dca", "EASE_row_index"),
        groups=r"Soil_Moisture_Retrieval_Data(_AM|_PM|_1km)?$",
        companions=(
            "soil_moisture_error",
            "retrieval_qual_flag",
            "retrieval_qual_flag_dca",
            "surface_flag",
            "grid_surface_status",
            "freeze_thaw_fraction",
            "static_water_body_fraction",
            "radar_water_body_fraction",
            "vegetation_water_content",
            "surface_temperature",
            "tb_time_seconds",
        ),
        units="m3 m-3",
        overpasses=(
            (r"_Data_PM$", "PM"),
            (r"_Data_Polar_PM$", "PM"),
            (r"_Data(_Polar)?(_AM)?$", "AM"),  # older files have the morning only
            (r"SMAP_L2_\w+?_\d{5}_D_", "AM"),
            (r"SMAP_L2_\w+?_\d{5}_A_", "PM"),
        ),
        grid="ease2",
    ),
    FileForm(
        "smos_ic",
        "SMOS-IC",
        ("Soil_Moisture", "SM"),
        file_name=r"CDF3S|SMOS[-_]?IC",
        attributes=r"SMOS[-_ ]?IC\b|INRAE?\b",
        marks=("Scene_Flags",),
        companions=(
            "Soil_Moisture_(Dqx|StdError|Std_Err)",
            "Scene_Flags",
            "Processing_Flags",
            "Science_Flags",
            "RMSE(_TB)?",
            "RFI\\w*",
            "Mean_Acq_Time_(Days|Seconds)",
            "(Days|UTC_Seconds)",
        ),
        units="m3 m-3",
        overpasses=((r"CDF3SA|_ASC", "AM"), (r"CDF3SD|_DES", "PM")),
        grid="ease2",
    ),
    FileForm(
        "smos_l3",
        "SMOS L3 (CATDS, BEC)",
        ("Soil_Moisture", "SM"),
        file_name=r"CLF3|BEC_SM",
        attributes=r"CATDS|SMOS|BEC",
        marks=("Mean_Acq_Time_Days", "Rfi_Prob"),
        companions=(
            "Soil_Moisture_D[Qq][Xx]",
            "SM_(ERROR|error|QUALITY|quality|RFI|DQX|Dqx)",
            "(Rfi|RFI)\\w*",
            "(Science|Confidence|Processing|Scene)_Flags",
            "Chi_2(_P)?",
            "Mean_Acq_Time_(Days|Seconds)",
        ),
        units="m3 m-3",
        overpasses=((r"CLF3\dA|_L3__A_", "AM"), (r"CLF3\dD|_L3__D_", "PM")),
        grid="ease2",
    ),
    FileForm(
        "lprm",
        "LPRM AMSR2 and AMSR-E",
        ("soil_moisture_c1", "soil_moisture_c2", "soil_moisture_c", "soil_moisture_x"),
        file_name=r"LPRM",
        attributes=r"LPRM|Land Parameter Retrieval",
        marks=("soil_moisture_c1", "soil_moisture_c2", "soil_moisture_c", "soil_moisture_x"),
        companions=(
            "{var}_error",
            "sm_[cx]\\d?_error",
            "opt_depth_[cx]\\d?",
            "ts",
            "mask",
            "frequency_map",
            "scantime",
        ),
        units="percent",
        overpasses=((r"_L3_D_|_D_SOILM3|descending", "AM"), (r"_L3_A_|_A_SOILM3|_ascending", "PM")),
    ),
    FileForm(
        "esa_cci_gapfilled",
        "ESA CCI gap-filled",
        ("sm",),
        file_name=r"GAP[-_]?FILLED",
        attributes=r"(?i)gap[-_ ]?filled",
        marks=("gapmask",),
        companions=(*_CCI, "\\w*mask"),
        editions=_CCI_EDITIONS,
        units="m3 m-3",
    ),
    FileForm(
        "c3s",
        "C3S soil moisture, images and time-series cells",
        ("sm",),
        file_name=r"C3S-SOILMOISTURE",
        attributes=r"^C3S\b|Copernicus Climate Change",
        companions=_CCI,
        editions=_CCI_EDITIONS,
        units="m3 m-3",
        percent_is_saturation=True,
    ),
    FileForm(
        "esa_cci",
        "ESA CCI, images and time-series cells",
        ("sm",),
        file_name=r"ESACCI-SOILMOISTURE",
        attributes=r"ESA CCI|Climate Change Initiative",
        marks=("dnflag",),
        companions=_CCI,
        editions=_CCI_EDITIONS,
        percent_is_saturation=True,
    ),
    FileForm(
        "cgls_swi",
        "Copernicus Global Land SWI",
        ("SWI_001", "SWI_\\d{3}", "SWI"),
        file_name=r"c_gls_SWI",
        attributes=r"Soil Water Index",
        marks=("SWI_001", "SWI_002", "SWI_005", "SWI_010", "SWI"),
        companions=("QFLAG_\\d{3}", "SSF"),
        units="percent",
        percent_is_saturation=True,
    ),
    FileForm(
        "cgls_ssm",
        "Copernicus Global Land SSM",
        ("ssm", "SSM"),
        file_name=r"c_gls_SSM",
        attributes=r"Copernicus Global Land|CGLOPS|c_gls",
        marks=("ssm_noise",),
        companions=("ssm_noise", "\\w*flag\\w*"),
        units="percent",
        percent_is_saturation=True,
    ),
    FileForm(
        "ascat",
        "ASCAT (H SAF, EUMETSAT, TU Wien)",
        ("surface_soil_moisture", "ssm", "SSM", "soil_moisture_ascat", "soil_moisture", "sm"),
        file_name=r"ASCAT|^h(08|1\d\d|2\d|saf)_|METOP|H-?SAF",
        attributes=r"\bASCAT\b|\bH ?SAF\b|METOP|WARP",
        marks=("surface_soil_moisture", "soil_moisture_ascat"),
        companions=(
            "\\w*(sm|ssm|moisture)_(noise|error|sensitivity)",
            "\\w*flag\\w*",
            "(snow|frozen|subsurface_scattering)\\w*prob\\w*",
        ),
        percent_is_saturation=True,
    ),
    FileForm(
        "cygnss",
        "CYGNSS L3 (UCAR and University of Colorado)",
        ("SM_daily",),
        file_name=r"cygnss_sm|^cyg\.ddmi.*soil-moisture",
        attributes=r"CYGNSS",
        marks=("SM_daily",),
        companions=("SIGMA_daily",),
        units="m3 m-3",
        grid="ease2",
    ),
    FileForm(
        "gldas",
        "GLDAS Noah, CLSM, VIC",
        ("SoilMoi\\d+_\\d+cm_(inst|tavg)", "SoilMoist_S_(tavg|inst)"),
        file_name=r"GLDAS",
        attributes=r"GLDAS",
        marks=("SoilMoi0_10cm_inst", "SoilMoist_S_tavg"),
        model=True,
        units="kg m-2",
    ),
    FileForm(
        "nldas",
        "NLDAS-2 Noah, Mosaic",
        ("SoilM_0_10cm", "SoilM_\\d+_\\d+cm"),
        file_name=r"NLDAS",
        attributes=r"NLDAS",
        marks=("SoilM_0_10cm",),
        model=True,
        units="kg m-2",
    ),
    FileForm(
        "merra2",
        "MERRA-2",
        ("SFMC", "GWETTOP"),
        file_name=r"MERRA2",
        attributes=r"MERRA-?2",
        marks=("SFMC", "GWETTOP"),
        model=True,
        units="m3 m-3",
    ),
    FileForm(
        "smap_l4",
        "SMAP L4, 3-hourly fields and analysis",
        ("sm_surface", "sm_surface_analysis", "sm_surface_forecast"),
        file_name=r"SMAP_L4_SM_|SPL4SM",
        attributes=r"L4_SM\b|SPL4SM",
        marks=("sm_surface", "sm_surface_analysis"),
        groups=r"(Geophysical|Analysis|Forecast)_Data$",
        model=True,
        units="m3 m-3",
        grid="ease2",
    ),
    FileForm(
        "gleam",
        "GLEAM v3 and v4",
        ("SMs", "SMsurf"),
        file_name=r"GLEAM",
        attributes=r"GLEAM",
        marks=("SMs", "SMsurf"),
        model=True,
        units="m3 m-3",
    ),
    FileForm(
        "era5_land",
        "ERA5-Land",
        ("swvl1", "volumetric_soil_water_layer_1", "swvl[234]"),
        file_name=r"era5[-_]?land",
        attributes=r"ERA5[-_ ]?Land",
        model=True,
        units="m3 m-3",
    ),
    FileForm(
        "era5",
        "ERA5",
        ("swvl1", "volumetric_soil_water_layer_1", "swvl[234]"),
        file_name=r"era5",
        attributes=r"ERA5|ecmf|ECMWF",
        marks=("swvl1", "volumetric_soil_water_layer_1"),
        model=True,
        units="m3 m-3",
    ),
    FileForm(
        "lis",
        "NASA LIS",
        ("SoilMoist_(inst|tavg)",),
        file_name=r"LIS_HIST",
        attributes=r"LIS land surface model|Land Information System",
        marks=("SoilMoist_inst", "SoilMoist_tavg"),
        model=True,
        layer_dims=("SoilMoist_profiles", "soil_layers"),
    ),
    FileForm(
        "cmip6",
        "CMIP6 mrsos",
        ("mrsos", "mrsol"),
        file_name=r"^mrso[sl]_",
        attributes=r"CMIP-?6",
        marks=("mrsos",),
        model=True,
        units="kg m-2",
    ),
    FileForm(
        "sgd_sm",
        "SGD-SM",
        ("original_sm_(c1|c2|x)", "reconstructed_sm_(c1|c2|x)"),
        file_name=r"SGD-?SM",
        marks=("original_sm_c1", "reconstructed_sm_c1", "original_sm_x"),
        companions=("reconstructed_sm_\\w+", "mask\\w*"),
        units="percent",
        grid="quarter_degree",
    ),
    FileForm(
        "glass",
        "GLASS soil moisture",
        ("GLASS_SM", "SM", "sm", "soil_moisture", "Soil_Moisture"),
        file_name=r"^GLASS",
        attributes=r"\bGLASS\b",
        marks=("GLASS_SM",),
        companions=("\\w*(QC|qc|flag)\\w*",),
        units="m3 m-3",
    ),
)

GENERIC = FileForm("", "other", (), companions=("{var}_(uncertainty|error)", "\\w*flag\\w*"))
PRODUCT_KEYS = tuple(form.product for form in FILE_FORMS)


def form_of(product: str) -> FileForm:
    """The row of a product.

    Raises
    ------
    InputError
        If there is none.
    """
    row = next((form for form in FILE_FORMS if form.product == product), None)
    if row is None:
        raise InputError(
            f"product={product!r} is unknown: expected one of {', '.join(map(repr, PRODUCT_KEYS))}."
        )
    return row


def recognise(contents: FileContents, product: str | None = None) -> FileForm:
    """The form of a file: that of `product`, else the row that most of its features match.

    A record that was opened here and written says its product itself. Else a name counts
    most, then attributes, then variables and groups that one form alone has.
    ``GENERIC`` if none match.

    Raises
    ------
    VariableNotFoundError
        If `product` is given and the file has none of its variables.
    """
    if product is not None:
        form = form_of(product)
        if not soil_moisture_groups(contents, form):
            raise VariableNotFoundError(
                f"product={product!r}: {contents.source.name} has none of the variables "
                f"{', '.join(map(repr, form.variables))}. It has {describe(contents)}."
            )
        return form
    written = contents.attrs.get(RECORD_OF)
    if written in PRODUCT_KEYS and soil_moisture_groups(contents, form_of(written)):
        return form_of(written)
    scores = [_score(contents, form) for form in FILE_FORMS]
    best = max(scores)
    return FILE_FORMS[scores.index(best)] if best > 0 else GENERIC


def _score(contents: FileContents, form: FileForm) -> int:
    groups = soil_moisture_groups(contents, form)
    if not groups:
        return 0
    names = {name for group in groups for name in contents.groups[group]}
    attrs = " \n".join(str(value)[:2000] for value in contents.attrs.values())
    named = form.file_name and re.search(form.file_name, contents.source.name, re.I)
    marked = names & {mark + end for mark in form.marks for end in ("", EVENING)}
    described = form.attributes and re.search(form.attributes, attrs, re.M)
    grouped = form.groups and any(re.search(form.groups, group) for group in groups)
    return 10 * bool(named) + 4 * bool(described) + 3 * bool(marked) + 3 * bool(grouped)


def soil_moisture_groups(contents: FileContents, form: FileForm) -> list[str]:
    """Groups that hold a soil-moisture variable of `form`; those named in `form` if any are."""
    groups = [
        group
        for group, variables in contents.groups.items()
        if any(matches(form.variables, name.removesuffix(EVENING)) for name in variables)
    ]
    named = [group for group in groups if form.groups and re.search(form.groups, group)]
    return named or groups


def edition(contents: FileContents, form: FileForm) -> str:
    """Which of the products of this form a file belongs to, or ""."""
    texts = [contents.source.name, *(str(contents.attrs.get(k, "")) for k in ("product", "title"))]
    hits = (re.search(form.editions, text) for text in texts if form.editions)
    return next((match[0].replace(" ", "-") for match in hits if match), "")


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether a whole name matches one of the patterns."""
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def describe(contents: FileContents) -> str:
    """The variables of a file with their dimensions, for messages."""
    texts = [
        f"{group + '/' if group else ''}{name} ({', '.join(header.dims)})"
        for group, variables in contents.groups.items()
        for name, header in variables.items()
    ]
    more = f" and {len(texts) - 15} more" if len(texts) > 15 else ""
    return (", ".join(texts[:15]) or "no variables") + more

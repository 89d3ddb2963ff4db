"""Options of each kind of reference: mappings, defaults, errors."""

import pytest

from xsm.errors import InputError
from xsm.validation import GapOptions, ProductOptions, StationOptions
from xsm.validation.reference_options import OPTION_CLASSES, read_options


@pytest.mark.parametrize("argument", OPTION_CLASSES)
def test_a_mapping_the_options_and_none_are_accepted(argument):
    options_class = OPTION_CLASSES[argument]
    assert read_options(argument, None, options_class) == options_class()
    assert read_options(argument, {}, options_class) == options_class()
    options = options_class()
    assert read_options(argument, options, options_class) is options


@pytest.mark.parametrize("argument", OPTION_CLASSES)
def test_unknown_keys_and_other_types_are_refused_with_the_options(argument):
    first = next(iter(vars(OPTION_CLASSES[argument]())))
    with pytest.raises(InputError, match=f"{argument}=.*'deep'.*{first}"):
        read_options(argument, {"deep": 1}, OPTION_CLASSES[argument])
    for wrong in ("G", 5, [("depth", None)]):
        with pytest.raises(InputError, match=f"{argument} is a {type(wrong).__name__}.*{first}"):
            read_options(argument, wrong, OPTION_CLASSES[argument])


def test_one_name_is_as_good_as_several():
    assert StationOptions(flags="G").flags == ("G",) and StationOptions(flags=None).flags is None
    options = GapOptions(baselines="linear", gap_patterns="cell")
    assert options.baselines == ("linear",) and options.gap_patterns == ("cell",)


def test_options_cannot_be_changed():
    with pytest.raises(AttributeError):
        StationOptions().depth = None


@pytest.mark.parametrize(
    ("options_class", "options"),
    [
        (StationOptions, {"pairing": "median"}),
        (StationOptions, {"sensors": "best"}),
        (StationOptions, {"window": "0h"}),
        (StationOptions, {"overpass": "six"}),
        (StationOptions, {"depth": (0.3, 0.1)}),
        (ProductOptions, {"regions": [(0, 1, 2, 3)]}),
        (ProductOptions, {"regions": {"upside down": (45, 40, 0, 10)}}),
        (GapOptions, {"baselines": "magic"}),
        (GapOptions, {"gap_patterns": ()}),
        (GapOptions, {"n_realizations": True}),
        (GapOptions, {"model": None, "baselines": ()}),
    ],
)
def test_wrong_values_are_named(options_class, options):
    name = next(iter(options))
    with pytest.raises(InputError, match=f"(stations|product|gaps): {name}"):
        options_class(**options)

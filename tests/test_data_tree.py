"""A DataTree is worked on group by group."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.errors import TimeAxisError, UnitError, VariableNotFoundError

AM, PM = "/Soil_Moisture_Retrieval_Data_AM", "/Soil_Moisture_Retrieval_Data_PM"


@pytest.fixture
def tree(record):
    pm = record.copy(deep=True)
    pm["soil_moisture"] = pm["soil_moisture"].where(pm["soil_moisture"] > 0.1)
    return xr.DataTree.from_dict({AM: record, PM: pm, "/Metadata": xr.Dataset(attrs={"id": "x"})})


def test_each_group_with_soil_moisture_is_filled_and_the_others_stay(tree, network):
    for filled in (tree.sm.gapfill(), xsm.gapfill(tree)):
        assert isinstance(filled, xr.DataTree)
        assert {node.path for node in filled.subtree} == {node.path for node in tree.subtree}
        for path in (AM, PM):
            expected = xsm.gapfill(tree[path].to_dataset())
            xr.testing.assert_identical(
                filled[path].to_dataset().drop_attrs(), expected.drop_attrs()
            )
        assert filled["Metadata"].attrs == {"id": "x"}
    assert "soil_moisture_flag" not in tree[AM]


def test_groups_are_validated_against_one_reference_or_a_tree(tree, record):
    scores = tree.sm.validate(record)
    assert float(scores[AM]["rmsd"].max()) == 0.0
    assert set(scores[PM].data_vars) == set(scores[AM].data_vars)
    by_group = tree.sm.validate(tree)
    assert float(by_group[PM]["rmsd"].max()) == 0.0
    with pytest.raises(VariableNotFoundError, match="reference is a DataTree without a group"):
        tree.sm.validate(xr.DataTree.from_dict({AM: record}))


def test_an_error_names_the_group(tree):
    tree[PM]["soil_moisture"].attrs["units"] = "K"
    with pytest.raises(UnitError, match=f"group '{PM}': soil_moisture has units 'K'"):
        tree.sm.gapfill()
    one_day = xr.DataTree.from_dict({AM: tree[AM].to_dataset().isel(time=0, drop=True)})
    with pytest.raises(TimeAxisError, match=f"group '{AM}'.*no time axis"):
        one_day.sm.gapfill()


def test_groups_are_screened_and_checked(tree):
    tree[PM]["retrieval_qual_flag"] = xr.zeros_like(tree[PM]["soil_moisture"]).astype("i2") + 1
    screened = tree.sm.screen(product="smap_l3")
    assert np.isnan(screened[PM]["soil_moisture"]).all()
    xr.testing.assert_equal(screened[AM]["soil_moisture"], tree[AM]["soil_moisture"])
    table = tree.sm.check()
    assert set(table.index.get_level_values("group")) == {AM, PM}
    assert table.loc[PM].query("check == 'quality'")["result"].tolist() == ["doubtful"]


def test_a_tree_without_soil_moisture_lists_its_groups():
    tree = xr.DataTree.from_dict({"/a": xr.Dataset({"t": ("x", np.zeros(3))}), "/b": xr.Dataset()})
    with pytest.raises(VariableNotFoundError, match=r"in any group.*/a: t; /b: none"):
        tree.sm.gapfill()
    with pytest.raises(VariableNotFoundError, match="no group of the DataTree has gridded"):
        tree.sm.estimate()


def test_mapping_a_function_over_all_groups_says_what_a_group_lacks(tree, network):
    with pytest.raises(VariableNotFoundError, match="group of a DataTree.*tree.sm.gapfill"):
        xsm.gapfill(tree["Metadata"].to_dataset())


def test_repr_lists_the_groups(tree):
    text = repr(tree.sm)
    assert AM in text and PM in text and "9 x 16" in text

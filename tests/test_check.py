"""All that is refused or doubtful is named before anything is computed."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm


def results(table: pd.DataFrame) -> dict[str, list[str]]:
    return table.groupby("check", sort=False)["result"].agg(list).to_dict()


def test_a_record_in_order_has_no_finding(record):
    table = record.sm.check()
    assert list(table.columns) == ["check", "result", "finding", "next step"]
    assert set(table["result"]) == {"ok"}
    assert set(table["check"]) == {"variable", "unit", "values", "grid", "time"}


def test_units_and_grid_are_told_as_they_are_read(record):
    record["soil_moisture"] = (100 * record["soil_moisture"]).assign_attrs(units="percent")
    finding = record.sm.check().set_index("check")["finding"]
    assert finding["unit"] == "units 'percent': times 0.01 is m3 m-3"
    sizes = record.sizes
    assert finding["grid"].startswith(f"{sizes['lat']} x {sizes['lon']} cells: rows along lat")


def test_several_faults_are_named_at_once(record):
    record["soil_moisture"].attrs["units"] = "K"
    twice = xr.concat([record, record], "time")
    refused = twice.sm.check().query("result == 'refused'")
    assert list(refused["check"]) == ["unit", "time"]
    assert refused["finding"].str.contains("repeated days").any()
    assert (refused["next step"] != "").all()


def test_what_is_refused_is_what_the_function_refuses(record):
    record["soil_moisture"][3, 3, 3] = -9999.0
    row = record.sm.check().query("check == 'values'").iloc[0]
    with pytest.raises(xsm.errors.UnitError) as caught:
        record.sm.gapfill()
    assert row["result"] == "refused" and row["finding"] in str(caught.value)


def test_doubtful_values_are_counted(record):
    sm = record["soil_moisture"]
    sm[3, 3, 3], sm[4, 4, 4] = 1.1, 0.9
    sm.attrs["valid_max"] = 0.8
    doubtful = record.sm.check().query("result == 'doubtful'")["finding"].tolist()
    assert any(text.startswith("2 values are outside the declared") for text in doubtful)
    assert any(text.startswith("1 values are below 0 or above 1") for text in doubtful)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda ds: ds.isel(time=slice(0, 4)), "time"),
        (lambda ds: ds.drop_vars(["lat", "lon"]), "coordinates"),
        (lambda ds: ds.isel(time=[0, 1, 10, 11]), "time"),
        (lambda ds: ds.expand_dims(orbit=2), "grid"),
        (lambda ds: ds.chunk(time=1), "chunks"),
        (lambda ds: ds.where(False), "values"),
    ],
)
def test_doubts(record, change, check):
    found = change(record).sm.check().query("result == 'doubtful'")
    assert check in set(found["check"]) and (found["next step"] != "").all()


def test_flags_that_were_not_used_are_doubtful(record):
    record["retrieval_qual_flag"] = xr.zeros_like(record["soil_moisture"]).astype(np.int16)
    row = record.sm.check().query("check == 'quality'").iloc[0]
    assert row["result"] == "doubtful" and "not_recommended" in row["finding"]
    screened = record.sm.screen()
    assert results(screened.sm.check())["quality"] == ["ok"]
    assert "not_recommended" in repr(screened.sm)


def test_a_filled_record_is_refused(record, network):
    assert results(record.sm.gapfill().sm.check())["output"] == ["refused"]


def test_nothing_is_computed(record):
    def fail(block):
        raise AssertionError("computed")

    lazy = record.chunk(time=6)
    meta = np.empty((0, 0, 0), lazy["soil_moisture"].dtype)
    lazy["soil_moisture"].data = lazy["soil_moisture"].data.map_blocks(fail, meta=meta)
    table = lazy.sm.check()
    assert "refused" not in set(table["result"])
    assert table.query("check == 'values'")["finding"].iloc[0].startswith("not looked at")


def test_without_soil_moisture_the_variable_is_refused():
    assert results(xr.Dataset({"t": ("x", [1.0])}).sm.check()) == {"variable": ["refused"]}

"""The program `xsm`: arguments, output and exit codes; one process, the rest in this one."""

import subprocess
import sys
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.blockwise.zarr_log import WriteLog
from xsm.command_line import commands, files
from xsm.command_line.program import SCALING_METHODS, chunk_sizes, main

DAYS = np.datetime64("2015-04-01", "ns") + np.arange(12) * np.timedelta64(1, "D")
AXES = {"lat": 44 - 0.25 * np.arange(7.0), "lon": -6 + 0.25 * np.arange(9.0)}


def made_record() -> xr.Dataset:
    """A wave in time and space, a third of it missing."""
    day, lat, lon = np.meshgrid(np.arange(12), np.arange(7), np.arange(9), indexing="ij")
    values = 0.25 + 0.1 * np.sin(day / 3 + lat / 4 + lon / 5)
    values = np.where(np.random.default_rng(2).random(values.shape) < 1 / 3, np.nan, values)
    da = xr.DataArray(values.astype("f4"), {"time": DAYS, **AXES}, attrs={"units": "m3 m-3"})
    da.attrs["standard_name"] = "volume_fraction_of_condensed_water_in_soil"
    return da.to_dataset(name="soil_moisture")


def made_predictors() -> xr.Dataset:
    """The predictors of the shipped estimator: 40 days of 2 x 3 cells about their means."""
    rng = np.random.default_rng(3)
    days = DAYS[0] + np.arange(40) * np.timedelta64(1, "D")
    ds = xr.Dataset(coords={"time": days, "lat": AXES["lat"][:2], "lon": AXES["lon"][:3]})
    for row in xsm.models()["atlstm"]["predictors"]:
        dims = ("lat", "lon") if row["static"] else ("time", "lat", "lon")
        values = row["mean"] + 0.2 * row["std"] * rng.standard_normal([ds.sizes[d] for d in dims])
        ds[row["name"]] = dims, values.astype("f4"), {"units": row["units"]}
    return ds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A record of 12 days and a table of three stations."""
    folder = tmp_path_factory.mktemp("command_line")
    record = made_record()
    record.to_netcdf(folder / "record.nc")
    stations = []
    for n in range(3):
        series = record["soil_moisture"].isel(lat=n, lon=n + 1).fillna(0.3).to_series()
        where = {"station": f"S{n}", "lat": AXES["lat"][n], "lon": AXES["lon"][n + 1]}
        stations.append(series.reset_index().assign(depth=0.05, **where))
    pd.concat(stations).to_csv(folder / "stations.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def filled(folder):
    """The record, filled by the command."""
    out = folder / "filled.nc"
    assert main(["gapfill", str(folder / "record.nc"), "-o", str(out), "--no-calibration"]) == 0
    return out


def test_the_program_lists_its_commands_and_explains_exit_codes():
    run = [sys.executable, "-W", "error", "-m", "xsm.command_line", "--help"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name in commands.COMMANDS:
        assert f"\n    {name} " in done.stdout
    assert "1 the input was refused" in done.stdout


def test_gapfill_writes_what_the_function_returns(folder, filled):
    with xr.open_dataset(folder / "record.nc") as ds, xr.open_dataset(filled) as result:
        expected = ds.sm.gapfill(calibrate=False)
        np.testing.assert_array_equal(result["soil_moisture"], expected["soil_moisture"])
        np.testing.assert_array_equal(result["soil_moisture_flag"], expected["soil_moisture_flag"])
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_output_that_exists_is_refused(folder, filled, capsys):
    arguments = ["gapfill", str(folder / "record.nc"), "-o", str(filled)]
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_an_interrupted_store_is_resumed_and_equals_the_file(folder, filled, monkeypatch):
    pytest.importorskip("zarr")
    out = folder / "filled.zarr"
    arguments = ["gapfill", str(folder / "record.nc"), "-o", str(out), "--chunks", "time=4"]
    arguments.append("--no-calibration")
    write, regions = WriteLog.write_checksums, []

    def interrupted(log, numbers, values):
        if any(numbers):  # 0 are the variables that no region has
            raise KeyboardInterrupt
        write(log, numbers, values)

    monkeypatch.setattr(WriteLog, "write_checksums", interrupted)
    assert main(arguments) == 130 and out.exists()

    def counted(log, numbers, values):
        regions.extend(numbers)
        write(log, numbers, values)

    monkeypatch.setattr(WriteLog, "write_checksums", counted)
    assert main(arguments) == 0
    written = len(regions)
    assert written > 0 and 0 not in regions  # what was written before is not written again
    with xr.open_zarr(out) as store, xr.open_dataset(filled) as ds:
        np.testing.assert_allclose(store["soil_moisture"], ds["soil_moisture"], atol=1e-6)
    assert main(arguments) == 0 and len(regions) == written  # complete: nothing is written


def test_validate_at_stations_prints_medians_and_writes_scores(folder, filled, capsys):
    out = folder / "scores.nc"
    arguments = ["validate", str(filled), "--stations", str(folder / "stations.csv")]
    assert main([*arguments, "--metrics", "bias", "rmsd", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "bias" in printed and "pairs" in printed
    # one line for each network, with the quartiles beside the median
    caption, head, row, _ = printed.strip().splitlines()
    with xr.open_dataset(out) as scores:
        low, median, high = np.round(np.nanpercentile(scores["rmsd"], [25, 50, 75]), 3)
    assert caption.startswith("Median (quartiles)") and head.split()[0] == "network"
    assert row.endswith(f" {median:.3f} ({low:.3f}, {high:.3f})")
    with xr.open_dataset(out) as scores:
        assert scores.sizes["station"] == 3 and np.isfinite(scores["rmsd"]).any()


def test_positions_of_stations_in_another_table(folder, filled, capsys):
    table = pd.read_csv(folder / "stations.csv")
    names = next(name for name in table if "station" in name)
    table[[names, "lat", "lon"]].drop_duplicates().to_csv(folder / "positions.csv", index=False)
    table.drop(columns=["lat", "lon"]).to_csv(folder / "values.csv", index=False)
    arguments = ["validate", str(filled), "--stations", str(folder / "values.csv")]
    assert main(arguments) == 1
    assert "metadata" in capsys.readouterr().err
    assert main([*arguments, "--metadata", str(folder / "positions.csv")]) == 0
    assert "RMSD" in capsys.readouterr().out


def test_validate_against_a_product_and_by_simulated_gaps(folder, filled, capsys):
    assert main(["validate", str(filled), "--reference", str(folder / "record.nc")]) == 0
    assert "RMSD" in capsys.readouterr().out
    scores = xr.open_dataset(folder / "record.nc").sm.validate(gaps={"n_realizations": 1})
    tables = commands._tables(scores)
    assert [table.head[0] for table in tables] == ["fill method"] * 2


def test_the_files_of_a_reference_are_one_product(folder, filled, capsys):
    """As a shell gives those of a glob; two products are given one by one."""
    record = made_record()
    parts = [folder / "part-1.nc", folder / "part-2.nc"]
    record.isel(time=slice(7)).to_netcdf(parts[0])
    record.isel(time=slice(7, 12)).to_netcdf(parts[1])
    of_files = ["--reference", *map(str, parts)]
    assert main(["validate", str(filled), *of_files, "-o", str(folder / "of-files.nc")]) == 0
    with xr.open_dataset(folder / "of-files.nc") as scores:
        assert scores.attrs["xsm_scores"] == "product"
        assert int(scores["n_obs"].sum()) == int(record["soil_moisture"].notnull().sum())
    whole = ["--reference", str(folder / "record.nc")]
    assert main(["validate", str(filled), *of_files, *whole, "-o", str(folder / "tc.nc")]) == 0
    with xr.open_dataset(folder / "tc.nc") as scores:
        assert scores.attrs["xsm_scores"] == "triple_collocation"
    capsys.readouterr()


def test_another_record_in_the_output_names_the_option(folder, tmp_path, capsys):
    arguments = ["gapfill", str(folder / "record.nc"), "-o", str(tmp_path / "out.zarr")]
    assert main(arguments) == 0
    assert main([*arguments, "--max-gap", "3D"]) == 1
    message = capsys.readouterr().err
    assert "or replace it: --overwrite." in message and "mode=" not in message
    assert main([*arguments, "--max-gap", "3D", "--overwrite"]) == 0


def test_every_scaling_is_an_argument():
    assert SCALING_METHODS == xsm.metrics.scaling.SCALING_METHODS


def test_two_references_make_a_triple(folder, filled):
    arguments = Namespace(
        stations=[str(folder / "stations.csv")],
        metadata=None,
        ismn=None,
        reference=[[str(folder / "record.nc")]],
    )
    product, stations = files.read_references(arguments)
    assert "station" in stations.dims and "lat" in product.dims
    arguments.reference = arguments.stations = None
    assert files.read_references(arguments) is None


def test_estimate_takes_predictors_from_several_files(tmp_path):
    ds = made_predictors()
    static = [name for name in ds.data_vars if "time" not in ds[name].dims]
    ds[static].to_netcdf(tmp_path / "static.nc")
    ds.drop_vars(static).to_netcdf(tmp_path / "daily.nc")
    out = tmp_path / "estimate.nc"
    assert main(["estimate", str(tmp_path / "*.nc"), "-o", str(out)]) == 0
    with xr.open_dataset(out) as result:
        expected = ds.sm.estimate()["soil_moisture"].transpose(*result["soil_moisture"].dims)
        np.testing.assert_allclose(result["soil_moisture"], expected, atol=1e-6)


def test_check_fails_where_something_would_be_refused(folder, tmp_path, capsys):
    assert main(["check", str(folder / "record.nc")]) == 0
    assert "12 days" in capsys.readouterr().out
    with xr.open_dataset(folder / "record.nc") as ds:
        percent = 100 * ds["soil_moisture"].drop_attrs().assign_attrs(units="m3 m-3")
        percent.to_dataset().to_netcdf(tmp_path / "percent.nc")
    assert main(["check", str(tmp_path / "percent.nc")]) == 1
    assert "refused" in capsys.readouterr().out


def test_lists_of_models_and_products(capsys):
    assert main(["models"]) == main(["products"]) == main(["products", "smap_l3"]) == 0
    printed = capsys.readouterr().out
    assert "default" in printed and "SMAP L3" in printed and "not_recommended" in printed
    assert main(["models", "sgd-sm"]) == 0 and '"sha256"' in capsys.readouterr().out
    assert main(["models", "nothing"]) == 1 and "'nothing'" in capsys.readouterr().err


def test_bench_prints_speed_and_versions(capsys, monkeypatch):
    monkeypatch.setattr(commands, "open_dataset", lambda name, **_: made_record())
    assert main(["bench", "--repeat", "1"]) == 0
    printed = capsys.readouterr().out
    assert "million values a second" in printed and "xarray" in printed


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["gapfill", "absent.nc", "-o", "x.nc"], "does not exist"),
        (["gapfill", "absent.nc", "-o", "x.txt"], "ends in .zarr or .nc"),
        (["gapfill", "absent.nc", "-o", "no/such/folder/x.nc"], "folder"),
        (["estimate", "absent.nc", "-o", "x.nc"], "does not exist"),
    ],
)
def test_a_refused_input_is_exit_code_1_and_a_message(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["time", "time=0", "time=x", "=3", "time=1,,lat=2"])
def test_strange_chunks_are_a_wrong_argument(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["gapfill", "a.nc", "-o", "x.zarr", "--chunks", text])
    assert stopped.value.code == 2 and "time=30,lat=100" in capsys.readouterr().err
    assert chunk_sizes("time=-1, lat=5") == {"time": -1, "lat": 5}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gapfill", "-o", "out.zarr", "--chunks", "time=10,latitude=3"],
         "--chunks: ['latitude'] are no dimensions: expected some of ['time', 'lat', 'lon']"),
        (["validate", "--report", "absent/report.html"], "the folder absent does not exist"),
        (["validate", "-o", "scores.zarr"], "expected a name that ends in .nc or .nc4"),
    ],
)  # fmt: skip
def test_what_is_refused_before_any_work(folder, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main([words[0], str(folder / "record.nc"), *words[1:]]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_chunks_of_a_fill_that_is_written_to_netcdf(folder, tmp_path, monkeypatch):
    chunks = []

    def fill(ds, **options):
        chunks.append(ds["soil_moisture"].chunksizes.get("time"))
        return xsm.gapfill(ds, **options)

    monkeypatch.setattr(commands, "gapfill", fill)
    for name, more in (("whole", []), ("parts", ["--chunks", "time=10"])):
        out = str(tmp_path / f"{name}.nc")
        assert main(["gapfill", str(folder / "record.nc"), "-o", out, *more]) == 0
    assert chunks == [None, (10, 2)]
    whole, parts = (xr.load_dataset(tmp_path / f"{name}.nc") for name in ("whole", "parts"))
    xr.testing.assert_allclose(parts, whole, rtol=1e-5)


@pytest.mark.parametrize("text", ["0", "-1", "x", "2.5"])
def test_no_measurement_is_a_wrong_argument(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "--repeat", text])
    assert stopped.value.code == 2 and "expected a number from 1" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["lst", "lst=", "=skt"])
def test_a_feature_without_its_variable_is_a_wrong_argument(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["estimate", "a.nc", "-o", "b.nc", "--feature", text])
    assert stopped.value.code == 2
    assert f"'{text}': expected a predictor and the name of its variable" in capsys.readouterr().err

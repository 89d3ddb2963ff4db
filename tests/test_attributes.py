"""What comes out has attributes of its own, and is the same, whatever ``keep_attrs`` is set to."""

from contextlib import nullcontext

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import any_model, world
from tests.validation.samples import cell, grid, stations
from xsm import metrics
from xsm.validation import representative

# Attributes of an input that are false on a result made from it.
FOREIGN = {
    "valid_range": np.array([0.0, 1.0], np.float32),
    "valid_min": 0.0,
    "valid_max": 1.0,
    "actual_range": np.array([0.1, 0.4]),
    "standard_name": "soil_moisture_content",
    "cell_methods": "time: mean",
    "ancillary_variables": "quality",
    "grid_mapping": "other_grid",
    "cell_measures": "area: area",
    "flag_values": np.array([0, 1], np.int8),
    "flag_meanings": "a b",
    "comment": "of the input",
    "source": "of the input",
}
OPTIONS = (None, True, False, "default")
UNITS = {"units": "m3 m-3"}


def option(keep_attrs):
    return nullcontext() if keep_attrs is None else xr.set_options(keep_attrs=keep_attrs)


def marked(ds):
    """`ds` with attributes that no result may take over, on variables; and on coordinates."""
    ds = ds.copy()
    for name in ds.data_vars:
        ds[name].attrs = FOREIGN | {"long_name": f"of {name}"} | ds[name].attrs
    for name in ds.coords:
        ds[name].attrs = {"long_name": f"coordinate {name}"} | ds[name].attrs
    return ds


def check(call, inputs, *, may_have=()):
    """The result of `call`: the same under each option, and without attributes of the inputs."""
    results = []
    for keep_attrs in OPTIONS:
        with option(keep_attrs):
            results.append(call())
    first = results[0]
    first.attrs.pop("history", None)
    for other in results[1:]:
        other.attrs.pop("history", None)
        xr.testing.assert_identical(other, first)
    variables = first.data_vars.values() if isinstance(first, xr.Dataset) else [first]
    for da in variables:
        if "grid_mapping_name" in da.attrs:
            continue
        assert "long_name" in da.attrs, da.name
        leaked = {k for k, v in da.attrs.items() if k in FOREIGN and v is FOREIGN[k]}
        flag = {"flag_values", "flag_meanings"} if "flag_meanings" in da.attrs else set()
        own = {"long_name", "units", "criterion", *flag, *may_have}
        own |= {"standard_name"} if da.attrs.get("standard_name") == "status_flag" else set()
        assert not leaked and set(da.attrs) <= own, (da.name, set(da.attrs) - own)
        if flag:
            assert da.attrs["flag_values"].dtype == da.dtype
    for name, coord in first.coords.items():
        if name in inputs.coords:
            assert coord.attrs == inputs[name].attrs, name
    return first


@pytest.fixture(scope="module")
def pairs():
    ds = marked(grid(70, lat=[44.0, 43.5], lon=[0.0, 0.5, 1.0]))
    ds = ds.assign_coords(height=("lat", [5.0, 6.0], {"units": "m"}))
    noise = np.random.default_rng(1).normal(0, 0.05, ds.soil_moisture.shape)
    est = ds.soil_moisture
    return est, est.copy(data=est.values + noise), est.copy(data=est.values - noise[::-1])


@pytest.mark.parametrize("lazy", [False, True], ids=["memory", "dask"])
@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_a_metric_has_its_own_attributes(pairs, name, lazy):
    est, ref = (
        da.chunk(lat=1).assign_coords(height=da["height"]) if lazy else da for da in pairs[:2]
    )
    function = getattr(metrics, name)
    out = check(lambda: function(est, ref, dim="time"), est)
    row = metrics.METRICS[name]
    assert out.attrs == {"long_name": row.long_name, "units": row.units_for("m3 m-3")}
    assert out["lat"].attrs["units"] == "degrees_north"
    assert out["height"].attrs == {"units": "m"}


CALLS = {
    "scores": lambda x, y, z: metrics.scores(
        x, y, dim="time", metrics=["bias", "spearman_rho", "anomaly_r"]
    ),
    "weights": lambda x, y, z: metrics.scores(x, y, dim=["lat", "lon"], weights=abs(z)),
    "interval": lambda x, y, z: metrics.interval(x, y, dim="time", metric="spearman_rho", n=50),
    "analytic": lambda x, y, z: metrics.interval(
        x, y, dim="time", metric="pearson_r", method="analytic"
    ),
    "p_value": lambda x, y, z: metrics.p_value(x, y, dim="time"),
    "effective_sample_size": lambda x, y, z: metrics.effective_sample_size(x, y, dim="time"),
    "triple_collocation": lambda x, y, z: metrics.triple_collocation(
        x, y, z, dim="time", ci="percentile", n=50
    ),
    "moving_window": lambda x, y, z: metrics.anomalies(x),
    "climatology": lambda x, y, z: metrics.anomalies(x, method="climatology"),
    **{
        f"{name}_{method}": (
            lambda x, y, z, name=name, method=method: getattr(metrics.scaling, name)(
                x, y, dim="time", method=method
            )
        )
        for name in ("fit", "scale")
        for method in metrics.scaling.SCALING_METHODS
    },
}


@pytest.mark.parametrize("lazy", [False, True], ids=["memory", "dask"])
@pytest.mark.parametrize("name", sorted(CALLS))
def test_other_statistics_have_their_own_attributes(pairs, name, lazy):
    series = [da.chunk(lat=1) if lazy else da for da in pairs]
    check(lambda: CALLS[name](*series), series[0])


def test_a_scaled_record_has_the_unit_of_the_reference(pairs):
    est = (100 * pairs[0]).assign_attrs(units="percent", valid_range=[0, 100])
    out = metrics.scaling.scale(est, pairs[1], dim="time")
    assert out.attrs["units"] == "m3 m-3" and "valid_range" not in out.attrs
    without = pairs[1].drop_attrs()
    assert "units" not in metrics.scaling.scale(est, without, dim="time").attrs


def test_a_negative_correlation_survives_a_file(pairs, tmp_path):
    out = metrics.spearman_rho(pairs[0], -pairs[0], dim="time")
    out.to_netcdf(tmp_path / "rho.nc")
    import netCDF4

    with netCDF4.Dataset(tmp_path / "rho.nc") as file:  # masks what valid_range excludes
        np.testing.assert_allclose(np.ma.filled(file["spearman_rho"][:], 9.0), -1.0)


@pytest.fixture(scope="module")
def product():
    return marked(grid(70, lat=[44.0, 43.5, 43.0], lon=[0.0, 0.5, 1.0, 1.5]))


@pytest.fixture(scope="module")
def other_product():
    return marked(grid(70, lat=[44.0, 43.5, 43.0], lon=[0.0, 0.5, 1.0, 1.5], seed=5))


@pytest.fixture(scope="module")
def in_situ(product):
    series = [cell(product, i, i, 0.01 * i) + 0.02 * (i - 1) for i in range(3)]
    ds = stations([44.0, 43.5, 43.0], [0.0, 0.5, 1.0], product["time"].values, series)
    ds = ds.assign_coords(network=("station", ["a", "a", "b"]))
    ds["lat"].attrs, ds["lon"].attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    return marked(ds)


VALIDATIONS = {
    "scores": {"ci": "analytic", "metrics": ("bias", "pearson_r"), "p_values": True},
    "strata": {"by": ["season", "wetness"], "metrics": ("rmsd", "spearman_rho")},
    "scaled": {"scaling": "mean_std", "anomalies": "moving_window"},
    "pairs": {"keep_pairs": True, "scaling": "cdf"},
}


@pytest.mark.parametrize("name", sorted(VALIDATIONS))
@pytest.mark.parametrize("kind", ["product", "coarser", "stations"])
def test_scores_have_their_own_attributes(product, other_product, in_situ, kind, name):
    coarser = marked(grid(70, lat=[43.5, 42.5], lon=[0.5, 1.5], seed=3))
    reference = {"product": other_product, "coarser": coarser, "stations": in_situ}[kind]
    options = dict(VALIDATIONS[name])
    if kind == "product" and name == "scores":
        options["product"] = {"regions": {"north": (43, 44, 0, 2)}}
    target = {"product": product, "coarser": coarser, "stations": in_situ}[kind]
    if kind == "stations":
        target = target.drop_vars("time")
    check(lambda: product.sm.validate(reference, **options), target)


@pytest.mark.parametrize("kind", ["grids", "stations"])
def test_triple_collocation_has_its_own_attributes(product, other_product, in_situ, kind):
    third = marked(grid(70, lat=[44.0, 43.5, 43.0], lon=[0.0, 0.5, 1.0, 1.5], seed=9))
    third = third if kind == "grids" else in_situ
    out = check(lambda: product.sm.validate((other_product, third)), xr.Dataset())
    if kind == "stations":
        check(lambda: representative(out), xr.Dataset())


@pytest.mark.usefixtures("network")
def test_simulated_gaps_have_their_own_attributes():
    ds = marked(grid(30, lat=np.arange(50.0, 40, -0.5), lon=np.arange(-5.0, 5, 0.5)))
    gaps = {"n_realizations": 1, "gap_patterns": ("block", "cell"), "baselines": ("linear",)}
    check(lambda: ds.sm.validate(gaps=gaps, by="season", scaling="mean_std"), xr.Dataset())


def test_a_comparison_has_its_own_attributes(product, other_product, in_situ):
    a, b = (ds.sm.validate(in_situ) for ds in (product, other_product))
    out = check(lambda: xsm.compare(a, b, metric=["rmsd", "pearson_r"]), xr.Dataset())
    assert out.attrs["Conventions"].startswith("CF-")


OWN = {
    "coverage_content_type",
    "standard_name",
    "valid_range",
    "ancillary_variables",
    "estimate_model",
    "comment",
    "grid_mapping",
}


@pytest.mark.parametrize("lazy", [False, True], ids=["memory", "dask"])
@pytest.mark.parametrize("mapping", ["attrs", "encoding", "none"])
def test_an_estimate_has_its_own_attributes(mapping, lazy):
    ds = marked(world(days=60, rows=2, columns=3))
    crs = ((), 0, {"grid_mapping_name": "latitude_longitude"})
    for name in ds.data_vars:
        del ds[name].attrs["grid_mapping"]
        if mapping != "none":
            getattr(ds[name], mapping)["grid_mapping"] = "crs"
    ds = ds.assign(crs=crs) if mapping == "attrs" else ds.assign_coords(crs=crs)
    ds = ds.chunk(lat=1) if lazy else ds
    model = any_model()
    out = check(lambda: ds.sm.estimate(model=model), ds, may_have=OWN).drop_vars("depth")
    assert "cell_methods" not in out["soil_moisture"].attrs
    assert "units" not in out["soil_moisture_flag"].attrs
    assert out["soil_moisture_uncertainty"].attrs["units"] == "m3 m-3"
    assert set(out.data_vars) - {"crs"} == {
        f"soil_moisture{end}" for end in ("", "_uncertainty", "_flag")
    }
    for name in ("soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"):
        found = getattr(out[name], mapping, {}).get("grid_mapping")
        assert found == (None if mapping == "none" else "crs")
    assert ("crs" in out.variables) or mapping == "none"


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("lazy", [False, True], ids=["memory", "dask"])
@pytest.mark.parametrize("mapping", ["attrs", "encoding", "absent"])
def test_a_filled_record_shares_its_grid_mapping_only(record, mapping, lazy):
    ds = marked(record)
    name = "soil_moisture"
    ds[name].attrs["grid_mapping"] = "crs"
    if mapping == "encoding":
        del ds[name].attrs["grid_mapping"]
        ds[name].encoding["grid_mapping"] = "crs: lat lon"
    if mapping != "absent":
        ds = ds.assign_coords(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    ds = ds.chunk(lat=3) if lazy else ds
    results = []
    for keep_attrs in OPTIONS:
        with option(keep_attrs):
            results.append(ds.sm.gapfill(fallback="climatology"))
            results[-1].attrs.pop("history")
            xr.testing.assert_identical(results[-1], results[0])
    out = results[0]
    for companion in (f"{name}_uncertainty", f"{name}_flag"):
        assert not {"valid_range", "valid_min", "cell_methods"} & set(out[companion].attrs)
        found = getattr(out[companion], "encoding" if mapping == "encoding" else "attrs")
        expected = {"attrs": "crs", "encoding": "crs: lat lon"}.get(mapping)
        assert found.get("grid_mapping") == expected
    assert "units" not in out[f"{name}_flag"].attrs
    assert out[name].attrs["ancillary_variables"] == f"{name}_uncertainty {name}_flag"
    assert "actual_range" not in out[name].attrs
    assert out[name].attrs["cell_methods"] == "time: mean"
    assert out.attrs["Conventions"].startswith("CF-")
    for coord in ds.coords:
        assert out[coord].attrs == ds[coord].attrs

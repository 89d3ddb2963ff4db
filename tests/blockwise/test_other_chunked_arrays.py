"""Arrays in chunks of another library than Dask are refused, and not computed by the way."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.errors import InputError


class CubeArray:
    """As much of a lazy array in chunks, such as Cubed has, as xarray asks for."""

    def __init__(self, shape):
        self.shape, self.dtype = shape, np.dtype(np.float32)
        self.ndim, self.size = len(shape), int(np.prod(shape))
        self.chunks = tuple((n,) for n in shape)

    def __array_namespace__(self):
        return np

    def __getitem__(self, key):
        raise AssertionError("a part was taken")

    def __array__(self, *args, **kwargs):
        raise AssertionError("it was computed")


@pytest.fixture
def cubes() -> xr.Dataset:
    values = xr.Variable(("time", "lat", "lon"), CubeArray((9, 4, 5)), {"units": "m3 m-3"})
    coords = {
        "time": np.datetime64("2020-01-01", "ns") + np.arange(9) * np.timedelta64(1, "D"),
        "lat": 50 - 0.5 * np.arange(4),
        "lon": 0.5 * np.arange(5),
    }
    return xr.Dataset({"soil_moisture": values}, coords)


CALLS = {
    "gapfill": lambda ds, path: ds.sm.gapfill(),
    "record_statistics": lambda ds, path: xsm.record_statistics(ds),
    "estimate": lambda ds, path: xsm.estimate(ds, features={"swvl1": "soil_moisture"}),
    "write_zarr": xsm.write_zarr,
}


@pytest.mark.parametrize("name", CALLS)
def test_other_arrays_in_chunks_are_named_and_refused(cubes, tmp_path, name):
    pytest.importorskip("dask", reason="needs xsm[dask]")
    with pytest.raises(InputError, match=r"soil_moisture is a .*CubeArray: .* those of Dask"):
        CALLS[name](cubes, tmp_path / "out.zarr")

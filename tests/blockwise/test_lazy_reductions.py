"""A reduction in lazy input is computed once, however many regions are written."""

import threading

import numpy as np
import pytest
import xarray as xr

import xsm

da = pytest.importorskip("dask.array")
pytest.importorskip("zarr")

from xsm.blockwise.lazy_reductions import with_reductions_stored  # noqa: E402

DAYS, ROWS, COLUMNS, CHUNK = 240, 6, 8, 30


class Source:
    """An array whose reads are counted."""

    def __init__(self, values):
        self.values, self.reads, self.lock = values, 0, threading.Lock()
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, index):
        with self.lock:
            self.reads += 1
        return self.values[index]

    def lazy(self):
        return da.from_array(self, chunks=(CHUNK, ROWS, COLUMNS // 2), asarray=False)


def made(seed, units="m3 m-3"):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 0.4, (DAYS, ROWS, COLUMNS)).astype(np.float32)
    time = np.datetime64("2015-01-01", "ns") + np.arange(DAYS) * np.timedelta64(1, "D")
    axes = {"lat": 45 - np.arange(ROWS), "lon": np.arange(COLUMNS)}
    return xr.DataArray(values, {"time": time, **axes}, attrs={"units": units})


def departures(x):
    return x - x.mean(0) + np.float32(0.2)


def test_values_and_chunks_are_the_same():
    x = Source(made(1).values).lazy()
    of_days = x.mean((1, 2))[:, None, None]
    for given in (departures(x), departures(x)[:, ::-1], departures(x) - of_days):
        out = with_reductions_stored(given)
        assert out.chunks == given.chunks and out.name == given.name
        assert any(name.startswith("xsm-stored-reduced") for name in out.dask.layers)
        np.testing.assert_array_equal(out.compute(), given.compute())
    for plain in (x, x + 1, x.rechunk((DAYS, 1, 1)).rechunk(x.chunks)[:CHUNK], x.mean((1, 2))):
        assert with_reductions_stored(plain) is plain
    values = made(1).values
    assert with_reductions_stored(values) is values


@pytest.mark.parametrize("of", ["background", "record"])
@pytest.mark.usefixtures("network")
def test_reads_do_not_grow_with_the_number_of_regions(tmp_path, of):
    record, field = made(1).where(made(2) > 0.2).rename("soil_moisture"), made(3).rename("swvl1")

    def reads(change):
        source = Source((field if of == "background" else record).values)
        lazy = {"background": field.chunk(time=CHUNK), "record": record.chunk(time=CHUNK)}
        lazy[of] = lazy[of].copy(data=change(source.lazy()))
        ds = lazy["record"].to_dataset(name="soil_moisture")
        fill = xsm.gapfill(ds, background=lazy["background"], calibrate=False)
        source.reads = 0  # Dask has asked for none of the values
        path = xsm.write_zarr(fill, tmp_path / f"{change.__name__}.zarr", progress=False)
        number = source.reads
        written, expected = xr.open_zarr(path).load(), fill.compute()
        for name in expected.data_vars:
            np.testing.assert_allclose(written[name], expected[name], rtol=1e-5)
        return number

    def plain(x):
        return x

    chunks = DAYS // CHUNK * 2
    # once for the mean, and once for that of the chunks whose checksum identifies the input
    assert reads(departures) <= reads(plain) + 2 * chunks

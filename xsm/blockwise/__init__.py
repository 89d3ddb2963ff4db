"""Arrays larger than memory: tiles, chunks, the Dask engine, Zarr."""

"""A disk that is full, for tests of what an interrupted write leaves."""

import asyncio

import pytest

zarr = pytest.importorskip("zarr")


class FullDisk(zarr.storage.LocalStore):
    """A local store that has room for a number of files; the last chunk is cut off, if `cuts`.

    Metadata are replaced as a whole by a local store.
    """

    room = 10**6
    slow = False
    cuts = True

    async def set(self, key, value, *args, **kwargs):
        type(self).room -= 1
        if self.slow and self.room > 0:  # the write that fails is not the last one
            await asyncio.sleep(0.02)
        of_metadata = key.endswith("zarr.json") or "/.z" in f"/{key}"
        if self.cuts and self.room == 0 and not of_metadata:
            await super().set(key, value[: len(value) // 2])
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        await super().set(key, value, *args, **kwargs)

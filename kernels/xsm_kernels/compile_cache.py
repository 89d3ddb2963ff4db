"""Compiled loops on disk, so that a fresh process loads them instead of compiling them again.

A folder holds the loops of one state of the sources, of one version of Python, Numba, llvmlite and
NumPy, and of one kind of CPU; its name is a hash of all that. So nothing in it is ever out of date:
a change of any source, also of a function that a loop only calls, leads to another folder. A file
holds one loop for one signature; processes that start together write the same content. A file that
cannot be read is compiled anew, and a folder that cannot be written to is left as it is.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import os
import pickle
import platform
import re
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from xsm_kernels.disk_cache import cache_folder, read_checked, write_checked
from xsm_kernels.errors import BackendError

logger = logging.getLogger(__name__)

SUFFIX = ".loop"
IMPORTED = time.time()
UNUSED_DAYS = 30  # folders of other versions that no process has used for so long are deleted
# settings of Numba that change the code it compiles
SETTINGS = (
    "BOUNDSCHECK", "CPU_FEATURES", "CPU_NAME", "DEBUGINFO_DEFAULT", "ENABLE_AVX", "LOOP_VECTORIZE",
    "OPT", "SLP_VECTORIZE", "USING_SVML",
)  # fmt: skip


def compile_loop(function: Any, *signatures: Any) -> Any:
    """Compile a function under ``@njit`` for these signatures and no others.

    Code that an earlier process has compiled is loaded from the cache on disk. Builders under
    :func:`xsm_kernels.compile_once` call this.

    Parameters
    ----------
    function : Dispatcher
        From ``numba.njit``; it does not refer to variables of an enclosing function.
    *signatures : numba signature

    Returns
    -------
    Dispatcher
        The same function.

    Raises
    ------
    BackendError
        NUMBA_DISABLE_JIT is set: the vector code of the loops cannot run as Python.
    """
    from numba import config

    if config.DISABLE_JIT:
        raise BackendError(
            "NUMBA_DISABLE_JIT is set, and the loops run only when compiled; unset it and start "
            "Python again."
        )
    function._cache = LoopCache(function.py_func)
    collecting = gc.isenabled()
    gc.disable()  # a compiler makes millions of objects: collecting takes a tenth of its time
    try:
        for signature in signatures:
            function.compile(signature)
    finally:
        if collecting:
            gc.enable()
    function.disable_compile()
    return function


def on_disk(loop: Any) -> bool:
    """Whether all code of a loop is in the cache on disk, so that later processes load it.

    Parameters
    ----------
    loop : Dispatcher
        From :func:`compile_loop`.

    Returns
    -------
    bool
        False as well if the cache is off or cannot be written to (:func:`cache_folder`).
    """
    return loop._cache.on_disk


# builders of all loops of this package, for `precompile`
LOOPS = (
    "xsm_kernels._numba_common:convolve_cells",
    "xsm_kernels.lstm._numba:blocks",
    "xsm_kernels.masked_conv3d._numba:convolve_tiles",
    "xsm_kernels.masked_mean._numba:mean_days",
    "xsm_kernels.self_attention._numba:pixels",
)


def precompile() -> list[Any]:
    """Compile all loops of this package in advance, or load them from the cache on disk.

    It takes seconds the first time, for container images and workers. The loops of `xsm` itself are
    not among them; ``xsm.precompile`` compiles both.

    Returns
    -------
    list of Dispatcher
        The loops, for :func:`on_disk`.

    Raises
    ------
    BackendError
        NUMBA_DISABLE_JIT is set.
    """
    builders = (name.split(":") for name in LOOPS)
    return [getattr(import_module(module), function)() for module, function in builders]


class LoopCache:
    """Cache of one function, as a dispatcher of Numba uses it (``numba.core.caching._Cache``)."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.cache_path = cache_folder()
        self.on_disk = self.cache_path is not None  # so far

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled function, or None."""
        path = self._path(signature, target)
        if path is None:
            return None
        from numba.core.compiler import CompileResult
        from numba.core.runtime import rtsys

        try:
            payload = read_checked(path)
            # the functions for memory that loops call; all else that Numba sets up (0.25 s) is for
            # compiling
            rtsys.initialize(target)
            compiled = CompileResult._rebuild(target, *pickle.loads(payload))
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever is in the file, compiling is always possible
            logger.debug("%s is compiled anew: %r", path, error)
            return None
        _mark_used(path.parent)
        logger.debug("%s loaded", path)
        return compiled

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Store a compiled function; failure to store it is no error."""
        before, self.on_disk = self.on_disk, False
        path = self._path(signature, compiled.target_context)
        if path is None:
            return
        if compiled.lifted or compiled.library.has_dynamic_globals:
            logger.debug("%s holds addresses of this process and is not stored", path.name)
            return
        from numba.core.serialize import dumps

        try:
            if not path.parent.exists():
                _delete_unused(path.parents[1])
            write_checked(path, dumps(compiled._reduce()))
        except Exception as error:
            logger.debug("%s is not stored: %r", path, error)
        else:
            self.on_disk = before
            logger.debug("%s stored", path)

    def flush(self) -> None:
        """Nothing to do: `Dispatcher.recompile` calls this, and loops are not recompiled."""

    def _path(self, signature: Any, target: Any) -> Path | None:
        if self.cache_path is None or self._function.__closure__:
            return None
        key = version_key(self._function.__module__, *map(str, target.codegen().magic_tuple()))
        if key is None:
            return None
        types = hashlib.sha256(repr(signature).encode()).hexdigest()[:16]
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        return self.cache_path / "loops" / key / f"{name}-{types}{SUFFIX}"


@cache
def version_key(module: str, *target: str) -> str | None:
    """Hash of all that the code of a module's loops depends on; None if it has no sources.

    Parameters
    ----------
    module : str
        Loops call functions of its package and of this one.
    *target : str
        What Numba compiles for: triple, name and features of the CPU.
    """
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy as np

    sources = {package: source_hash(package) for package in packages_of(module)}
    if None in sources.values():
        return None
    parts = [
        *(f"{package}={digest}" for package, digest in sources.items()),
        *(f"{p.__name__}={p.__version__}" for p in (numba, llvmlite, np)),
        f"python={sys.version} {platform.machine()} {sys.platform}",
        # the width of the vectors in _numba_simd follows the host, whatever Numba compiles for
        f"host={llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}",
        *target,
        *(f"{name}={getattr(numba.config, name, None)}" for name in SETTINGS),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def packages_of(module: str) -> list[str]:
    """Packages whose sources a loop of the module may depend on."""
    own = __name__.rpartition(".")[0]
    package = module.rpartition(".")[0]
    return [own] if not package or f"{package}.".startswith(f"{own}.") else [own, package]


@cache
def source_hash(package: str) -> str | None:
    """Hash of all Python sources of a package and its subpackages.

    None without sources, and if one has changed since this process began: what it has imported is
    then no longer what it would read.
    """
    digest, number = hashlib.sha256(), 0
    for name, source, changed in _sources(resources.files(package)):
        if changed > IMPORTED:
            logger.debug("%s of %s has changed: loops are not stored", name, package)
            return None
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
        number += 1
    return digest.hexdigest() if number else None


def _sources(folder: Any, prefix: str = "") -> Iterator[tuple[str, bytes, float]]:
    """Name, content and time of change of each source; 0 in an archive."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".py"):
            changed = entry.stat().st_mtime if isinstance(entry, Path) else 0.0
            yield prefix + entry.name, entry.read_bytes(), changed
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _sources(entry, f"{prefix}{entry.name}/")


@cache
def _mark_used(folder: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(folder)


def _delete_unused(folder: Path) -> None:
    """Delete the loops of other versions that no process has loaded for `UNUSED_DAYS`."""
    with contextlib.suppress(OSError):
        for other in folder.iterdir():
            unused = time.time() - other.stat().st_mtime > UNUSED_DAYS * 86400
            if unused and re.fullmatch("[0-9a-f]{32}", other.name):  # no folder of someone else
                for path in [*other.glob(f"*{SUFFIX}"), *other.glob("*.part")]:
                    path.unlink()
                other.rmdir()
                logger.debug("%s deleted: unused for %s days", other, UNUSED_DAYS)

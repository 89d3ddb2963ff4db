"""Compiled loops on disk: what a fresh process loads, what it compiles anew, and what it leaves."""

from __future__ import annotations

import ast
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit, types

from xsm_kernels import (
    cache_folder,
    compile_cache,
    compile_loop,
    disk_cache,
    from_disk,
    masked_mean,
    on_disk,
)

ROOT = Path(__file__).resolve().parents[2]
FLOATS = types.Array(types.float64, 1, "C")
SIGNATURE = types.void(FLOATS, types.int64, types.int64)


@njit(nogil=True)
def _tripled(value):
    return 3 * value


def _triple(out, start, stop):
    work = np.ones(stop - start)  # takes memory, which needs Numba's runtime
    for i in range(start, stop):
        out[i] = _tripled(out[i]) * work[i - start]


def _fail(out, start, stop):
    if start < 0:
        raise ValueError("start is negative")
    out[start] = stop


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XSM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("XSM_CACHE", raising=False)
    return tmp_path / "cache"


def built(function: Any = _triple) -> Any:
    """A loop as a process builds it that has not done so before."""
    return compile_loop(njit(nogil=True)(function), SIGNATURE)


def compiled_here(loop: Any) -> bool:
    return sum(loop.stats.cache_misses.values()) == 1


def works(loop: Any) -> bool:
    out = np.arange(4.0)
    loop(out, 1, 3)
    return out.tolist() == [0.0, 3.0, 6.0, 3.0]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_second_process_loads_what_the_first_has_compiled(folder: Path) -> None:
    first, second = built(), built()
    assert compiled_here(first) and not compiled_here(second)
    assert on_disk(first) and on_disk(second) and works(first) and works(second)
    (path,) = files(folder)
    assert path.name.startswith(f"{__name__}._triple-") and path.suffix == ".loop"
    assert len(path.parent.name) == 32


def test_errors_of_a_loaded_loop_are_those_of_the_compiled_one(folder: Path) -> None:
    for _ in range(2):
        loop = built(_fail)
        with pytest.raises(ValueError, match="start is negative"):
            loop(np.zeros(1), -1, 0)
        with pytest.raises(TypeError, match="No matching definition"):
            loop(np.zeros(1, np.complex128), 0, 0)
    assert not compiled_here(loop)


@pytest.mark.parametrize("part", ["source", "numba", "python", "cpu", "setting"])
def test_another_state_of_anything_is_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    import llvmlite.binding
    import numba

    built()
    compile_cache.version_key.cache_clear()
    if part == "source":
        real = compile_cache.source_hash
        monkeypatch.setattr(compile_cache, "source_hash", lambda package: f"new {real(package)}")
    elif part == "numba":
        monkeypatch.setattr(numba, "__version__", "0.0")
    elif part == "python":
        monkeypatch.setattr(sys, "version", "3.99")
    elif part == "cpu":
        monkeypatch.setattr(llvmlite.binding, "get_host_cpu_name", lambda: "8086")
    else:
        monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    loop = built()
    compile_cache.version_key.cache_clear()
    assert compiled_here(loop) and works(loop)
    assert len({path.parent for path in files(folder)}) == 2


def test_the_hash_follows_every_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "loops_made_up"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/called.py", "inner/notes.txt"):
        (package / name).write_text("# nothing\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest(age: int = 60) -> str | None:
        compile_cache.source_hash.cache_clear()
        for path in package.rglob("*.py"):
            os.utime(path, (0, compile_cache.IMPORTED - age))
        return compile_cache.source_hash("loops_made_up")

    before = digest()
    (package / "inner/notes.txt").write_text("no source")
    assert digest() == before
    for change in (
        lambda: (package / "inner/called.py").write_text("# something\n"),
        lambda: (package / "inner/called.py").rename(package / "inner/renamed.py"),
        lambda: (package / "inner/new.py").write_text(""),
    ):
        change()
        assert digest() not in (None, before)
        before = digest()
    assert digest(age=-1) is None  # edited while this process runs
    for path in package.rglob("*.py"):
        path.unlink()
    assert digest() is None  # nothing to go by: no cache
    compile_cache.source_hash.cache_clear()


def test_loops_of_other_packages_depend_on_both() -> None:
    assert compile_cache.packages_of("xsm_kernels.lstm._numba") == ["xsm_kernels"]
    assert compile_cache.packages_of("xsm.metrics.ranks") == ["xsm_kernels", "xsm.metrics"]
    assert compile_cache.packages_of("xsm_kernels_like.a") == ["xsm_kernels", "xsm_kernels_like"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:40],
        lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
        lambda content: b"\0" * len(content),
    ],
    ids=["empty", "truncated", "header only", "one bit", "zeros"],
)
def test_a_damaged_file_is_compiled_anew(
    folder: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    built()
    (path,) = files(folder)
    content = path.read_bytes()
    path.write_bytes(damage(content))
    with caplog.at_level(logging.DEBUG, "xsm_kernels.compile_cache"):
        loop = built()
    assert compiled_here(loop) and works(loop) and on_disk(loop)
    assert "is compiled anew: ValueError" in caplog.text
    assert files(folder) == [path] and not compiled_here(built())


def test_a_sound_file_with_another_content_is_compiled_anew(folder: Path) -> None:
    built()
    (path,) = files(folder)
    for payload in (b"no pickle", b"\x80\x04K\x01."):
        disk_cache.write_checked(path, payload)
        loop = built()
        assert compiled_here(loop) and works(loop)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("filled", [False, True])
def test_a_folder_that_cannot_be_written_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch, filled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if filled:
        built()

    # root may write anywhere, so that permissions alone would show nothing here
    def refused(*args: Any, **options: Any) -> None:
        raise PermissionError(13, "read-only")

    for method in ("mkdir", "write_bytes", "replace"):
        monkeypatch.setattr(Path, method, refused)
    monkeypatch.setattr(os, "utime", refused)
    with caplog.at_level(logging.DEBUG, "xsm_kernels.compile_cache"):
        loop = built()
    assert works(loop) and compiled_here(loop) != filled and on_disk(loop) == filled
    assert ("is not stored" in caplog.text) != filled


def test_a_file_where_the_folder_would_be(folder: Path) -> None:
    folder.write_text("in the way")
    loop = built()
    assert works(loop) and not on_disk(loop)
    assert from_disk("a", lambda: b"content") == b"content"
    assert folder.read_text() == "in the way"


def test_the_environment_turns_it_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSM_CACHE", "0")
    for _ in range(2):
        loop = built()
        assert compiled_here(loop) and works(loop) and not on_disk(loop)
    assert from_disk("a", lambda: b"content") == b"content"
    assert not folder.exists() and cache_folder() is None


def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XSM_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XSM_CACHE_DIR", "~/here")
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("XSM_CACHE_DIR", "")
    assert cache_folder() == tmp_path / ".cache" / "xsm"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "xsm"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None and works(built())


def test_without_compilation_the_next_step_is_named() -> None:
    code = (
        "import numpy as np, xsm_kernels\n"
        "x = np.ones((1, 1, 1, 3, 3), 'f4')\n"
        "xsm_kernels.masked_mean(x, x > 0, 3)\n"
    )
    env = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    process = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    last = process.stderr.splitlines()[-1]
    assert last.startswith("xsm_kernels.errors.BackendError: NUMBA_DISABLE_JIT is set")
    assert "unset it" in last


def test_functions_with_variables_of_others_are_not_stored(folder: Path) -> None:
    loops = []
    for factor in (2.0, 5.0):

        def scaled(out, start, stop):
            out[start] = factor  # noqa: B023

        loops.append(built(scaled))
    out = np.zeros(1)
    loops[0](out, 0, 1)
    assert out[0] == 2.0 and not on_disk(loops[0]) and not files(folder)


def test_only_unused_folders_of_loops_are_deleted(folder: Path) -> None:
    loops = folder / "loops"
    old, recent, other = loops / ("a" * 32), loops / ("b" * 32), loops / "holiday songs"
    for path in (old, recent, other):
        path.mkdir(parents=True)
        (path / "x.loop").write_bytes(b"")
    (old / "x.loop.123.part").write_bytes(b"")
    for path in (old, other):
        os.utime(path, (0, 0))
    built()  # makes a folder of its own
    assert not old.exists() and recent.exists() and (other / "x.loop").exists()


def test_what_is_stored_under_a_name(folder: Path) -> None:
    calls: list[int] = []

    def make() -> bytes:
        calls.append(1)
        return b"content"

    for _ in range(2):
        assert from_disk("name.bin", make) == b"content"
    assert len(calls) == 1 and [path.name for path in files(folder)] == ["name.bin"]
    (folder / "name.bin").write_bytes(b"damaged")
    assert from_disk("name.bin", make) == b"content" and len(calls) == 2
    assert from_disk("name.bin", make) == b"content" and len(calls) == 2


PROCESS = """
import sys, time
import numpy as np
import xsm_kernels
from pathlib import Path
from xsm_kernels.masked_mean._numba import mean_days

start = Path(sys.argv[1])
Path(sys.argv[2]).touch()
while not start.exists():  # all processes are there
    time.sleep(0.01)
x = np.arange(12, dtype="f4").reshape(1, 1, 1, 3, 4)
mean, _ = xsm_kernels.masked_mean(x, x > 0, 3)
print(xsm_kernels.on_disk(mean_days()), mean.sum())
"""


def test_processes_that_start_together(folder: Path, tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
    ready = [tmp_path / f"ready {n}" for n in range(3)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path / "start"), str(path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
        )
        for path in ready
    ]  # fmt: skip
    while not all(path.exists() for path in ready):
        assert all(process.poll() is None for process in processes), processes[0].communicate()
    (tmp_path / "start").touch()
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    x = np.arange(12, dtype="f4").reshape(1, 1, 1, 3, 4)
    expected = masked_mean(x, x > 0, 3, backend="reference")[0].sum()
    for out, _ in results:
        stored, total = out.split()
        assert stored == "True" and float(total) == pytest.approx(expected, rel=1e-6)
    assert len(files(folder)) == 1  # no parts are left


def builders(folder: Path) -> set[str]:
    """Functions under ``@compile_once`` in a folder of sources."""
    names = set()
    for path in folder.rglob("*.py"):
        module = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(d, ast.Name) and d.id == "compile_once" for d in node.decorator_list
            ):
                names.add(f"{module}:{node.name}")
    return names


def test_all_builders_of_the_kernels_are_compiled_in_advance() -> None:
    assert builders(ROOT / "kernels" / "xsm_kernels") == set(compile_cache.LOOPS)
    loops = compile_cache.precompile()
    assert len(loops) == len(compile_cache.LOOPS) and all(map(on_disk, loops))


def test_every_loop_goes_through_the_cache() -> None:
    # compiled by hand, it would be compiled in every process
    for path in [*(ROOT / "xsm").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")]:
        calls = [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr == "disable_compile"
        ]
        assert not calls or path.name == "compile_cache.py", f"{path}: {calls}: use compile_loop"

"""Compiled loops: the same bits as eager torch, wherever they come from, whatever is damaged."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from covering import one_test
from torch_impl_loops import build_packaged, needs_compiler

from torch_impl import native, philox
from torch_impl.native import recipe, store

SHAPES = [(0,), (1,), (3,), (4,), (63,), (64,), (65,), (2, 13, 13, 8), (5, 1001)]
# One write a line, so that lines of processes that share a pipe do not mix (PYTHONUNBUFFERED).
IN_A_CHILD = (
    "import os\n"
    "from torch_impl import native, philox\n"
    "kept = int(philox.stateless_keep((1000,), 0.5, seed=(1, 2)).sum())\n"
    "os.write(1, f'{kept} {native.loops(philox.SOURCE).origin}\\n'.encode())"
)

# Processes that begin with torch imported, which takes longer than to compile.
FOUR = """
import os, sys, torch
children = []
for _ in range(4):
    children.append(os.fork())
    if not children[-1]:
        exec(sys.argv[1])
        os._exit(0)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Each test has a cache folder of its own, and the choice is made again, without a trial."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PARITY_NATIVE", "1")
    monkeypatch.setattr(native, "PACKAGED", tmp_path / "built")
    forget()
    yield tmp_path / "keras-torch-parity" / "native"
    forget()


def forget():
    for cached in (native.loops, native._version):
        cached.cache_clear()
    native._told.clear()


def eager(shape, rate, **arguments):
    uniform = philox.stateless_uniform(shape, **arguments)
    return uniform >= torch.tensor(rate, dtype=uniform.dtype)


def origin():
    return native.loops(philox.SOURCE).origin


def assert_same_numbers(times=1):
    """Of a run with the loops that are there now."""
    for _ in range(times):
        kept = philox.stateless_keep((2, 5, 7), 0.25, seed=(3, 4))
        assert torch.equal(kept, eager((2, 5, 7), 0.25, seed=(3, 4)))


def assert_told_once(message):
    """The numbers are the same, and one warning of one line is given, however often they are."""
    with pytest.warns(RuntimeWarning, match=rf"\A.*{message}.*\Z") as told:
        assert_same_numbers(times=2)
    assert len(told) == 1


@one_test
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rate", [0.0, 2.0**-24, 0.1, 0.25, 0.5, 0.999999])
@pytest.mark.parametrize("seed", [(0, 0), (1, 2), (-5, 2**40), (123456789, 7)])
def test_the_compiled_loop_keeps_what_eager_torch_keeps(shape, dtype, rate, seed):
    needs_compiler()
    kept = philox.stateless_keep(shape, rate, seed=seed, dtype=dtype)
    assert torch.equal(kept, eager(shape, rate, seed=seed, dtype=dtype))


def changed(content, at, new):
    return content[:at] + new + content[at + len(new) :]


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "a byte of the code": lambda content: changed(
        content, len(content) // 2, bytes([content[len(content) // 2] ^ 1])
    ),
    "longer": lambda content: content + b"\0",
}


def intact(folder):
    return [path for path in folder.glob("*.so") if path.stem.endswith(recipe.digest(path))]


@pytest.mark.parametrize("damage", [None, DAMAGES["a byte of the code"]], ids=["whole", "damaged"])
def test_only_a_damaged_loop_in_the_cache_is_compiled_again(cached, made, damage):
    if damage:
        cached.write_bytes(damage(made[1]))
    before = cached.stat()
    assert origin().startswith("compiled here (")
    assert_same_numbers()
    (found,) = intact(cached.parent)
    assert list(cached.parent.iterdir()) == [found]
    after = found.stat()
    is_same = (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert is_same == (damage is None)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_loop_without_a_compiler_is_left_to_torch_with_one_warning(
    cached, made, damage, monkeypatch
):
    """The compiler still tells its version, which is a part of the name, and then fails."""
    fails = script(cached.parents[2] / "cc", "exit 3")
    version, machine = native._version(("cc",)), store.features().encode()
    flags = recipe.flags_for(None, True)
    mark = recipe.fingerprint(philox.SOURCE, flags, str(fails).encode(), version, machine)
    cached.write_bytes(damage(made[1]))
    cached.rename(cached.with_name(f"philox-{mark}-{made[0].rpartition('-')[2]}"))
    monkeypatch.setenv("CC", str(fails))
    assert_told_once("failed with exit code 3.*slower")
    assert origin().startswith("pure PyTorch, because `")


def test_a_whole_library_of_another_architecture_is_not_used(cached, made):
    """One whose name has the right hash: the same loop in one thread is compiled instead."""
    cached.write_bytes(changed(made[1], 18, b"\xf3\x00"))  # RISC-V
    cached.rename(cached.with_name(recipe.name_of(philox.SOURCE, made[0].split("-")[1], cached)))
    assert "one thread" in origin()
    assert_same_numbers()


REFUSED = {
    "a link": (lambda cache: cache.symlink_to("nowhere"), "is a link; remove it"),
    "a file": (lambda cache: cache.touch(), "is no folder; remove it"),
    "open to all": (lambda cache: (cache.mkdir(), cache.chmod(0o777)), "chmod go-w"),
}


@pytest.mark.parametrize(("make", "told"), REFUSED.values(), ids=REFUSED)
def test_a_cache_folder_that_others_can_write_to_is_not_used(copies, cache, make, told):
    cache.parent.mkdir()
    make(cache)
    assert_told_once(told)
    assert f"for each process anew: {cache}" in origin()
    assert not list(cache.parent.parent.rglob("*.so"))


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"XDG_CACHE_HOME": "{}/file/cache"}, r"\[Errno"),
        ({"XDG_CACHE_HOME": "", "HOME": ""}, "there is no home folder"),
    ],
)
def test_without_a_cache_the_loop_is_compiled_for_this_process_and_leaves_nothing(
    environment, reason, tmp_path, monkeypatch
):
    needs_compiler()
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert re.search(f"for each process anew: {reason}", origin())
    assert_same_numbers()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CC", "no-such-compiler -O2", "CC='no-such-compiler -O2' names no program that exists"),
        ("CC", "cc '", r"CC=\"cc '\" is no command \(No closing quotation\)"),
        ("CC", "false -O2", "`.*false` failed with exit code 1"),
        (
            *("PARITY_NATIVE", "of the wheel"),
            "PARITY_NATIVE='of the wheel' means nothing: expected 0, 1, wheel or here",
        ),
    ],
)
def test_a_compiler_or_a_switch_that_is_none_is_told_in_one_line(monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    assert_told_once(told)
    assert name != "CC" or native.library(philox.SOURCE) is None


def test_a_damaged_loop_of_the_wheel_is_left_where_it_is_and_compiled_here(copies, wheel):
    before = sorted(wheel.iterdir())
    for path in before:
        path.write_bytes(DAMAGES["half"](path.read_bytes()))
    assert store.find(wheel, philox.SOURCE, "0" * 24, is_own=False) is None
    assert origin().startswith("compiled here")
    assert_same_numbers()
    assert sorted(wheel.iterdir()) == before


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Name and bytes of a library in the cache, made in a folder that no test uses."""
    needs_compiler()
    folder = tmp_path_factory.mktemp("made")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "PARITY_NATIVE": "1"}
    subprocess.run([sys.executable, "-c", IN_A_CHILD], env=environment, check=True, timeout=120)
    (path,) = (folder / "keras-torch-parity" / "native").iterdir()
    return path.name, path.read_bytes()


def script(path, text):
    """A compiler that tells the version of the system's, and does something else."""
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec cc --version\n{text}\n')
    path.chmod(0o700)
    return path


@pytest.fixture
def cached(cache, made):
    """The path of an intact library that this process has not loaded."""
    name, content = made
    cache.mkdir(parents=True, mode=0o700)
    (cache / name).write_bytes(content)
    (cache / name).chmod(0o700)
    return cache / name


@pytest.fixture
def copies(made, tmp_path, monkeypatch):
    """A compiler that takes no time: it gives the library that was made."""
    library = tmp_path / "made"
    library.write_bytes(made[1])
    copying = f'while [ $# -gt 1 ]; do [ "$1" = -o ] && cp {library} "$2"; shift; done'
    monkeypatch.setenv("CC", str(script(tmp_path / "copies", copying)))


def test_if_nothing_can_be_written_torch_does_it_with_one_warning(tmp_path, monkeypatch):
    needs_compiler()
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    assert_told_once("slower operations")
    assert origin().startswith("pure PyTorch, because [Errno")


# --- several processes ---------------------------------------------------------------------------


def test_processes_that_compile_at_the_same_time_do_not_meet(cache):
    needs_compiler()
    command = [sys.executable, "-c", FOUR, IN_A_CHILD]
    told = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=120, check=True
    ).stdout
    expected = int(eager((1000,), 0.5, seed=(1, 2)).sum())
    assert re.fullmatch(rf"({expected} compiled here \(.*\n){{4}}", told)
    assert len(list(cache.iterdir())) == len(intact(cache)) == 1


# --- the compiler --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"), [("PARITY_NATIVE", "PARITY_NATIVE=0 is set"), ("PATH", "there is no `cc`")]
)
@pytest.mark.filterwarnings("error")
def test_where_no_loop_is_wanted_or_no_compiler_is_expected_nothing_is_told(
    monkeypatch, name, reason
):
    monkeypatch.setenv(name, "0")
    monkeypatch.delenv("CC", raising=False)
    assert_same_numbers()
    assert origin() == f"pure PyTorch, because {reason}"


# --- the wheel's ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    return build_packaged(tmp_path_factory.mktemp("packaged"), [philox.SOURCE])


@pytest.fixture
def wheel(packaged, tmp_path):
    """A folder of loops as a wheel has it, which a test may damage."""
    if not packaged:
        pytest.skip("a wheel of this machine has no loops")
    shutil.copytree(packaged[0].parent, tmp_path / "built")
    forget()
    return tmp_path / "built"


LEVELS = store.levels()


@pytest.mark.parametrize(
    ("environment", "levels", "expected"),
    [
        # It comes first, and needs no compiler.
        ({"PATH": ""}, LEVELS, rf"from the wheel \({LEVELS[:1] and LEVELS[0]}, all threads\)"),
        *(({}, (level,), rf"from the wheel \({level}, all threads\)") for level in LEVELS),
        ({}, (), "compiled here.*"),
        *(
            ({"PARITY_NATIVE": switch}, LEVELS, begin)
            for switch, begin in (
                ("here", "compiled.*"),
                ("wheel", "from the wheel.*"),
                ("0", "pure.*"),
            )
        ),
    ],
)
def test_a_switch_and_the_processor_choose_between_the_wheel_and_this_machine(
    wheel, cache, environment, levels, expected, monkeypatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(store, "levels", lambda: levels)
    assert re.fullmatch(expected, origin())
    assert_same_numbers()
    assert cache.exists() == expected.startswith("compiled")


@pytest.mark.parametrize(
    ("switch", "expected"),
    [("1", "compiled here.*"), ("wheel", "pure PyTorch, because the wheel has none that fits")],
)
def test_a_loop_of_another_source_is_not_used(wheel, switch, expected, tmp_path, monkeypatch):
    changed = tmp_path / "philox.c"
    changed.write_bytes(philox.SOURCE.read_bytes() + b"\n/* changed */\n")
    monkeypatch.setenv("PARITY_NATIVE", switch)
    assert re.fullmatch(expected, native.loops(changed).origin)

"""What becomes a library: the command of CC, and a name that changes with all that matters."""

import platform
import shutil

import pytest
from covering import one_test
from torch_impl_loops import needs_compiler

from torch_impl.native import recipe


@one_test
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ["{system}"]),
        ("  ", ["{system}"]),
        ("{program}", ["{program}"]),
        ("'{program}' -m64 '-DX=a b'", ["{program}", "-m64", "-DX=a b"]),
    ],
)
def test_cc_may_be_a_command_with_arguments_or_a_path_with_spaces(
    given, expected, monkeypatch, tmp_path
):
    """Without it the compiler is the system's."""
    needs_compiler()
    program = tmp_path / "my compiler"
    program.touch(mode=0o700)
    known = {"system": shutil.which("cc"), "program": program}
    monkeypatch.delenv("CC", raising=False)
    if given is not None:
        monkeypatch.setenv("CC", given.format(**known))
    assert recipe.compiler() == [part.format(**known) for part in expected]


@one_test
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("no-such-cc -O2", "CC='no-such-cc -O2' names no program that exists"),
        ("cc '", "is no command"),
        ("", "there is no `cc`"),
    ],
)
def test_a_compiler_that_is_not_there_is_named(given, told, monkeypatch):
    monkeypatch.setenv("CC", given)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(recipe.NoCompiler, match=told):
        recipe.compiler()


def test_the_fingerprint_changes_with_source_flags_and_what_is_given(tmp_path, monkeypatch):
    sources = [tmp_path / "a" / "loop.c", tmp_path / "b" / "loop.c"]
    for source in sources:
        source.parent.mkdir()
        source.write_text(f"int {source.parent.name};")
    o2, o3 = ("-O2",), ("-O3",)
    given = [(sources[0], o3), (sources[0], o2), (sources[1], o3)]
    given += [(sources[0], o3, b"gcc 12"), (sources[0], o3, b"gcc", b" 12")]
    marks = [recipe.fingerprint(*each) for each in (*given, given[0])]
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    marks.append(recipe.fingerprint(*given[0]))
    assert (marks[0], len(set(marks))) == (marks[5], 6)


@pytest.mark.parametrize(
    ("machine", "level", "option"),
    [
        ("x86_64", None, "-march=native"),
        ("x86_64", "x86-64-v3", "-march=x86-64-v3"),
        ("aarch64", None, "-mcpu=native"),
        ("aarch64", "armv8-a", "-march=armv8-a"),
        ("arm64", "apple-m1", "-mcpu=apple-m1"),
    ],
)
def test_each_architecture_has_its_option_for_the_processor(machine, level, option, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    flags = recipe.flags_for(level, is_parallel=False)
    assert flags == (*recipe.FLAGS, option)
    assert recipe.flags_for(level, is_parallel=True) == (*flags, "-fopenmp")

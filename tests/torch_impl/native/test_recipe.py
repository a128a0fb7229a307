"""What becomes a library: the command of CC, and a name that changes with all that matters."""

import platform
import shutil

import pytest
from torch_impl_loops import needs_compiler

from torch_impl.native import recipe


def test_without_cc_the_compiler_is_the_systems(monkeypatch):
    needs_compiler()
    monkeypatch.delenv("CC", raising=False)
    expected = [shutil.which("cc")]
    assert recipe.compiler() == expected
    monkeypatch.setenv("CC", "  ")
    assert recipe.compiler() == expected


def test_cc_may_be_a_command_with_arguments_or_a_path_with_spaces(monkeypatch, tmp_path):
    program = tmp_path / "my compiler"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    for given, expected in {
        str(program): [str(program)],
        f"'{program}' -m64 '-DX=a b'": [str(program), "-m64", "-DX=a b"],
    }.items():
        monkeypatch.setenv("CC", given)
        assert recipe.compiler() == expected


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
    source = tmp_path / "loop.c"
    source.write_text("int a;")
    marks = [recipe.fingerprint(source, ("-O3",))]
    marks.append(recipe.fingerprint(source, ("-O2",)))
    marks.append(recipe.fingerprint(source, ("-O3",), b"gcc 12"))
    marks.append(recipe.fingerprint(source, ("-O3",), b"gcc", b" 12"))
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    marks.append(recipe.fingerprint(source, ("-O3",)))
    source.write_text("int b;")
    marks.append(recipe.fingerprint(source, ("-O3",)))
    assert len(set(marks)) == len(marks)
    assert recipe.fingerprint(source, ("-O3",)) == marks[-1]


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

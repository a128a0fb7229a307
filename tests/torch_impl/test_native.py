"""Compiled loops: the same bits as eager torch, and nothing breaks without a compiler."""

import subprocess
import sys

import pytest
import torch

from torch_impl import native, philox

SHAPES = [(0,), (1,), (3,), (4,), (63,), (64,), (65,), (2, 13, 13, 8), (5, 1001)]
RATES = [0.0, 2.0**-24, 0.1, 0.25, 0.5, 0.999999]


@pytest.fixture(autouse=True)
def _library_is_loaded_anew(monkeypatch, tmp_path):
    """Each test has a cache folder of its own, and the choice is made again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def eager(shape, rate, **arguments):
    uniform = philox.stateless_uniform(shape, **arguments)
    return uniform >= torch.tensor(rate, dtype=uniform.dtype)


def needs_compiler():
    if native.library(philox.SOURCE) is None:
        pytest.skip("no C compiler on this machine")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_compiled_loop_keeps_what_eager_torch_keeps(shape, dtype):
    needs_compiler()
    for rate in RATES:
        for seed in [(0, 0), (1, 2), (-5, 2**40), (123456789, 7)]:
            kept = philox.stateless_keep(shape, rate, seed=seed, dtype=dtype)
            assert torch.equal(kept, eager(shape, rate, seed=seed, dtype=dtype))


def test_the_loop_is_compiled_once_and_found_again(tmp_path):
    needs_compiler()
    (library,) = (tmp_path / "keras-torch-parity" / "native").iterdir()
    made = library.stat().st_mtime_ns
    native.library.cache_clear()
    assert native.library(philox.SOURCE) is not None
    assert library.stat().st_mtime_ns == made


def test_processes_that_compile_at_the_same_time_do_not_meet(tmp_path):
    needs_compiler()
    code = (
        "from torch_impl import philox\n"
        "print(int(philox.stateless_keep((1000,), 0.5, seed=(1, 2)).sum()))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    expected = int(eager((1000,), 0.5, seed=(1, 2)).sum())
    assert [int(child.communicate(timeout=120)[0]) for child in children] == [expected, expected]
    assert len(list((tmp_path / "keras-torch-parity" / "native").iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("PARITY_NATIVE", "0"), ("CC", "no-such-compiler"), ("CC", "false")],
    ids=["switched off", "no compiler", "a compiler that fails"],
)
def test_without_the_compiled_loop_the_masks_are_the_same(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert native.library(philox.SOURCE) is None
    kept = philox.stateless_keep((2, 5, 7), 0.25, seed=(3, 4))
    assert torch.equal(kept, eager((2, 5, 7), 0.25, seed=(3, 4)))


def test_a_cache_folder_that_others_can_write_to_is_not_used(tmp_path):
    folder = tmp_path / "keras-torch-parity" / "native"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert native.library(philox.SOURCE) is None

"""However the loops are compiled, the bits are the same: here, for a wheel, with other flags."""

import numpy as np
import pytest
import torch
from helpers import assert_same_bits
from torch_impl_loops import build_packaged, needs_compiler

from torch_impl import native, normals, philox
from torch_impl.augment import affine
from torch_impl.fast import PooledConv2d, PooledReLU, conv_pool, pool
from torch_impl.layers import Dropout
from torch_impl.native import store
from torch_impl.optim import Adam, adam

SOURCES = {
    module.SOURCE.stem: module.SOURCE for module in (philox, normals, affine, conv_pool, pool, adam)
}
DTYPES = (torch.float32, torch.float64)
CL = torch.channels_last


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The loops of a wheel, for every level of this processor."""
    paths = build_packaged(tmp_path_factory.mktemp("packaged"), SOURCES.values())
    if not paths:
        pytest.skip("a wheel of this machine has no loops")
    return paths[0].parent


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The numbers of loops that are compiled for this processor."""
    needs_compiler()
    with pytest.MonkeyPatch.context() as patch:
        return numbers_of(patch, tmp_path_factory.mktemp("here"), "compiled here", "here")


def numbers_of(patch, cache, origin, switch):
    """What all loops compute."""
    patch.setenv("XDG_CACHE_HOME", str(cache))
    patch.setenv("PARITY_NATIVE", switch)
    native.loops.cache_clear()
    try:
        found = {native.loops(source).origin for source in SOURCES.values()}
        assert {text for text in found if not text.startswith(origin)} == set()
        return {name: compute() for name, compute in NUMBERS.items()}
    finally:
        native.loops.cache_clear()


def signed(shape, dtype, seed=0):
    """Noise of very different sizes, subnormal numbers among them."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=shape) * 10.0 ** draw.integers(-4, 5, size=shape)
    values.flat[::17] *= 1e-41
    return torch.from_numpy(values).to(dtype)


def drawn():
    return [
        *(philox.stateless_keep((3, 1001), 0.3, seed=(5, 6), dtype=dtype) for dtype in DTYPES),
        *(philox.stateless_uniform((70001,), seed=(5, 6), dtype=dtype) for dtype in DTYPES),
    ]


def normal():
    draws = (normals.stateless_normal, normals.stateless_truncated_normal)
    return [draw((5003,), seed=(1, 2), dtype=dtype) for draw in draws for dtype in DTYPES]


def moved():
    maps = np.random.default_rng(3).normal(size=(4, 2, 3)) * [[[1, 1, 9]]]
    flips = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=bool)
    return [
        affine.move(
            signed((4, 3, 37, 35), dtype), maps, flips, fill_mode=mode, cval=0.3, order=order
        )
        for dtype in DTYPES
        for mode in ("nearest", "constant", "reflect", "wrap")
        for order in (0, 1)
    ]


def forward_and_back(layer, x, leaves):
    y = layer(x)
    upstream = torch.cos(torch.arange(y.numel(), dtype=y.dtype)).reshape(y.shape)
    return [y.detach(), *torch.autograd.grad(y, leaves, upstream)]


def pooled():
    found = []
    for dtype in (*DTYPES, torch.bfloat16):
        x = signed((3, 40, 11, 12), dtype).contiguous(memory_format=CL).requires_grad_()
        found += forward_and_back(PooledReLU(Dropout(0.25, seed=7)), x, [x])
    return found


def convolved():
    found = []
    for dtype in DTYPES:
        torch.manual_seed(0)
        conv = torch.nn.Conv2d(3, 48, (3, 4)).to(dtype).to(memory_format=CL)
        x = signed((5, 3, 13, 12), dtype).contiguous(memory_format=CL)
        layer = PooledConv2d(conv, Dropout(0.25, seed=7))
        found += forward_and_back(layer, x, [conv.weight, conv.bias])
    return found


def optimized():
    weights = [torch.nn.Parameter(signed((20011,), dtype)) for dtype in DTYPES]
    for weight in weights:
        optimizer = Adam([weight], 0.01)
        for step in range(5):
            weight.grad = signed((20011,), weight.dtype, seed=step + 1)
            optimizer.step()
    return [weight.detach() for weight in weights]


NUMBERS = {
    "philox": drawn,
    "normals": normal,
    "affine": moved,
    "pool": pooled,
    "conv_pool": convolved,
    "adam": optimized,
}


def bits(x):
    return x.contiguous().view(torch.int16 if x.dtype == torch.bfloat16 else x.dtype).numpy()


def assert_all_same(found, expected, names=tuple(NUMBERS)):
    for name in names:
        for ours, theirs in zip(found[name], expected[name], strict=True):
            assert_same_bits(bits(ours), bits(theirs))


@pytest.fixture
def of_level(packaged, monkeypatch, tmp_path):
    """The numbers of the loops of a wheel of one level."""

    def numbers(level):
        monkeypatch.setattr(native, "PACKAGED", packaged)
        monkeypatch.setattr(store, "levels", lambda: (level,))
        return numbers_of(monkeypatch, tmp_path, f"from the wheel ({level}", "wheel")

    return numbers


@pytest.mark.long
@pytest.mark.parametrize("level", [level for level in store.levels() if level != "x86-64-v2"])
def test_the_loops_of_a_wheel_have_the_bits_of_those_that_are_compiled_here(level, of_level, here):
    """On a processor that has a fused multiply-add, as all but those of the level x86-64-v2."""
    assert_all_same(of_level(level), here)


@pytest.mark.long
@pytest.mark.skipif("x86-64-v2" not in store.levels(), reason="not an x86 processor")
def test_without_a_fused_multiply_add_only_sums_of_a_convolution_round_otherwise(
    of_level, here, monkeypatch, tmp_path
):
    found = of_level("x86-64-v2")
    assert_all_same(found, here, tuple(set(NUMBERS) - {"conv_pool"}))
    # The loops of a machine that has none: the same, whatever compiled them.
    monkeypatch.setenv("CC", "cc -mno-fma -mno-avx512f")
    native._version.cache_clear()
    assert_all_same(numbers_of(monkeypatch, tmp_path, "compiled here", "here"), found)


def test_the_flags_of_cc_change_no_bit(here, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "cc -Ofast -funsafe-math-optimizations -ffp-contract=fast")
    assert_all_same(numbers_of(monkeypatch, tmp_path, "compiled here (", "here"), here)


def test_numbers_that_differ_in_one_bit_are_seen(here):
    """So that the tests above do not pass on anything."""
    other = {name: [x.clone() for x in found] for name, found in here.items()}
    other["adam"][0].view(torch.int32)[3] ^= 1
    with pytest.raises(AssertionError):
        assert_all_same(other, here)

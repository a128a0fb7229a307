"""Which levels a processor has, by the words of /proc/cpuinfo."""

import platform

import pytest

from torch_impl.native import store

# From /proc/cpuinfo of an Intel Core i7-3770 (Ivy Bridge), i7-4770 (Haswell), Xeon 8175M (Skylake).
IVY_BRIDGE = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "
    "sse2 ht syscall nx rdtscp lm pni pclmulqdq ssse3 cx16 sse4_1 sse4_2 popcnt aes xsave avx f16c "
    "rdrand lahf_lm"
)
HASWELL = f"{IVY_BRIDGE} fma movbe abm bmi1 avx2 bmi2"
SKYLAKE = f"{HASWELL} avx512f avx512dq avx512cd avx512bw avx512vl"


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(store, "CPUINFO", path)
    store.features.cache_clear()
    yield path
    store.features.cache_clear()


@pytest.mark.parametrize(
    ("machine", "flags", "levels"),
    [
        *(
            ("x86_64", flags, levels)
            for flags, levels in (
                ("fpu sse sse2 lm", ()),
                (IVY_BRIDGE, ("x86-64-v2",)),
                (HASWELL, ("x86-64-v3", "x86-64-v2")),
                (HASWELL.replace(" fma", ""), ("x86-64-v2",)),
                (SKYLAKE, ("x86-64-v4", "x86-64-v3", "x86-64-v2")),
                # A virtual machine that hides AVX2, not AVX-512: a level has all of those below.
                (SKYLAKE.replace(" avx2", ""), ("x86-64-v2",)),
                (None, ()),
            )
        ),
        # Of whose instructions nothing is known, or every one has them.
        *(("riscv64", None, ()), ("aarch64", None, ("armv8-a",)), ("arm64", None, ("apple-m1",))),
    ],
)
def test_a_processor_has_the_levels_whose_instructions_it_has(
    machine, flags, levels, cpuinfo, monkeypatch
):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if flags is not None:
        cpuinfo.write_text(f"processor\t: 0\nmodel name\t: x\nflags\t\t: {flags}\nbugs\t\t: avx2\n")
    assert store.levels() == levels

"""Where the loops of each C file come from, and which are not used, since torch is faster."""

from __future__ import annotations

import os
from types import ModuleType

from torch_impl import native, normals, philox
from torch_impl.augment import affine
from torch_impl.fast import conv_pool, pool
from torch_impl.native import processor, recipe
from torch_impl.optim import adam_loop

MODULES: tuple[ModuleType, ...] = (adam_loop, affine, conv_pool, normals, philox, pool)


def origins() -> dict[str, str]:
    """Returns origins by the names of the C files; compiles and tries what is missing."""
    found = {name: native.loops(module.SOURCE).origin for name, module in _by_name().items()}
    return found | {name: f"{found[name]}; not used: {told}" for name, told in slow_loops().items()}


def slow_loops() -> dict[str, str]:
    """Returns how slow the loops are that are not used, by the names of the C files."""
    if os.environ.get(native.SWITCH):
        return {}
    found = {name: native.times_of(m.SOURCE, m.typical) for name, m in _by_name().items()}
    flags = " ".join(recipe.flags_for(None, True))
    return {
        name: f"{1000 * times.loop_s:.3g} ms in the place of torch's "
        f"{1000 * times.torch_s:.3g} on {processor.name()} ({flags})"
        for name, times in found.items()
        if times is not None and times.is_lost
    }


def _by_name() -> dict[str, ModuleType]:
    return {module.SOURCE.stem: module for module in MODULES}

"""Where the loops of each C file come from, and which are not used, since torch is faster."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from torch_impl import native, normals, philox
from torch_impl.augment import affine
from torch_impl.fast import conv_pool, pool
from torch_impl.native import recipe, store
from torch_impl.native.store import Work
from torch_impl.optim import adam

# C file -> what prepares a typical piece of its work.
FILES: dict[Path, Callable[[], Work]] = {
    adam.SOURCE: adam.typical,
    **{each.SOURCE: each.typical for each in (affine, conv_pool, normals, philox, pool)},
}


def origins() -> dict[str, str]:
    """Returns origins by the names of the C files; compiles and tries what is missing."""
    found = {source.stem: native.loops(source).origin for source in FILES}
    return found | {name: f"{found[name]}; not used: {why}" for name, why in slow_loops().items()}


def slow_loops() -> dict[str, str]:
    """Returns how slow the loops are that are not used, by the names of the C files."""
    if os.environ.get(native.SWITCH):
        return {}
    found = {source.stem: native.times_of(source, work) for source, work in FILES.items()}
    flags = " ".join(recipe.flags_for(None, True))
    return {
        name: f"{1000 * times.loop_s:.3g} ms in the place of torch's "
        f"{1000 * times.torch_s:.3g} on {store.name()} ({flags})"
        for name, times in found.items()
        if times is not None and times.is_lost
    }

"""Compiled loops for tests: as a wheel has them."""

import shutil

import pytest

from torch_impl.native import recipe, store


def needs_compiler():
    """Skips a test on a machine that compiles nothing."""
    try:
        recipe.compiler()
    except recipe.NoCompiler:
        pytest.skip("no C compiler on this machine")


def build_packaged(folder, sources):
    """Builds what setup.py puts into a wheel, for the levels of this processor."""
    needs_compiler()
    paths = []
    for level in store.levels():
        for source in sources:
            flags = recipe.flags_for(level, is_parallel=True)
            library = recipe.build(recipe.compiler(), flags, source, folder)
            mark = recipe.fingerprint(source, flags)
            target = folder / "built" / recipe.name_of(source, mark, library)
            target.parent.mkdir(exist_ok=True)
            paths.append(shutil.move(library, target))
    return paths

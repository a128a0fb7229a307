"""A folder of bundles, one for each Keras model that the tests of a project compare with.

`pytest --parity-record DIR` writes it, `pytest --parity-against DIR` reads it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import InputError

if TYPE_CHECKING:
    from parity.programs.check_spec import CheckSpec


def bundle_name(spec: CheckSpec, root: Path) -> str:
    """Returns the file name of a bundle in a folder of bundles: factory, seed, steps, samples.

    "tests.models.build-seed0-steps6.parity" is of the function `build` in `tests/models.py`. Tests
    of one Keras model share a bundle.

    Args:
        spec: of the check, with the factory of the Keras model.
        root: folder of the project.
    """
    module, _, function = (spec.keras or "").rpartition(":")
    if module.endswith(".py"):
        path = (Path(spec.folder) / module).resolve().with_suffix("")
        is_below = path.is_relative_to(root)
        module = ".".join(path.relative_to(root).parts) if is_below else path.name
    name = f"{module}.{function}-seed{spec.seed}-steps{spec.steps}"
    if spec.batch_size != 4:
        name += f"-batch{spec.batch_size}"
    if spec.data is not None:
        name += f"-{Path(spec.data).stem}"
    return re.sub(r"[^\w.-]", "_", name) + ".parity"


def find_bundle(folder: Path, name: str) -> Path:
    """Returns the path of a bundle.

    Raises:
        InputError: it is not there.
    """
    path = folder / name
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such bundle; record it where TensorFlow is installed, with "
            f"pytest --parity-record {folder}"
        )
    return path

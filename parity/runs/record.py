"""record: writes what a Keras model computes to a bundle, for checks without TensorFlow.

Keras factory -> child -> trace -> bundle
"""

from __future__ import annotations

import os
from pathlib import Path

from parity.errors import InputError, unwritten
from parity.files.atomic import check_access, is_place
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import Factory, check_keras, reference_of
from parity.runs.check_halves import check_data, folder_of, plan_checks, run_keras
from parity.runs.check_options import CheckOptions
from parity.runs.model_files import check_model_file
from parity.traces.bundle import pack
from parity.traces.folder import RunFolder


def record(
    keras: Factory | str,
    path: Path | str,
    *,
    data: Path | str | None = None,
    dtype: str = "float64",
    seed: int = 0,
    steps: int | None = None,
) -> Path:
    """Writes what a Keras model computes to a bundle, for checks without TensorFlow.

    Args:
        keras: factory of a compiled Keras model, or its name.
        path: path of the bundle.
        data: as for `check`.
        dtype: as for `check`.
        seed: as for `check`.
        steps: as for `check`.

    Raises:
        InputError: the factory or the data cannot be used, or the file cannot be written.
        RunError: the half crashed.
    """
    spec = CheckSpec(
        keras=reference_of("keras", keras),
        data=None if data is None else os.path.abspath(data),
        dtype=dtype,
        seed=seed,
        steps=steps,
        folder=os.getcwd(),
    )
    return record_spec(spec, Path(path), CheckOptions())


def record_spec(spec: CheckSpec, path: Path, options: CheckOptions) -> Path:
    """Does the same as `record`, from a spec."""
    if spec.keras is None:
        raise InputError("keras is None: expected the factory of a Keras model")
    if spec.is_model_file:
        check_model_file(spec)
    else:
        option = "MODEL" if spec.described else "--keras"
        check_keras(spec.keras, spec.folder, spec.arguments, option)
    check_data(spec)
    check_target(path)
    options.children.check_interpreters()
    with folder_of(options.out) as root:
        if errors := run_keras(plan_checks([spec], root), options):
            raise errors[0]
        pack(RunFolder(root).half("keras").path, path)
    return path


def check_target(path: Path) -> None:
    """Rejects the path of a bundle that cannot be written, before anything is computed.

    Raises:
        InputError: its folder does not exist or is read-only, or the path is a folder.
    """
    if not is_place(path):
        raise InputError(f"{path}: expected a file in an existing folder")
    try:
        check_access(path)
    except OSError as error:
        raise unwritten(f"{path}:", error) from error

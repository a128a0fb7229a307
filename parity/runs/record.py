"""record: writes what a Keras model computes, or its whole training, to a bundle."""

from __future__ import annotations

import os
from pathlib import Path

from parity.errors import InputError, unwritten
from parity.files.atomic import check_access, is_place
from parity.halves.job import ChildJob, ChildOptions, can_fork
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import Factory, check_keras, reference_of
from parity.programs.program_spec import ProgramSpec
from parity.programs.tool_table import check_data as tool_table_check_data
from parity.programs.user_files import user_files
from parity.runs.check_halves import (
    CheckOptions,
    check_data,
    folder_of,
    plan_checks,
    run_alone,
    run_keras,
)
from parity.runs.model_files import check_model_file
from parity.runs.steps import planned
from parity.traces.bundle import pack
from parity.traces.bundle_run import RunSize, pack_run
from parity.traces.folder import RunFolder
from parity.traces.trace import KerasTrace

# --- record: writes what a Keras model computes to a bundle, for checks without TensorFlow --------
#
# Keras factory -> child -> trace -> bundle


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


# --------------------------------------------------------------------------------------------------
#
# record_run: trains a Keras program whole and writes it to a bundle, for runs without TensorFlow.
#
# program -> child -> traces, feed and recorded states -> bundle


MIB = 2**20


def record_run(spec: ProgramSpec, path: Path, children: ChildOptions) -> RunSize:
    """Trains the Keras half of a program and writes all that a port is compared with.

    Args:
        spec: of the training; `torch` is not used.
        path: of the bundle; an older one is replaced.
        children: how to run the child process.

    Returns:
        How large the bundle is.

    Raises:
        InputError: the program, its data or the path cannot be used, or what `fit` was fed is
            larger than `max_feed`.
        RunError: the half crashed.
    """
    if spec.keras is None:
        raise InputError("keras is None: expected the factory of a Keras model")
    check_keras(spec.keras, spec.folder, spec.arguments)
    tool_table_check_data(spec)
    check_target(path)
    children.check_interpreters()
    files = user_files(spec, "keras")  # as they are before the training
    with folder_of(None) as root:
        job = ChildJob(
            name=f"{spec.program} keras",
            half="keras",
            python=children.keras_python,
            directories=(planned(RunFolder(root).half("keras"), spec.replace(torch=None)),),
            log=RunFolder(root).log("keras"),
            may_fork=can_fork(spec),
        )
        half = run_alone(job, children)
        if (size := half.feed.stat().st_size) > spec.max_feed * MIB:
            raise InputError(
                f"`fit` was fed {size / MIB:,.1f} MiB of arrays, which is more than "
                f"max_feed={spec.max_feed} MiB; expected fewer samples, or a larger max_feed"
            )
        _check_steps(half)
        return pack_run(half, path, files)


def _check_steps(half: RunFolder) -> None:
    """Rejects a training by steps of the model's own of which a bundle cannot hold all.

    Raises:
        InputError: they draw random numbers, or tell no loss.
    """
    training = KerasTrace(half.training.path)
    draws = any(training.below("draw")) or any(training.below("mask"))
    if draws or "loss" not in training.history:
        why = "draws masks or random numbers in each step" if draws else "returns no 'loss'"
        raise InputError(
            f"the model's own train_step {why}, and a bundle of a run has no place for that; "
            "expected a run of both halves: `parity run`; or record a check, without --run"
        )

"""record_run: trains a Keras program whole and writes it to a bundle, for runs without TensorFlow.

program -> child -> traces, feed and recorded states -> bundle
"""

from __future__ import annotations

from pathlib import Path

from parity.errors import InputError
from parity.halves.job import ChildJob, can_fork
from parity.halves.options import ChildOptions
from parity.programs.factories import check_keras
from parity.programs.program import check_data
from parity.programs.program_spec import ProgramSpec
from parity.programs.user_files import user_files
from parity.runs.alone import run_alone
from parity.runs.check_halves import folder_of
from parity.runs.record import check_target
from parity.runs.steps import planned
from parity.traces.bundle_run import RunSize, pack_run
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

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
    check_data(spec)
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
    training = Trace(half.training.path)
    draws = any(training.below("draw")) or any(training.below("mask"))
    if draws or "loss" not in training.history:
        why = "draws masks or random numbers in each step" if draws else "returns no 'loss'"
        raise InputError(
            f"the model's own train_step {why}, and a bundle of a run has no place for that; "
            "expected a run of both halves: `parity run`; or record a check, without --run"
        )

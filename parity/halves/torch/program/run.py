"""run_program: probes a user's port, trains it on what Keras was fed, and asks its rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from parity.errors import InputError, RunError
from parity.halves.torch.casts import without_casts
from parity.halves.torch.check import run_check
from parity.halves.torch.check.loss import Loss, see_targets
from parity.halves.torch.check.run import ROUNDS
from parity.halves.torch.environment import save_state
from parity.halves.torch.factories import user_factory
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.program.spread import is_near, left_open, move_port, moved, spread_of
from parity.halves.torch.program.training import Report, complete, train, with_batches
from parity.halves.torch.step_rate import idle_step_of
from parity.ladder.custom_steps import FACT
from parity.programs.check_spec import probes_of
from parity.traces.anchors import MOST_STEPS_IN_FLOAT64
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, History, PortWriter, RunResult, TraceWriter, Weights
from torch_impl.port import Port
from torch_impl.trainer import Trainer
from torch_impl.trainer.batches import is_validated
from torch_impl.trainer.callbacks import callbacks_of

if TYPE_CHECKING:
    from parity.runs.child import ProgramTask
    from parity.traces.anchor_folder import AnchorFolder


# --- What the rules of a port decide, given the numbers of a whole training -----------------------
#
# In float32 two right halves have other losses, and a plateau or a stop may come in other epochs.
# So the port's own schedulers and its own stop are given Keras's history, epoch by epoch, as `fit`
# gives it to callbacks; and that of the port itself, by which they must have decided.
#
#     rules/HALF/rates        (steps,) learning rate of each step, with the history of HALF
#     rules/HALF/epochs       number of epochs
#     rules/HALF/ends/NAME    epoch from 1 whose weights the training ends with; 0: the initial ones


def write_rules(
    port: PortUnderTest,
    built: Port,
    half: str,
    history: History,
    epoch_ends: Sequence[int],
    writer: PortWriter,
) -> None:
    """Writes what the rules of a fresh port decide.

    Args:
        port: that has not been trained.
        built: the same port, complete.
        half: whose history it is.
        history: of all epochs.
        epoch_ends: number of steps after each of them.
        writer: receives `rules/HALF/…`.
    """
    assert built.optimizer is not None
    fit = port.keras.facts["fit"]
    first = int(fit["initial_epoch"])
    trainer = Trainer(built)
    callbacks = callbacks_of(built)
    _mark(port, 0)
    for callback in callbacks:
        callback.trainer = trainer
        callback.on_train_begin()
    rates: list[float] = []
    num_epochs = int(fit["epochs"]) - first
    ends = [0, *epoch_ends]
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        for callback in callbacks:
            callback.on_epoch_begin(first + number)
        for step in range(end - start):
            rates.append(idle_step_of(built.module, built.optimizer))
            for callback in callbacks:
                if callback.watches_steps:
                    callback.on_train_batch_end(step, {})
        _mark(port, number + 1)
        for callback in callbacks:
            callback.on_epoch_end(first + number, _logs(history, number, fit))
        if trainer.stop_training:
            num_epochs = number + 1
            break
    for callback in callbacks:
        callback.on_train_end()
    writer.put(f"rules/{half}/rates", np.array(rates))
    writer.put(f"rules/{half}/epochs", np.array(num_epochs))
    for item in port.carried:
        tensor = item.variable.tensors[0]
        if not item.variable.is_computed and tensor.numel():
            epoch = int(tensor.detach().flatten()[0])
            writer.put(f"rules/{half}/ends/{item.name}", np.array(epoch))


@torch.no_grad()
def _mark(port: PortUnderTest, epoch: int) -> None:
    """Gives every weight the number of an epoch as its value."""
    for item in port.carried:
        if not item.variable.is_computed:
            for tensor in item.variable.tensors:
                tensor.fill_(epoch)


def _logs(history: History, number: int, fit: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of an epoch; those of validation may be of some epochs only."""
    first, frequency = int(fit["initial_epoch"]), fit["validation_freq"]
    frequency = frequency if isinstance(frequency, int) else tuple(frequency)
    validated = [e for e in range(number + 1) if is_validated(first + e, frequency)]
    logs = {}
    for name, column in history.items():
        if name == "learning_rate":
            continue
        place: int | None = number
        if name.startswith("val_"):
            place = len(validated) - 1 if number in validated else None
        if place is not None and place < len(column):
            logs[name] = column[place]
    return logs


# --- run_program: probes a user's port, and trains it on what Keras was fed -----------------------
#
# Keras's probes   -> probes of the port -> trace of the half Keras's feed     -> training
# -> trace of the training Keras's training -> if the two are apart: how far a change of the initial
# weights drives the port


def run_program(task: ProgramTask) -> RunResult:
    """Probes and trains a port.

    Args:
        task: its `probes` receive what `run_check` writes, its `training` receives `training/...`.

    Returns:
        History and seconds of the training.

    Raises:
        InputError: the port cannot be probed, or cannot be trained as Keras was.
    """
    spec, keras = task.spec, task.keras
    assert keras is not None
    assert spec.torch is not None
    check = probes_of(spec)
    factory = user_factory(spec.torch, spec.folder, spec.seed, spec.given)
    run_check(check, factory, task.probes, keras)
    form = str(task.probes.facts["output_form"])
    left = task.probes.facts["not_compared"]
    has_casts = any(each["what"].startswith(ROUNDS) for each in left)
    fed, start = task.feed(), {name: keras[f"start/{name}"] for name in keras.below("start")}
    has_anchors = keras.facts["fit"]["has_anchors"]
    folder = task.anchors() if has_anchors else None

    def fresh() -> PortUnderTest:
        port = PortUnderTest(factory, spec.seed, keras, spec.device, spec.dtype)
        if keras.facts["loss"] is not None:
            see_targets(port, Loss(port, form))
        return port

    def trained(
        port: PortUnderTest,
        weights: Weights | None,
        writer: PortWriter,
        report: Report,
        folder: AnchorFolder | None = None,
    ) -> RunResult:
        nests, settings = fed
        given = with_batches(port, nests, settings)
        # As in the probes, and in Keras's training.
        with without_casts(spec.dtype) if has_casts else nullcontext():
            found = train(
                port,
                form,
                weights,
                (given, settings),
                writer,
                report,
                folder,
                evaluated=nests if spec.evaluates else None,
                # What steps of the user's own draw is known when Keras has trained.
                trained=task.trained() if _trains_by_steps(port) else None,
            )
        if "train_flow" in nests:
            given["train_batches"].write(writer)
        return found

    port = fresh()
    is_seeded = port.built.seeds is not None
    initial = None if is_seeded else start
    result = trained(port, initial, task.training, task.report, folder)
    if task.saves_weights:
        _save_weights(task, port)
    task.training.facts["mode"] = "seeded" if is_seeded else "replayed"
    task.training.facts["given"] = task.probes.facts["given"]
    if has_anchors:
        _write_rules(task, fresh, result)
        return result
    if is_seeded:
        drawn = task.training.arrays
        start = {n: drawn[f"seeded/init/{n}"] for n in start if f"seeded/init/{n}" in drawn}
    task.training.facts["left_open"] = left_open(keras, task.probes)
    if not _is_near(task, result):
        task.tell(
            "the two trainings differ: trains the port a second time, from weights moved by a "
            "rounding, to see what that alone changes"
        )
        other: PortWriter = CheckWriter()
        initial = moved(start, task.training.facts["left_open"])
        second = fresh()
        move_port(second, keras, task.training.facts["left_open"])
        trained(second, initial, other, lambda step, total, loss: None)
        task.training.facts["spread"] = spread_of(task.training.arrays, other.arrays)
    return result


def _trains_by_steps(port: PortUnderTest) -> bool:
    """Whether a port is trained by its own `train_step`, and not by a loop over its loss.

    Raises:
        InputError: the training is judged by states, from which such steps cannot be made.
    """
    built, facts = port.built, port.keras.facts
    if FACT not in facts or built.train_step is None or built.train_epoch is not None:
        return False
    if not facts["fit"]["has_anchors"]:
        return True
    if built.optimizer is not None:
        return False
    raise InputError(
        "a training by Port(train_step=...) is compared whole; expected dtype float64 and at most "
        f"{MOST_STEPS_IN_FLOAT64} steps, or Port(train_epoch=...)"
    )


def _is_near(task: ProgramTask, result: RunResult) -> bool:
    """Whether a training passes without a second one, as soon as Keras's is there."""
    try:
        return is_near(task.trained(), task.training, result)
    except RunError:  # the Keras half tells why there is nothing to compare it with
        return True


def _save_weights(task: ProgramTask, port: PortUnderTest) -> None:
    """Saves the final weights of both halves as state_dicts of the port.

    What has no place in Keras, such as a count of batches, is that of the port in both.
    """
    run = RunFolder(task.folder.path.parent)
    save_state(run.weights("torch"), port.built.module)
    keras = task.trained()
    for item in port.carried:
        item.set(keras[f"training/final/{item.name}"])
    save_state(run.weights("keras"), port.built.module)


def _write_rules(task: ProgramTask, fresh: Callable[[], PortUnderTest], result: RunResult) -> None:
    """Writes what the port's rules decide with either history."""
    keras, writer = task.trained(), task.training
    for half, history, ends in (
        ("keras", keras.history, keras.facts["epoch_ends"]),
        ("torch", result.history, writer.facts["epoch_ends"]),
    ):
        port = fresh()
        write_rules(port, complete(port, TraceWriter()), half, history, ends, writer)

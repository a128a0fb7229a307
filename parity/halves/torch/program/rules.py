"""What the rules of a port decide, given the numbers of a whole training.

In float32 two right halves have other losses, and a plateau or a stop may come in other epochs. So
the port's own schedulers and its own stop are given Keras's history, epoch by epoch, as `fit` gives
it to callbacks; and that of the port itself, by which they must have decided.

    rules/HALF/rates        (steps,) learning rate of each step, with the history of HALF
    rules/HALF/epochs       number of epochs
    rules/HALF/ends/NAME    epoch from 1 whose weights the training ends with; 0: the initial ones
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.step_rate import idle_step_of
from parity.traces.trace import History, TraceWriter
from torch_impl.port import Port
from torch_impl.trainer import Trainer
from torch_impl.trainer.arguments import is_validated
from torch_impl.trainer.callbacks import callbacks_of


def write_rules(
    port: PortUnderTest,
    built: Port,
    half: str,
    history: History,
    epoch_ends: Sequence[int],
    writer: TraceWriter,
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

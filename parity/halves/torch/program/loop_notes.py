"""What a loop of the port's own does in each step: its batch, and how often the optimizer steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

from parity.halves.torch.kept import kept
from parity.ladder.own_loop import (
    BATCHES,
    OPTIMIZER_STEPS,
    PASSES,
    PERIOD,
    TRAINING,
    UNKNOWN,
)
from parity.traces.trace import PortWriter
from torch_impl.port import Port
from torch_impl.trainer import Callback
from torch_impl.trainer.batches import leaves

_MOST_ENTRIES = 65_536  # by which two batches are told apart


class LoopNotes(Callback):
    """Notes what the loop of a port does, which no step from a recorded state can show.

    Such a state is tried with a few batches, and so at the beginning of an epoch of few steps: what
    a loop does in one step late in its epoch is seen in the training alone.

    Args:
        built: the port; its optimizer and its module are watched while its loop runs.
        is_other: whether what is being made is none of the training.
        period: after how many batches Keras's optimizer moves the weights.
    """

    def __init__(self, built: Port, is_other: Callable[[], bool], period: int) -> None:
        self._built, self._is_other, self._period = built, is_other, period
        self._given: list[int] = []  # of the batches of the epoch so far
        self._batches: list[int] = []
        self._optimizer_steps: list[int] = []
        self._passes: list[int] = []  # in train mode
        self._training: list[bool] = []
        self._is_first = self._is_trying = False  # pass of a step
        self._depends: bool | None = None  # whether the mode changes what the module gives

    def noted(self) -> Port:
        """Returns the port with a loop of which this is told; one without a loop as it is."""
        if (train_epoch := self._built.train_epoch) is None:
            return self._built

        def train(batches: Any) -> Any:
            with self._watched():
                return train_epoch(_Batches(batches, self._given_next))

        return dataclasses.replace(self._built, train_epoch=train)

    def on_epoch_begin(self, epoch: int) -> None:
        """Before an epoch."""
        self._given = []
        self._number = -1

    def on_train_batch_begin(self, step: int) -> None:
        """Before a step of the loop."""
        self._number, self._is_first = step, True
        self._batches.append(UNKNOWN)
        self._optimizer_steps.append(0)
        self._passes.append(0)
        self._training.append(True)

    def write(self, writer: PortWriter) -> None:
        """Writes what was noted of all steps."""
        if self._built.train_epoch is not None:
            writer.put(BATCHES, np.array(self._batches))
            writer.put(OPTIMIZER_STEPS, np.array(self._optimizer_steps))
            writer.put(TRAINING, np.array(self._training))
            if any(each.is_floating_point() for each in self._built.module.buffers()):
                writer.put(PASSES, np.array(self._passes))
            writer.put(PERIOD, np.array(self._period))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        module, optimizer = self._built.module, self._built.optimizer
        assert optimizer is not None

        def after_pass(each: nn.Module, arguments: Any, _: Any) -> None:
            is_module = each is module  # and no copy of it, which has this hook as well
            if is_module and not self._is_other() and not self._is_trying and self._passes:
                self._passes[-1] += module.training
                self._passed(arguments)

        def after_step(*_: Any) -> None:
            if not self._is_other() and self._optimizer_steps:
                self._optimizer_steps[-1] += 1

        hooks = [
            module.register_forward_hook(after_pass),
            optimizer.register_step_post_hook(after_step),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _given_next(self, parts: tuple[Any, ...]) -> None:
        self._given.append(_digest(parts[0]))

    def _passed(self, arguments: Any) -> None:
        if not self._is_first or not torch.is_grad_enabled():
            return
        self._is_first = False
        if not self._built.module.training:
            self._training[-1] = not self._depends_on_mode(arguments)
        digest = _digest(arguments)
        if self._number < len(self._given) and self._given[self._number] == digest:
            self._batches[-1] = self._number
        elif digest in self._given:
            self._batches[-1] = self._given.index(digest)

    def _depends_on_mode(self, arguments: Any) -> bool:
        """Whether the module gives something else in train mode; that is tried once."""
        if self._depends is None:
            module, outputs = self._built.module, []
            self._is_trying = True
            for is_training in (True, False):
                with kept(self._built), torch.no_grad():
                    module.train(is_training)
                    outputs.append(list(leaves(module(*arguments))))
            self._is_trying = False
            pairs = zip(*outputs, strict=True)
            self._depends = not all(torch.allclose(a, b) for a, b in pairs)
        return self._depends


class _Batches:
    """Batches that tell each of them before it is used."""

    def __init__(self, batches: Any, told: Callable[[tuple[Any, ...]], None]) -> None:
        self._batches, self._told = batches, told

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for parts in self._batches:
            self._told(parts)
            yield parts


def _digest(nest: Any) -> int:
    """Returns a number for the first array of a nest, by its values."""
    first = next((each for each in leaves(nest) if isinstance(each, torch.Tensor)), None)
    if first is None:
        return UNKNOWN
    with temporarily_clear_interpreter_stack():  # torch.func may be differentiating the loop's step
        while is_functorch_wrapped_tensor(first):
            first = get_unwrapped(first)
        flat = first.detach().reshape(-1)
        flat = flat[:: max(1, len(flat) // _MOST_ENTRIES)].cpu()
        return hash((tuple(first.shape), str(first.dtype), flat.numpy().tobytes()))

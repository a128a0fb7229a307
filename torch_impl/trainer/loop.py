"""The steps of a loop of the port's own, and the modes in which it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from torch_impl.trainer.batches import Batch


class LoopBatches:
    """The batches of an epoch as a loop gets them: (x, y), or (x, y, weights of the samples).

    They can be passed through once; `len` is their number.

    Args:
        batches: ready to be used.
        number: of them; None: it is not known, and then there is no `len`.
        asked: called before each batch, and in front of their end.
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        number: int | None,
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        self._batches, self._number, self._asked = iter(batches), number, asked

    def __len__(self) -> int:
        if self._number is None:
            raise TypeError("the number of batches is not known before they end")
        return self._number

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while True:
            self._asked()
            batch = next(self._batches, None)
            if batch is None:
                return
            yield batch.parts()


class LoopSteps:
    """Tells where each step of a loop begins and ends, whatever it does between.

    A step begins with the first pass of the module for whose batch the loop has asked, when nothing
    has moved yet: weights, moving statistics and slots are those before the step. A loop that never
    calls the module itself begins a step with that of its optimizer. A step ends where the loop
    asks for another batch; or, if it asks early or has not stepped yet, where the next one begins;
    the last one ends with the loop. Passes without gradients, as of an evaluation, begin no step,
    and a second pass or a second step of the optimizer for one batch belongs to its step.

    Args:
        module: that the loop trains.
        optimizer: whose steps move it.
        begin: called before a step with its number, from 0.
        end: called after a step with its number.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        begin: Callable[[int], None],
        end: Callable[[int], None],
    ) -> None:
        self._module, self._optimizer = module, optimizer
        self._begin, self._end = begin, end
        self._num_asked = self._num_begun = self._num_ended = 0
        self._is_moved = self._is_telling = False

    def batches(self, batches: Iterable[Batch], number: int | None) -> LoopBatches:
        """Returns batches for the loop, which tell when it asks for them."""
        return LoopBatches(batches, number, self._asked)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watches the loop that runs in the block."""
        hooks = [
            self._module.register_forward_pre_hook(self._passed),
            self._optimizer.register_step_pre_hook(self._stepped),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        self._finish()

    def _asked(self) -> None:
        if self._is_moved:
            self._finish()
        self._num_asked += 1

    def _passed(self, *_: Any) -> None:
        if torch.is_grad_enabled() and self._num_begun < self._num_asked:
            self._start()

    def _stepped(self, *_: Any) -> None:
        if self._is_telling:
            return
        if self._num_begun == self._num_ended:
            self._start()
        self._is_moved = True

    def _start(self) -> None:
        if self._is_telling:  # what is told may call the module itself
            return
        self._finish()
        self._num_begun += 1
        self._is_moved = False
        self._tell(self._begin)

    def _finish(self) -> None:
        if self._num_ended < self._num_begun:
            self._tell(self._end)
            self._num_ended += 1
            self._is_moved = False

    def _tell(self, told: Callable[[int], None]) -> None:
        self._is_telling = True
        try:
            told(self._num_begun - 1)
        finally:
            self._is_telling = False


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Has a module in eval mode in the block, and behind it all of its parts in the modes before.

    A loop of the port's own goes on with the module as it has left it.
    """
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, is_training in modes:
            each.training = is_training

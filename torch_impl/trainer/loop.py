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
        asked: called before each batch is given; returns whether it is.
        ended: called when a batch is asked for, and there is none left.
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        number: int | None,
        asked: Callable[[], bool] = lambda: True,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._batches, self._number = iter(batches), number
        self._asked, self._ended = asked, ended

    def __len__(self) -> int:
        if self._number is None:
            raise TypeError("the number of batches is not known before they end")
        return self._number

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for batch in self._batches:
            if not self._asked():
                return
            yield batch.parts()
        self._ended()


class LoopSteps:
    """Tells where each step of a loop begins and ends, whatever it does between.

    A step begins where the loop asks for its batch, when nothing of it has happened yet, and ends
    where the loop asks for the next one, also if there is none: what comes behind the batches, such
    as averages put in the place of weights, is of no step. Where the optimizer is still to make use
    of a pass by then, the last step ends with the loop. A loop may ask ahead: it has not used the
    batch before, by a pass of the module with gradients or a step of the optimizer. Then the next
    step begins with the first pass behind that which has used it. Further passes and steps of the
    optimizer for a batch belong to its step.

    Args:
        module: that the loop trains.
        optimizer: whose steps move it.
        begin: called before a step with its number, from 0.
        end: called after a step with its number; returns whether the batches go on.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        begin: Callable[[int], Any],
        end: Callable[[int], bool],
    ) -> None:
        self._module, self._optimizer = module, optimizer
        self._begin, self._end = begin, end
        self._number = -1  # of the present step
        self._is_used = self._is_telling = False
        self._is_due = False  # a step of the optimizer, since there was a pass
        self._is_over = False
        self._num_ahead = 0  # batches that are asked for ahead

    def batches(self, batches: Iterable[Batch], number: int | None) -> LoopBatches:
        """Returns batches for the loop, which tell when it asks for them."""
        return LoopBatches(batches, number, self._asked, self._ended)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watches the loop that runs in the block."""

        def passed(module: nn.Module, *_: Any) -> None:
            if module is self._module:  # and no copy, which the loop may make, hooks and all
                self._passed()

        hooks = [
            self._module.register_forward_pre_hook(passed),
            self._optimizer.register_step_pre_hook(lambda *_: self._stepped()),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        self._end_last()

    def _asked(self) -> bool:
        if self._number < 0 or self._is_used:
            return self._next()
        self._num_ahead += 1
        return True

    def _ended(self) -> None:
        if not self._is_due and not self._num_ahead:
            self._end_last()

    def _end_last(self) -> None:
        if self._is_used and not self._is_over:
            self._is_over = True
            self._tell(self._end)

    def _passed(self) -> None:
        if self._is_telling or not torch.is_grad_enabled():
            return
        if self._is_used and self._num_ahead:
            self._num_ahead -= 1
            self._next()
        self._is_used = self._is_due = True

    def _stepped(self) -> None:
        if not self._is_telling:
            self._is_used, self._is_due = True, False

    def _next(self) -> bool:
        """Ends a step and begins the next, if there is to be one."""
        is_used, self._is_used = self._is_used, False
        if is_used and not self._tell(self._end):
            return False
        self._number += 1
        self._tell(self._begin)
        return True

    def _tell(self, told: Callable[[int], Any]) -> Any:
        self._is_telling = True  # what is told may call the module itself
        try:
            return told(self._number)
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

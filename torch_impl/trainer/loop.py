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
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        number: int | None,
        asked: Callable[[], bool] = lambda: True,
    ) -> None:
        self._batches, self._number, self._asked = iter(batches), number, asked

    def __len__(self) -> int:
        if self._number is None:
            raise TypeError("the number of batches is not known before they end")
        return self._number

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for batch in self._batches:
            if not self._asked():
                return
            yield batch.parts()


class LoopSteps:
    """Tells where each step of a loop begins and ends, whatever it does between.

    A step begins where the loop asks for its batch, when nothing of it has happened yet, and ends
    where the loop asks for the next one; the last one ends with the loop. A loop may ask ahead: it
    has not used the batch before, by a pass of the module with gradients or a step of the
    optimizer. Then the next step begins with the first pass behind that which has used it. Further
    passes and steps of the optimizer for a batch belong to its step.

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
        self._num_ahead = 0  # batches that are asked for ahead

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
        if self._is_used:
            self._tell(self._end)

    def _asked(self) -> bool:
        if self._number < 0 or self._is_used:
            return self._next()
        self._num_ahead += 1
        return True

    def _passed(self, *_: Any) -> None:
        if self._is_telling or not torch.is_grad_enabled():
            return
        if self._is_used and self._num_ahead:
            self._num_ahead -= 1
            self._next()
        self._is_used = True

    def _stepped(self, *_: Any) -> None:
        self._is_used |= not self._is_telling

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

"""The modes in which a loop of the port's own trains each part of the module.

Such as a frozen part in eval mode, which `module.train()` alone would not give.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from parity.halves.torch.kept import kept
from torch_impl.port import Port
from torch_impl.trainer import Batch
from torch_impl.trainer.loop import LoopBatches

_NUM_BATCHES = 2


class _SeenError(Exception):
    """Ends the loop at its first pass."""


def modes_of_loop(
    built: Port, module: nn.Module, arguments: Sequence[Any]
) -> list[tuple[nn.Module, bool]]:
    """Lets the loop of a port begin, up to its first pass that has gradients.

    Args:
        built: the port, which is afterwards what it was.
        module: what it trains.
        arguments: of the module, of a batch.

    Returns:
        The parts and whether they are in train mode; none if it makes no such pass, or has the
        whole module in eval mode, which is a finding about its steps.
    """
    assert built.train_epoch is not None
    found: list[tuple[nn.Module, bool]] = []

    def see(each: nn.Module, *_: Any) -> None:
        if each is module and torch.is_grad_enabled():
            found.extend((part, part.training) for part in module.modules())
            raise _SeenError

    # The targets are of no form that the loop expects, and its code may raise anything.
    watched = module.register_forward_pre_hook(see)
    with kept(built), watched, torch.enable_grad(), suppress(Exception):
        x = arguments[0] if len(arguments) == 1 else tuple(arguments)
        batch = Batch(x, torch.zeros(len(arguments[0]), dtype=torch.long))
        built.train_epoch(LoopBatches([batch] * _NUM_BATCHES, _NUM_BATCHES))
    return found if any(is_training for part, is_training in found if part is module) else []

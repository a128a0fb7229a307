"""Keras's loss takes the logits of a softmax or sigmoid at the end of a port that has no loss.

Keras undoes such an activation, and computes its crossentropies of what goes into it. A port's own
loss gets what the port returns; where Keras's is taken in its place, it has to see as much as
Keras's does. In the block, what a softmax or sigmoid returns carries its logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from torch_impl.losses.logits import carrying

_NAMES = ("softmax", "sigmoid")


def carried_logits(loss: Any, facts: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """Returns a context in which outputs carry their logits, if Keras's loss is taken.

    Args:
        loss: of the port; None: it has none.
        facts: of Keras's trace.
    """
    is_taken = loss is None and facts.get("output_activation") in _NAMES
    return _Carrying() if is_taken else nullcontext()


class _Carrying(TorchFunctionMode):
    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        keywords = keywords or {}
        output = function(*arguments, **keywords)
        if getattr(function, "__name__", "") in _NAMES and isinstance(output, torch.Tensor):
            given = arguments[0] if arguments else keywords.get("input")
            if isinstance(given, torch.Tensor) and given is not output:
                return carrying(output, given)
        return output

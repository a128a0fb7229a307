"""Right ports written in another way: the same program, so that every alarm is false.

Three rewrites of each right port: retraced by `torch.fx`, called by `torch.func.functional_call`,
and with its images in memory as channels last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

# Ports that torch.fx traces into another program, by what it loses without an error.
LOST_BY_FX = {
    "lstm_one_bias": "it asks whether its layer returned a tuple",
    "gru_torch": "it asks whether its layer returned a tuple",
    "a_activity_penalty": "its loss reads what forward kept",
    "softmax_keras": "its loss reads the logits that softmax carries",
}


class NotRewritten(Exception):
    """A port that this rewrite cannot express; it says nothing about the check."""


def _fx(module: Any) -> Any:
    from torch import fx, nn

    if any(type(part).train is not nn.Module.train for part in module.modules()):
        raise NotRewritten("a trace loses a `train` of its own")
    try:
        evaluated, trained = (fx.symbolic_trace(module.train(mode)) for mode in (False, True))
    except Exception as error:  # control flow that depends on values
        raise NotRewritten(f"torch.fx cannot trace it: {error}") from None
    if evaluated.code != trained.code:  # a trace is of one mode
        raise NotRewritten("it asks whether it trains")
    return trained


def _functional(module: Any) -> Any:
    from torch import nn
    from torch.func import functional_call

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *arguments: Any) -> Any:
            state = {**dict(self.inner.named_parameters()), **dict(self.inner.named_buffers())}
            return functional_call(self.inner, state, arguments)

    return Functional()


def _channels_last(module: Any) -> Any:
    import torch

    def turned(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            x.contiguous(memory_format=torch.channels_last)
            if isinstance(x, torch.Tensor) and x.ndim == 4
            else x
            for x in arguments
        )

    if any(weight.ndim == 5 for weight in module.parameters()):
        raise NotRewritten("volumes have another layout")
    module = module.to(memory_format=torch.channels_last)
    module.register_forward_pre_hook(turned)
    return module


REWRITES: dict[str, Callable[[Any], Any]] = {
    "fx": _fx,
    "functional": _functional,
    "channels_last": _channels_last,
}


def rewritten(kind: str, case: str, port: str, factory: Callable[[], Any]) -> Any:
    """Returns what a factory builds, rewritten.

    Args:
        kind: of `REWRITES`.
        case: name of the case.
        port: name of the port.
        factory: of the port.

    Raises:
        NotRewritten: the rewrite cannot express it.
    """
    for part in (case, port):
        if kind == "fx" and part in LOST_BY_FX:
            raise NotRewritten(LOST_BY_FX[part])
    built = factory()
    if not dataclasses.is_dataclass(built):
        return REWRITES[kind](built)
    inner, load = built.module, built.load
    if built.layers and kind != "channels_last":
        raise NotRewritten("it names its modules")
    changed = {"module": REWRITES[kind](inner)}
    if load is not None:
        changed["load"] = lambda _, weights: load(inner, weights)
    return dataclasses.replace(built, **changed)

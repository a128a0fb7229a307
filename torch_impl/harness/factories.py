"""Port: the user's own PyTorch program, as `parity check` takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import InputError


@dataclass(frozen=True)
class Port:
    """What a torch factory returns, where a module alone does not say everything.

    What is None is not compared, and the report says so. A module alone is compared up to its
    gradients, with Keras's own loss.

    Attributes:
        module: the network.
        loss: called with (output of the module, targets); returns a scalar, penalties included.
        optimizer: over the parameters of the module.
        scheduler: sets the learning rate: with `step()`, or with `step(value)` where it watches a
            metric; or a sequence of these.
        scheduler_interval: whether `step` is called after every "epoch" or after every "step".
        monitor: the metric that `step(value)` is given, by Keras's name.
        early_stopping: its `step(value)` returns whether training ends.
        before_step: called with the module between `backward` and `optimizer.step`, to clip
            gradients for example.
        feed: turns the arrays of a batch, one for each input, in Keras's layout (N, H, W, C), into
            the arguments of the module. None: images as (N, C, H, W), all else as it is.
        target: turns the targets of a batch into what the loss takes. None: as a tensor.
        load: puts Keras's weights into the module: called with (module, {"conv1.kernel": array}).
            None: the table of layouts does it.
        layers: Keras layer -> module, for pairs that are not found by themselves:
            {"conv2d_1": "features.3"}.
        steps_per_epoch: for a scheduler with interval "epoch" in the place of one of Keras that
            changes the rate every step.
    """

    module: nn.Module
    loss: Callable[[Any, Any], torch.Tensor] | None = None
    optimizer: torch.optim.Optimizer | None = None
    scheduler: Any = None
    scheduler_interval: str = "epoch"
    monitor: str = "val_loss"
    early_stopping: Any = None
    before_step: Callable[[nn.Module], Any] | None = None
    feed: Callable[..., Any] | None = None
    target: Callable[[np.ndarray], Any] | None = None
    load: Callable[[nn.Module, Mapping[str, np.ndarray]], Any] | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    steps_per_epoch: int = 100

    def __post_init__(self) -> None:
        if self.scheduler_interval not in ("epoch", "step"):
            raise InputError(
                f"scheduler_interval={self.scheduler_interval!r}: expected 'epoch' or 'step'"
            )

    @property
    def schedulers(self) -> Sequence[Any]:
        """All schedulers, in order."""
        if self.scheduler is None:
            return ()
        is_many = isinstance(self.scheduler, list | tuple)
        return tuple(self.scheduler) if is_many else (self.scheduler,)


def call_factory(factory: Callable[[], Any], seed: int) -> Port:
    """Calls a factory with torch's generator seeded, and new tensors in float64.

    Args:
        factory: returns a module or a Port.
        seed: of `torch.manual_seed`.

    Raises:
        InputError: it returns something else.
    """
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    np.random.seed(seed)
    built = factory()
    port = built if isinstance(built, Port) else Port(built)
    if not isinstance(port.module, nn.Module):
        raise InputError(
            f"the torch factory returned {type(built).__name__}; expected a torch.nn.Module, or "
            "torch_impl.Port(module=...)"
        )
    port.module.double()  # parameters stay the same objects, so that the optimizer keeps them
    return port

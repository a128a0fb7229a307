"""ReplayedStepper: steps of a port on what Keras was fed, measured by Keras's metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from parity.halves.torch.call import first_tensor
from parity.halves.torch.check.port_loss import activated, is_by_name
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import from_returned
from parity.halves.torch.step_rate import StepRate
from torch_impl.losses.outputs import takes_weights
from torch_impl.trainer import Batch, Stepper
from torch_impl.trainer.nests import leaves, mapped

if TYPE_CHECKING:
    from parity.halves.torch.program.anchors import Anchors


class StepperOfPort(Stepper):
    """Makes the steps of a port that somebody else has written."""

    def loss(self, function: Any, output: Any, batch: Batch) -> torch.Tensor:
        """Returns what a loss of the port says of a prepared batch, a scalar.

        A loss that takes no weights gets none: what that changes is a finding about the port.
        """
        if not takes_weights(function):
            batch = dataclasses.replace(batch, weight=None)
        return super().loss(function, output, batch)


class ReplayedStepper(StepperOfPort):
    """Makes the steps of a port on what Keras was fed.

    Args:
        port: with Keras's initial weights.
        built: the same port with the loss and the metrics of the training.
        form: of the output, as `output_form` tells it.

    Attributes:
        rate: of the last step, if they are noted.
        anchors: told of every step of the training; None: nobody is.
    """

    def __init__(self, port: PortUnderTest, built: Any, form: str) -> None:
        super().__init__(built)
        self._port, self._form = port, form
        self.rate = 0.0
        self.anchors: Anchors | None = None
        self._has_own_metrics = bool(port.built.metrics or port.built.weighted_metrics)

    @property
    def prepares_whole(self) -> bool:
        """Whether all samples may be prepared at once."""
        return self._port.built.feed is None and self._port.built.target is None

    def prepared(self, batch: Batch) -> Batch:
        """Returns a batch of Keras's in the form that module and loss take."""
        port = self._port
        x: Any = port.arguments_of([np.asarray(array) for array in leaves(batch.x)])
        names = self._port.outputs.names
        y = nest_by_name(batch.y, names)
        if y is not None:
            y = port.target_of(mapped(np.asarray, y))
        if len(x) == 1 and (self.port.train_epoch or self.port.evaluate):
            x = x[0]  # as a DataLoader gives it to a loop of the port's own
        return Batch(x, y, mapped(self._tensor, nest_by_name(batch.weight, names)))

    def loss(self, function: Any, output: Any, batch: Batch) -> torch.Tensor:
        """Returns what a loss of the port says of a prepared batch, a scalar.

        One function of several outputs gets targets in the form in which these are returned.
        """
        outputs = self._port.outputs
        if outputs.names and not is_by_name(function) and self._port.built.target is None:
            y, weight = (outputs.like_returned(output, nest) for nest in (batch.y, batch.weight))
            batch = dataclasses.replace(batch, y=y, weight=weight)
        return super().loss(function, output, batch)

    def forward(self, x: Any) -> Any:
        """Calls the module; returns its first output, or all of them if Keras has several."""
        returned = self.port.called(*x) if isinstance(x, tuple) else self.port.called(x)
        returned = self._port.choose(returned)
        return returned if self._port.outputs.names else first_tensor(returned)

    def step(self, batch: Batch) -> tuple[torch.Tensor, Any]:
        """Makes a step of training; returns the loss of a prepared batch, and what is measured."""
        if self.anchors is None:
            return super().step(batch)
        self.anchors.before_step()
        made = super().step(batch)
        self.anchors.after_step()
        return made

    def watch(self, anchors: Anchors) -> None:
        """Tells anchors of every step, also of those that a loop of the port's own makes."""
        if self.port.train_epoch is None:
            self.anchors = anchors
            return
        self.optimizer.register_step_pre_hook(lambda *_: anchors.before_step())
        self.optimizer.register_step_post_hook(lambda *_: anchors.after_step())

    def note_rates(self) -> None:
        """Notes the rate of every step from now on, also of a loop of the port's own."""
        watch = StepRate(self.optimizer)

        def end(*_: Any) -> None:
            self.rate = watch.end()

        self.optimizer.register_step_pre_hook(lambda *_: watch.begin())
        self.optimizer.register_step_post_hook(end)

    def measured(self, output: Any) -> Any:
        """Returns the output for the metrics: that of the port for its own, else as Keras's is."""
        if self._has_own_metrics:
            return super().measured(output)
        if self.has_several_outputs:
            return self._port.outputs.each(output)
        return self.as_keras(output)

    def measured_batch(self, batch: Batch) -> Batch:
        """Returns a batch for the metrics: for Keras's, with the targets in Keras's layout."""
        if self._has_own_metrics or not self._port.turned_targets:
            return batch
        return dataclasses.replace(batch, y=self._port.targets_as_keras(batch.y))

    @property
    def has_several_outputs(self) -> bool:
        """Whether Keras has several outputs."""
        return bool(self._port.outputs.names)

    def as_keras(self, output: torch.Tensor) -> torch.Tensor:
        """Returns the only output in Keras's layout, with Keras's last activation."""
        facts = self._port.keras.facts
        output = from_returned(output, [len(output), *facts["output_shape"]], self._port.returned)
        found: torch.Tensor = activated(output, self._form, facts.get("output_activation"))
        return found


def nest_by_name(nest: Any, names: Sequence[str]) -> Any:
    """Returns what belongs to several outputs by their names, since the port may order them.

    Args:
        nest: targets or weights, as `fit` gets them.
        names: of Keras's outputs, in order; none: there is one.
    """
    if not names or not isinstance(nest, tuple | list) or len(nest) != len(names):
        return nest
    return dict(zip(names, nest, strict=True))

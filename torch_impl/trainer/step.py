"""Stepper: what a training does with one batch, by Keras's rules or the `train_step` of a port."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from torch_impl.losses.outputs import parts_of, takes_weights
from torch_impl.masks import detached
from torch_impl.optim.base import replace_weights
from torch_impl.trainer.batches import Batch, leaves, mapped
from torch_impl.trainer.measures import Measures

if TYPE_CHECKING:
    from torch_impl.port import Port


# --- Stepper: what a training does with one batch -------------------------------------------------


class Stepper:
    """Prepares batches, computes their loss, and makes steps.

    Args:
        port: module, loss and optimizer.

    Attributes:
        port: as given.
        optimizer: of the port.
        dtype: of the module: that of its first parameter of real numbers.
        device: of the module.
        measures: loss and metrics, running.
        parts: what the loss of each output said of the last batch, if there are several.

    Raises:
        ValueError: the port has no loss or no optimizer.
    """

    NEEDED: ClassVar[tuple[str, ...]] = ("loss", "optimizer")

    def __init__(self, port: Port) -> None:
        for name in self.NEEDED:
            if getattr(port, name) is None:
                raise ValueError(f"the port has no {name}: expected Port(module, {name}=...)")
        self.port = port = port.with_one_loss()
        self.parts: dict[str, torch.Tensor] = {}
        self.optimizer: Any = port.optimizer
        real = [p for p in port.module.parameters() if p.is_floating_point()]
        self.dtype = real[0].dtype if real else torch.get_default_dtype()
        self.device = real[0].device if real else torch.device("cpu")
        names = port.output_names
        left_out: Any = getattr(port.module, "left_out", lambda _: ())
        for sentence in left_out(port.loss):
            warnings.warn(sentence, stacklevel=2)
        self.measures = Measures(port.metrics, port.weighted_metrics, self.dtype, names)

    @property
    def prepares_whole(self) -> bool:
        """Whether all samples may be prepared at once, since each is prepared by itself."""
        return self.port.feed is None and self.port.target is None

    def prepared(self, batch: Batch) -> Batch:
        """Returns a batch in the form that module and loss take."""
        port = self.port
        x = mapped(self._input, batch.x)
        if port.feed is not None:
            x = mapped(self._moved, port.feed(*leaves(mapped(self._cast, batch.x))))
        y = mapped(self._tensor, batch.y)
        if port.target is not None and batch.y is not None:
            y = mapped(self._moved, port.target(mapped(self._cast, batch.y)))
        return Batch(x, y, mapped(self._tensor, batch.weight))

    def forward(self, x: Any) -> Any:
        """Calls the module with prepared inputs: in order, or by name for a mapping."""
        if isinstance(x, Mapping):
            return self.port.called(**x)
        return self.port.called(*x) if isinstance(x, tuple | list) else self.port.called(x)

    def step(self, batch: Batch) -> tuple[torch.Tensor, Any]:
        """Makes a step of training; returns the loss of a prepared batch, and what is measured."""
        self.optimizer.zero_grad()
        output = self.forward(batch.x)
        loss = self.loss(self.port.loss, output, batch)
        scaled = self.optimizer.scale_loss(loss) if hasattr(self.optimizer, "scale_loss") else loss
        scaled.backward()
        if self.port.before_step is not None:
            self.port.before_step(self.port.module)
        self.optimizer.step()
        return loss.detach(), self.measured(mapped(detached, output))

    def evaluated(self, batch: Batch) -> tuple[torch.Tensor, Any]:
        """Returns the loss of a prepared batch for validation, and what is measured."""
        output = self.forward(batch.x)
        loss = self.loss(self.port.validation_loss or self.port.loss, output, batch)
        return loss, self.measured(output)

    def measured(self, output: Any) -> Any:
        """Returns the output in the form that the metrics take."""
        return self.port.taken(output)

    def measured_batch(self, batch: Batch) -> Batch:
        """Returns a prepared batch in the form that the metrics take."""
        return batch

    def loss(self, function: Any, output: Any, batch: Batch) -> torch.Tensor:
        """Returns what a loss of the port says of a prepared batch, a scalar."""
        output = self.port.taken(output)
        if batch.weight is None:
            value: torch.Tensor = function(output, batch.y)
            self.parts = parts_of(function)
            return value
        if not takes_weights(function):
            raise ValueError(
                "the samples have weights, and the loss takes none: expected a loss with the "
                "argument sample_weight, such as those of torch_impl.losses"
            )
        value = function(output, batch.y, sample_weight=batch.weight)
        self.parts = parts_of(function)
        return value

    def finish(self) -> None:
        """Ends a training: averages of the weights replace them, if the optimizer keeps some."""
        if hasattr(self.optimizer, "finalize_variable_values"):
            self.optimizer.finalize_variable_values()
        if self.port.average is not None:
            replace_weights(self.port.average, self.port.module)

    def _input(self, array: Any) -> torch.Tensor:
        tensor = self._tensor(array)
        is_image = isinstance(array, np.ndarray) and array.ndim > 3
        is_turned = is_image and not getattr(self.port.module, "channels_last", False)
        return tensor.movedim(-1, 1) if is_turned else tensor

    def _tensor(self, array: Any) -> torch.Tensor:
        tensor = torch.as_tensor(array)
        dtype = self.dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.to(self.device, dtype)

    def _cast(self, array: Any) -> Any:
        """Returns what `feed` or `target` gets: real numbers in the dtype of the module."""
        if isinstance(array, torch.Tensor):
            return array.to(self.dtype) if array.is_floating_point() else array
        name = str(self.dtype).removeprefix("torch.")
        # NumPy has no bfloat16: such a module gets what the file has.
        is_real = isinstance(array, np.ndarray) and array.dtype.kind == "f"
        return array.astype(name, copy=False) if is_real and name != "bfloat16" else array

    def _moved(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.array(value))
        return value.to(self.device) if isinstance(value, torch.Tensor) else value


# --- GivenStepper: makes the steps of a training by the `train_step` of a port --------------------


class GivenStepper(Stepper):
    """Prepares batches as `Stepper` does, and hands them to `Port.train_step`.

    The numbers of an epoch are means over its steps, as those of a `keras.metrics.Mean` which
    `train_step` updates once. The port needs no loss, and no optimizer: the step has them.

    Args:
        port: with a `train_step`.

    Attributes:
        measures: what the steps have returned, running.
    """

    NEEDED: ClassVar[tuple[str, ...]] = ("train_step",)
    measures: Any

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self.measures = GivenMeasures()

    def step(self, batch: Batch) -> tuple[Any, None]:
        """Makes a step on a prepared batch; returns its numbers by name."""
        assert self.port.train_step is not None
        return self.port.train_step(batch.x if batch.y is None else batch.parts()), None

    def evaluated(self, batch: Batch) -> tuple[torch.Tensor, Any]:
        """Rejects a validation.

        Raises:
            ValueError: always; a `train_step` does not say what a validation computes.
        """
        raise ValueError(
            "validation of a port with a train_step: expected Port(evaluate=...), which returns "
            "the numbers of a validation, or no data for it"
        )


class GivenMeasures(Mapping[str, float]):
    """Means of numbers over the steps since the last reset."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._number = 0

    def reset(self) -> None:
        """Forgets all steps."""
        self._sums, self._number = {}, 0

    def update(self, numbers: Mapping[str, Any], *_: Any) -> None:
        """Adds a step.

        Args:
            numbers: by name, a number or a tensor of one each.
        """
        self._number += 1
        for name, value in numbers.items():
            number = float(value.detach() if isinstance(value, torch.Tensor) else value)
            self._sums[name] = self._sums.get(name, 0.0) + number

    def __getitem__(self, key: str) -> float:
        return self._sums[key] / self._number

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._sums))

    def __len__(self) -> int:
        return len(self._sums)

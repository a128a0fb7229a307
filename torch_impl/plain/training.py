"""The loop of a training, as Keras's fit makes it.

A line that ends with "#: NAME" is copied for programs that have that alone, and the
code behind "#: not NAME: " for all others; see `parity.ports.plain`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

Data = tuple[Any, Any, Any]  # inputs, targets, and weights of samples or None


@dataclass
class Training:
    """A network with all that trains it.

    Attributes:
        model: the network.
        loss: of (outputs, targets), and with weights of samples of a third one.
        optimizer: of its weights.
        schedulers: each gets the metric that it monitors after an epoch.  #: schedulers
        early_stopping: likewise; says when the training ends.  #: stopping
        metrics: of the output.
            By the names of outputs if there are several.  #: nest
        penalty: of the weights, which is added to the loss.  #: penalty
        output_names: of several outputs that the network returns in a tuple.  #: nest
        class_weight: of the samples of each label, in training alone.  #: classes
        output: turns what the network returns, for loss and metrics.  #: turned
        augment: changes the inputs of a batch in training.  #: augmented
        prepare: changes those of a batch in validation.  #: prepared
    """

    model: nn.Module
    loss: Any = None
    optimizer: Any = None
    schedulers: Sequence[Any] = ()  #: schedulers
    early_stopping: Any = None  #: stopping
    metrics: Any = ()
    penalty: Callable[[nn.Module], torch.Tensor] | None = None  #: penalty
    class_weight: dict[int, float] = field(default_factory=dict)  #: classes
    output_names: Sequence[str] = ()  #: nest
    output: Callable[[Any], Any] | None = None  #: turned
    augment: Any = None  #: augmented
    prepare: Any = None  #: prepared


def fit(
    training: Training,
    data: Data,
    validation: Data | None = None,
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
) -> dict[str, list[float]]:
    """Trains, and returns loss and metrics of each epoch.

    Args:
        training: see there.
        data: inputs, targets, and weights of samples or None.
        validation: the same.
        epochs: how often all samples are seen.
        batch_size: samples in a step.
        shuffle: whether the order of samples is drawn, once for all epochs,  #: seeded
            as Keras does after set_random_seed.  #: seeded
        #: not seeded: shuffle: whether the order of samples is drawn for each epoch.
    """
    if training.class_weight and data[2] is not None:  #: classes
        text = "weights of classes and of samples: expected one of them"  #: classes
        raise ValueError(text)  #: classes
    size = number_of(data)
    order = torch.randperm(size) if shuffle else torch.arange(size)  #: seeded
    data = picked(data, order)  #: seeded
    stopping = training.early_stopping  #: stopping
    history: dict[str, list[float]] = {}
    for _ in range(epochs):
        #: not seeded: order = torch.randperm(size) if shuffle else torch.arange(size)
        #: not seeded: given = batches(picked(data, order), batch_size)
        given = batches(data, batch_size)  #: seeded
        logs = train_epoch(training, given)
        if validation is not None:
            found = evaluate(training, batches(validation, batch_size))
            logs |= {f"val_{name}": value for name, value in found.items()}
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        for scheduler in training.schedulers:  #: schedulers
            if is_there(scheduler, logs):  #: schedulers
                scheduler.step(logs[scheduler.monitor])  #: schedulers
        watches = stopping is not None and is_there(stopping, logs)  #: stopping
        if watches and stopping.step(logs[stopping.monitor]):  #: stopping
            break  #: stopping
    if stopping is not None:  #: stopping
        stopping.restore()  #: stopping
    training.model.eval()
    return history


def is_there(rule: Any, logs: dict[str, float]) -> bool:
    """Whether an epoch has what a rule watches; it warns if not, as Keras does."""
    if rule.monitor not in logs:
        text = (
            f"{type(rule).__name__} watches {rule.monitor!r}, which the epoch has not: "
        )
        warnings.warn(text + ", ".join(logs), stacklevel=2)
    return rule.monitor in logs


def train_epoch(training: Training, given: Iterator[Data]) -> dict[str, float]:
    """Makes a step for each batch; returns the loss and metrics of the epoch."""
    training.model.train()
    measures = OutputMeasures(training.metrics)  #: nest
    #: not nest: measures = Measures(training.metrics)
    for x, y, weight in given:
        if training.class_weight:  #: classes
            weight = weights_of(y, training.class_weight)  #: classes
        if training.augment is not None:  #: augmented
            x = training.augment(x)  #: augmented
        training.optimizer.zero_grad()
        output = called(training, x)  #: called
        #: not called: output = training.model(x)
        loss = loss_of(training, output, y, weight)
        loss.backward()
        training.optimizer.step()
        measures.update(loss, output, y, parts_of(training))  #: nest
        #: not nest: measures.update(loss, output, y)
    return measures.compute()


@torch.no_grad()
def evaluate(training: Training, given: Iterator[Data]) -> dict[str, float]:
    """Returns loss and metrics of all batches, in eval mode."""
    training.model.eval()
    measures = OutputMeasures(training.metrics)  #: nest
    #: not nest: measures = Measures(training.metrics)
    for x, y, weight in given:
        if training.prepare is not None:  #: prepared
            x = training.prepare(x)  #: prepared
        output = called(training, x)  #: called
        #: not called: output = training.model(x)
        loss = loss_of(training, output, y, weight)
        measures.update(loss, output, y, parts_of(training))  #: nest
        #: not nest: measures.update(loss, output, y)
    return measures.compute()


def called(training: Training, x: Any) -> Any:
    """Returns what loss and metrics take of the output of the network."""
    model = training.model  #: nest
    output = model(**x) if isinstance(x, dict) else model(x)  #: nest
    #: not nest: output = training.model(x)
    if training.output is not None:  #: turned
        output = training.output(output)  #: turned
    if isinstance(output, tuple):  #: nest
        return dict(zip(training.output_names, output, strict=True))  #: nest
    return output


def loss_of(training: Training, output: Any, y: Any, weight: Any) -> torch.Tensor:
    """Returns the loss of a batch."""
    given = (output, y) if weight is None else (output, y, weight)
    loss: torch.Tensor = training.loss(*given)
    if training.penalty is not None:  #: penalty
        loss = loss + training.penalty(training.model)  #: penalty
    return loss


def parts_of(training: Training) -> dict[str, torch.Tensor]:
    """Returns the losses of several outputs in the last batch."""
    parts: dict[str, torch.Tensor] = getattr(training.loss, "parts", {})
    return parts


def weights_of(y: torch.Tensor, class_weight: dict[int, float]) -> torch.Tensor:
    """Returns the weight of each sample by its label, or by its one-hot row."""
    if y.ndim > 1:
        y = y[..., 0] if y.shape[-1] == 1 else y.argmax(-1)
    y = y.round() if y.is_floating_point() else y
    weights = torch.ones(len(y), device=y.device)
    for label, weight in class_weight.items():
        weights = torch.where(y == label, weight, weights)
    return weights


class Measures:
    """Loss and metrics of an epoch, by Keras's names."""

    def __init__(self, metrics: Sequence[Any] = ()) -> None:
        self.metrics = metrics
        self.total, self.number = torch.zeros(()), 0
        for metric in metrics:
            metric.reset()

    @torch.no_grad()
    def update(self, loss: torch.Tensor, output: Any, y: Any) -> None:
        """Adds a batch."""
        self.total = self.total + loss.detach() * len(y)
        self.number += len(y)
        for metric in self.metrics:
            metric.update(output, y)

    def compute(self) -> dict[str, float]:
        """Returns the numbers of the epoch."""
        found = {"loss": float(self.total) / max(self.number, 1)}
        return found | {each.name: float(each.compute()) for each in self.metrics}


class OutputMeasures:
    """Losses and metrics of an epoch, by the names of outputs."""

    def __init__(self, metrics: Any) -> None:
        self.by_output = metrics if isinstance(metrics, dict) else {"": metrics}
        self.total, self.number = torch.zeros(()), 0
        self.parts: dict[str, list[torch.Tensor]] = {}
        for each in self.by_output.values():
            for metric in each:
                metric.reset()

    @torch.no_grad()
    def update(
        self, loss: torch.Tensor, output: Any, y: Any, parts: dict[str, torch.Tensor]
    ) -> None:
        """Adds a batch."""
        size = next(len(x) for x in tensors_in(y))
        self.total = self.total + loss.detach() * size
        self.number += size
        for name, part in parts.items():
            self.parts.setdefault(name, []).append(part)
        for name, metrics in self.by_output.items():
            for metric in metrics:
                metric.update(output[name] if name else output, y[name] if name else y)

    def compute(self) -> dict[str, float]:
        """Returns the numbers of the epoch."""
        found = {"loss": float(self.total) / max(self.number, 1)}
        # In Keras, too, these are means over batches, and the loss is one over samples.
        for name, values in self.parts.items():
            found[f"{name}_loss"] = float(torch.stack(values).mean())
        for name, metrics in self.by_output.items():
            before = f"{name}_" if name else ""
            found |= {f"{before}{each.name}": float(each.compute()) for each in metrics}
        return found


def batches(data: Data, size: int) -> Iterator[Data]:
    """Yields the parts of so many samples; the last batch may have fewer."""
    whole = number_of(data)
    for first in range(0, whole, size):
        yield picked(data, slice(first, first + size))


def picked(data: Data, which: Any) -> Data:
    """Returns some of the samples."""
    #: not nest: x, y, weight = data
    #: not nest: return x[which], y[which], None if weight is None else weight[which]
    x, y, weight = (  #: nest
        {name: each[which] for name, each in part.items()}  #: nest
        if isinstance(part, dict)  #: nest
        else None  #: nest
        if part is None  #: nest
        else part[which]  #: nest
        for part in data  #: nest
    )  #: nest
    return x, y, weight  #: nest


def split_off(data: Data, share: float) -> tuple[Data, Data]:
    """Returns the samples to train on, and a share of the samples, the last ones."""
    at = int(number_of(data) * (1.0 - share))
    return picked(data, slice(at)), picked(data, slice(at, None))


def number_of(data: Data) -> int:
    """Returns the number of samples."""
    #: not nest: return len(data[0])
    sizes = {len(each) for part in data for each in tensors_in(part)}  #: nest
    if len(sizes) != 1:  #: nest
        text = f"arrays of {sorted(sizes)} samples: expected one number in all"  #: nest
        raise ValueError(text)  #: nest
    return sizes.pop()  #: nest


def tensors_in(part: Any) -> Iterator[torch.Tensor]:
    """Yields the tensors of inputs, targets or weights."""
    if part is not None:
        yield from part.values() if isinstance(part, dict) else [part]

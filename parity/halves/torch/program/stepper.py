"""ReplayedStepper: steps of a port on what Keras was fed, and the port's evaluation."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import first_tensor
from parity.halves.torch.check.loss import activated, is_by_name
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import from_returned
from parity.halves.torch.step_rate import StepRate
from parity.traces.anchors import Anchor
from parity.traces.trace import PortWriter
from parity.traces.training_recorder import EVALUATED_AT_ONCE, PREDICTIONS, keep_evaluation
from torch_impl.losses.outputs import takes_weights
from torch_impl.metrics import Metric
from torch_impl.port import Port
from torch_impl.trainer import Batch, Callback, Stepper
from torch_impl.trainer.batches import leaves, mapped, weighting
from torch_impl.trainer.loop import LoopBatches, LoopSteps, in_eval_mode

# --- ReplayedStepper: steps of a port on what Keras was fed, measured by Keras's metrics ----------


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
    """

    def __init__(self, port: PortUnderTest, built: Any, form: str) -> None:
        super().__init__(built)
        self._port, self._form = port, form
        self.rate = 0.0
        self._has_metrics = bool(port.built.metrics or port.built.weighted_metrics)

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

    def note_rates(self, is_other: Callable[[], bool]) -> None:
        """Notes the rate of every step from now on, also of a loop of the port's own.

        Args:
            is_other: whether a step is none of the training.
        """
        watch = StepRate(self.optimizer)
        self.rate = float(self.optimizer.param_groups[0]["lr"])

        def begin(*_: Any) -> None:
            if not is_other():
                watch.begin()

        def end(*_: Any) -> None:
            if not is_other():
                self.rate = watch.end()

        self.optimizer.register_step_pre_hook(begin)
        self.optimizer.register_step_post_hook(end)

    def measured(self, output: Any) -> Any:
        """Returns the output for the metrics: that of the port for its own, else as Keras's is."""
        if self._has_metrics:
            return super().measured(output)
        if self.has_several_outputs:
            return self._port.outputs.each(output)
        return self.as_keras(output)

    def measured_batch(self, batch: Batch) -> Batch:
        """Returns a batch for the metrics: for Keras's, with the targets in Keras's layout."""
        if self._has_metrics or not self._port.turned_targets:
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


# --------------------------------------------------------------------------------------------------
#
# Runner: makes a few steps of a port and evaluates it, outside of the order of its training.


BATCH_SIZE = 32  # Keras's default
# Called after a step with the running loss and the numbers so far; None and nothing if a loop of
# the port's own tells them at the end only.
Keep = Callable[[float | None, Mapping[str, float]], None]


class Runner:
    """Makes steps, and evaluates, as a training of a port does.

    Args:
        port: in the dtype of the steps.
        built: the same port, complete. Its metrics are not touched.
        form: of its output.
        nests: what Keras's `fit` was fed.
        trained_in: the dtype of the training.
    """

    def __init__(
        self,
        port: PortUnderTest,
        built: Port,
        form: str,
        nests: Mapping[str, Any],
        trained_in: str,
    ) -> None:
        self._port, self._trained_in = port, trained_in
        dtype = getattr(torch, port.dtype)
        self._built = dataclasses.replace(
            built,
            metrics=mapped(lambda each: _metric_in(dtype, each), built.metrics),
            weighted_metrics=mapped(lambda each: _metric_in(dtype, each), built.weighted_metrics),
        )
        self._stepper = ReplayedStepper(port, self._built, form)
        self._fit: Mapping[str, Any] = port.keras.facts["fit"]
        # Weights of classes reach arrays as weights of samples; a port gives them itself.
        self._has_weights = self._fit["class_weight"] is None or "train_batches" in nests
        self._validation: list[Batch] | None = None

    def steps(
        self, anchor: Anchor, number: int, keep: Keep, load: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """Makes the first steps from an anchor, with its rates; returns the numbers of all of them.

        A loop of the port's own makes all steps, since an epoch of one batch may be too short.

        Args:
            anchor: the port is in this state.
            number: of steps after which `keep` is called.
            keep: called after each of them.
            load: called where a loop of the port's own asks for the first batch: what it does
                before that belongs to the beginning of an epoch.
        """
        if self._built.train_epoch is not None:
            batches = [self._batch(nest) for nest in anchor.batches]
            return self._steps_of_loop(batches, anchor.rates, number, lambda: keep(None, {}), load)
        return self.plain_steps(anchor, number, keep)

    def plain_steps(self, anchor: Anchor, number: int, keep: Keep) -> dict[str, float]:
        """Makes steps as `steps` does, and none of them by a loop of the port's own."""
        stepper = self._stepper
        self._built.called.train()
        stepper.measures.reset()
        batches = map(self._batch, anchor.batches[:number])
        for batch, rate in zip(batches, anchor.rates, strict=False):
            with self._given_rate(float(rate)):
                stepper.measures.update(*stepper.step(batch), batch)
            keep(stepper.measures["loss"], dict(stepper.measures))
        return dict(stepper.measures)

    def _steps_of_loop(
        self,
        batches: Sequence[Batch],
        rates: np.ndarray,
        number: int,
        keep: Callable[[], None],
        load: Callable[[], None],
    ) -> dict[str, float]:
        """Lets the loop of the port make steps, in the modes in which it has left the module."""
        built, rate = self._built, ExitStack()

        def begin(step: int) -> None:
            if not step:
                load()
            rate.enter_context(self._given_rate(float(rates[step])))

        def end(step: int) -> bool:
            rate.close()
            if step < number:
                keep()
            return True

        assert built.train_epoch is not None
        optimizer = self._stepper.optimizer
        steps = LoopSteps(built.module, optimizer, begin, end)
        # Behind the step the rate is the loop's: a scheduler reads what it has set.
        hook = optimizer.register_step_post_hook(lambda *_: rate.close())
        try:
            with rate, steps.watched():
                return dict(built.train_epoch(steps.batches(batches, len(batches))))
        finally:
            hook.remove()

    def backward(
        self, nest: Any, *, training: bool, resting: nn.Module | None = None, loss: Any = None
    ) -> None:
        """Makes a pass of a batch and back by the port's loss, without a step.

        Args:
            nest: x, targets and weights, as Keras's `fit` feeds them.
            training: whether the module is in train mode.
            resting: a part of it that is in eval mode all the same.
            loss: one of Keras's in the place of the port's; it gets the output as Keras has it, or
                all of them.
        """
        stepper = self._stepper
        self._built.called.train(training)
        for module, is_training in self._port.loop_modes if training else ():
            module.training = is_training
        if resting is not None:
            resting.eval()
        batch = self._batch(nest, is_of_keras=loss is not None)
        output = stepper.forward(batch.x)
        if loss is not None and not stepper.has_several_outputs:
            output = stepper.as_keras(output)
        stepper.loss(loss or self.loss, output, batch).backward()

    @property
    def loss(self) -> Any:
        """The loss of the port, as one of all outputs."""
        return self._stepper.port.loss

    def evaluated(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Returns the numbers of a validation."""
        stepper, built = self._stepper, self._built
        if built.evaluate is not None:
            return dict(built.evaluate(LoopBatches(batches, len(batches))))
        stepper.measures.reset()
        with torch.no_grad(), in_eval_mode(built.called):
            for batch in batches:
                stepper.measures.update(*stepper.evaluated(batch), batch)
        return dict(stepper.measures)

    def validation(self, nests: Mapping[str, Any]) -> list[Batch]:
        """Returns the batches of one validation, none if there is none."""
        if self._validation is None:
            dtype = self._trained_in
            self._validation = [
                self._stepper.prepared(batch.mapped(lambda array: _rounded(array, dtype)))
                for batch in self._batches(nests)
            ]
        return self._validation

    def _batches(self, nests: Mapping[str, Any]) -> Iterator[Batch]:
        fit = self._fit
        most = fit["validation_steps"]
        if "val_batches" in nests:
            for item in nests["val_batches"][:most]:
                yield Batch(*item[:3]) if isinstance(item, tuple | list) else Batch(item)
        elif "val" in nests:
            whole = Batch(*nests["val"][:3])
            size = fit["validation_batch_size"] or fit["batch_size"] or BATCH_SIZE
            number = math.ceil(len(whole) / size)
            for place in range(number if most is None else min(most, number)):
                yield whole.rows(place * size, (place + 1) * size)

    def _batch(self, nest: Any, *, is_of_keras: bool = False) -> Batch:
        x, y, weight = nest
        batch = Batch(x, y, weight if self._has_weights or is_of_keras else None)
        if self._built.class_weight is not None and batch.weight is None:
            # As in the training, whose weights are rounded.
            batch = weighting(self._built.class_weight, getattr(torch, self._trained_in))(batch)
        return self._stepper.prepared(batch)

    @contextmanager
    def _given_rate(self, rate: float) -> Iterator[None]:
        """Makes the steps of the block with a given rate, whatever schedule the port has."""
        watch = StepRate(self._stepper.optimizer, rate)
        watch.begin()
        try:
            yield
        finally:
            watch.end()


def _metric_in(dtype: torch.dtype, given: Any) -> Any:
    """Returns a copy of a metric that adds up in a dtype; what is no Metric stays as it is."""
    if not isinstance(given, Metric):
        return given
    found = copy.deepcopy(given)
    found.dtype = dtype
    for name, value in vars(found).items():
        if isinstance(value, torch.Tensor | dict):
            setattr(found, name, mapped(lambda leaf: _cast(leaf, dtype), value))
    found.reset()
    return found


def _cast(value: Any, dtype: torch.dtype) -> Any:
    is_real = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.to(dtype) if is_real else value


def _rounded(array: Any, dtype: str) -> np.ndarray:
    """Returns an array as `fit` feeds it in a training in a dtype."""
    found = np.asarray(array)
    return found.astype(dtype) if found.dtype.kind == "f" else found


# --------------------------------------------------------------------------------------------------
#
# Evaluation: how well a port knows its training samples, and what it says of those of validation.
#
# It is told what Keras's `fit` was fed. See `parity/halves/keras/program/training.py`.


class Evaluation(Callback):
    """Evaluates the training samples after every epoch, and predicts after the last one.

    Args:
        stepper: of the port.
        nests: of the feed file.
        writer: receives the columns `eval_...` of the history, and `predictions/val`.

    Attributes:
        wall_s: seconds that it took.
    """

    def __init__(
        self, stepper: ReplayedStepper, nests: Mapping[str, Any], writer: PortWriter
    ) -> None:
        self._stepper, self._writer = stepper, writer
        nest = nests.get("train_flow", nests)
        self._samples = (nest["x"], nest["y"]) if "x" in nest else None
        self._validation = nests["val"][0] if "val" in nests else None
        self.wall_s = 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """After an epoch and its validation."""
        if self._samples is not None:
            started = time.perf_counter()
            numbers = self.trainer.evaluate(*self._samples, batch_size=EVALUATED_AT_ONCE)
            keep_evaluation(self._writer, numbers)
            self.wall_s += time.perf_counter() - started

    def on_train_end(self) -> None:
        """After the last epoch, when the best weights are restored."""
        if self._validation is not None and not self._stepper.has_several_outputs:
            started = time.perf_counter()
            output = self.trainer.predict(self._validation, batch_size=EVALUATED_AT_ONCE)
            self._writer.put(PREDICTIONS, self._stepper.as_keras(output).cpu().numpy())
            self.wall_s += time.perf_counter() - started

"""Trains a user's port by itself: its own weights, masks and order, on the data that `fit` gets."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from parity.errors import InputError
from parity.halves.torch.call import first_tensor
from parity.halves.torch.check.loss import activated
from parity.halves.torch.factories import advice_on, call_factory, error_text, user_factory
from parity.halves.torch.port.outputs import Outputs
from parity.halves.torch.port.portable import channels_first, from_returned, in_order
from parity.halves.torch.program.stepper import StepperOfPort, nest_by_name
from parity.halves.torch.program.training import arguments_of, check_losses, with_loss
from parity.traces.trace import RunResult
from torch_impl.losses.logits import channels_last
from torch_impl.losses.outputs import OutputLosses, by_output
from torch_impl.port import Port
from torch_impl.trainer import Batch, Callback, Trainer
from torch_impl.trainer.batches import leaves, mapped

if TYPE_CHECKING:
    from parity.sweeps.child import SweptProgram


# --- The form of the labels that a port takes which is trained by itself --------------------------
#
# `fit` takes labels (N,) and (N, 1) alike, and a loss one of them. Labels that are like an output,
# such as images, are in Keras's layout, or in that of the port's output if the loss refuses
# Keras's: the rule of a check (parity/halves/torch/check/loss.py).


class LabelForms:
    """Puts labels into the form of a loss, and back into Keras's.

    An output has a name if there are several; the only one has "".
    """

    def __init__(self) -> None:
        self._columns = frozenset[str]()  # outputs whose labels are fed as (N, 1)
        self._turned = frozenset[str]()  # outputs whose labels are fed with channels first

    def see(self, loss: Any, output: Any, labels: Any) -> None:
        """Looks at a first batch.

        Args:
            loss: of the port; None: it has none.
            output: of the module, for that batch; a mapping or in order if Keras has several.
            labels: for the loss, in Keras's layout: a tensor, or tensors by name.
        """
        parts = _by_name(loss, output, labels)
        self._columns = frozenset(name for name, part in parts.items() if _needs_column(*part))
        self._turned = frozenset(name for name, part in parts.items() if _needs_turning(*part))

    def fed(self, labels: Any) -> Any:
        """Returns labels in the form that the loss takes."""
        labels = self._changed(labels, self._columns, _column)
        return self._changed(labels, self._turned, channels_first)

    def as_keras(self, labels: Any) -> Any:
        """Returns what `fed` has made of labels in Keras's layout again."""
        return self._changed(labels, self._turned, channels_last)

    def _changed(
        self, labels: Any, names: frozenset[str], change: Callable[[torch.Tensor], torch.Tensor]
    ) -> Any:
        if "" in names:
            return change(labels)
        if not names:
            return labels
        return {name: change(each) if name in names else each for name, each in labels.items()}


def _by_name(loss: Any, output: Any, labels: Any) -> dict[str, tuple[Any, Any, Any]]:
    """Returns loss, output and labels of each output; of one function of several there are none."""
    if isinstance(labels, torch.Tensor):
        found = {} if loss is None or not isinstance(output, torch.Tensor) else {"": labels}
        return {name: (loss, output, each) for name, each in found.items()}
    if not isinstance(loss, OutputLosses) or not isinstance(labels, Mapping):
        return {}
    given = by_output(output, loss.names, "outputs of the port")
    return {
        name: (loss.of(name), given[name], each)
        for name, each in labels.items()
        if loss.of(name) is not None and isinstance(given.get(name), torch.Tensor)
    }


def _needs_column(loss: Any, output: torch.Tensor, labels: Any) -> bool:
    """Whether a loss takes labels (N,) as (N, 1) alone."""
    if not isinstance(labels, torch.Tensor) or labels.ndim != 1:
        return False
    works = [
        all(_value(loss, output[:n], form[:n]) is not None for n in (1, len(output)))
        for form in (labels, _column(labels))
    ]
    return works == [False, True]


def _needs_turning(loss: Any, output: torch.Tensor, labels: Any) -> bool:
    """Whether a loss takes labels like images with channels first alone."""
    if not isinstance(labels, torch.Tensor) or labels.ndim < 3:
        return False
    shape = output.shape[1:]
    if shape == labels.shape[1:] or shape != channels_first(labels).shape[1:]:
        return False
    kept, turned = (_value(loss, output, each) for each in (labels, channels_first(labels)))
    return kept is None and turned is not None


def _value(loss: Any, output: torch.Tensor, labels: torch.Tensor) -> float | None:
    """Returns what a loss says; None if it fails."""
    try:
        with warnings.catch_warnings():  # of shapes that broadcast: that is what is looked for
            warnings.simplefilter("ignore")
            return float(loss(output, labels))
    except Exception:  # the code of the port may raise anything
        return None


def _column(labels: torch.Tensor) -> torch.Tensor:
    return labels[:, None]


# --------------------------------------------------------------------------------------------------
#
# Trains a user's port by itself: its own weights, masks and order, on the data that `fit` gets.


NUM_PROBED = 64  # samples on which the form of the output is seen
MAX_OFF = 1e-3  # of the sum of probabilities, in float32 or narrower


def fit_program(task: SweptProgram) -> RunResult:
    """Trains a port from its own random numbers.

    Args:
        task: its `nests` and `settings` are what the Keras half recorded.

    Returns:
        History and seconds.

    Raises:
        InputError: the port cannot be trained.
    """
    spec = task.spec
    assert spec.torch is not None
    factory = user_factory(spec.torch, spec.folder, spec.seed)
    built = call_factory(factory, spec.seed, spec.dtype)
    built.module.to(spec.device)  # in place, so that the optimizer keeps its parameters
    outputs = Outputs(task.settings["outputs"], {})
    built = outputs.named(built)
    has_metrics = bool(built.metrics or built.weighted_metrics)
    settings = {**task.settings, "metrics_are_own": has_metrics}
    check_losses(built, outputs.names)
    built = with_loss(
        built,
        settings["loss"],
        settings["fit"]["class_weight"],
        has_penalties=settings["has_penalties"],
    )
    if settings["has_accuracy"] and not has_metrics:
        of_outputs = {each["name"]: ["accuracy"] for each in _with_accuracy(settings["outputs"])}
        built = dataclasses.replace(built, metrics=of_outputs or ["accuracy"])
    arguments = arguments_of(settings["fit"], built, task.nests, settings)
    arguments["shuffle"] = settings["fit"]["shuffle"] is True
    stepper = OwnStepper(built, settings, outputs)
    stepper.see(_first(task.nests))
    started = time.perf_counter()
    trainer = Trainer(built, stepper)
    history = trainer.fit(**arguments, callbacks=[_Watching(task)])
    return RunResult(history.history, {}, time.perf_counter() - started)


class OwnStepper(StepperOfPort):
    """Makes the steps of a port whose layers are not paired with Keras's.

    Which form the module and the loss take is seen on a first batch.

    Args:
        built: the port, with the loss and the metrics of the training.
        settings: what the Keras half recorded of its model.
        outputs: those of the port beside Keras's.
    """

    def __init__(self, built: Port, settings: Mapping[str, Any], outputs: Outputs) -> None:
        super().__init__(built)
        self._outputs = outputs
        self._activation = settings["activation"]
        self._shape: list[int] | None = settings["output_shape"]
        self._output_facts: list[Mapping[str, Any]] = settings["outputs"]
        self._least_rank: float = 4  # from which inputs are turned
        self._is_stored_anew = False  # whether what `feed` returns is put into row-major order
        self._labels = LabelForms()
        self._choose: Callable[[Any], Any] = lambda returned: returned
        self._is_linear = False  # whether the output lacks Keras's activation
        self._has_metrics = settings["metrics_are_own"]

    def see(self, batch: Batch) -> None:
        """Looks at a batch, before the first step.

        Args:
            batch: up to NUM_PROBED samples in Keras's layout.

        Raises:
            InputError: the module takes them in no form.
        """
        module = self.port.module
        was_training = module.training
        module.eval()
        with torch.no_grad():
            output = self._try_forms(batch)
            if self._chooses(batch):
                output = self.forward(self.prepared(batch).x)
            if self._outputs.names:
                self._see_each(output)
            else:
                only = self._as_keras(output)
                self._is_linear = not _are_probabilities(only, self._activation)
            if self.port.target is None:
                output = self.port.taken(output)
                self._labels.see(self.port.loss, output, self.prepared(batch).y)
        module.train(was_training)

    def prepared(self, batch: Batch) -> Batch:
        """Returns a batch of Keras's in the form that module and loss take."""
        names = self._outputs.names
        batch = dataclasses.replace(
            batch, y=nest_by_name(batch.y, names), weight=nest_by_name(batch.weight, names)
        )
        found = super().prepared(batch.mapped(self._cast))
        x = found.x
        if self._is_stored_anew:
            x = mapped(lambda each: in_order(each) if isinstance(each, torch.Tensor) else each, x)
        return Batch(x, self._labels.fed(found.y), found.weight)

    def forward(self, x: Any) -> Any:
        """Calls the module; returns its first output, or all of them if Keras has several."""
        returned = self._choose(super().forward(x))
        return returned if self._outputs.names else first_tensor(returned)

    def _chooses(self, batch: Batch) -> bool:
        """Whether `Port.output` chooses among what the module returns; does so from now on."""
        if self.port.output is None:
            return False
        returned = super().forward(self.prepared(batch).x)
        shape = (len(batch), *(self._shape or ()))
        found = self._outputs.chosen(self.port, returned, shape)
        if found:
            self._choose = self.port.taken
            self.port = dataclasses.replace(self.port, output=None)
        return found

    def measured(self, output: Any) -> Any:
        """Returns the output for the metrics: that of the port for its own, else as Keras's is."""
        if self._has_metrics:
            return super().measured(output)
        if self._outputs.names:
            return self._outputs.each(output)
        output = self._as_keras(output)
        return activated(output, "linear", self._activation) if self._is_linear else output

    def measured_batch(self, batch: Batch) -> Batch:
        """Returns a batch for the metrics: for Keras's, with the labels in Keras's layout."""
        if self._has_metrics:
            return batch
        return dataclasses.replace(batch, y=self._labels.as_keras(batch.y))

    def _try_forms(self, batch: Batch) -> Any:
        """Finds the form in which the module takes a batch; returns its output."""
        first: Exception | None = None
        if self.port.feed is not None:
            forms: tuple[tuple[float, bool], ...] = ((4, False), (4, True))
        elif getattr(self.port.module, "channels_last", False):
            forms = ((4, False),)
        else:  # images are turned; signals for convolutions; nothing
            forms = ((4, False), (3, False), (np.inf, False))
        for self._least_rank, self._is_stored_anew in forms:
            try:
                return self.forward(self.prepared(batch).x)
            except Exception as error:  # the code of the port may raise anything
                first = first or error
        assert first is not None
        shapes = ", ".join(str(tuple(np.shape(array))) for array in leaves(batch.x))
        advice = advice_on(first, str(self.dtype).removeprefix("torch."))
        raise InputError(
            f"the torch module cannot take the batch that Keras takes, of shape {shapes} in "
            f"Keras's layout ({error_text(first)}); "
            f"{advice or 'return a Port with `feed`, which turns a batch into its arguments'}"
        ) from first

    def _see_each(self, returned: Any) -> None:
        """Looks which of several outputs lack Keras's activation."""
        activations = {each["name"]: each["activation"] for each in self._output_facts}
        for name, output in self._outputs.each(returned).items():
            if not _are_probabilities(output, activations[name]):
                self._outputs.forms[name] = "linear"

    def _as_keras(self, output: torch.Tensor) -> torch.Tensor:
        """Returns an output in Keras's layout."""
        if self._shape is None:
            return output
        found: torch.Tensor = from_returned(output, [len(output), *self._shape])
        return found

    def _cast(self, array: Any) -> Any:
        is_real = isinstance(array, np.ndarray) and array.dtype.kind == "f"
        return array.astype(str(self.dtype).removeprefix("torch.")) if is_real else array

    def _input(self, array: Any) -> torch.Tensor:
        tensor = self._tensor(array)
        is_turned = isinstance(array, np.ndarray) and array.ndim >= self._least_rank
        is_turned = is_turned and not getattr(self.port.module, "channels_last", False)
        return channels_first(tensor) if is_turned else tensor


class _Watching(Callback):
    """Ends the process if nobody waits for the training."""

    def __init__(self, task: SweptProgram) -> None:
        self._task = task

    def on_train_batch_end(self, step: int, logs: Mapping[str, float]) -> None:
        """After every step."""
        self._task.on_step()


def _first(nests: Mapping[str, Any]) -> Batch:
    """Returns the first samples of what a training is fed."""
    if "train_batches" not in nests:
        return Batch(nests["x"], nests["y"], nests["weight"]).rows(0, NUM_PROBED)
    given = nests["train_batches"][0]
    return Batch(*given[:3]) if isinstance(given, tuple | list) else Batch(given)


def _with_accuracy(outputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns those of Keras's several outputs that have an accuracy."""
    return [each for each in outputs if each["has_accuracy"]]


def _are_probabilities(output: torch.Tensor, activation: str | None) -> bool:
    """Whether an output has Keras's last activation already, by its values."""
    if activation is None:
        return True
    is_between = bool(((output >= 0) & (output <= 1)).all())
    if activation == "softmax":
        return is_between and bool((output.sum(-1) - 1).abs().max() < MAX_OFF)
    return is_between

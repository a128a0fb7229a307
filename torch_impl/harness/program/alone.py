"""Trains a user's port by itself: its own weights, masks and order, on the data that `fit` gets."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from parity.errors import InputError
from parity.programs.factories import forget_modules, load_factory
from parity.traces.trace import RunResult
from torch_impl.harness.call import first_tensor
from torch_impl.harness.check.loss import activated
from torch_impl.harness.factories import Port, call_factory
from torch_impl.harness.port.call_places import advice_on, told_of
from torch_impl.harness.port.portable import channels_first, from_returned, in_order
from torch_impl.harness.program.stepper import StepperOfPort
from torch_impl.harness.program.training import arguments_of, with_loss
from torch_impl.trainer import Batch, Callback, Trainer
from torch_impl.trainer.nests import leaves, mapped

if TYPE_CHECKING:
    from parity.sweeps.program_child import SweptProgram

NUM_PROBED = 64  # samples on which the form of the output is seen
MAX_OFF = 1e-3  # of the sum of probabilities, in float32 or narrower


def fit_program(task: SweptProgram) -> RunResult:
    """Trains a port from its own random numbers.

    Args:
        task: its `nests` and `settings` are what the Keras half told.

    Returns:
        History and seconds.

    Raises:
        InputError: the port cannot be trained.
    """
    spec = task.spec
    assert spec.torch is not None
    forget_modules(spec.folder)
    _seed(spec.seed)  # modules may draw when they are imported
    factory = load_factory("--torch", spec.torch, spec.folder)
    _seed(spec.seed)
    built = call_factory(factory, spec.seed, spec.dtype)
    built.module.to(spec.device)  # in place, so that the optimizer keeps its parameters
    own = bool(built.metrics or built.weighted_metrics)
    settings = {**task.settings, "metrics_are_own": own}
    built = with_loss(
        built,
        settings["loss"],
        settings["fit"]["class_weight"],
        has_penalties=settings["has_penalties"],
    )
    if settings["has_accuracy"] and not own:
        built = dataclasses.replace(built, metrics=["accuracy"])
    arguments = arguments_of(settings["fit"], built, task.nests, settings)
    arguments["shuffle"] = settings["fit"]["shuffle"] is True
    stepper = OwnStepper(built, settings)
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
        settings: what the Keras half told of its model.
    """

    def __init__(self, built: Port, settings: Mapping[str, Any]) -> None:
        super().__init__(built)
        self._activation = settings["activation"]
        self._shape: list[int] | None = settings["output_shape"]
        self._least_rank: float = 4  # from which inputs are turned
        self._is_stored_anew = False  # whether what `feed` returns is put into row-major order
        self._has_columns = False  # whether labels are fed as (N, 1)
        self._is_linear = False  # whether the output lacks Keras's activation
        self._has_own_metrics = settings["metrics_are_own"]

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
            output = self._seen(batch)
            self._has_columns = self._needs_columns(output, batch)
            output = self._as_keras(output)
        self._is_linear = not _are_probabilities(output, self._activation)
        module.train(was_training)

    def prepared(self, batch: Batch) -> Batch:
        """Returns a batch of Keras's in the form that module and loss take."""
        cast = batch.mapped(self._cast)
        found = super().prepared(cast)
        x, y = found.x, found.y
        if self._is_stored_anew:
            x = mapped(lambda each: in_order(each) if isinstance(each, torch.Tensor) else each, x)
        if self._has_columns and isinstance(y, torch.Tensor) and y.ndim == 1:
            y = y[:, None]
        return Batch(x, y, found.weight)

    def forward(self, x: Any) -> Any:
        """Calls the module; returns its first output."""
        return first_tensor(super().forward(x))

    def measured(self, output: Any) -> Any:
        """Returns the output for the metrics: that of the port for its own, else as Keras's is."""
        if self._has_own_metrics:
            return output
        output = self._as_keras(output)
        return activated(output, "linear", self._activation) if self._is_linear else output

    def _seen(self, batch: Batch) -> torch.Tensor:
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
                output: torch.Tensor = self.forward(self.prepared(batch).x)
                return output
            except Exception as error:  # the code of the port may raise anything
                first = first or error
        assert first is not None
        shapes = ", ".join(str(tuple(np.shape(array))) for array in leaves(batch.x))
        advice = advice_on(first, str(self.dtype).removeprefix("torch."))
        raise InputError(
            f"the torch module cannot take the batch that Keras takes, of shape {shapes} in "
            f"Keras's layout ({told_of(first)}); "
            f"{advice or 'return a Port with `feed`, which turns a batch into its arguments'}"
        ) from first

    def _needs_columns(self, output: torch.Tensor, batch: Batch) -> bool:
        """Whether the loss needs labels as a column: `fit` takes (N,) and (N, 1) alike."""
        y = self.prepared(batch).y
        if self.port.target is not None or not isinstance(y, torch.Tensor) or y.ndim != 1:
            return False
        works = []
        for target in (y, y[:, None]):
            works.append(False)
            with suppress(Exception):  # the code of the port may raise anything
                loss: Any = self.port.loss
                loss(output[:1], target[:1])
                loss(output, target)
                works[-1] = True
        return works == [False, True]

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


def _seed(seed: int) -> None:
    """Seeds the generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _first(nests: Mapping[str, Any]) -> Batch:
    """Returns the first samples of what a training is fed."""
    if "train_batches" not in nests:
        return Batch(nests["x"], nests["y"], nests["weight"]).rows(0, NUM_PROBED)
    given = nests["train_batches"][0]
    return Batch(*given[:3]) if isinstance(given, tuple | list) else Batch(given)


def _are_probabilities(output: torch.Tensor, activation: str | None) -> bool:
    """Whether an output has Keras's last activation already, by its values."""
    if activation is None:
        return True
    is_between = bool(((output >= 0) & (output <= 1)).all())
    if activation == "softmax":
        return is_between and bool((output.sum(-1) - 1).abs().max() < MAX_OFF)
    return is_between

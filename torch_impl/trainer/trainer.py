"""Trainer: trains a torch module as Keras's `fit` trains a model.

    trainer = Trainer(Port(module, loss, optimizer, metrics=["accuracy"], seeds=seeds))
    history = trainer.fit(x, y, validation_data=(x_val, y_val), batch_size=32, epochs=20)

Source: keras 3.15 `backend/tensorflow/trainer.py`, `trainers/trainer.py`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from torch_impl.native.waits import adapted
from torch_impl.trainer.batches import (
    ArrayBatches,
    Batch,
    Batches,
    Epochs,
    PreparedBatches,
    check_numbers,
    gives_batches,
    is_validated,
    sorted_data,
)
from torch_impl.trainer.callbacks import Callback, Scheduling, as_callback, callbacks_of
from torch_impl.trainer.loop import LoopBatches, LoopSteps, in_eval_mode
from torch_impl.trainer.measures import History
from torch_impl.trainer.step import GivenStepper, Stepper

if TYPE_CHECKING:
    from torch_impl.augment import FitFlow
    from torch_impl.port import Port

BATCH_SIZE = 32  # Keras's default
_FLOWS = ("flow", "validation_flow")  # in a checkpoint


class Trainer:
    """Trains a port as `keras.Model.fit` does.

    Differs from the usual handwritten loop in:
    1. the samples of arrays come in one order, the same in every epoch; with `seeds` of the port it
       is Keras's;
    2. loss and metrics of an epoch are means over samples while the weights change; the penalties
       of the loss are part of it;
    3. `class_weight` counts in training and not in validation; `metrics` are not weighted;
    4. validation comes before the callbacks of an epoch, which see its numbers;
    5. at the end, averages of the weights replace them, if the optimizer keeps some.

    One thing that Keras does is left out: at the end of a stream of unknown length, its compiled
    step begins without a batch, counts itself and decays the weights (docs/programs.md).

    NumPy arrays of rank 4 or more have their channels last and are turned, unless the module has
    `channels_last = True`; tensors are taken as they are. `feed` and `target` of the port replace
    that. Real numbers get the dtype of the module, also those that `feed` and `target` get.

    Args:
        port: module, loss and optimizer; also metrics, schedulers, early stopping, seeds.
        stepper: makes the steps; None: a Stepper of the port, or a GivenStepper if it has a
            `train_step` and no `train_epoch`.

    Attributes:
        port: as given.
        history: of the last call of `fit`.
        stop_training: a callback that sets it ends the training after the step or the epoch.

    Raises:
        ValueError: the port has no loss or no optimizer, and no `train_step`.
    """

    def __init__(self, port: Port, stepper: Stepper | None = None) -> None:
        has_step = port.train_step is not None and port.train_epoch is None
        self.port = port
        self.history = History()
        self.stop_training = False
        self._stepper = stepper or (GivenStepper(port) if has_step else Stepper(port))
        self._callbacks: list[Callback] = []
        self._order_seed: int | None = None
        self._num_epochs = 0  # that are finished
        self._waiting: Sequence[Mapping[str, Any]] | None = None  # callbacks of a checkpoint
        self._flows: dict[str, FitFlow[Any]] = {}
        self._waiting_flows: dict[str, Mapping[str, Any]] = {}

    @adapted()
    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int | None = None,
        epochs: int = 1,
        callbacks: Sequence[Any] = (),
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int | None = None,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> History:
        """Trains; the arguments are Keras's.

        Args:
            x: inputs: an array (N, ...), a tuple, list or mapping of arrays; or an iterable of
                batches x, (x, y) or (x, y, weight), one pass of which is an epoch. With `seeds` of
                the port, a flow of `torch_impl.augment` is taken as a `FitFlow`.
            y: targets; None for an iterable.
            batch_size: samples in a step; None: 32.
            epochs: number of the epoch after which the training ends.
            callbacks: beside those of the port: Callbacks, rules of `torch_impl.schedule`, and
                schedulers of torch.
            validation_split: share of the samples, the last ones, that are for validation.
            validation_data: (x, y), (x, y, weight), or an iterable of batches; a flow as for `x`.
            shuffle: whether samples of arrays are shuffled.
            class_weight: from label to the weight of its samples; None: that of the port, if
                the samples are arrays without weights of their own.
            sample_weight: (N,) weights; the loss takes them as `sample_weight`.
            initial_epoch: number of the first epoch; None: 0, or after `load_state_dict` the
                first one that had not been finished.
            steps_per_epoch: number of steps of an epoch; None: all batches.
            validation_steps: number of batches of a validation; None: all.
            validation_batch_size: None: `batch_size`.
            validation_freq: every so many epochs, or the numbers, from 1, of the epochs that are
                validated.

        Returns:
            The history, with Keras's keys.

        Raises:
            ValueError: an argument cannot be used.
        """
        check_numbers(batch_size=batch_size, epochs=epochs, steps_per_epoch=steps_per_epoch)
        check_numbers(validation_steps=validation_steps)
        check_numbers(validation_batch_size=validation_batch_size)
        if class_weight is None and sample_weight is None and not gives_batches(x, y):
            class_weight = self.port.class_weight
        x = self._in_keras_order("flow", x, shuffle=shuffle)
        validation_data = self._in_keras_order(
            "validation_flow", validation_data, shuffle=False, evaluates=True
        )
        train, validation = sorted_data(
            *(x, y, sample_weight, class_weight, validation_split, validation_data),
            self._stepper.dtype,
        )
        if batch_size is None and steps_per_epoch and isinstance(train, Batch):
            batch_size = -(-len(train) // steps_per_epoch)
        size = batch_size or BATCH_SIZE
        fed = Epochs(self._batches(train, size, is_shuffled=shuffle), steps_per_epoch)
        val_batches = None
        if validation is not None:
            val_batches = self._batches(validation, validation_batch_size or size)
        first = self._begin([*callbacks_of(self.port), *map(as_callback, callbacks)], initial_epoch)
        for epoch in range(first, epochs):
            for callback in self._callbacks:
                callback.on_epoch_begin(epoch)
            logs = self._train(fed)
            if val_batches is not None and is_validated(epoch, validation_freq):
                found = self._evaluated(Epochs(val_batches, validation_steps))
                logs |= {f"val_{name}": value for name, value in found.items()}
            logs = dict(sorted(logs.items()))  # as Keras passes them on
            for callback in self._callbacks:
                callback.on_epoch_end(epoch, logs)
            self.history.keep(epoch, logs)
            self._num_epochs = epoch + 1
            if self.stop_training:
                break
        self._stepper.finish()
        for callback in self._callbacks:
            callback.on_train_end()
        return self.history

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int | None = None,
        sample_weight: Any = None,
        steps: int | None = None,
    ) -> dict[str, float]:
        """Returns loss and metrics in eval mode, as `model.evaluate(return_dict=True)` does.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            batch_size: samples in a batch; None: 32.
            sample_weight: as in `fit`.
            steps: number of batches; None: all.
        """
        check_numbers(batch_size=batch_size, steps=steps)
        given, _ = sorted_data(x, y, sample_weight, None, 0.0, None, self._stepper.dtype)
        return self._evaluated(Epochs(self._batches(given, batch_size), steps))

    @torch.no_grad()
    def predict(self, x: Any, *, batch_size: int | None = None) -> Any:
        """Returns what the module returns in eval mode, (N, ...); a nest if it returns one.

        Args:
            x: inputs, as in `fit`.
            batch_size: samples in a batch; None: 32.
        """
        check_numbers(batch_size=batch_size)
        given, _ = sorted_data(x, None, None, None, 0.0, None, self._stepper.dtype)
        batches = self._batches(given, batch_size)
        with self._evaluating():
            return _joined([self._stepper.forward(batch.x) for batch in batches])

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a training needs to go on as if it had not been interrupted.

        These are the states of module, optimizer, callbacks and seeds, those of torch's generator
        and of a flow, the number of finished epochs, and the history.

        Raises:
            ValueError: the port has no optimizer, but a `train_step` that has some.
        """
        if self._stepper.optimizer is None:
            raise ValueError("a port without an optimizer has no state: expected Port(optimizer=)")
        seeds = self.port.seeds
        return {
            "module": self.port.module.state_dict(),
            "optimizer": self._stepper.optimizer.state_dict(),
            "callbacks": [callback.state_dict() for callback in self._callbacks],
            "seeds": None if seeds is None else seeds.state_dict(),
            "torch": torch.get_rng_state(),
            "order_seed": self._order_seed,
            **dict.fromkeys(_FLOWS),
            **{name: flow.state_dict() for name, flow in self._flows.items()},
            "num_epochs": self._num_epochs,
            "history": self.history.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to a checkpoint; the next call of `fit` goes on from there.

        It needs the same data and arguments as the interrupted one.

        Args:
            state: of `state_dict`.
        """
        self.port.module.load_state_dict(state["module"])
        self._stepper.optimizer.load_state_dict(state["optimizer"])
        if self.port.seeds is not None and state["seeds"] is not None:
            self.port.seeds.load_state_dict(state["seeds"])
        torch.set_rng_state(state["torch"])
        self._order_seed, self._num_epochs = state["order_seed"], state["num_epochs"]
        self._waiting = state["callbacks"]
        self._waiting_flows = {name: state[name] for name in _FLOWS if state.get(name) is not None}
        self.history = History.from_state(state["history"])

    @property
    def learning_rate(self) -> float:
        """The rate of the first group of the optimizer."""
        return float(self._stepper.optimizer.param_groups[0]["lr"])

    def _batches(self, given: Any, batch_size: int | None, *, is_shuffled: bool = False) -> Batches:
        """Returns batches that are ready to be used: of all samples, or of an iterable."""
        if not isinstance(given, Batch):
            return PreparedBatches(given, self._stepper.prepared)
        order = self._order(len(given)) if is_shuffled else None
        if self._stepper.prepares_whole:
            return ArrayBatches(self._stepper.prepared(given), batch_size or BATCH_SIZE, order)
        batches = ArrayBatches(given, batch_size or BATCH_SIZE, order)
        return PreparedBatches(batches, self._stepper.prepared)

    def _in_keras_order(self, name: str, x: Any, **how: bool) -> Any:
        """Returns a flow as `fit` takes its batches, if the port has Keras's seeds; else x."""
        # It is imported if x is one. Here that would take as long as torch itself.
        augment, seeds = sys.modules.get("torch_impl.augment"), self.port.seeds
        if augment is None:
            return x
        if seeds is not None and isinstance(x, augment.iterators.BatchIterator):
            x = augment.FitFlow(x, seeds, **how)
        if isinstance(x, augment.FitFlow):
            self._flows[name] = x
            if (waiting := self._waiting_flows.pop(name, None)) is not None:
                x.load_state_dict(waiting)
        return x

    def _order(self, number: int) -> torch.Tensor:
        if self.port.seeds is not None:
            return self.port.seeds.fit_order(number)
        if self._order_seed is None:
            self._order_seed = int(torch.randint(2**62, ()))
        generator = torch.Generator().manual_seed(self._order_seed)
        return torch.randperm(number, generator=generator)

    def _begin(self, callbacks: list[Callback], initial_epoch: int | None) -> int:
        """Begins a training, or goes on with one; returns the number of its first epoch."""
        self._callbacks, self.stop_training = callbacks, False
        for callback in callbacks:
            callback.trainer = self
            callback.on_train_begin()
        if self._waiting is None:
            self.history, self._num_epochs = History(), 0
        elif len(self._waiting) != len(callbacks):
            raise ValueError(
                f"the checkpoint has {len(self._waiting)} callbacks, and this training has "
                f"{len(callbacks)}: expected the same ones in the same order"
            )
        for callback, state in zip(callbacks, self._waiting or (), strict=False):
            callback.load_state_dict(state)
        self._waiting = None
        return self._num_epochs if initial_epoch is None else initial_epoch

    def _train(self, fed: Epochs) -> dict[str, float]:
        """Trains on the batches of an epoch; returns loss and metrics."""
        stepper, measures = self._stepper, self._stepper.measures
        watching = [each for each in self._callbacks if each.watches_steps]
        measures.reset()
        if self.port.train_epoch is not None:
            return self._train_by_loop(fed, watching)
        stepper.port.called.train()
        for number, batch in enumerate(fed.epoch()):
            for callback in watching:
                callback.on_train_batch_begin(number)
            made = stepper.step(batch)
            measures.update(*made, stepper.measured_batch(batch), stepper.parts)
            for callback in watching:
                callback.on_train_batch_end(number, measures)
            if self.stop_training:
                break
        return dict(measures)

    def _train_by_loop(self, fed: Epochs, watching: Sequence[Callback]) -> dict[str, float]:
        """Calls the port's own loop, in the modes in which it has left the module."""
        assert self.port.train_epoch is not None
        told = [each for each in watching if not isinstance(each, Scheduling)]  # it steps them

        def begin(number: int) -> None:
            for callback in told:
                callback.on_train_batch_begin(number)

        def end(number: int) -> bool:
            for callback in told:
                callback.on_train_batch_end(number, {"loss": math.nan})
            return not self.stop_training

        steps = LoopSteps(self.port.module, self._stepper.optimizer, begin, end)
        with steps.watched():
            return dict(self.port.train_epoch(steps.batches(fed.epoch(), fed.number)))

    def _evaluated(self, fed: Epochs) -> dict[str, float]:
        """Returns loss and metrics of an epoch: by the port's own loop, or in eval mode."""
        stepper, measures = self._stepper, self._stepper.measures
        measures.reset()
        if self.port.evaluate is not None:
            return dict(self.port.evaluate(LoopBatches(fed.epoch(), fed.number)))
        with torch.no_grad(), self._evaluating():
            for batch in fed.epoch():
                made = stepper.evaluated(batch)
                measures.update(*made, stepper.measured_batch(batch), stepper.parts)
        return dict(measures)

    def _evaluating(self) -> AbstractContextManager[Any]:
        called = self.port.called
        if self.port.train_epoch is not None:
            return in_eval_mode(called)
        return nullcontext(called.eval())


def _joined(parts: Sequence[Any]) -> Any:
    """Joins the outputs of batches."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple | list):
        return type(first)(_joined(column) for column in zip(*parts, strict=True))
    return torch.cat(list(parts))

"""Runner: makes a few steps of a port and evaluates it, outside of the order of its training."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.program.stepper import ReplayedStepper
from parity.halves.torch.step_rate import StepRate
from parity.traces.anchors import Anchor
from torch_impl.metrics import Metric
from torch_impl.port import Port
from torch_impl.trainer import Batch
from torch_impl.trainer.arguments import weighting
from torch_impl.trainer.nests import mapped

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
        self._trained_in = trained_in
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

    def steps(self, anchor: Anchor, number: int, keep: Keep) -> dict[str, float]:
        """Makes the first steps from an anchor, with its rates; returns the numbers of all of them.

        A loop of the port's own makes all steps, since an epoch of one batch may be too short.

        Args:
            anchor: the port is in this state.
            number: of steps after which `keep` is called.
            keep: called after each of them.
        """
        stepper, built = self._stepper, self._built
        batches = [self._batch(nest) for nest in anchor.batches]
        built.called.train()
        with self._given_rates(anchor.rates):
            if built.train_epoch is not None:
                with self._after_steps(number, lambda: keep(None, {})):
                    return dict(built.train_epoch([batch.parts() for batch in batches]))
            stepper.measures.reset()
            for batch in batches[:number]:
                stepper.measures.update(*stepper.step(batch), batch)
                keep(stepper.measures["loss"], dict(stepper.measures))
        return dict(stepper.measures)

    def evaluated(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Returns the numbers of a validation."""
        stepper, built = self._stepper, self._built
        built.called.eval()
        if built.evaluate is not None:
            return dict(built.evaluate([batch.parts() for batch in batches]))
        stepper.measures.reset()
        with torch.no_grad():
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

    def _batch(self, nest: Any) -> Batch:
        x, y, weight = nest
        batch = Batch(x, y, weight if self._has_weights else None)
        if self._built.class_weight is not None and batch.weight is None:
            # As in the training, whose weights are rounded.
            batch = weighting(self._built.class_weight, getattr(torch, self._trained_in))(batch)
        return self._stepper.prepared(batch)

    @contextmanager
    def _given_rates(self, rates: np.ndarray) -> Iterator[None]:
        """Makes the steps of the block with given rates, whatever schedule the port has."""
        left, optimizer = itertools.chain(rates.tolist()), self._stepper.optimizer
        begun: list[StepRate] = []

        def begin(*_: Any) -> None:
            if (rate := next(left, None)) is not None:
                begun.append(StepRate(optimizer, rate))
                begun[-1].begin()

        def end(*_: Any) -> None:
            while begun:
                begun.pop().end()

        hooks = [optimizer.register_step_pre_hook(begin), optimizer.register_step_post_hook(end)]
        try:
            yield
        finally:
            end()
            for hook in hooks:
                hook.remove()

    @contextmanager
    def _after_steps(self, number: int, function: Callable[[], None]) -> Iterator[None]:
        """Calls a function after each of the first steps of the block."""
        left = iter(range(number))

        def after(*_: Any) -> None:
            if next(left, None) is not None:
                function()

        hook = self._stepper.optimizer.register_step_post_hook(after)
        try:
            yield
        finally:
            hook.remove()


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

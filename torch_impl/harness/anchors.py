"""Anchors: starts a port from recorded states of the reference, while it trains.

In front of its own steps, the port makes the same steps from the state of the reference: with its
own loss and optimizer, as its code is at that moment, in float64. Then it goes on from its own
state as if nothing had been. What it is fed with is compared by itself: where a pixel of an
augmented image is rounded otherwise, the steps are made on the reference's.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity.data.dataset import Data
from parity.data.fingerprints import fingerprints
from parity.programs.run_spec import RunSpec
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchored_steps import AnchoredSteps, moved
from parity.traces.anchors import FLOAT32, NUM_STEPS, Anchor, AnchorPlan
from parity.traces.trace import TraceWriter, Weights
from torch_impl.data import Batch
from torch_impl.layers import Dropout
from torch_impl.train import RunningMetrics, Training, evaluate
from torch_impl.weights import (
    from_portable,
    get_weights,
    named_parameters,
    set_weights,
    to_portable,
)

Open = tuple[int, list[Batch]]  # the step of an anchor, and the batches since then


class Anchors:
    """Receives every batch of a training before its step.

    Args:
        spec: the run.
        data: its arrays.
        writer: receives `anchored/…`, `rates` and `between_steps`.
        folder: has the anchors of the Keras half, as soon as it has made them.

    Attributes:
        wall_s: seconds that the steps from anchors took.
    """

    def __init__(
        self, spec: RunSpec, data: Data, writer: TraceWriter, folder: AnchorFolder
    ) -> None:
        self._spec, self._folder, self._writer = spec, folder, writer
        self._plan: AnchorPlan | None = None
        self._left: list[int] = []
        self._open: list[Open] = []
        self._rates: list[float] = []
        self._left_behind: list[torch.Tensor] = []
        self._changed: list[int] = []
        self.wall_s = 0.0

    def before_step(self, training: Training, batch: Batch) -> None:
        """Makes the steps from the anchors whose batches have all been seen.

        Args:
            training: before a step of its own.
            batch: of this step.
        """
        started = time.perf_counter()
        if self._plan is None:
            self._plan = self._folder.plan()
            self._left = list(self._plan.steps)
        step = len(self._rates)
        self._rates.append(float(training.optimizer.param_groups[0]["lr"]))
        self._changed.append(num_changed(self._left_behind, _values(training)))
        if self._left and self._left[0] == step:
            self._open.append((self._left.pop(0), []))
            for name, layer in _masked(training).items():
                state = np.array([layer.seed, layer.num_calls])
                self._writer.put(f"anchored/{step}/masks/{name}", state)
        for _, batches in self._open:
            batches.append(batch)
        self._make(training, lambda batches: len(batches) == NUM_STEPS)
        self.wall_s += time.perf_counter() - started

    def after_step(self, training: Training) -> None:
        """Keeps the state after a step of the training's own."""
        started = time.perf_counter()
        self._left_behind = [value.clone() for value in _values(training)]
        self.wall_s += time.perf_counter() - started

    def finish(self, training: Training) -> None:
        """Makes the steps from the last anchors, of which there are fewer. The model changes."""
        self._make(training, lambda batches: True)
        self._writer.put("rates", np.array(self._rates))
        self._writer.put("between_steps", np.array(self._changed))

    def _make(self, training: Training, is_due: Callable[[list[Batch]], bool]) -> None:
        due = [each for each in self._open if is_due(each[1])]
        if not due:
            return
        with _kept(training):
            for step, batches in due:
                self._from_anchor(training, step, batches)
        self._open = [each for each in self._open if each not in due]

    def _from_anchor(self, training: Training, step: int, batches: list[Batch]) -> None:
        """Makes the steps from one anchor, and writes what they compute."""
        anchor = self._folder.read(step)
        # One half may have stopped before the other.
        if anchor is None or len(batches) < len(anchor.rates):
            return
        batches = batches[: len(anchor.rates)]
        self._write_fed(step, batches)
        batches = [
            _with_images(batch, images)
            for batch, images in itertools.zip_longest(batches, anchor.images)
        ]
        if self._spec.dtype == FLOAT32:
            _load(training, anchor)
            _set_rate(training, anchor.rates[0])
            training.step(batches[0])
            by = moved(anchor.weights, get_weights(training.model))
            self._writer.put_all(f"anchored/{step}/{FLOAT32}", by)
        with _in_float64(training):
            self._made(training, anchor, batches).write(self._writer, step)

    def _write_fed(self, step: int, batches: list[Batch]) -> None:
        labels = torch.cat([batch.y for batch in batches])
        self._writer.put(f"anchored/{step}/labels", labels.cpu().numpy())
        images = [batch.x.movedim(1, -1).cpu().numpy() for batch in batches]
        prints = np.concatenate([fingerprints(each) for each in images])
        self._writer.put(f"anchored/{step}/images", prints)

    def _made(self, training: Training, anchor: Anchor, batches: list[Batch]) -> AnchoredSteps:
        """Returns what the steps from a state compute, in float64."""
        _load(training, anchor)
        made = AnchoredSteps(anchor.weights, len(batches))
        if self._plan is not None and anchor.step in self._plan.validated:
            samples = [_double(batch) for batch in training.val_batches]
            made.keep_validation(evaluate(training.network, training.criterion, samples))
        training.network.train()
        running = RunningMetrics(training.model)
        for rate, batch in zip(anchor.rates, batches, strict=True):
            _set_rate(training, rate)
            loss, logits = training.step(_double(batch))
            running.update(loss, logits, batch.y)
            norms = {
                name: float(parameter.grad.norm())
                for name, parameter, _ in named_parameters(training.model)
                if parameter.grad is not None
            }
            is_kept = made.next_is_kept
            made.keep(float(loss), running.result(), norms)
            if is_kept:
                made.keep_state(get_weights(training.model), _slots(training))
        return made


@contextmanager
def _kept(training: Training) -> Iterator[None]:
    """Puts a training back, after the block, into the state in which it was before."""
    model = copy.deepcopy(training.model.state_dict())
    optimizer = copy.deepcopy(training.optimizer.state_dict())
    yield
    training.network.train()
    training.model.load_state_dict(model)
    training.optimizer.load_state_dict(optimizer)


@contextmanager
def _in_float64(training: Training) -> Iterator[None]:
    """Computes in float64 in the block, with the masks of the training's own dtype."""
    dtype = next(training.model.parameters()).dtype
    masked = _masked(training).values()
    training.model.to(torch.float64)
    training.optimizer.zero_grad()
    for layer in masked:
        layer.mask_dtype = dtype
    yield
    for layer in masked:
        layer.mask_dtype = None
    training.model.to(dtype)


def _with_images(batch: Batch, images: np.ndarray | None) -> Batch:
    """Returns a batch with other images, if they are of its shape."""
    if images is None or images.shape != batch.x.movedim(1, -1).shape:
        return batch
    return dataclasses.replace(batch, x=torch.from_numpy(images).movedim(-1, 1).to(batch.x))


def _double(batch: Batch) -> Batch:
    return dataclasses.replace(batch, x=batch.x.double())


def _set_rate(training: Training, rate: float) -> None:
    for group in training.optimizer.param_groups:
        group["lr"] = float(rate)


def _values(training: Training) -> list[torch.Tensor]:
    """Returns weights and slots, as they are now."""
    parameters = list(training.model.parameters())
    slots = [value for p in parameters for value in training.optimizer.slots(p).values()]
    return [value.detach() for value in (*parameters, *slots)]


def num_changed(before: list[torch.Tensor], now: list[torch.Tensor]) -> int:
    """Returns how many values are not those before; all that are there if some are missing.

    Args:
        before: weights and slots; none in front of the first step.
        now: the same ones, later.
    """
    if not before:  # in front of the first step
        return 0
    if [value.shape for value in before] != [value.shape for value in now]:
        return sum(value.numel() for value in before)
    pairs = [(a, b) for a, b in zip(before, now, strict=True) if not torch.equal(a, b)]
    # A value that is no number stays the same.
    return sum(int(((a != b) & ~(a.isnan() & b.isnan())).sum()) for a, b in pairs)


def _masked(training: Training) -> dict[str, Dropout]:
    return {
        name: layer for name, layer in training.model.named_children() if isinstance(layer, Dropout)
    }


def _slots(training: Training) -> dict[str, Weights]:
    found: dict[str, Weights] = {}
    for name, parameter, layer in named_parameters(training.model):
        for slot, value in training.optimizer.slots(parameter).items():
            found.setdefault(slot, {})[name] = to_portable(value, layer)
    return found


def _load(training: Training, anchor: Anchor) -> None:
    """Puts a training into the state of an anchor; its settings stay its own."""
    optimizer = training.optimizer
    set_weights(training.model, dict(anchor.weights))
    for name, dropout in _masked(training).items():
        dropout.seed, dropout.num_calls = (int(value) for value in anchor.masks[name])
    for group in optimizer.param_groups:
        group["step"] = anchor.step
    for name, parameter, layer in named_parameters(training.model):
        state: dict[str, Any] = optimizer.state[parameter]
        for slot, key in optimizer.SLOTS.items():
            values: Mapping[str, np.ndarray] = anchor.slots.get(slot, {})
            if name in values:
                state[key] = from_portable(values[name], parameter, layer)
            else:  # none were there before the first step
                state.pop(key, None)

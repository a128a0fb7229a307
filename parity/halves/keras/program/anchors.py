"""Anchors: recorded states of a training, from which steps are made again.

`fit` trains with these callbacks as without them: they only read. After the program has ended, the
steps from each state are made in float64 on the batches that `fit` fed, by the model's own
`train_step`; see `steps.py`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.check.structure import in_order
from parity.halves.keras.check.weights import get_weights
from parity.halves.keras.program.feed import Written
from parity.halves.keras.program.steps import (
    Float64Steps,
    Values,
    cast_batch,
    masks_of,
    num_changed,
    others_of,
    slots_of,
    validation_batches,
    with_exact_weights,
)
from parity.halves.keras.schedules import StepRates, num_counted
from parity.ladder.compare import relative_differences
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchors import (
    FLOAT32,
    NUM_CONSTANTS,
    NUM_STEPS,
    SIZE,
    Anchor,
    AnchorPlan,
    ends_as,
    perturbed_state,
    spread,
)
from parity.traces.trace import KerasWriter
from parity.traces.training_recorder import AnchoredSteps, is_recorded_step, moved


class _Needed(Written):
    """Keeps the batches of the steps from anchors, by number of the step."""

    def __init__(self) -> None:
        super().__init__(most_bytes=0)
        self.numbers: set[int] = set(range(NUM_STEPS + 1))  # those of the first two anchors
        self.by_number: dict[int, Any] = {}
        self._num_fed = 0

    def keep(self, batch: Any) -> None:
        """Keeps a batch if it is one of them."""
        if self._num_fed in self.numbers:
            self.by_number[self._num_fed] = keras.utils.unpack_x_y_sample_weight(batch)
        self._num_fed += 1


class Anchors(keras.callbacks.Callback):
    """The last callback of a `fit`; `first` is its first one.

    Args:
        reference: what is trained.
        writer: receives `anchored/…`, `anchor_noise/…`, `anchor_constants/…`, `between_steps` and
            the facts `anchors`, `anchors_measured`, `anchors_with_constants` and `ends_as`.
        folder: receives the anchors.
        dtype: of the training.

    Attributes:
        wall_s: seconds that recording took.
    """

    def __init__(
        self, reference: Reference, writer: KerasWriter, folder: AnchorFolder, dtype: str
    ) -> None:
        super().__init__()
        self._dtype = dtype
        self._reference, self._writer, self._folder = reference, writer, folder
        self._plan: AnchorPlan | None = None
        self._steps: set[int] = {0, 1}  # until there is a plan
        self._open: list[Anchor] = []  # whose steps are being made
        self._rates: list[float] = []  # of the steps that were begun
        self._step_rates = StepRates()
        self._num_made = 0
        self._values = Values(reference.model)
        self._after_last_step: dict[int, tf.Tensor] = {}
        self._changed: list[int] = []
        self._written: list[int] = []
        self._epoch_starts: list[int] = []  # first steps of epochs
        self._batches = _Needed()
        self._batches.watch(reference.model, "train_step")
        self.first = _AfterSteps(self._after_step)
        self.wall_s = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the first step of an epoch; plans the others where their number was not known."""
        self._forget_unmade()
        number = len(self._rates)
        self._epoch_starts.append(number)
        if number and self._plan is None and len(self._epoch_starts) == 2:
            left = self._epochs() - 1
            plan = AnchorPlan.of(number, left, self._state_bytes())
            self._wish({number + step for step in plan.steps})

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Records the rate of a step, and the state before it."""
        with self._timed():
            self._before_step()

    def _before_step(self) -> None:
        model, step = self.model, len(self._rates)
        optimizer: Any = model.optimizer
        self._rates.append(self._step_rates.of_step(optimizer, num_counted(optimizer)))
        self._changed.append(num_changed(self._after_last_step, self._values.read()))
        if step in self._steps or (
            self._plan is None and len(self._epoch_starts) == 1 and is_recorded_step(step)
        ):
            self._wish({step})
            self._open.append(_state_of(model, step))

    def _forget_unmade(self) -> None:
        """Forgets a step that was begun and not made: Keras begins one behind the last batch."""
        del self._rates[self._num_made :], self._changed[self._num_made :]
        self._open = [anchor for anchor in self._open if anchor.step < self._num_made]

    def _after_step(self) -> None:
        """Records how far a step from an anchor has moved the weights; plans after the first."""
        with self._timed():
            self._keep_step()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.wall_s += time.perf_counter() - started

    def _keep_step(self) -> None:
        step = len(self._rates) - 1
        self._num_made = step + 1
        for anchor in self._open:
            if anchor.step == step:
                by = moved(anchor.weights, get_weights(self.model))
                self._writer.put_all(f"anchored/{step}/{FLOAT32}", by)
        if step == 0 and (steps_per_epoch := self.params.get("steps")):
            known = (steps_per_epoch, self._epochs(), self._state_bytes(), self._period())
            self._plan = AnchorPlan.of(*known)
            self._wish(self._plan.steps)
            self._folder.begin(self._plan)
        self._close(step + 1 - NUM_STEPS)
        self._after_last_step = self._values.read()

    def after_phantom_step(self) -> None:
        """What such a step changes is no change between two steps."""
        self._after_last_step = self._values.read()

    def on_train_end(self, logs: Any = None) -> None:
        """Writes the last anchors, and the plan if that could not be known before."""
        self._forget_unmade()
        self._close(len(self._rates))
        changed = num_changed(self._after_last_step, self._values.read())
        found = ends_as(changed, get_weights(self.model), slots_of(self.model))
        self._writer.facts["ends_as"] = found
        if self._plan is None:
            first = [step for step in self._epoch_starts if step in self._written]
            self._plan = AnchorPlan.among(self._written, first, self._period())
            self._folder.begin(self._plan)
        self._folder.end()

    def _period(self) -> int:
        optimizer: Any = self._reference.model.optimizer
        return int(getattr(optimizer, "gradient_accumulation_steps", None) or 1)

    def _epochs(self) -> int:
        return int(self.params.get("epochs") or 1) - self._reference.initial_epoch

    def _wish(self, steps: Sequence[int] | set[int]) -> None:
        self._steps |= set(steps)
        self._batches.numbers |= {step + n for step in steps for n in range(NUM_STEPS)}

    def _state_bytes(self) -> int:
        """Returns the size of one anchor."""
        model = self.model
        variables = [*model.variables, *versions.state_of(model.optimizer)]
        leaves = keras.tree.flatten(self._batches.by_number.get(0))
        batch = sum(leaf.nbytes for leaf in leaves if leaf is not None)
        return NUM_STEPS * int(batch) + sum(int(v.numpy().nbytes) for v in variables)

    def _close(self, last: int) -> None:
        """Writes the anchors up to a step, whose own steps are made."""
        for anchor in [each for each in self._open if each.step <= last]:
            numbers = range(anchor.step, min(anchor.step + NUM_STEPS, len(self._rates)))
            batches = [self._batch(number) for number in numbers]
            rates = np.array([self._rates[number] for number in numbers])
            self._folder.write(dataclasses.replace(anchor, rates=rates, batches=batches))
            self._written.append(anchor.step)
            self._open.remove(anchor)
        oldest = min([anchor.step for anchor in self._open], default=last + NUM_STEPS)
        for number in [n for n in self._batches.by_number if n < oldest]:
            del self._batches.by_number[number]

    def _batch(self, number: int) -> tuple[Any, Any, Any]:
        x, y, weight = self._batches.by_number[number]
        return in_order(self._reference, x), y, weight

    def finish(self, build: Callable[[], Reference], nests: Mapping[str, Any]) -> None:
        """Makes the steps from every anchor, and writes what they compute.

        Args:
            build: returns the reference in float64, before its training.
            nests: what `fit` was fed for validation.
        """
        assert self._plan is not None
        measured = [step for step in self._plan.measured if step in self._written]
        with_constants = spread(measured, NUM_CONSTANTS, self._period())
        self._writer.facts |= {
            "anchors": self._written,
            "anchors_measured": measured,
            "anchors_with_constants": with_constants,
        }
        self._writer.put("between_steps", np.array(self._changed))
        validation = validation_batches(self._reference, nests, self._dtype)
        exact = Float64Steps(build(), validation, self._dtype)
        validated, made = {*self._plan.validated}, {}
        for step in self._written:
            anchor = self._read(step)
            made[step] = exact.made(anchor, validates=step in validated)
            made[step].write(self._writer, step)
            self._writer.put_all(f"anchored/{step}/masks", anchor.masks)
            for name, weight in anchor.weights.items():
                self._writer.put(f"anchored/{step}/{SIZE}/{name}", np.abs(weight).max(initial=0))
        # Rounding, and the constants that Keras keeps in float32, each change the steps.
        others = [
            exact.made(perturbed_state(self._read(step), place), validates=step in validated)
            for place, step in enumerate(measured, start=1)
        ]
        self._write_apart("anchor_noise", [made[step] for step in measured], others)
        moving = Float64Steps(build(), validation, self._dtype, moves_constants=True)
        others = [
            moving.made(self._with_exact_weights(self._read(step)), validates=step in validated)
            for step in with_constants
        ]
        self._write_apart("anchor_constants", [made[step] for step in with_constants], others)

    def _write_apart(
        self, name: str, made: Sequence[AnchoredSteps], others: Sequence[AnchoredSteps]
    ) -> None:
        """Writes how far the arrays of some anchors are from those of changed steps, by key."""
        found: dict[str, np.ndarray] = {}
        for place, (steps, other) in enumerate(zip(made, others, strict=True)):
            for key, apart in relative_differences(steps.arrays, other.arrays):
                # Some arrays are not there from all anchors, such as validation.
                found.setdefault(key, np.full(len(made), np.nan))[place] = apart
        self._writer.put_all(name, found)

    def _read(self, step: int) -> Anchor:
        anchor = self._folder.read(step)
        assert anchor is not None
        batches = [cast_batch(batch, self._dtype) for batch in anchor.batches]
        return dataclasses.replace(anchor, batches=batches)

    def _with_exact_weights(self, anchor: Anchor) -> Anchor:
        """Returns an anchor with weights of classes that are not rounded, as a port may have."""
        given = self._reference.class_weight
        if given is None:
            return anchor
        batches = [with_exact_weights(batch, given, self._dtype) for batch in anchor.batches]
        return dataclasses.replace(anchor, batches=batches)


class _AfterSteps(keras.callbacks.Callback):
    """Calls a function right after a step, before the callbacks of the user."""

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__()
        self._function = function

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After every step."""
        self._function()


def _state_of(model: keras.Model, step: int) -> Anchor:
    """Returns the present state of a training, without what its next steps are fed."""
    masks = {name: np.array(state, np.int64) for name, state in masks_of(model).items()}
    others = {name: value.numpy() for name, value in others_of(model).items()}
    return Anchor(step, get_weights(model), slots_of(model), masks, others=others)

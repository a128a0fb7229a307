"""Anchors: starts a port from recorded states of the reference, and puts its own state back."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch

from parity.halves.torch.casts import without_casts
from parity.halves.torch.kept import Beginning, Reached, in_float64, kept, reached
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import (
    counters_of,
    known_keys,
    set_slots,
    slots_by_rate,
    slots_of,
    why_not_carried,
)
from parity.halves.torch.program.elsewhere import SUMS, Elsewhere
from parity.halves.torch.program.keras_step import (
    KerasStep,
    State,
    Stepping,
    Tensors,
    keras_steps,
)
from parity.halves.torch.program.masks import Masks, mask_states
from parity.halves.torch.program.step_mutations import explained
from parity.halves.torch.program.stepper import Runner
from parity.ladder.compare import relative_differences
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchors import EXPECTED, FLOAT32, MOVED, TRIED, Anchor, AnchorPlan, ends_as
from parity.traces.facts import known
from parity.traces.port_facts import Said
from parity.traces.trace import PortWriter
from parity.traces.training_recorder import AnchoredSteps, moved
from torch_impl.port import Port
from torch_impl.trainer import Batch, Callback

# --- Anchors: starts a port from recorded states of the reference, in its own training ------------
#
# In front of its own steps, the port makes the same steps from the state of the reference: with its
# own loss, optimizer and loop, as its code is at that moment, in float64. Then it goes on from its
# own state as if nothing had been.


Values = dict[str, list[torch.Tensor]]  # "weights", a slot, or "count of steps"
COUNTER = "iterations"  # of Keras's optimizers
_SAME = 1e-9  # relative, of two ways to make the same steps in float64
_NEARLY = 1e-6  # relative, of a momentum in float32 that is scaled
_MOST_EXPLAINED = 3  # states: what a loop does otherwise, it does so again
_NUM_PLAIN = 3  # states: a loop that averages shows it when there is a first average
_DO = "run it with `--dtype float64`, or use an optimizer of torch_impl.optim or torch.optim"


def period_of(port: PortUnderTest) -> int:
    """Returns after how many batches Keras's optimizer moves the weights."""
    optimizer = port.keras.facts["optimizer"]
    config = known(optimizer)["config"] if optimizer else {}
    return int(config.get("gradient_accumulation_steps") or 1)


class Anchors(Callback):
    """Makes the steps from anchors while a port trains: a callback of its training.

    Args:
        port: with the weights of its own training.
        built: the same port, complete.
        form: of its output.
        masks: of its dropouts.
        folder: has the anchors of the Keras half, as soon as it has made them.
        nests: what Keras's `fit` was fed.
        writer: receives `anchored/…`, `between_steps` and the fact `ends_as`.

    Attributes:
        are_made: whether steps are being made that do not belong to the training.
        wall_s: seconds that these steps took, and looking for changes between two steps.
    """

    def __init__(
        self,
        port: PortUnderTest,
        built: Port,
        form: str,
        masks: Masks,
        folder: AnchorFolder,
        nests: Mapping[str, Any],
        writer: PortWriter,
    ) -> None:
        self._port, self._built, self._form, self._masks = port, built, form, masks
        self._folder, self._nests, self._writer = folder, nests, writer
        self._plan: AnchorPlan | None = None
        self._trained_in = port.dtype
        self._initial = copy.deepcopy(dict(built.optimizer.state.items()))  # type: ignore[union-attr]
        self._elsewhere = Elsewhere(port, built, period_of(port))
        self._rates: dict[int, float] = {}  # of Keras's steps, as far as they are known
        self._runners: dict[str, Runner] = {}
        self._step_state: Values = {}
        self._step_rates: list[float] = []  # of the groups of the optimizer, in that step
        self._has_followed = False  # a momentum without the rate, where the rate has changed since
        self._changed: list[int] = []
        self._as_recorded: Anchor  # with the counts and sums of Keras
        self._slots: Mapping[str, Any] = {}  # of the anchor, that are known to be in the optimizer
        self._rate = 0.0  # of the step before the anchor
        self._is_tried = False  # whether a validation was made in eval mode
        self._beginning: Beginning | None = None  # of the present epoch, in a loop of its own
        self._is_inside = False  # the present step, of its epoch
        self._num_explained = 0  # states from which a step that is not Keras's was looked into
        self._num_plain = 0  # states from which plain steps were made beside those of a loop
        self.are_made = False
        self.wall_s = 0.0

    def on_epoch_begin(self, epoch: int) -> None:
        """Looks at what a loop of the port's own sets before its first batch."""
        started = time.perf_counter()
        if self._built.train_epoch is not None:
            self._beginning = Beginning(self._built)
        self.wall_s += time.perf_counter() - started

    def on_train_batch_begin(self, step: int) -> None:
        """Makes the steps from an anchor that is in front of the next step of the training."""
        started = time.perf_counter()
        self._is_inside = step > 0
        if step == 0 and self._beginning is not None:
            self._beginning.end(self._built)
        self._before_step()
        self.wall_s += time.perf_counter() - started

    def _before_step(self) -> None:
        if self._plan is None:
            self._plan = self._folder.plan()
        now, rates = self._values(), zip(self._step_rates, self._rates_of_groups(), strict=False)
        by_rate = slots_by_rate(self._optimizer)
        before = followed(self._step_state, now, by_rate, {a / b for a, b in rates if b})
        self._has_followed = any(before[slot] is now[slot] for slot in by_rate if slot in before)
        self._changed.append(num_changed(before, now))
        if self._changed[-1]:
            self._writer.facts.setdefault("changed_between", what_changed(before, now))
        step = len(self._changed) - 1
        if step not in self._plan.steps:
            return
        anchor = self._folder.read(step)
        if anchor is None:  # the reference has ended before
            return
        found = reached(self._built)
        if (placed := self._placed(anchor, found)) is not None:
            self._as_recorded = anchor
            self._from(placed, found)

    def _placed(self, anchor: Anchor, found: Reached) -> Anchor | None:
        """Finds where the port keeps the slots of an anchor; returns it as the port counts.

        A loop of the port's own may add gradients up, where Keras's optimizer does. It can begin
        where Keras's sum is empty, or if it is found where the port keeps it, and nowhere else, for
        which this returns None.
        """
        # A momentum that is kept without the rate is the present one by the rate of its last step.
        self._rate = self._rates.get(anchor.step - 1, float(anchor.rates[0]))
        if self._has_followed:
            self._rate = self._rates_of_groups()[0]
        self._rates |= {anchor.step + n: float(rate) for n, rate in enumerate(anchor.rates)}
        own, period, rest = slots_of(self._port, rate=1.0), period_of(self._port), 0
        if self._built.train_epoch is not None and period > 1 and SUMS not in own:
            number, rest = divmod(int(anchor.others.get(COUNTER, 0)), period)
            slots = {name: each for name, each in anchor.slots.items() if rest or name != SUMS}
            others = {**anchor.others, COUNTER: np.array(number)}  # Keras counts batches, it steps
            anchor = replace(anchor, slots=slots, others=others)
        elsewhere = self._elsewhere.find(anchor.slots, [*own], self._rate, found)
        self._slots = {name: each for name, each in anchor.slots.items() if name not in elsewhere}
        return None if rest and SUMS in self._slots else anchor

    def on_train_batch_end(self, step: int, logs: Mapping[str, float]) -> None:
        """Keeps the state after a step of the training."""
        started = time.perf_counter()
        self._step_state = {k: [each.clone() for each in v] for k, v in self._values().items()}
        self._step_rates = self._rates_of_groups()
        self.wall_s += time.perf_counter() - started

    def finish(self) -> None:
        """Writes what changed between the steps of the training, and with what it ends."""
        self._writer.put("between_steps", np.array(self._changed))
        changed = num_changed(self._step_state, self._values())
        slots = slots_of(self._port, rate=1.0) | self._elsewhere.read(rate=1.0)
        self._writer.facts["ends_as"] = ends_as(changed, self._port.weights(), slots)

    def _rates_of_groups(self) -> list[float]:
        return [float(group["lr"]) for group in self._optimizer.param_groups]

    def _values(self) -> Values:
        """Returns weights with a place in Keras, slots and counters, as they are now, by kind."""
        weights = {
            id(tensor): tensor.detach()
            for item in self._port.carried
            for tensor in item.variable.tensors
        }
        slots = slots_of(self._port, rate=1.0)
        counters = torch.tensor(counters_of(self._optimizer), dtype=torch.float64)
        return {
            "weights": list(weights.values()),
            **{slot: [*map(torch.from_numpy, values.values())] for slot, values in slots.items()},
            "count of steps": [counters],
        }

    def _from(self, anchor: Anchor, found: Reached) -> None:
        """Makes the steps from an anchor, and writes what they compute."""
        why = why_not_carried(self._port, self._slots, anchor.others)
        if why is not None:
            self._leave_out("optimizer steps from recorded states", why, _DO)
        self.are_made = True
        try:
            with ExitStack() as stack:
                stack.enter_context(kept(self._built, found))
                stack.enter_context(self._masks.kept())
                if self._beginning is not None:
                    self._beginning.undo(self._built)
                if self._is_inside:  # a loop that begins an epoch may not expect any
                    self._built.module.zero_grad(set_to_none=True)
                if self._built.seeds is not None:  # elsewhere it draws its masks by itself
                    by_layer = mask_states(self._port)
                    self._writer.put_all(f"anchored/{anchor.step}/masks", by_layer)
                    stack.enter_context(self._masks.active())
                if why is None and self._port.dtype == FLOAT32:
                    with self._once():
                        self._rounded(anchor)
                stack.enter_context(in_float64(self._built, found))
                stack.enter_context(self._port.computing("float64"))
                with without_casts("float64"):  # as in Keras's steps
                    self._exact(anchor, is_whole=why is None).write(self._writer, anchor.step)
        except Exception as error:  # the code of the port may raise anything
            self._leave_out(*_error_entry(error))
        finally:
            self.are_made = False

    def _once(self) -> AbstractContextManager[None]:
        """Lets a loop or an optimizer of the port's own count in the block, and not behind it."""
        return kept(self._built) if self._is_own else nullcontext()

    @property
    def _is_own(self) -> bool:
        built = self._built
        has_loop = built.train_epoch is not None or built.evaluate is not None
        return has_loop or known_keys(self._optimizer) is None

    def _leave_out(self, what: str, why: str, do: str) -> None:
        found = self._writer.facts.setdefault("incomplete", [])
        if what not in [each["what"] for each in found]:
            found.append({"what": what, "why": why, "do": do})

    def _rounded(self, anchor: Anchor) -> None:
        """Makes the first step in the dtype of the training."""
        self._load(anchor)

        def keep(loss: float | None, numbers: Mapping[str, float]) -> None:
            by = moved(anchor.weights, self._port.weights())
            self._writer.put_all(f"anchored/{anchor.step}/{FLOAT32}", by)

        self._runner("float32").steps(anchor, 1, keep, self._loading(anchor))

    def _exact(self, anchor: Anchor, *, is_whole: bool) -> AnchoredSteps:
        """Makes all steps in float64, or, if the slots are not known, evaluates alone."""
        assert self._plan is not None
        made = AnchoredSteps(anchor.weights, len(anchor.rates))
        runner, module = self._runner("float64"), self._built.module
        if anchor.step in self._plan.validated and (batches := runner.validation(self._nests)):
            self._validate(anchor, batches, made)
            if self._built.evaluate is not None and module.training:
                self._validate_in_eval_mode(anchor, batches)
        if is_whole:
            after: list[Tensors] = []
            theirs = self._as_keras(anchor)
            with self._once():
                self._step(anchor, made, after=after, theirs=theirs)
            if theirs and self._num_explained < _MOST_EXPLAINED:
                # It tells no more than why; code of the port may not be made to be called so.
                with self._once(), suppress(Exception):
                    self._explain(anchor, theirs, after)
            if self._built.train_epoch is not None and self._num_plain < _NUM_PLAIN:
                self._step_plainly(anchor, made)
        return made

    def _validate(self, anchor: Anchor, batches: Sequence[Batch], made: AnchoredSteps) -> None:
        self._load(anchor)
        with self._once():
            made.keep_validation(self._runner("float64").evaluated(batches))

    def _step(
        self,
        anchor: Anchor,
        made: AnchoredSteps,
        *,
        plainly: bool = False,
        after: list[Tensors] | None = None,
        theirs: Sequence[KerasStep] = (),
    ) -> None:
        self._load(anchor)

        def keep(loss: float | None, numbers: Mapping[str, float]) -> None:
            made.keep(loss, numbers)
            rate = self._rates_of_groups()[0]  # to which the loop may have scaled a momentum
            slots, weights = slots_of(self._port, rate), self._port.weights()
            if after is not None and theirs:  # what is kept from the first step on
                self._elsewhere.find(theirs[len(after)].made.slot_arrays, [*slots], rate)
            slots |= self._elsewhere.read(rate)
            made.keep_state(weights, slots)
            if after is not None:
                after.append(State.of(weights, slots, {}).values)

        runner, number = self._runner("float64"), len(anchor.rates)
        if plainly:
            made.keep_running(runner.plain_steps(anchor, number, keep))
        else:
            made.keep_running(runner.steps(anchor, number, keep, self._loading(anchor)))

    def _as_keras(self, anchor: Anchor) -> list[KerasStep]:
        """Makes Keras's steps for a port with code of its own; none if that cannot be."""
        found: list[KerasStep] = []
        if self._is_own or self._built.before_step is not None:
            with self._once(), suppress(Exception):  # no such optimizer, or no such loss
                self._load(anchor)
                by = Stepping(self._port, self._runner("float64"), self._masks)
                found = keras_steps(by, self._as_recorded)
        return found

    def _explain(
        self, anchor: Anchor, theirs: Sequence[KerasStep], after: Sequence[Tensors]
    ) -> None:
        """Notes what a step does otherwise than Keras's."""
        self._load(anchor)
        found = explained(theirs, after, theirs[0].by.gradients())
        if found is None:
            return
        self._num_explained += 1
        if found.text:
            step = anchor.step + found.number
            said: Said = {"id": found.id, "text": found.text}
            self._writer.facts.setdefault("explained_steps", {})[str(step)] = said
            further = moved(anchor.weights, {n: v.numpy() for n, v in found.as_keras.items()})
            self._writer.put_all(f"anchored/{anchor.step}/{EXPECTED}/{found.number}", further)

    def _loading(self, anchor: Anchor) -> Callable[[], None]:
        """Returns what loads a state once more, behind what a loop does where it begins an epoch.

        What changes there is seen between two steps of the training, but of slots that are not
        known.
        """
        is_seen = self._is_inside or known_keys(self._optimizer) is not None
        return (lambda: self._load(anchor)) if is_seen else (lambda: None)

    def _step_plainly(self, anchor: Anchor, made: AnchoredSteps) -> None:
        """Notes whether the loop makes what plain steps make, of which the probes tell."""
        plain = AnchoredSteps(anchor.weights, len(anchor.rates))
        with self._once():
            self._step(anchor, plain, plainly=True)
        shown = {k: v for k, v in made.arrays.items() if k.startswith((f"{MOVED}/", "slots/"))}
        is_plain = all(apart < _SAME for _, apart in relative_differences(shown, plain.arrays))
        self._writer.facts["loop_is_plain"] = (
            self._writer.facts.get("loop_is_plain", True) and is_plain
        )
        self._num_plain += 1

    def _validate_in_eval_mode(self, anchor: Anchor, batches: Sequence[Batch]) -> None:
        """Does the same, once in a training, in the mode in which a loop should have the module."""
        if self._is_tried:
            return
        self._is_tried = True
        tried = AnchoredSteps(anchor.weights, len(anchor.rates))
        with self._once():
            self._built.module.eval()
            self._validate(anchor, batches, tried)
        self._writer.put_all(f"{TRIED}/{anchor.step}", tried.arrays)

    def _load(self, anchor: Anchor) -> None:
        """Puts the port into the state of an anchor; its settings stay its own."""
        optimizer = self._optimizer
        if known_keys(optimizer) is not None:  # else it goes on with what it counts
            optimizer.state.clear()
        for item in self._port.carried:
            item.set(anchor.weights[item.name])
        if not anchor.slots:  # the reference has made no step yet, or keeps nothing
            for parameter, state in self._initial.items():
                optimizer.state[parameter] = {
                    key: value.to(parameter.dtype).clone()
                    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim
                    else copy.deepcopy(value)
                    for key, value in state.items()
                }
        set_slots(self._port, self._slots, anchor.others, self._rate)
        self._elsewhere.set(anchor.slots, self._rate)
        self._masks.set_states(anchor.masks)

    @property
    def _optimizer(self) -> Any:
        return self._built.optimizer

    def _runner(self, dtype: str) -> Runner:
        if dtype not in self._runners:
            given = (self._port, self._built, self._form, self._nests, self._trained_in)
            self._runners[dtype] = Runner(*given)
        return self._runners[dtype]


def _error_entry(error: Exception) -> tuple[str, str, str]:
    """Returns what could not be compared since the port raised an error, why, and what to do."""
    what = "steps from recorded states"
    why = f"made again in float64, they raise {type(error).__name__}: {error}"
    do = (
        "let the port compute in the dtype of its weights, constants included; or compare single "
        "batches: `parity check --dtype float32`"
    )
    return what, why, do


def num_changed(before: Values, now: Values) -> int:
    """Returns how many values are not those before; all that are there if some are missing.

    Args:
        before: weights and slots; none in front of the first step.
        now: the same ones, later.
    """
    if not before:  # in front of the first step
        return 0
    old, new = (list(chain.from_iterable(each.values())) for each in (before, now))
    if [value.shape for value in old] != [value.shape for value in new]:
        return sum(value.numel() for value in old)
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if not torch.equal(a, b)]
    # A value that is no number stays the same.
    return sum(int(((a != b) & ~(a.isnan() & b.isnan())).sum()) for a, b in pairs)


def followed(
    before: Values, now: Values, by_rate: Sequence[str], factors: Collection[float]
) -> Values:
    """Returns values after a step, as Keras would have them in front of the next.

    A momentum of torch is kept without the rate. A port that scales it where the rate changes does
    not change Keras's.

    Args:
        before: weights and slots after the step.
        now: the same ones, later.
        by_rate: slots that are kept divided by the rate.
        factors: the former rate by the present one, of each group of the optimizer.
    """
    found = dict(before)
    for slot in [slot for slot in by_rate if slot in before and slot in now]:
        both = list(zip(before[slot], now[slot], strict=False))
        changed = [factor for factor in factors if factor != 1]
        if any(all(torch.allclose(f * a, b, _NEARLY, 0) for a, b in both) for f in changed):
            found[slot] = now[slot]
    return found


def what_changed(before: Values, now: Values) -> str:
    """Says which kinds of values are not those before, such as slots that have become zeros."""
    found = []
    for kind, old in before.items():
        new = now.get(kind, [])
        if num_changed({kind: old}, {kind: new}):
            is_gone = not any(value.any() for value in new)
            found.append(f"{kind} (zero or gone)" if is_gone else kind)
    return ", ".join(found)

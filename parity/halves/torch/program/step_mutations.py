"""What a port does otherwise in a step: the change of Keras's step that gives the port's numbers.

Keras's step is made of the port's own gradients; see `keras_step`. It is changed in one thing after
the other: what is fed, the gradients, the loss, the optimizer's slots and each of its settings by
its name, and what the step leaves as it is. A change that is a number is solved for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from parity.data.probe_inputs import AVERAGE
from parity.halves.torch.check.changed_settings import (
    BY_CONSTANTS,
    SHARES,
    SMALL,
    Between,
    Change,
    changed_settings,
    shown,
)
from parity.halves.torch.program.elsewhere import SUMS
from parity.halves.torch.program.keras_step import (
    KerasStep,
    State,
    Tensors,
    loss_of_keras,
    loss_settings,
)
from parity.traces.facts import known
from torch_impl import losses, optim
from torch_impl.losses.outputs import OutputLosses, of_outputs

_MOST_SAID = 2  # changes that give the same
_FACTORS = (-1.0, 0.0, *(2.0**n for n in range(-10, 11)))  # where one is looked for at first
_IDS = {"label_smoothing": "D4", "delta": "D14"}


@dataclass(frozen=True)
class Explained:
    """A step of a port that is not Keras's.

    Attributes:
        number: of the step, from 1.
        id: of the divergence; "" if no change explains it.
        text: what it does otherwise.
        as_keras: the weights behind Keras's step.
    """

    number: int
    id: str
    text: str
    as_keras: Tensors


def explained(
    steps: Sequence[KerasStep], after: Sequence[Tensors], left: Tensors
) -> Explained | None:
    """Says what the first step that is not Keras's does otherwise.

    Args:
        steps: Keras's from a recorded state, one after the other.
        after: what the port has after each of its own, as `State.values`.
        left: gradients that the port had before.

    Returns:
        What was found; None if all steps are Keras's.
    """
    earlier = [left]
    for number, (step, ours) in enumerate(zip(steps, after, strict=True)):
        if not _are_same(step.made.values, ours, step.state.values):
            found = _Search(step, ours, earlier).found()
            if len(found) > 1 and number + 1 < len(after):
                going_on = [each for each in found if _goes_on(each, step, after[number + 1])]
                found = going_on or found
            said = ", or ".join(dict.fromkeys([each.text for each in found][:_MOST_SAID]))
            identity = found[0].change.id if found else ""
            return Explained(number + 1, identity, said, step.made.weights)
        earlier.append(step.gradients())
    return None


@dataclass(frozen=True)
class _Fitting:
    """A change that gives what a port has; `names`: of the weights that it is of, if not of all."""

    change: Change
    number: Any
    names: Sequence[str] = ()

    @property
    def text(self) -> str:
        whose = f" (of {_listed(self.names)})" if self.names else ""
        return shown(self.change.text, self.number) + whose


def _goes_on(found: _Fitting, step: KerasStep, ours: Tensors) -> bool:
    """Whether a change gives the next step of a port, too: a mistake is seldom made once."""
    if found.names:
        return False
    state = found.change.made(found.number)
    following = KerasStep(step.by, step.anchor, step.number + 1, state)
    search = _Search(following, ours, [step.gradients()])
    return any(
        search.is_given_by(change, found.number)
        for change in search.changes()
        if change.text == found.change.text
    )


class _Search:
    """Looks for the changes of a step that give what a port has.

    Args:
        step: Keras's.
        ours: what the port has behind it.
        earlier: gradients before the step: those that were left, and of the steps since.
    """

    def __init__(self, step: KerasStep, ours: Tensors, earlier: Sequence[Tensors]) -> None:
        self._step, self._earlier = step, earlier
        self._of_loss: Tensors = {}  # gradients of Keras's loss alone, without penalties
        self._theirs, self._begin = step.made.values, step.state.values
        shared = (name for name in self._theirs if name in ours and name in self._begin)
        self.ours = {name: ours[name] for name in shared}
        self._other = [
            name
            for name, each in self.ours.items()
            if not _are_same({name: self._theirs[name]}, {name: each}, self._begin)
        ]

    def found(self) -> list[_Fitting]:
        """Returns the changes that explain all weights; if none does, one that does some."""
        changes = [*self.changes()]
        found = [
            _Fitting(change, number)
            for change in changes
            for number in self._numbers(change, [*self.ours])
        ]
        partly = (
            _Fitting(change, number, self._other)
            for change in changes
            for number in self._numbers(change, self._other)
        )
        return found or [each for each in [next(partly, None)] if each is not None]

    def _numbers(self, change: Change, names: Sequence[str]) -> list[Any]:
        """Returns the number with which a change explains weights, [None] if it has none."""
        made, is_whole = _joined_by(change, names), change.is_whole
        return self._between(names).numbers(made, change.among, is_whole=is_whole)

    def is_given_by(self, change: Change, number: Any) -> bool:
        """Whether a change, with a number, gives all weights."""
        names = [*self.ours]
        return self._between(names).is_gone(_joined_by(change, names), number)

    def _between(self, names: Sequence[str]) -> Between:
        return Between(*(_joined(half, names) for half in (self.ours, self._theirs, self._begin)))

    def changes(self) -> Iterator[Change]:
        """Yields all changes: those without a number first, and other rules and losses at last."""
        parts = self._of_what_stays, self._of_what_is_fed, self._of_slots, self._of_gradients
        found = [change for part in (*parts, self._of_settings) for change in part()]
        yield from sorted(found, key=lambda change: bool(change.among))
        yield from self._of_losses()
        for name in optim.__all__:
            rule = self._step.by.optimizer["class"]
            text = f"it is a first step of {name}, in the place of {rule}"
            yield Change("F13", text, _made(self._step.by_optimizer, getattr(optim, name)))

    def _of_what_stays(self) -> Iterator[Change]:
        begin, other, made = self._begin, self._other, self._step.made
        halves = self.ours, self._theirs
        by = [tuple(float((half[n] - begin[n]).norm()) for half in halves) for n in other]
        if other and all(ours <= BY_CONSTANTS * theirs for ours, theirs in by):
            text = f"{_listed(other)} {'does' if len(other) == 1 else 'do'} not move"
            identity = "F14" if all(name.endswith(f".{AVERAGE}") for name in other) else "E6"
            if {*other} >= self._step.gradients().keys():
                text, identity = "no weight moves", "I4"
            kept = {name: begin[name] for name in other}
            yield Change(identity, text, _made(made.replaced, kept))
        elif not {*other} & {*self._step.by.trained} and not any(theirs for _, theirs in by):
            text = f"{_listed(other)} {'moves' if len(other) == 1 else 'move'}, and not in Keras"
            moved = {name: self.ours[name] for name in other}
            yield Change("E6", text, _made(made.replaced, moved))

    def _of_what_is_fed(self) -> Iterator[Change]:
        step = self._step
        yield Change("C7", "the step is made in eval mode", self._with_pass(training=False))
        if step.anchor.batches[step.number][2] is not None:
            text = "the weights of the samples are left out"
            yield Change("D18", text, self._with_pass(weighted=False))
        for name, kind in step.by.with_modes.items():
            text = f"the part {name}, a {kind}, is in eval mode"
            yield Change("C7", text, self._with_pass(resting=name))
        for number in range(len(step.anchor.batches)):
            if number != step.number:
                text = f"the batch is that of step {step.anchor.step + number + 1}"
                yield Change("I4", text, self._with_pass(batch=number))

    def _with_pass(self, **how: Any) -> Callable[[Any], State]:
        def made(_: Any) -> State:
            gradients, moving = self._step.passed(**how)
            return self._step.with_gradients(gradients).replaced(moving)

        return made

    def _of_settings(self) -> Iterator[Change]:
        """Yields changes of each setting of the optimizer, by its name."""
        step = self._step

        def made(given: Callable[[Any], Any], value: Any) -> State:
            return step.with_gradients(step.gradients(), **given(value))

        for each in changed_settings(step.by.optimizer["class"], step.config):
            yield replace(each, made=partial(made, each.made))

    def _of_slots(self) -> Iterator[Change]:
        step, state = self._step, self._step.state
        gradients = step.gradients()
        begun = {"begins anew, without what it has kept": replace(state, slots={}, others={})}
        for slot, values in state.slots.items():
            zeros = {name: torch.zeros_like(each) for name, each in values.items()}
            begun[f"has zeros for its {slot}"] = replace(state, slots={**state.slots, slot: zeros})
        begun["counts its steps anew"] = replace(state, others={})
        for text, other in begun.items():
            yield Change("I4", f"the optimizer {text}", _made(step.begun_from, other, gradients))
        if AVERAGE in step.made.slots:
            share = 1 - float(step.config["ema_momentum"])
            late = {
                f"{name}.{AVERAGE}": average
                + share * (state.weights[name] - step.made.weights[name])
                for name, average in step.made.slots[AVERAGE].items()
            }
            text = "the averages are of the weights before the step"
            yield Change("F14", text, _made(step.made.replaced, late))

    def _of_gradients(self) -> Iterator[Change]:
        step, found = self._step, self._step.gradients()
        for number, older in enumerate(self._earlier):
            text = "the gradients of the step before are added, since they are not cleared"
            if older:
                summed = _sum([*self._earlier[number:], found])
                yield Change("I4", text, _made(step.with_gradients, summed))
        before = self._earlier[-1]
        if before.keys() == found.keys():
            text = "the gradients are those of the step before"
            yield Change("I4", text, _made(step.with_gradients, before))
        zeros = {name: torch.zeros_like(each) for name, each in found.items()}
        text = "the gradients are zeros, so that what the optimizer keeps moves the weights alone"
        yield Change("I4", text, _made(step.with_gradients, zeros))

        def times(factor: float) -> State:
            slots = {SUMS: _times(factor, step.state.slots.get(SUMS, {}))}
            begun = replace(step.state, slots={**step.state.slots, **slots})
            return step.begun_from(begun, _times(factor, found))

        yield Change("E3", "the gradients are {} times Keras's", times, _FACTORS)
        moving = [name for name in step.state.weights if name not in found]
        for text, names in (("weight moves", [*found]), ("moving statistic moves", moving)):
            identity = "I4" if names == [*found] else "C2"
            further = partial(self._further, names)
            yield Change(identity, f"each {text} {{}} times as far", further, _FACTORS)
        again = partial(step.begun_from, step.made)
        yield Change("I4", "the optimizer steps twice with the same gradients", _made(again, found))
        kernels = [name for name, each in found.items() if each.ndim > 1]
        for text, names in (("weights", [*found]), ("kernels", kernels)):
            said = f"the gradients have {{}} times the {text} in addition, as of an L2 penalty"
            yield Change("C8", said, partial(self._penalised, names), SMALL)

    def _further(self, names: Sequence[str], factor: float) -> State:
        begin, made = self._begin, self._step.made
        return made.replaced({n: begin[n] + factor * (made.weights[n] - begin[n]) for n in names})

    def _penalised(self, names: Sequence[str], factor: float) -> State:
        step, found = self._step, self._step.gradients()
        added = {name: found[name] + factor * step.state.weights[name] for name in names}
        return step.with_gradients(found | added)

    def _of_losses(self) -> Iterator[Change]:
        """Yields other losses: each setting by its name, other functions, weights of outputs."""
        runner, facts = self._step.by.runner, self._step.by.port.keras.facts
        if (outputs := of_outputs(runner.loss)) is not None:
            for name, weight in outputs.weights.items():
                left_out = outputs.without(name)
                yield Change(
                    "I7", f"the loss of {name} is left out", self._with_pass(loss=left_out)
                )
                text = f"the loss of {name} counts {{}} times, in the place of {weight:g}"
                yield Change("I7", text, partial(self._weighted, outputs, name), _FACTORS)
            return
        loss: Any = known(facts["loss"])
        if loss.get("class_weight"):
            yield Change("D5", "the class weights are left out", _made(self._unweighted, loss))
        for name, value in loss_settings(loss).items():
            said = f"{name} of the loss is {{}}, in the place of {value}"
            identity = _IDS.get(name, "D13")
            changed = partial(self._by_setting, loss, name)
            if isinstance(value, bool):
                yield Change(
                    identity, said.replace("{}", str(not value)), _made(changed, not value)
                )
            elif isinstance(value, int | float):
                yield Change(identity, said, changed, SHARES)
        for kind in dict.fromkeys(losses.LOSSES.values()):
            yield Change("D13", f"its loss is {kind.__name__}", _made(self._by_loss, loss, kind))

    def _unweighted(self, loss: Mapping[str, Any]) -> State:
        return self._with_pass(weighted=False, loss=loss_of_keras(loss))(None)

    def _by_setting(self, loss: Mapping[str, Any], name: str, value: Any) -> State:
        return self._by_loss(loss, partial(loss_of_keras, loss, **{name: value}))

    def _by_loss(self, loss: Mapping[str, Any], made: Callable[[], Any]) -> State:
        """Makes the step with another loss in the place of Keras's; penalties stay."""
        step, other = self._step, self._step.gradients(loss=made())
        self._of_loss = self._of_loss or step.gradients(loss=loss_of_keras(loss))
        both = {n: g + other[n] - self._of_loss[n] for n, g in step.gradients().items()}
        return step.with_gradients(both)

    def _weighted(self, outputs: OutputLosses, name: str, weight: float) -> State:
        other = copy.copy(outputs)
        other.weights = {**outputs.weights, name: weight}
        return self._with_pass(loss=other)(None)


def _made(function: Callable[..., State], *given: Any) -> Callable[[Any], State]:
    """Returns what makes a step without a number."""
    return lambda _: function(*given)


def _are_same(some: Tensors, others: Tensors, begin: Tensors) -> bool:
    """Whether two steps from a state are the same, by how far the first moves what there is."""
    both = [name for name in some if name in others and name in begin]
    first, second, start = (_joined(half, both) for half in (some, others, begin))
    return bool((second - first).square().sum() <= BY_CONSTANTS**2 * (first - start).square().sum())


def _joined(values: Tensors, names: Sequence[str]) -> torch.Tensor:
    return torch.cat([values[name].reshape(-1) for name in names] or [torch.zeros(0)])


def _joined_by(change: Change, names: Sequence[str]) -> Callable[[Any], torch.Tensor]:
    return lambda number: _joined(change.made(number).values, names)


def _sum(many: Sequence[Tensors]) -> Tensors:
    *earlier, last = many
    return {name: sum((m[name] for m in earlier if name in m), last[name]) for name in last}


def _times(factor: float, values: Tensors) -> Tensors:
    return {name: factor * each for name, each in values.items()}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")

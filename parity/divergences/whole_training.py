"""What a whole training shows that no probe does: steps, epochs, and stairs of a rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.image_changes import DRAWN
from parity.data.probe_inputs import AVERAGE
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match
from parity.ladder.anchored_tolerance import RATE, SAME_RATE
from parity.ladder.comparers.decisions import (
    BETWEEN_STEPS,
    FINAL_WEIGHTS,
    RATES_BY_RULES,
    epochs_of_final,
)
from parity.ladder.comparers.flow import IMAGES, SAMPLES, SUMS
from parity.ladder.own_loop import BATCH_OF_STEP, MODE_OF_STEP, PASSES_OF_BATCH, STEPS_OF_BATCH
from parity.traces.anchors import EXPECTED, LAST_STEP, MOVED, NUM_STEPS, TRIED

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace, Trace


# --------------------------------------------------------------------------------------------------
#
# Keras's schedules with stairs, and the steps at which a compiled graph falls later than they do.
#
# It imports nothing of this project, since both the probes and whole trainings look here.


Config = Mapping[str, Any]
Formula = Callable[[float, Config], float]
NEAR = 1e-5  # relative: Keras computes schedules in float32


def _exponential(step: float, c: Config) -> float:
    return float(c["initial_learning_rate"] * c["decay_rate"] ** _share(step, c))


def _inverse_time(step: float, c: Config) -> float:
    return float(c["initial_learning_rate"] / (1 + c["decay_rate"] * _share(step, c)))


def _share(step: float, c: Config) -> float:
    share: float = step / c["decay_steps"]
    return math.floor(share) if c["staircase"] else share


STAIRED: dict[str, Formula] = {
    "ExponentialDecay": _exponential,
    "InverseTimeDecay": _inverse_time,
}


def late_stairs(name: str, c: Config, theirs: np.ndarray, ours: np.ndarray) -> str | None:
    """Says why the rates of a stair of Keras's fall later than those of a port that divides.

    In the compiled graph of `fit`, TensorFlow multiplies the step by the reciprocal of decay_steps,
    which is rounded: floor(41 * (1 / 41)) is 0 in float32, where floor(41 / 41) is 1.

    Args:
        name: class of Keras's schedule.
        c: its configuration.
        theirs: Keras's rate of each step of `fit`, from the first.
        ours: the port's, of the same steps.

    Returns:
        None unless the rates differ at these steps, all of them and no others, and the port's are
        those of the formula there and Keras's those of one step before.
    """
    if name not in STAIRED or not c.get("staircase"):
        return None
    size = min(len(theirs), len(ours))
    theirs, ours = theirs[:size], ours[:size]
    formula, length = STAIRED[name], c["decay_steps"]
    apart = np.flatnonzero(~np.isclose(ours, theirs, rtol=NEAR, atol=0.0))
    steps = np.arange(size)
    kinds: tuple[Any, ...] = (np.float32, np.float64)
    for number in kinds:
        divided = np.floor(steps.astype(number) / number(length))
        multiplied = np.floor(steps.astype(number) * (number(1) / number(length)))
        late = np.flatnonzero(divided != multiplied)
        if not len(late) or not np.array_equal(late, apart):
            continue
        divides = gives(formula, c, late.tolist(), ours[late])
        if divides and gives(formula, c, (late - 1).tolist(), theirs[late]):
            first = int(late[0])
            return (
                f"after {first} steps, floor({first} / {length}) is {divided[first]:.0f} and "
                f"floor({first} * (1 / {length})) is {multiplied[first]:.0f} in {number.__name__}; "
                f"the rates differ at {_steps_text(len(late))} of this kind, and at no other"
            )
    return None


def _steps_text(number: int) -> str:
    return "the one step" if number == 1 else f"the {number} steps"


def gives(
    formula: Formula, c: Config, steps: Sequence[int], rates: np.ndarray, atol: float = 0.0
) -> bool:
    """Whether a formula with a configuration gives the rates of some steps.

    Args:
        formula: of a schedule.
        c: its configuration.
        steps: numbers of steps.
        rates: (steps,), within 1e-5 of themselves.
        atol: and within this.
    """
    try:
        value = np.array([formula(step, c) for step in steps])
    except (ArithmeticError, IndexError):  # such as no steps at all
        return False
    has_same_shape = value.shape == rates.shape
    return has_same_shape and bool(np.allclose(value, rates, rtol=NEAR, atol=atol))


# --------------------------------------------------------------------------------------------------
#
# What a whole training shows that no probe of a few batches does: steps, epochs, their numbers.
#
# The traces of both trainings and the first difference go in; IDs of the registry with their
# evidence come out, the most likely first. All probes agree then.


# A mean that follows from others, relative: a right port may differ by Keras's float32 constants.
_SAME = 1e-6
_SAME_MODE = 1e-4  # of steps in one mode, whose constants may differ; another mode moves a tenth
_MOST_TRIED = 1000  # weights of losses


@dataclass(frozen=True)
class TrainingEvidence:
    """What the recognisers see.

    Attributes:
        keras: training of the reference.
        torch: training of the port.
        item: the first difference.
        failed: all items that differ.
        schedule: kind and config of Keras's schedule, as its probes tell them; empty without one.
    """

    keras: KerasTrace
    torch: PortTrace
    item: Item
    failed: tuple[Item, ...]
    schedule: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fit(self) -> Mapping[str, Any]:
        """What `fit` got, and the number of samples; empty if that is not known."""
        return self.keras.facts.get("fit") or {}

    @property
    def rates(self) -> np.ndarray:
        """The port's rates; in a training with anchors those that Keras's history makes of them."""
        key, has_loop = "rules/keras/rates", self.torch.facts.get("has_own_loop")
        return self.torch[key if key in self.torch and not has_loop else "training/rates"]

    @property
    def ends(self) -> list[int]:
        """The number of steps after each epoch of Keras."""
        found: list[int] = self.keras.facts["epoch_ends"]
        return found


Found = Iterator[tuple[str, Match]]


def of_training(evidence: TrainingEvidence) -> list[tuple[str, Match]]:
    """Returns the IDs that explain the first difference, the most likely first."""
    name = evidence.item.name
    rules = next(rules for belongs, rules in _RULES if belongs(name))
    found = [match for rule in rules for match in rule(evidence)]
    return sorted(found, key=lambda match: -match[1].confidence)


def _dropped_batch(evidence: TrainingEvidence) -> Found:
    keras, torch = evidence.item.keras, evidence.item.torch
    size, number = evidence.fit.get("batch_size"), evidence.fit.get("num_samples")
    if size and number and torch == number // size == keras - 1:
        text = (
            f"{number} samples in batches of {size}: {torch} steps without the last {number % size}"
        )
        yield "H14", Match(NUMBERS, text)


def _rates(evidence: TrainingEvidence) -> Found:
    """Explains another rate by the rates of both trainings."""
    ours, theirs = evidence.rates, evidence.keras["training/rates"]
    kind, config = str(evidence.schedule.get("kind")), evidence.schedule.get("config") or {}
    if text := late_stairs(kind, config, theirs, ours):
        yield "G17", Match(NUMBERS, text)
    ends = evidence.ends
    has_scheduler = bool((evidence.torch.facts.get("given") or {}).get("scheduler"))
    if _constant(ours) and not _constant(theirs) and not has_scheduler:
        step = int(np.flatnonzero(np.abs(theirs - theirs[0]) > SAME_RATE * theirs[0])[0]) + 1
        yield "G12", Match(SETTINGS, f"Keras's rate changes at step {step}, the port's never")
    elif _changes_within_epochs(theirs, ends) and not _changes_within_epochs(ours, ends):
        yield "G10", Match(SETTINGS, "Keras's rate changes within epochs, the port's between them")
    else:
        yield from _changed_rates(theirs, ours, ends)
    yield "G13", Match(PLACE)


def _changed_rates(theirs: np.ndarray, ours: np.ndarray, ends: Sequence[int]) -> Found:
    """Explains rates by a change of Keras's that gives all of them: another time, or a factor."""
    size = min(len(theirs), len(ours))
    theirs, ours = theirs[:size], ours[:size]
    wrong = np.flatnonzero(np.abs(ours - theirs) > SAME_RATE * np.abs(theirs))
    if not wrong.size:
        return
    first = int(wrong[0])
    rest, start = ours[first:], f"from step {first + 1} on"
    lengths = {"step": 1, "epoch": ends[0]}
    for name, number in itertools.product(lengths, (1, -1, 2, -2)):
        steps = np.arange(first, size) - number * lengths[name]
        inside = (steps >= 0) & (steps < size)
        shifted = theirs[steps[inside]]
        # One rate is like another one: two that follow each other are not by chance.
        is_enough = inside[0] and len(shifted) * 2 > len(rest) and not _constant(shifted)
        if is_enough and np.allclose(rest[inside], shifted, rtol=SAME_RATE, atol=0.0):
            when = "later" if number > 0 else "earlier"
            many = name if abs(number) == 1 else f"{name}s"
            amount = {1: "one", 2: "two"}[abs(number)]
            text = f"{start}, the port's rates are Keras's, {amount} {many} {when}"
            yield "G1" if (name, number) == ("epoch", 1) else "G9", Match(NUMBERS, text)
            return
    factors = rest / theirs[first:]
    if first and not _constant(theirs[first - 1 :]) and _constant(ours[first - 1 :]):
        text = f"the port's rate stays {rest[0]:.6g}, where Keras's becomes {theirs[first]:.6g}"
        yield "G13", Match(NUMBERS, f"{start}, {text}")
    elif _constant(factors):
        yield "G13", Match(NUMBERS, f"{start}, the port's rate is {factors[0]:.6g} times Keras's")
    elif wrong[-1] - first + 1 == len(wrong) and _constant(factors[: len(wrong)]):
        many = (
            f"step {first + 1} alone"
            if len(wrong) == 1
            else f"steps {first + 1} to {wrong[-1] + 1}"
        )
        text = f"in {many}, the port's rate is {factors[0]:.6g} times Keras's"
        yield "G13", Match(NUMBERS, text)


def _by_rules(evidence: TrainingEvidence) -> Found:
    yield "G13", Match(PLACE, "the port has not trained with the rates that its schedulers give")


def _stop(evidence: TrainingEvidence) -> Found:
    keras, torch = evidence.item.keras, evidence.item.torch
    yield "G8", Match(SETTINGS, f"Keras trains {keras} epochs, the port {torch}")


def _ends_as(evidence: TrainingEvidence) -> Found:
    """Says what the final weights of each half are, such as an average that a loop keeps."""
    theirs, ours = evidence.item.keras, evidence.item.torch
    if theirs == AVERAGE:
        text = f"Keras ends with the averages of its weights, the port with {ours}"
        fix = "put the averages in the place of the weights behind the last epoch"
        yield "F14", Match(NUMBERS, text, fix=fix if ours == LAST_STEP else "")
    else:
        yield "G16", Match(PLACE, f"Keras's are {theirs}, the port's {ours}")


def _final(evidence: TrainingEvidence) -> Found:
    """Explains other final weights by the epochs whose weights they are."""
    epochs = [_epoch_of_final(trace) for trace in (evidence.keras, evidence.torch)]
    if by_rules := evidence.torch.below("rules/keras/ends"):
        ends = {int(evidence.torch[f"rules/keras/ends/{name}"]) for name in by_rules}
        epochs[1] = ends.pop() - 1 if len(ends) == 1 else None
    if None not in epochs and epochs[0] != epochs[1]:
        first, second = (each + 1 for each in epochs if each is not None)
        text = f"Keras ends with the weights of epoch {first}, the port with those of {second}"
        yield "G16", Match(NUMBERS, text)
    else:
        yield "G16", Match(PLACE)


def _validation_loss(evidence: TrainingEvidence) -> Found:
    names = {item.name for item in evidence.failed}
    if evidence.fit.get("class_weight") and "loss" not in names:
        yield "I3", Match(SETTINGS, "`fit` has class weights, and only the validation loss differs")
    yield from _batch_means(evidence)
    yield "I5", Match(PLACE)


def _metric(evidence: TrainingEvidence) -> Found:
    others = {item.name for item in evidence.failed}
    if others & {"loss", "val_loss"} or any("." in name for name in others):
        return
    # Of each kind of number, a recorded state tells the worst alone.
    kind, name = "running", evidence.item.name
    if name.startswith("val_"):
        kind, name = "validation", name.removeprefix("val_")
    keys = [f"anchored/{n}/{kind}" for n in evidence.torch.numbers("anchored")]
    told = [f"{key}/{n}" for key in keys for n in evidence.torch.below(key) if n != name]
    pairs = [(evidence.torch[key], evidence.keras[key]) for key in told if key in evidence.keras]
    if not pairs or _are_near(*zip(*pairs, strict=True)):
        yield "I1", Match(SETTINGS, f"weights and losses agree, {evidence.item.name} does not")


def _batch_means(evidence: TrainingEvidence) -> Found:
    """Explains a loss of an epoch as a mean over its batches, which Keras's is not."""
    if "anchors" in evidence.keras.facts:
        yield from _anchored_means(evidence)
        return
    key, epoch = evidence.item.name, evidence.item.epoch
    means = None if epoch is None else _mean_of_batches(evidence, key, epoch)
    if means is not None and abs(means - float(evidence.item.torch)) <= _SAME * abs(means):
        yield "I2", Match(NUMBERS, f"the mean over the batches of epoch {epoch + 1} is {means:.6g}")  # type: ignore[operator]


def _mean_of_batches(evidence: TrainingEvidence, key: str, epoch: int) -> float | None:
    """Returns the mean of Keras's losses of batches in an epoch, from its running means."""
    size, number = evidence.fit.get("batch_size"), evidence.fit.get("num_samples")
    if key != "loss" or not size or not number:
        return None
    start = [0, *evidence.ends][epoch]
    running = evidence.keras["training/loss"][start : evidence.ends[epoch]]
    counts = np.minimum(np.arange(1, len(running) + 1) * size, number)
    batches = np.diff(running * counts, prepend=0.0) / np.diff(counts, prepend=0)
    return float(batches.mean())


def _anchored_means(evidence: TrainingEvidence) -> Found:
    """Does the same for the few steps from a recorded state, the last batch of which is smaller."""
    size, number = evidence.fit.get("batch_size"), evidence.fit.get("num_samples")
    if not size or not number:
        return
    for step in evidence.keras.facts["anchors"]:
        key = f"anchored/{step}/running/loss"
        if key not in evidence.torch:
            continue
        running = evidence.keras[f"anchored/{step}/loss"]
        first = step % math.ceil(number / size)
        counts = np.clip(number - size * np.arange(first, first + len(running)), 0, size)
        if counts.min() == size:
            continue
        batches = np.diff(running * np.cumsum(counts), prepend=0.0) / counts
        mean, ours = float(batches.mean()), float(evidence.torch[key])
        if abs(mean - ours) <= _SAME * abs(mean):
            yield "I2", Match(NUMBERS, f"the mean over the batches from step {step} is {mean:.6g}")
            return


def _loss_weights(evidence: TrainingEvidence) -> Found:
    """Explains another loss of the first step by the losses of several outputs."""
    theirs: dict[str, float] = dict(evidence.keras.facts.get("first_losses") or {})
    ours: dict[str, float] = dict(evidence.torch.facts.get("first_losses") or {})
    total, sum_ = theirs.pop("", 0.0), ours.pop("", 0.0)
    if evidence.torch.facts.get("has_own_loop"):  # it may add them up without telling each
        return
    if evidence.item.step != 1 or not theirs or not evidence.keras.facts.get("loss_weights"):
        return
    if missing := [name for name in theirs if name not in ours]:
        yield "I7", Match(NUMBERS, f"the port has no loss of its own for {', '.join(missing)}")
        return
    other = [n for n, loss in theirs.items() if abs(loss - ours[n]) > _SAME * max(1.0, abs(loss))]
    if other:
        yield "I7", Match(NUMBERS, f"the loss of {', '.join(other)} differs in the first step")
        return
    if abs(total - sum_) > _SAME * max(1.0, abs(total)):
        weights = evidence.keras.facts["loss_weights"]
        text = _weights_that_give(weights, theirs, sum_ - total)
        said = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
        end = f"; the port's sum is that of {text}" if text else ""
        yield "I7", Match(NUMBERS, f"each loss agrees, their sum does not. Keras: {said}{end}")


def _weights_that_give(
    weights: Mapping[str, float], losses: Mapping[str, float], change: float
) -> str:
    """Returns other weights that change the sum of the losses so; "" if none is known."""
    names = [name for name in losses if name in weights]
    tried = [list(order) for order in itertools.permutations([weights[n] for n in names])]
    tried += [[1.0] * len(names), [1.0 / len(names)] * len(names)]
    for number in range(len(names)):
        tried.append([weights[n] if k != number else 0.0 for k, n in enumerate(names)])
    for each in tried[:_MOST_TRIED]:
        pairs = zip(names, each, strict=True)
        apart = sum((weight - weights[n]) * losses[n] for n, weight in pairs)
        if abs(apart - change) <= _SAME * max(1.0, abs(change)):
            return ", ".join(f"{n} {weight:g}" for n, weight in zip(names, each, strict=True))
    return ""


def _of_loop(evidence: TrainingEvidence) -> Found:
    """Says which batch a loop uses in the place of another, or how often it steps for one."""
    item = evidence.item
    if item.name == BATCH_OF_STEP:
        text = (
            f"step {item.step} is of batch {item.torch} of its epoch, in the place of {item.keras}"
        )
    elif item.name == PASSES_OF_BATCH:
        text = f"in step {item.step} {item.torch} passes move statistics, elsewhere {item.keras}"
    elif item.name == STEPS_OF_BATCH:
        text = f"in step {item.step} the optimizer steps {item.torch} times, elsewhere {item.keras}"
    else:
        text = f"in step {item.step} the module is in eval mode, where it gives something else"
        yield "C7", Match(NUMBERS, text, fix="module.train()  # before each step of training")
        return
    yield "I4", Match(NUMBERS, text)


def _mode(evidence: TrainingEvidence) -> Found:
    """Recognises a loop that evaluates in train mode: in eval mode, it gives Keras's numbers."""
    for step in evidence.torch.numbers(TRIED):
        keys = evidence.torch.below(f"{TRIED}/{step}")
        here = [key for key in keys if f"anchored/{step}/{key}" in evidence.keras]
        theirs, ours, tried = (
            [half[f"{place}/{key}"] for key in here]
            for half, place in (
                (evidence.keras, f"anchored/{step}"),
                (evidence.torch, f"anchored/{step}"),
                (evidence.torch, f"{TRIED}/{step}"),
            )
        )
        if _are_near(tried, theirs) and not _are_near(ours, theirs):
            text = "the module is in train mode while the port's loop evaluates it"
            fix = "module.eval()  # before evaluating"
            yield "C7", Match(NUMBERS, f"{text}; in eval mode it gives Keras's numbers", fix=fix)


def _are_near(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Whether arrays are the same together: a weight may have no gradient but rounding."""
    apart = sum(float(np.square(a - b).sum()) for a, b in zip(some, others, strict=True))
    return apart <= _SAME_MODE**2 * sum(float(np.square(b).sum()) for b in others)


def _midway(evidence: TrainingEvidence) -> Found:
    """Says what the step does otherwise: the change of Keras's that gives the port's numbers."""
    step = evidence.item.step
    if step is None:
        return
    said = evidence.torch.facts.get("explained_steps", {}).get(str(step))
    if said is not None and _is_from_keras(evidence, step):
        yield said["id"], Match(NUMBERS, f"in step {step}, {said['text']}")
    elif step > 1:
        yield "I4", Match(PLACE, f"up to step {step - 1} all that was compared agrees")


def _between(evidence: TrainingEvidence) -> Found:
    text, step = evidence.torch.facts.get("changed_between"), evidence.item.step
    if text and step:
        where = f"between the steps {step} and {step + 1}"
        yield "I4", Match(NUMBERS, f"{where}, these change: {text}")


def _is_from_keras(evidence: TrainingEvidence, step: int) -> bool:
    """Whether the step that was changed is Keras's: a port may have other gradients."""
    for number in range(1, NUM_STEPS + 1):
        start = f"anchored/{step - number}"
        names = evidence.torch.below(f"{start}/{EXPECTED}/{number}")
        pairs = [
            (evidence.torch[f"{start}/{EXPECTED}/{number}/{n}"], evidence.keras[key])
            for n in names
            if (key := f"{start}/{MOVED}/{number}/{n}") in evidence.keras
        ]
        if pairs:
            return _are_near(*zip(*pairs, strict=True))
    return False


def _augmentation(evidence: TrainingEvidence) -> Found:
    """Explains other images by the change of Keras's augmentation that gives them."""
    explained = evidence.torch.facts.get("augment_explained")
    if explained:
        yield explained["id"], Match(NUMBERS, explained["told"])
    else:
        yield "H17", Match(PLACE)


def _range(evidence: TrainingEvidence) -> Found:
    item = evidence.item
    yield "H18", Match(SETTINGS, f"{item.name} is {item.keras} in Keras, {item.torch} in the port")


def _constant(rates: np.ndarray) -> bool:
    return bool((np.abs(rates - rates[0]) <= SAME_RATE * np.abs(rates[0])).all())


def _changes_within_epochs(rates: np.ndarray, ends: list[int]) -> bool:
    parts = [rates[a:b] for a, b in zip([0, *ends], ends, strict=False) if b <= len(rates)]
    return any(len(part) and not _constant(part) for part in parts)


def _epoch_of_final(trace: Trace) -> int | None:
    """Returns the epoch, from 0, whose weights a training ends with; None if it is none."""
    epochs = [{*epochs_of_final(trace, name)} - {0} for name in trace.below("training/final")]
    common = set.intersection(*epochs) if epochs else set()
    return max(common) - 1 if common else None


Rule = Callable[[TrainingEvidence], Found]
# What an item is called -> who explains it. The first that belongs counts.
_RULES: tuple[tuple[Callable[[str], bool], tuple[Rule, ...]], ...] = (
    # What a port draws from another seed, or in another order, has no name of its own.
    (lambda name: name.startswith(("order of the samples", "generator of ")), ()),
    (lambda name: name in (SAMPLES, *DRAWN), ()),
    (
        lambda name: name in (BATCH_OF_STEP, STEPS_OF_BATCH, PASSES_OF_BATCH, MODE_OF_STEP),
        (_of_loop,),
    ),
    (lambda name: name == BETWEEN_STEPS, (_mode, _between, _midway)),
    (lambda name: name in (IMAGES, SUMS), (_augmentation,)),
    (lambda name: name.endswith(("_range", "_flip")), (_range,)),
    (lambda name: name == "number of steps", (_dropped_batch,)),
    (lambda name: name == RATE, (_rates,)),
    (lambda name: name == "epochs", (_stop,)),
    (lambda name: name == RATES_BY_RULES, (_by_rules,)),
    (lambda name: name == FINAL_WEIGHTS, (_ends_as,)),
    (lambda name: name.endswith("that the training ends with"), (_final,)),
    (lambda name: name == "val_loss", (_mode, _validation_loss)),
    (lambda name: name == "loss", (_mode, _batch_means, _midway)),
    (lambda name: name == "running loss" or "." in name, (_mode, _loss_weights, _midway)),
    (lambda name: True, (_mode, _metric)),
)

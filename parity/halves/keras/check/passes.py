"""Passes of the reference in eval and in train mode, drawn until all of it has an effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.data.image_changes import joined, measured, num_patterns, pattern
from parity.data.pieces import MAX_ROWS, ROUNDS, Function, Step, factors_for, limits_of, moves_for
from parity.data.probe_inputs import single
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.call import Call, Calls, Reached
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.casts import cast_layers, float32_layers
from parity.halves.keras.check import custom_steps
from parity.halves.keras.check.facts import objective_facts, write_facts
from parity.halves.keras.check.forward_backward import as_one, write_forward, write_gradients
from parity.halves.keras.check.inputs import reset_states
from parity.halves.keras.check.metrics import adding_layers, write_confident_loss, write_metrics
from parity.halves.keras.check.noise import (
    HeldWeights,
    MovedWeights,
    constrained,
    constraints_of,
    perturb_constants,
    perturb_optimizer,
    perturb_schedule,
)
from parity.halves.keras.check.not_compared import (
    Exercise,
    incomplete,
    not_a_number,
    replayable,
    revived,
    unknown_targets,
)
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.parts import kept_as_built, optimizers_in, whole_of
from parity.halves.keras.check.sequence_masks import counts_of_outputs, write_counted
from parity.halves.keras.check.structure import as_fed, outputs_of
from parity.halves.keras.check.weights import build, get_weights, named_weights, set_weights
from parity.halves.keras.factories import called_anew
from parity.halves.keras.random_layers import RANDOM_IMAGE
from parity.halves.keras.rounding import Perturbation, in_float32
from parity.halves.keras.versions import advance, reseed
from parity.programs.check_spec import LARGE_MODEL, CheckSpec
from parity.traces.trace import KerasWriter, TraceWriter

# --------------------------------------------------------------------------------------------------
#
# Weights under which the activations of a Keras model get numbers on all sides of their limits.
#
# `relu6` and `relu` are the same function of numbers below 6, and above 0 both are none: a probe
# that goes no further tells them not apart. The calls of a pass in eval mode go in. Which
# activations get no such numbers comes out, and weights under which they do.


def unreached_in(calls: Sequence[Call]) -> dict[str, list[str]]:
    """Returns the activations that get no number in some of their pieces, with these pieces.

    Args:
        calls: of a pass in eval mode.
    """
    steps = {call.name: _step_of(call, {}, {}) for call in calls}
    return {name: pieces for name, step in steps.items() if (pieces := step.missing())}


def widened(
    reference: Reference,
    weights: Mapping[str, np.ndarray],
    x: list[np.ndarray],
    kept: frozenset[str],
) -> dict[str, np.ndarray] | None:
    """Returns weights under which more activations get numbers beyond their limits.

    Args:
        reference: of the model, whose weights are changed.
        weights: of a probe.
        x: its inputs.
        kept: names of weights that stay as they are.

    Returns:
        All weights; None if there are none.
    """
    model, found = reference.model, dict(weights)
    names = {id(variable): name for name, variable in named_weights(model).items()}
    fed, is_changed = as_fed(reference, x), False
    limits: dict[str, list[float]] = {}
    fixed = {*kept, *constraints_of(model)}  # a constraint may forbid another sign
    for number in range(2 * ROUNDS):
        set_weights(model, found)
        reset_states(model)
        with recorded_calls(fed) as calls:
            model(fed, training=False)
        steps = [_step_of(call, names, limits) for call in calls]
        for step in steps:
            step.weights = [name for name in step.weights if name not in kept]
        moves = moves_for(steps) if number < ROUNDS else {}
        if moves := {name: move for name, move in moves.items() if name not in fixed}:
            is_changed = True
            found |= {name: single(_moved(found[name], move)) for name, move in moves.items()}
            continue
        factors = factors_for(steps)
        if not factors:
            break
        is_changed = True
        found |= {name: single(found[name] * factor) for name, factor in factors.items()}
    return found if is_changed else None


def _moved(bias: np.ndarray, move: np.ndarray) -> np.ndarray:
    return np.asarray(bias + (move if bias.shape == move.shape else np.median(move)))


def _step_of(call: Call, names: Mapping[int, str], known: dict[str, list[float]]) -> Step:
    """Returns what is asked of a call; `known` has the limits of those that were asked before."""
    weight_names = [names[id(each)] for each in call.weights if id(each) in names]
    step = Step(call.kind, call.sources, weight_names)
    if call.again is not None and call.inputs and call.inputs[0].dtype.is_floating:
        step.function = _function_of(call)
        step.given = np.asarray(call.inputs[0])
        if call.name not in known:
            known[call.name] = limits_of(step.function)
        step.limits = known[call.name]
    elif call.layer is not None and call.inputs:
        parts = list(_gates_of(call))
        step.limits = [limit for limits, _ in parts for limit in limits]
        if step.limits:
            step.given = np.concatenate([given.ravel() for _, given in parts])
    return step


def _function_of(call: Call) -> Function:
    """Returns an activation as a function of numbers, along the batch."""
    given, again = call.inputs[0], call.again
    assert again is not None

    def function(numbers: np.ndarray) -> np.ndarray:
        rows = numbers.reshape(-1, *[1] * (len(given.shape) - 1))
        return np.asarray(again(tf.constant(rows, given.dtype))).reshape(numbers.shape)

    return function


def _gates_of(call: Call) -> Iterator[tuple[list[float], np.ndarray]]:
    """Yields the limits of the gates of a recurrent layer, and what its input gives them."""
    layer: Any = call.layer
    directions = [getattr(layer, f"{way}_layer", None) for way in ("forward", "backward")]
    for each in [one for one in directions if one is not None] or [layer]:
        cell = getattr(each, "cell", None)
        kernel, x = getattr(cell, "kernel", None), call.inputs[0]
        if kernel is None or len(kernel.shape) != 2 or x.shape[-1] != kernel.shape[0]:
            continue
        functions = (getattr(cell, f"{part}activation", None) for part in ("", "recurrent_"))
        limits = [limit for f in functions if f is not None for limit in limits_of(_of_numbers(f))]
        if limits and versions.is_from_keras(cell):
            rows = np.asarray(x).reshape(-1, x.shape[-1])[:MAX_ROWS]
            yield limits, rows @ np.asarray(kernel)


def _of_numbers(activation: Any) -> Function:
    return lambda numbers: np.asarray(activation(tf.constant(numbers)))


# --------------------------------------------------------------------------------------------------
#
# A pass of the reference in eval mode, and one in train mode, drawn until all of it has an effect.
#
# A factory goes in. The pass comes out: the model, what it is fed, the weights that it starts from,
# and what it computed.


MAX_PASSES = 8  # of a probe that is drawn again and again
MAX_PASSES_OF_LARGE = 3
MAX_REVIVED = 2  # how often dead activations are moved once others got larger numbers


@dataclass
class Pass:
    """One pass of a model in eval mode, and one in train mode, forward and back.

    Attributes:
        reference: the model, which no other pass uses, since a pass changes it.
        samples: what it is fed; its seed is that of the draw.
        weights: what it starts from.
        number: of the draw, 0 for that of the seed.
        perturbation: how rounded numbers are moved; None: they stay.
        moves_constants: whether the constants of optimizers are moved.
        writer: receives the arrays and the facts.
        exercise: what the pass leaves without effect.
        kinds: of the targets, if another pass has found them.
        objective: of the model, once it was called.
    """

    reference: Reference
    samples: Samples
    weights: Mapping[str, np.ndarray]
    number: int = 0
    perturbation: Perturbation | None = None
    writer: KerasWriter = field(default_factory=TraceWriter)
    exercise: Exercise = field(default_factory=Exercise)
    kinds: Mapping[str, str] | None = None
    objective: Objective | None = None
    moves_constants: bool = False

    def run(self, spec: CheckSpec) -> None:
        """Writes inputs, outputs, facts, loss and gradients."""
        model, writer = self.reference.model, self.writer
        set_weights(model, self.weights)
        reseed(self.samples.seed)  # so that the perturbed pass draws the same numbers
        x = self.samples.inputs("probe", self.samples.batch_size)
        for number, value in enumerate(x):
            writer.put(f"input/probe/{number}", value)
        calls, output = write_forward(spec, self.reference, x, writer, self.perturbation)
        write_facts(self.reference, self.samples, calls, as_one(model, output), writer)
        if spec.described:  # a port is written of what `compile` says
            writer.facts.pop("own_steps", None)
        passes = [calls]
        objective = self.objective = self._objective(output)
        if objective is not None and (loss_facts := objective_facts(objective)) is not None:
            writer.facts["loss"] = loss_facts
            writer.facts["added_losses"] = adding_layers(model)
            passes.append(self._write_train_mode(spec, x, objective, calls, output))
        if self.perturbation is None:
            self.exercise.unreached = unreached_in(calls)
        parts = outputs_of(model, output) or {"": output}
        for mode, each in zip(("eval", "train"), passes, strict=False):
            write_counted(mode, each, parts, self.exercise.used_masked, writer)
        writer.facts["incomplete"] = incomplete(passes)
        if objective is not None and objective.problem:
            left = unknown_targets(objective.problem, has_given=objective.has_given)
            writer.facts["incomplete"].append(left)
        writer.facts["incomplete"] += custom_steps.left_open(
            whole_of(self.reference).model, is_described=spec.described
        )
        writer.facts["replayable"] = replayable(passes)
        writer.facts["cast_to_float64"] = cast_layers(model)
        nodes = writer.facts["nodes"]
        kernels = [node["name"] for node in nodes if in_float32(node["kind"], node["config"])]
        writer.facts["float32_inside"] = [*float32_layers(model), *kernels]

    def _objective(self, output: Any) -> Objective | None:
        """Returns what the model makes small; None if a step of the user's own decides that."""
        if "own_steps" in self.writer.facts:
            return None
        found = Objective(self.reference, self.samples, output, self.kinds)
        found.is_perturbed = self.perturbation is not None
        if not found.problem and any(loss is not None for loss in found.losses.values()):
            found.problem = found.problem_of(output, len(tf.nest.flatten(output)[0]))
        return found

    def _write_train_mode(
        self,
        spec: CheckSpec,
        x: list[np.ndarray],
        objective: Objective,
        calls: Calls,
        output: Any,
    ) -> Calls:
        writer = self.writer
        parts = outputs_of(objective.model, output) or {"": output}
        batch = objective.batch("probe", self.samples.batch_size, counts_of_outputs(parts))
        objective.put(batch, "probe", writer)
        write_confident_loss(spec, objective, calls, parts, writer, self.perturbation)
        found, trained, self.exercise = write_gradients(
            objective, x, batch, writer, self.perturbation
        )
        made = {"eval": output, "train": trained}
        write_metrics(objective, batch, made, calls, writer, self.perturbation)
        return found

    @property
    def start(self) -> Start:
        """From where it can be made again, without its model."""
        kinds = None if self.objective is None else self.objective.kinds
        return Start(self.samples, self.weights, self.number, kinds or None)


@dataclass(frozen=True)
class Start:
    """Where a pass begins; see the attributes of `Pass`."""

    samples: Samples
    weights: Mapping[str, np.ndarray]
    number: int
    kinds: Mapping[str, str] | None

    def again(
        self,
        factory: Callable[[], Any],
        weights: Mapping[str, np.ndarray],
        perturbation: Perturbation | None = None,
        *,
        moves_constants: bool = False,
        writer: KerasWriter | None = None,
    ) -> Pass:
        """Returns the same pass from other weights, on a fresh model that draws the same masks.

        Args:
            factory: builds the model.
            weights: with which it begins.
            perturbation: how rounded numbers are moved, constants of layers among them.
            moves_constants: whether the constants of optimizers are moved.
            writer: receives the arrays and the facts; None: a new one.
        """
        fresh = called_anew(factory, self.samples.seed)
        build(fresh, self.samples)
        if perturbation:
            perturb_constants(fresh.model)
        if perturbation or moves_constants:
            moved = perturb_optimizer if moves_constants else perturb_schedule
            for optimizer in optimizers_of(fresh):
                moved(optimizer)
        advance(fresh.model, self.number)
        given = (fresh, self.samples, weights, self.number, perturbation)
        made = Pass(*given, writer or TraceWriter(), kinds=self.kinds)
        return replace(made, moves_constants=moves_constants)

    def perturbed(
        self, spec: CheckSpec, factory: Callable[[], Any], writer: KerasWriter, seed: int = 1
    ) -> Pass:
        """Runs the same pass with every weight and rounded constant moved, and returns it."""
        weights = MovedWeights(self.weights, seed, spec.dtype)
        moved = self.again(factory, weights, Perturbation(seed, spec.dtype), writer=writer)
        moved.run(spec)
        return moved


def optimizers_of(reference: Reference) -> list[Any]:
    """Returns the optimizers of a model, and of the one that trains it."""
    optimizer = getattr(reference.model, "optimizer", None)
    others = optimizers_in(whole_of(reference).model).values()
    found = [] if optimizer is None else [optimizer]
    return found + [each for each in others if each is not optimizer]


def most_exercised(
    spec: CheckSpec, factory: Callable[[], Any], reference: Reference, samples: Samples
) -> Pass:
    """Makes passes until one of them leaves nothing without effect; returns the best one.

    If an activation is dead, the bias in front of it is moved. If there is none, or it does not
    help, inputs, weights, targets and masks are drawn again. The first pass is that of the seed.

    Args:
        spec: settings of the check.
        factory: builds the model.
        reference: what it built for the seed, not trained yet.
        samples: of the seed.
    """
    is_large = reference.model.count_params() >= LARGE_MODEL
    last = best = _drawn(reference, samples)
    number, before = 0, np.inf
    for _ in range(MAX_PASSES_OF_LARGE if is_large else MAX_PASSES):
        if last.writer.arrays:
            weights = None
            if last.exercise.num_problems < before:  # otherwise moving it again does not help
                weights = revived(last.weights, last.writer, last.exercise.dead)
            if weights is not None:
                before = last.exercise.num_problems
                last = last.start.again(factory, HeldWeights(weights.items()))
            else:
                number, before = number + 1, np.inf
                redrawn = samples.of_seed(probe_inputs.redrawn(spec.seed, number))
                last = _drawn(called_anew(factory, redrawn.seed), redrawn, number)
        last.run(spec)
        if _rank(last) < _rank(best):
            best = last
        if not best.exercise.num_problems:
            break
    return _reaching_more(spec, factory, best) if best.exercise.unreached else best


def _reaching_more(spec: CheckSpec, factory: Callable[[], Any], best: Pass) -> Pass:
    """Returns a pass whose activations get more numbers beyond their limits, if it leaves less."""
    samples, start = best.samples, best.start
    scratch = start.again(factory, best.weights).reference
    kept = frozenset(kept_as_built(scratch))
    x = samples.inputs("probe", samples.batch_size)
    weights = widened(scratch, best.weights, x, kept)
    del scratch
    for _ in range(1 + MAX_REVIVED):
        if weights is None:
            break
        tried = start.again(factory, HeldWeights(weights.items()))
        tried.run(spec)
        if tried.exercise.num_left < best.exercise.num_left:
            best = tried
        if not tried.exercise.dead:
            break
        weights = revived(tried.weights, tried.writer, tried.exercise.dead)
    return best


def _rank(made: Pass) -> tuple[bool, int]:
    """Returns what is less for a better pass; NaN has every effect, and shows nothing."""
    return bool(not_a_number(made.writer.arrays, has_data=True)), made.exercise.num_problems


def _drawn(reference: Reference, samples: Samples, number: int = 0) -> Pass:
    build(reference, samples)
    advance(reference.model, number)
    built, kept = get_weights(reference.model), frozenset(kept_as_built(reference))
    constraints = constraints_of(reference.model)

    def initial_weight(name: str, weight: np.ndarray) -> np.ndarray:
        if name in kept:
            return weight
        filled = probe_inputs.filled(samples.seed, {name: weight})[name]
        return constrained(name, filled, constraints)

    weights = HeldWeights((name, initial_weight(name, weight)) for name, weight in built.items())
    return Pass(reference, samples, weights, number)


# --- What the layers behind random layers of images get in a step of training ---------------------
#
# The calls of a pass in train mode go in; `augmented/…` and `image_state/…` come out. A port gets
# these inputs in the place of its own, since it cannot draw what Keras drew.


def write_augmented(mode: str, calls: Sequence[Call], writer: KerasWriter) -> None:
    """Writes the inputs of all calls that get augmented images, up to the first with weights.

    What the random layers make is written, too.

    Args:
        mode: "step1", ...; the arrays of the mode "train" are `forward/train/…`.
        calls: of the pass.
        writer: receives them.
    """
    for call in calls:
        if call.state is not None:
            writer.put(f"image_state/{mode}/{call.name}", call.state)
            writer.put(f"augmented/{mode}/{call.name}/output", call.output)
    for name, place, tensor in receivers(calls):
        writer.put(f"augmented/{mode}/{name}/{place}", tensor)


def receivers(calls: Sequence[Call]) -> Iterator[tuple[str, int, Any]]:
    """Yields (name of a call, place of its input, the input) of all that get augmented images."""
    augmented: set[int] = set()  # numbers of calls
    for number, call in enumerate(calls):
        if call.kind.startswith(RANDOM_IMAGE):
            augmented.add(number)
            continue
        found = [place for place, source in enumerate(call.sources) if source in augmented]
        yield from ((call.name, p, call.inputs[p]) for p in found if p < len(call.inputs))
        if found and not call.weights:
            augmented.add(number)


# --- What the random layers of images of a Keras model do, measured on a pattern ------------------
#
# A model goes in. `input/pattern0/…`, the pattern, comes out, and `image_changes/…`: what several
# hundred draws made of it, in front of the layers behind. A port, which draws other numbers, is
# compared by the distribution.


NUM_IMAGES, MOST_VALUES = 512, 4_000_000  # in all; of a batch
_BATCH = 32
# These draw once for a batch, at least in part. So each batch is one draw.
_BY_BATCH = ("RandomCrop", "RandAugment", "AugMix")
NUM_BATCHES = 192
_BYTE = 255.0  # the greatest pixel, unless a layer says that it is less


def write_image_changes(reference: Reference, batch_size: int | None, writer: KerasWriter) -> None:
    """Writes how the images in front of each layer behind random layers are distributed.

    Args:
        reference: the model, which no other probe uses afterwards.
        batch_size: of a model that takes batches of one size.
        writer: has the nodes and the inputs of a probe, whose shapes are used; receives
            `input/pattern0/…`, one sample, and `image_changes/…`.
    """
    kinds = [str(node["kind"]) for node in writer.facts["nodes"]]
    if not any(kind.startswith(RANDOM_IMAGE) for kind in kinds):
        return
    batch: list[np.ndarray] = []
    while (key := f"input/probe/{len(batch)}") in writer.arrays:
        batch.append(writer.arrays[key][:1])
    if not any(x.ndim == 4 for x in batch):
        return
    by_batch = any(kind.removeprefix(RANDOM_IMAGE) in _BY_BATCH for kind in kinds)
    most = 1 if by_batch else min(_BATCH, MOST_VALUES // max(x.size for x in batch))
    size = batch_size or max(1, most)
    parts: dict[tuple[str, int], list[np.ndarray]] = {}
    for number in range(max(num_patterns(x.shape[-1]) for x in batch if x.ndim == 4)):
        given, calls = _within_range(reference, batch, size, number)
        before = {(name, place): np.asarray(x) for name, place, x in receivers(calls)}
        before = {key: x[0] for key, x in before.items() if x.ndim == 4 and x.dtype.kind == "f"}
        if not before:
            return
        for place, value in enumerate(given):
            writer.put(f"input/pattern{number}/{place}", value[:1])
        writer.facts["augmented_from"] = {
            call.name: [float(np.min(call.inputs[0])), float(np.max(call.inputs[0]))]
            for call in calls
            if call.kind.startswith(RANDOM_IMAGE)
        }
        found: dict[tuple[str, int], list[np.ndarray]] = {key: [] for key in before}
        passes = max(NUM_IMAGES // _BATCH, min(NUM_IMAGES, 64) // size)
        for _ in range(NUM_BATCHES if by_batch else passes):
            for name, place, x in receivers(_passed(reference, given, calls, training=True)):
                if (name, place) in found:
                    images = np.asarray(x)[:1] if by_batch else np.asarray(x)
                    found[name, place].append(measured(images, before[name, place]))
        for where, each in found.items():
            parts.setdefault(where, []).append(np.concatenate(each))
    for (name, place), several in parts.items():
        writer.put(f"image_changes/{name}/{place}", joined(several))


def _within_range(
    reference: Reference, batch: Sequence[np.ndarray], size: int, number: int
) -> tuple[list[np.ndarray], Calls]:
    """Returns a batch of a pattern, and the calls of a pass in eval mode.

    The pattern is in the range of pixels that the random layers expect.
    """
    for greatest in (_BYTE, 1.0):
        given = [np.repeat(_with_pattern(x, greatest, number), size, axis=0) for x in batch]
        calls = _passed(reference, given)
        if all(map(_fits, calls)):
            break
    return given, calls


def _fits(call: Call) -> bool:
    limits = call.config.get("value_range")
    if not call.kind.startswith(RANDOM_IMAGE) or not isinstance(limits, list | tuple):
        return True
    return bool(np.max(call.inputs[0]) <= max(limits))


def _with_pattern(x: np.ndarray, greatest: float, number: int) -> np.ndarray:
    if x.ndim != 4:
        return x
    image = pattern(x.shape[1], x.shape[2], x.shape[3], number) * greatest
    return (np.round(image) if x.dtype.kind in "iu" else image)[None].astype(x.dtype)


def _passed(
    reference: Reference,
    batch: Sequence[np.ndarray],
    known: Calls | None = None,
    *,
    training: bool = False,
) -> Calls:
    """Returns the calls of a pass, up to the last one that gets augmented images if it is known."""
    fed = as_fed(reference, list(batch))
    with recorded_calls(fed) as calls:
        if known is not None:
            calls.last = [name for name, _, _ in receivers(known)][-1]
        with suppress(Reached):
            reference.model(fed, training=training)
    return calls

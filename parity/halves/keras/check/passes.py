"""A pass of the reference in eval mode, and one in train mode, drawn until all of it has an effect.

A factory goes in. The pass comes out: the model, what it is fed, the weights that it starts from,
and what it computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.data.samples import Samples
from parity.halves.keras.call_list import Calls
from parity.halves.keras.casts import cast_layers, float32_layers
from parity.halves.keras.check import own_steps
from parity.halves.keras.check.as_built import kept_as_built
from parity.halves.keras.check.begun_anew import called_anew
from parity.halves.keras.check.constraints import constrained, constraints_of
from parity.halves.keras.check.exercised import Exercise, revived
from parity.halves.keras.check.facts import objective_facts, write_facts
from parity.halves.keras.check.forward import as_one, write_forward
from parity.halves.keras.check.gradient import write_gradients
from parity.halves.keras.check.held_weights import HeldWeights, MovedWeights
from parity.halves.keras.check.incomplete import (
    incomplete,
    not_a_number,
    replayable,
    unknown_targets,
)
from parity.halves.keras.check.loss import adding_layers, write_confident_loss
from parity.halves.keras.check.metrics import write_metrics
from parity.halves.keras.check.model import build, get_weights, set_weights
from parity.halves.keras.check.noise import (
    perturb_constants,
    perturb_optimizer,
    perturb_schedule,
)
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.outputs import outputs_of
from parity.halves.keras.check.parts import optimizers_in, whole_of
from parity.halves.keras.check.sequence_masks import counts_of_outputs, write_counted
from parity.halves.keras.check.widened import unreached_in, widened
from parity.halves.keras.rounding import Perturbation, in_float32
from parity.halves.keras.versions import advance, reseed
from parity.programs.check_spec import LARGE_MODEL, CheckSpec
from parity.traces.trace import TraceWriter

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
    writer: TraceWriter = field(default_factory=TraceWriter)
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
        if objective is not None and (told := objective_facts(objective)) is not None:
            writer.facts["loss"] = told
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
        writer.facts["incomplete"] += own_steps.left_open(
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
        writer: TraceWriter | None = None,
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
        self, spec: CheckSpec, factory: Callable[[], Any], writer: TraceWriter, seed: int = 1
    ) -> Pass:
        """Runs the same pass with every weight and rounded constant moved, and returns it."""
        weights = MovedWeights(self.weights, seed, spec.dtype)
        moved = self.again(factory, weights, Perturbation(seed, spec.dtype), writer=writer)
        moved.run(spec)
        return moved


def optimizers_of(reference: Reference) -> list[Any]:
    """Returns the optimizers of a model, and of the one that trains it."""
    own = getattr(reference.model, "optimizer", None)
    others = optimizers_in(whole_of(reference).model).values()
    found = [] if own is None else [own]
    return found + [each for each in others if each is not own]


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

    def begun(name: str, weight: np.ndarray) -> np.ndarray:
        if name in kept:
            return weight
        filled = probe_inputs.filled(samples.seed, {name: weight})[name]
        return constrained(name, filled, constraints)

    weights = HeldWeights((name, begun(name, weight)) for name, weight in built.items())
    return Pass(reference, samples, weights, number)

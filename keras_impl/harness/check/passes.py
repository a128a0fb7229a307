"""A pass of the reference in eval mode, and one in train mode, drawn until all of it has an effect.

A factory goes in. The pass comes out: the model, what it is fed, the weights that it starts from,
and what it computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_impl.harness.calls import Calls
from keras_impl.harness.casts import cast_layers, float32_layers
from keras_impl.harness.check import outputs, own_steps
from keras_impl.harness.check.begun_anew import called_anew
from keras_impl.harness.check.exercised import Exercise, revived
from keras_impl.harness.check.facts import write_facts
from keras_impl.harness.check.forward import write_forward
from keras_impl.harness.check.gradient import write_gradients
from keras_impl.harness.check.incomplete import incomplete, replayable
from keras_impl.harness.check.loss import (
    activation_of,
    kind_of_targets,
    write_confident_loss,
)
from keras_impl.harness.check.metrics import write_metrics
from keras_impl.harness.check.model import build, get_weights, set_weights
from keras_impl.harness.check.noise import perturb_constants
from keras_impl.harness.factories import Reference
from keras_impl.harness.rounding import Perturbation
from keras_impl.harness.versions import advance, has_mask, reseed
from parity.data import probe_inputs
from parity.data.samples import Samples
from parity.programs.check_spec import CheckSpec
from parity.traces.perturbation import perturbed
from parity.traces.trace import TraceWriter

MAX_PASSES = 8  # of a probe that is drawn again and again
LARGE_MODEL = 1_000_000  # parameters; its passes take long
MAX_PASSES_OF_LARGE = 3


@dataclass
class Pass:
    """One pass of a model in eval mode, and one in train mode, forward and back.

    Attributes:
        reference: the model, which no other pass uses, since a pass changes it.
        samples: what it is fed; its seed is that of the draw.
        weights: what it starts from.
        number: of the draw, 0 for that of the seed.
        perturbation: how rounded numbers are moved; None: they stay.
        writer: receives the arrays and the facts.
        exercise: what the pass leaves without effect.
    """

    reference: Reference
    samples: Samples
    weights: dict[str, np.ndarray]
    number: int = 0
    perturbation: Perturbation | None = None
    writer: TraceWriter = field(default_factory=TraceWriter)
    exercise: Exercise = field(default_factory=Exercise)

    def run(self, spec: CheckSpec) -> None:
        """Writes inputs, outputs, facts, loss and gradients."""
        model, writer = self.reference.model, self.writer
        set_weights(model, self.weights)
        reseed(self.samples.seed)  # so that the perturbed pass draws the same numbers
        x = self.samples.inputs("probe", spec.batch_size)
        for number, value in enumerate(x):
            writer.put(f"input/probe/{number}", value)
        calls, output = write_forward(model, x, writer, self.perturbation)
        write_facts(self.reference, self.samples, calls, output, writer)
        passes = [calls]
        if writer.facts["loss"] is not None:
            passes.append(self._write_train_mode(spec, x, calls, output))
        writer.facts["incomplete"] = incomplete(
            passes, loss_is_masked=len(passes) > 1 and has_mask(output)
        )
        if "outputs" in writer.facts:
            writer.facts["incomplete"].append(outputs.left_open())
        writer.facts["incomplete"] += own_steps.left_open(model)
        writer.facts["replayable"] = replayable(passes)
        writer.facts["cast_to_float64"] = cast_layers(model)
        writer.facts["float32_inside"] = float32_layers(model)

    def _write_train_mode(
        self, spec: CheckSpec, x: list[np.ndarray], calls: Calls, output: Any
    ) -> Calls:
        model, writer = self.reference.model, self.writer
        shape, kind = tuple(output.shape[1:]), kind_of_targets(model)
        y = self.samples.targets("probe", spec.batch_size, kind, shape)
        writer.put("target/probe", y)
        write_confident_loss(spec, self.reference, calls, output, writer, self.perturbation)
        found, trained, self.exercise = write_gradients(
            self.reference, x, y, writer, self.perturbation
        )
        is_activated = writer.facts["output_activation"] is not None
        last = activation_of(model, calls[-1]) if is_activated else None
        made = {"eval": output, "train": trained}
        write_metrics(self.reference, self.samples, made, last, writer, self.perturbation)
        return found

    def again(
        self,
        factory: Callable[[], Any],
        weights: dict[str, np.ndarray],
        perturbation: Perturbation | None = None,
    ) -> Pass:
        """Returns the same pass from other weights, on a fresh model that draws the same masks."""
        fresh = called_anew(factory, self.samples.seed)
        build(fresh, self.samples)
        if perturbation:  # rounded constants are moved, too
            perturb_constants(fresh.model)
        advance(fresh.model, self.number)
        return Pass(fresh, self.samples, weights, self.number, perturbation)

    def perturbed(self, spec: CheckSpec, factory: Callable[[], Any], seed: int = 1) -> Pass:
        """Runs the same pass with every weight and rounded constant moved, and returns it."""
        weights = perturbed(self.weights, seed, spec.dtype)
        moved = self.again(factory, weights, Perturbation(seed, spec.dtype))
        moved.run(spec)
        return moved


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
                last = last.again(factory, weights)
            else:
                number, before = number + 1, np.inf
                redrawn = samples.of_seed(probe_inputs.redrawn(spec.seed, number))
                last = _drawn(called_anew(factory, redrawn.seed), redrawn, number)
        last.run(spec)
        if last.exercise.num_problems < best.exercise.num_problems:
            best = last
        if not best.exercise.num_problems:
            break
    return best


def _drawn(reference: Reference, samples: Samples, number: int = 0) -> Pass:
    build(reference, samples)
    advance(reference.model, number)
    weights = probe_inputs.filled(samples.seed, get_weights(reference.model))
    return Pass(reference, samples, weights, number)

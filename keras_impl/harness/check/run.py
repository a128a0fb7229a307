"""run_check: what a Keras model computes in every part of its training, written down.

The reference of `parity check`: everything in float64, in the portable layout. Two passes, the
second with every weight moved by one unit in the last place, and what is rounded elsewhere moved
likewise: what that changes is what rounding alone explains, and what a port may differ by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_impl.harness import versions
from keras_impl.harness.check.facts import write_facts
from keras_impl.harness.check.forward import write_forward
from keras_impl.harness.check.gradient import write_gradients
from keras_impl.harness.check.initial import write_init
from keras_impl.harness.check.loss import kind_of_targets, loss_name, write_confident_loss
from keras_impl.harness.check.model import build, get_weights, set_weights, signature
from keras_impl.harness.check.noise import noise_of, perturb_constants
from keras_impl.harness.check.optimizer import write_optimizer
from keras_impl.harness.check.schedule import write_schedule
from keras_impl.harness.check.trajectory import write_trajectory
from keras_impl.harness.factories import Reference, call_factory
from parity.data import probe_inputs
from parity.data.samples import Samples
from parity.halves.perturbation import perturbed
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle import Bundle
from parity.traces.trace import TraceWriter


def run_check(
    spec: CheckSpec,
    factory: Callable[[], Any],
    writer: TraceWriter,
    bundle: Bundle | None = None,
) -> None:
    """Probes the model that a factory builds.

    Args:
        spec: how.
        factory: returns a compiled model or a Reference.
        writer: receives the arrays `init/…`, `weights/…`, `input/…`, `target/…`, `forward/…`,
            `loss/…`, `gradient/…`, `optimizer/…`, `trajectory/…`, `schedule/…`, and the facts.
        bundle: None; the port is compared with one, the reference with nothing.

    Raises:
        InputError: the model cannot be probed.
    """
    versions.use_float64()
    reference = call_factory(factory, spec.seed)
    samples = Samples(spec, signature(reference))
    build(reference, samples)

    def rebuilt(perturbation: int) -> Reference:
        fresh = call_factory(factory, spec.seed)
        build(fresh, samples)
        if perturbation:
            perturb_constants(fresh.model)
        return fresh

    write_init(spec, factory, reference, samples, writer)
    weights = probe_inputs.filled(spec.seed, get_weights(reference.model))
    writer.put_all("weights", weights)
    passes = []
    for perturbation in (0, 1):
        start = weights if perturbation == 0 else perturbed(weights, perturbation)
        written = writer if perturbation == 0 else TraceWriter()
        # Training changes a model: the optimizer is probed on one of its own.
        _probe(
            spec,
            rebuilt(perturbation) if perturbation else reference,
            samples,
            start,
            written,
            perturbation,
        )
        write_optimizer(spec, rebuilt(perturbation), start, written)
        passes.append(written)
    writer.facts["noise"] = noise_of(*passes)
    write_schedule(spec, factory, writer)


def _probe(
    spec: CheckSpec,
    reference: Reference,
    samples: Samples,
    weights: Mapping[str, np.ndarray],
    writer: TraceWriter,
    perturbation: int,
) -> None:
    """One pass through the stages that share a model, from its outputs to its training."""
    model = reference.model
    set_weights(model, weights)
    x = samples.inputs("probe", spec.batch_size)
    for number, value in enumerate(x):
        writer.put(f"input/probe/{number}", value)
    calls, output = write_forward(model, x, writer, perturbation)
    write_facts(reference, samples, calls, output, writer)
    if loss_name(model) is None:
        return
    shape = tuple(output.shape[1:])
    y = samples.targets("probe", spec.batch_size, kind_of_targets(model), shape)
    writer.put("target/probe", y)
    write_confident_loss(spec, reference, calls, output, writer)
    write_gradients(reference, x, y, writer, perturbation)
    set_weights(model, weights)
    write_trajectory(spec, reference, samples, writer, perturbation)

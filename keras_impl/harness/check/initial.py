"""Initial weights that a factory draws, as samples of its distributions.

A factory goes in; `init/…` comes out: the draws of several seeds, stacked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_impl.harness.check.model import build, get_weights
from keras_impl.harness.factories import Reference, call_factory
from parity.data.probe_inputs import MAX_DRAWN
from parity.data.samples import Samples
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

SMALL_MODEL = 200_000  # parameters; a larger model is initialised once, not NUM_DRAWS times
NUM_DRAWS = 5


def write_init(
    spec: CheckSpec,
    factory: Callable[[], Any],
    reference: Reference,
    samples: Samples,
    writer: TraceWriter,
) -> None:
    """Writes the weights of the factory: several draws of a small model, a part of large arrays."""
    weights = get_weights(reference.model)
    is_small = sum(weight.size for weight in weights.values()) <= SMALL_MODEL
    draws = [weights]
    for number in range(1, NUM_DRAWS if is_small else 1):
        redrawn = call_factory(factory, (spec.seed + number) % 2**32)
        build(redrawn, samples)
        draws.append(get_weights(redrawn.model))
    for name in weights:
        parts = [draw[name].reshape(-1)[: MAX_DRAWN // len(draws)] for draw in draws]
        writer.put(f"init/{name}", np.stack(parts))

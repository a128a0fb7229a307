"""Initial weights that a factory draws, as samples of its distributions.

A factory goes in; `init/…` comes out: of each weight some draws, the first one that of the model. A
weight is drawn again by its initialiser, or with the whole model if its layer does not tell it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_impl.reference import Reference
from parity.data import initial_draws
from parity.data.samples import Samples
from parity.halves.keras.check.begun_anew import called_anew
from parity.halves.keras.check.initializers import Initializer, all_initializers
from parity.halves.keras.check.model import build, get_weights
from parity.programs.check_spec import CheckSpec
from parity.programs.settings import later_seed
from parity.traces.trace import TraceWriter

SMALL_MODEL = 200_000  # parameters; a larger model is built again only if this is needed
NUM_MODELS = 5


def write_init(
    spec: CheckSpec,
    factory: Callable[[], Any],
    reference: Reference,
    samples: Samples,
    writer: TraceWriter,
) -> None:
    """Writes the weights of the factory, drawn more often if they are small."""
    weights = get_weights(reference.model)
    found = all_initializers(reference.model)
    draws = {name: _drawn(array, found.get(name), spec.seed) for name, array in weights.items()}
    left = [name for name, arrays in draws.items() if not arrays]
    for name in left:
        draws[name] = [weights[name]]
    is_small = sum(weight.size for weight in weights.values()) <= SMALL_MODEL
    is_tiny = any(weights[name].size < initial_draws.FEW for name in left)
    for number in range(1, NUM_MODELS if is_small else 2 if is_tiny else 1):
        if not left:
            break
        redrawn = called_anew(factory, later_seed(spec.seed, number))
        build(redrawn, samples)
        again = get_weights(redrawn.model)
        for name in left:
            draws[name].append(again[name])
    for name, arrays in draws.items():
        most = initial_draws.enough(found[name].config.get("class") if name in found else None)
        writer.put(f"init/{name}", np.stack([array.reshape(-1)[:most] for array in arrays]))


def _drawn(array: np.ndarray, initializer: Initializer | None, seed: int) -> list[np.ndarray]:
    """Returns the draws of a weight, its own first; none if its initialiser is not known."""
    if initializer is None:
        is_sure = array.size >= initial_draws.FEW and initial_draws.is_constant(
            array.reshape(1, -1)
        )
        return [array] if is_sure else []
    kind = initializer.config.get("class")
    if kind in initial_draws.CONSTANT or not array.size:
        return [array]
    wanted = initial_draws.num_draws(array.size, initial_draws.enough(kind))
    wanted = max(wanted, 1 if kind in initial_draws.RANDOM else 2)
    draws = [array]
    for number in range(1, wanted):
        try:
            drawn = initializer.draw(array.shape, later_seed(seed, number))
        except Exception:  # of the user's code, which may take other arguments
            return []
        if drawn.shape != array.shape:
            return []
        draws.append(drawn)
    return draws

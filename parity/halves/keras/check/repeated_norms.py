"""The statistics of batches of a BatchNormalization that a model calls several times in a pass.

A `TimeDistributed` calls its layer for each step, and two branches may share one. A port that
joins these batches to one normalises otherwise, in train mode alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from parity.halves.keras.check.model import named_variables
from parity.traces.trace import TraceWriter

Moments = dict[int, list[tuple[np.ndarray, np.ndarray]]]


@contextmanager
def noted_moments() -> Iterator[Moments]:
    """Notes mean and variance of each batch that a BatchNormalization normalises in the block.

    Yields:
        id of the layer -> (mean, variance) of each of its calls, (channels,) each.
    """
    kind: Any = keras.layers.BatchNormalization
    own = getattr(kind, "_moments", None)
    found: Moments = {}
    if own is None:  # of Keras 2
        yield found
        return

    def moments(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        made = own(layer, *arguments, **keywords)
        if all(hasattr(part, "numpy") for part in made):  # no graph is traced
            mean, variance = (np.array(part.numpy(), np.float64).ravel() for part in made)
            found.setdefault(id(layer), []).append((mean, variance))
        return made

    kind._moments = moments
    try:
        yield found
    finally:
        kind._moments = own


def write_repeated(model: keras.Model, found: Moments, writer: TraceWriter) -> None:
    """Writes `batches/WEIGHT`, (calls, channels), beside the moving statistic of that name.

    Args:
        model: that was called.
        found: of `noted_moments`.
        writer: receives what is written, of layers that are called twice or more.
    """
    names = {id(variable): name for name, variable in named_variables(model).items()}
    for layer in model._flatten_layers():
        calls = found.get(id(layer), [])
        if len(calls) < 2:
            continue
        for number, variable in enumerate((layer.moving_mean, layer.moving_variance)):
            if (name := names.get(id(variable))) is not None:
                writer.put(f"batches/{name}", np.stack([call[number] for call in calls]))

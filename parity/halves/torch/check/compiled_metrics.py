"""The metrics that a Keras model was compiled with, one by one, as a trace tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.traces.trace import Trace


@dataclass(frozen=True)
class Compiled:
    """A metric of Keras's.

    Attributes:
        name: that the history writes.
        given: what `compile` got: its name or its configuration.
        is_weighted: whether it gets the weights of the samples.
        output: the name of its output; "": there is one.
    """

    name: str
    given: Any
    is_weighted: bool
    output: str

    def key(self, what: str) -> str:
        """Returns the key of what its output was given: "metric_input/linear/main"."""
        return f"metric_input/{what}/{self.output}" if self.output else f"metric_input/{what}"


def compiled_metrics(keras: Trace) -> list[Compiled]:
    """Returns the metrics in the order of Keras's history."""
    names = keras.facts["metric_probe"]["names"]
    flat = _flat(keras.facts["metrics"])
    return [Compiled(name, *each) for name, each in zip(names, flat, strict=False)]


def _flat(given: Mapping[str, Any]) -> Iterator[tuple[Any, bool, str]]:
    for kind, part in given.items():
        by_output = part if isinstance(part, Mapping) else {"": part}
        for output, metrics in by_output.items():
            for each in metrics:
                yield each, kind == "weighted_metrics", output


def columns_of(keras: Trace, joined: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs that a trace has side by side, (N, values of all), by their names."""
    found, start = {}, 0
    for each in keras.facts["outputs"]:
        size = int(np.prod(each["shape"]))
        found[str(each["name"])] = joined[:, start : start + size].reshape(-1, *each["shape"])
        start += size
    return found

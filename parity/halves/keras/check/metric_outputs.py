"""The given outputs on which metrics are compared, with targets and weights of the samples.

An objective and what the model returned go in. Outputs, targets and weights come out in batches, in
the structure in which the model returns its outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import metric_inputs
from parity.halves.keras.call_list import Calls
from parity.halves.keras.check.loss import activation_of
from parity.halves.keras.check.objective import Batch, Objective
from parity.halves.keras.check.outputs import activation, last_of
from parity.halves.keras.check.sample_weights import sample_weight
from parity.halves.keras.check.sequence_masks import counts_of_outputs
from parity.halves.keras.check.target_forms import DATA
from parity.traces.trace import TraceWriter, keyed

Given = tuple[Any, Any, Any]  # targets, outputs, weights of the samples or None
Weights = Mapping[str, np.ndarray | None]  # of the samples, by the name of the output


class GivenOutputs:
    """Given outputs of a model with their targets, by the name of the output.

    Args:
        objective: of the model.
        parts: what the model returned, by name; the only output has the name "".
        calls: of that pass.

    Attributes:
        sizes: of the batches.
        y: targets.
        weights: of the samples, as a loss gets them.
    """

    def __init__(self, objective: Objective, parts: Mapping[str, Any], calls: Calls) -> None:
        self._objective = objective
        self._linear: dict[str, np.ndarray] = {}
        self._output: dict[str, np.ndarray] = {}
        self.sizes = metric_inputs.sizes_of([tuple(part.shape[1:]) for part in parts.values()])
        num = sum(self.sizes)
        # Given outputs have no mask: none of their targets is a class of padding.
        counts = {
            name: np.ones((num, *each.shape[1:]), bool)
            for name, each in counts_of_outputs(parts).items()
        }
        batch = objective.batch("metrics", num, counts)
        self.y, self.weights = batch.targets, batch.weights
        for name, part in parts.items():
            linear = self._linear[name] = self._drawn(name)
            last = last_of(part, calls if name else calls[-1:])
            self._output[name] = linear
            if last is not None and activation(last) is not None:
                apply = activation_of(last)
                activated = np.asarray(apply(tf.constant(linear)))
                self._output[name] = metric_inputs.tied(linear, activated)

    def _drawn(self, name: str) -> np.ndarray:
        objective = self._objective
        kind = objective.kinds[name]
        return metric_inputs.outputs_for(
            objective.samples.seed,
            "values" if kind == DATA else kind,
            self.y[name],
            objective.shapes[name],
            name,
        )

    def batches(self, weights: Weights) -> Iterator[Given]:
        """Yields targets, outputs and weights of each batch."""
        for rows in metric_inputs.rows(self.sizes):
            y, output = (as_tensors(self._objective, x, rows) for x in (self.y, self._output))
            yield y, output, packed_weights(self._objective, weights, rows)

    def put(self, writer: TraceWriter) -> None:
        """Writes outputs and targets."""
        parts = {"linear": self._linear, "output": self._output, "target": self.y}
        for key, by_name in parts.items():
            for name, array in by_name.items():
                writer.put(keyed(f"metric_input/{key}", name), array)


def as_tensors(objective: Objective, arrays: Mapping[str, np.ndarray], rows: slice) -> Any:
    """Returns rows of what belongs to each output, in the structure of the model."""
    return objective.packed({name: tf.constant(array[rows]) for name, array in arrays.items()})


def packed_weights(objective: Objective, weights: Weights, rows: slice) -> Any:
    """Returns rows of the weights likewise; None if there are none."""
    if all(weight is None for weight in weights.values()):
        return None
    found = {name: None if weight is None else weight[rows] for name, weight in weights.items()}
    return objective.packed(found)


def weight_kind(reference: Reference) -> str | None:
    """Returns which weights `fit` gives to samples: "class", "sample", or None."""
    if reference.class_weight is not None:
        return "class"
    return None if reference.sample_weight is None else "sample"


def weights_by_part(objective: Objective, batch: Batch, given: GivenOutputs) -> dict[str, Weights]:
    """Returns the weights of the given outputs, and of the probe in eval and in train mode.

    Args:
        objective: of the model.
        batch: of the probe.
        given: outputs.
    """
    if weight_kind(objective.reference) != "class":
        return {"given": given.weights, "eval": batch.weights, "train": batch.weights}
    found: dict[str, Weights] = {
        part: {name: sample_weight(objective.reference, y) for name, y in targets.items()}
        for part, targets in (("given", given.y), ("train", batch.targets))
    }
    return {**found, "eval": {}}  # which are for training alone

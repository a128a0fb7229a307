"""What a model's own `train_step` gets: a batch as `fit` would hand it over.

A reference goes in. Batches come out: `x` alone, (x, y), or (x, y, weights of the samples).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data.model_inputs import packed
from parity.data.samples import Samples
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.structure import as_fed, in_order
from parity.programs.check_spec import CheckSpec

_VALUES = "values"  # targets of which only their shape has to fit


@dataclass(frozen=True)
class StepBatch:
    """A batch, as arrays in Keras's order and layout; of what there is none, empty."""

    x: Sequence[np.ndarray]
    y: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]


class StepData:
    """The batches of a model with a step of its own.

    Args:
        reference: what `fit` gets. Arrays are taken as they are, row by row. Without them, inputs
            are drawn, and targets if `compile` has a loss that says what they are.
        spec: of the check.

    Raises:
        InputError: the inputs of the model are not known.
    """

    def __init__(self, reference: Reference, spec: CheckSpec) -> None:
        self._reference = reference
        self.inputs = inputs_of(reference, spec.batch_size)
        self._samples = Samples(spec, self.inputs.each, self.inputs.batch_size)
        self._x = self._arrays("x", in_order(reference, reference.x))
        self._y = self._arrays("y", reference.y)
        self._weights = self._arrays("sample_weight", reference.sample_weight)
        self._objective: Objective | None = None
        structure: Any = None
        if reference.y is not None:
            structure = _numbered(reference.y)
        elif names := self._samples.given_targets:
            structure = 0 if names == ("",) else {name: at for at, name in enumerate(names)}
        elif self._finds_targets():
            structure = 0
        self.target_structure = structure

    @property
    def seed(self) -> int:
        """The seed of what is drawn."""
        return self._samples.seed

    def sizes(self, steps: int) -> list[int]:
        """Returns the sizes of the batches of some steps."""
        return self._samples.sizes(steps)

    def batch(self, purpose: str, num: int) -> StepBatch:
        """Returns a batch of `num` samples."""
        given = self._rows(self._x, purpose, num)
        x = given or self._samples.inputs(purpose, num)
        if self._y:
            y = self._rows(self._y, purpose, num)
        elif names := self._samples.given_targets:
            y = [self._samples.targets(purpose, num, _VALUES, (), name) for name in names]
        elif self._objective is not None:
            y = list(self._objective.batch(purpose, num).targets.values())
        else:
            y = []
        return StepBatch(x, y, self._rows(self._weights, purpose, num))

    def as_given(self, batch: StepBatch) -> Any:
        """Returns a batch as `train_step` gets it."""
        x = as_fed(self._reference, batch.x)
        if not batch.y:
            return x
        y = packed(self.target_structure, [tf.constant(array) for array in batch.y])
        if not batch.weights:
            return x, y
        return x, y, tf.constant(batch.weights[0])

    def _arrays(self, name: str, given: Any) -> list[np.ndarray]:
        """Returns the arrays of a nest that `fit` gets; none if it gets no arrays."""
        if given is None or not versions.are_arrays(given):
            return []
        arrays = [np.asarray(array) for array in keras.tree.flatten(given)]
        for array in arrays:
            if array.dtype.kind not in "biuf" or not len(array):
                raise InputError(
                    f"Reference({name}=...) has an array of {len(array)} samples and type "
                    f"{array.dtype}; expected numbers, of one sample or more"
                )
        return [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]

    def _rows(self, arrays: Sequence[np.ndarray], purpose: str, num: int) -> list[np.ndarray]:
        return [array[self._samples.rows(purpose, num, len(array))] for array in arrays]

    def _finds_targets(self) -> bool:
        """Whether the loss of `compile` says what targets are, of a model with one output."""
        model = self._reference.model
        is_called = type(model).call is not keras.Model.call
        if not is_called or getattr(model, "loss", None) is None:
            return False
        batch = self._samples.inputs("probe", self._samples.batch_size)
        output = model(as_fed(self._reference, batch), training=False)
        found = Objective(self._reference, self._samples, output)
        if found.problem or not found.is_one or all(x is None for x in found.losses.values()):
            return False
        self._objective = found
        return True


def _numbered(nest: Any) -> Any:
    """Returns a nest of arrays with a number in the place of each."""
    flat = keras.tree.flatten(nest)
    numbered: Any = keras.tree.pack_sequence_as(nest, list(range(len(flat))))
    return keras.tree.map_structure(int, numbered)

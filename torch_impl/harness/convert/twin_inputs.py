"""What a twin is fed: numbers, or tokens where an entry chooses a row of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.data import probe_inputs
from parity.errors import InputError
from torch_impl.harness.calls import recorded_calls
from torch_impl.harness.convert.twin import Twin
from torch_impl.keras_config.graph import Tensor, fill

NUM_SAMPLES = 4
MAX_ENTRIES = 2**26  # of one sample, of all inputs; an image of 4,000 pixels squared has as many


class TwinInputs:
    """The inputs of a twin.

    Args:
        twin: the model.

    Attributes:
        names: Keras's, in its order.
        structure: in which the model takes them: numbers of inputs, nested.

    Raises:
        InputError: an input is larger than any that is used.
    """

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        places: list[Tensor] = []

        def note(place: Tensor) -> int:
            places.append(place)
            return len(places) - 1

        structure = fill(twin.module.graph.inputs, note)
        is_one = isinstance(structure, list | tuple) and len(structure) == 1
        self.structure: Any = structure[0] if is_one else _as_lists(structure)
        self.names = [place.layer for place in places]
        entries = {
            entry.get("name") or entry["config"].get("name"): entry["config"]
            for entry in twin.config["config"]["layers"]
        }
        configs = [entries[name] for name in self.names]
        self.shapes = [_shape(config) for config in configs]
        self.dtypes = [str(config.get("dtype") or "float32") for config in configs]
        if sum(map(math.prod, self.shapes)) > MAX_ENTRIES:
            raise InputError(f"the inputs have the shapes {self.shapes}, which is too large")
        self._counts = self._tokens()

    def drawn(self, seed: int) -> list[np.ndarray]:
        """Returns a batch: numbers as float64, tokens as int64."""
        return [
            _drawn(seed, name, shape, dtype, count)
            for name, shape, dtype, count in zip(
                self.names, self.shapes, self.dtypes, self._counts, strict=True
            )
        ]

    def arguments(self, arrays: Sequence[np.ndarray]) -> Any:
        """Returns the argument of the twin for a batch."""
        tensors = [torch.from_numpy(array) for array in arrays]
        if isinstance(self.structure, Mapping):
            return {key: tensors[number] for key, number in self.structure.items()}
        return tensors[0] if len(tensors) == 1 else tensors

    def _tokens(self) -> list[int | None]:
        """Returns how many tokens each input may have; None: it is numbers.

        An input is tokens if what a table is given depends on it.
        """
        zeros = [np.zeros((1, *shape)) for shape in self.shapes]
        base = self._given_to_tables(zeros)
        counts: list[int | None] = []
        for number in range(len(zeros)):
            changed = [array + (n == number) for n, array in enumerate(zeros)]
            seen = self._given_to_tables(changed) if base else []
            sizes = [
                size
                for (size, given), (_, before) in zip(seen, base, strict=True)
                if given.shape != before.shape or not torch.equal(given, before)
            ]
            counts.append(min(sizes) if sizes else None)
        return counts

    def _given_to_tables(self, arrays: Sequence[np.ndarray]) -> list[tuple[int, torch.Tensor]]:
        cast = [array.astype(dtype) for array, dtype in zip(arrays, self.dtypes, strict=True)]
        keep: Any = lambda number, x, rate: x  # noqa: E731
        with torch.no_grad(), recorded_calls(self._twin.module, keep) as calls:
            self._twin.module(self.arguments(cast))
        return [
            (call.module.num_embeddings, call.inputs[0])
            for call in calls
            if isinstance(call.module, nn.Embedding)
        ]


def _as_lists(structure: Any) -> Any:
    if isinstance(structure, Mapping):
        return {key: _as_lists(value) for key, value in structure.items()}
    return (
        [_as_lists(each) for each in structure]
        if isinstance(structure, list | tuple)
        else structure
    )


def _shape(config: Mapping[str, Any]) -> tuple[int, ...]:
    shape = config["batch_shape"][1:]
    if any(side is not None and not 0 <= side <= MAX_ENTRIES for side in shape):
        raise InputError(f"an input has the shape {tuple(shape)}")
    return probe_inputs.input_shape(shape)


def _drawn(seed: int, name: str, shape: Sequence[int], dtype: str, count: int | None) -> np.ndarray:
    draw = probe_inputs.generator(seed, "input", name)
    size = (NUM_SAMPLES, *shape)
    if count is not None:  # token 0 may be masked, which a port need not know for its weights
        tokens = draw.integers(min(1, count - 1), count, size)
        return tokens.astype(dtype if dtype.startswith(("int", "uint")) else "float64")
    if dtype == "bool":
        return draw.random(size) < 0.5
    if dtype.startswith(("int", "uint")):
        return draw.integers(0, 100, size).astype(dtype)
    return probe_inputs.features(seed, name, NUM_SAMPLES, shape)

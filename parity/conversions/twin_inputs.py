"""What a twin is fed: numbers, or tokens where an entry chooses a row of a table.

There are two batches. The first has no padding, so that a module that handles padding otherwise
still shows which weight is where. The second has sequences that end with padding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.conversions.twin import Twin
from parity.data import probe_inputs
from parity.data.samples import ModelInput, Tokens
from parity.errors import InputError
from parity.halves.torch.calls import recorded_calls
from torch_impl.keras_config.graph import Tensor, fill
from torch_impl.layers import Masking

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
        self._fillers = self._left_out()

    def drawn(self, seed: int) -> list[np.ndarray]:
        """Returns a batch: numbers as float64, tokens as int64."""
        return [
            _drawn(seed, name, shape, dtype, count)
            for name, shape, dtype, count in zip(
                self.names, self.shapes, self.dtypes, self._counts, strict=True
            )
        ]

    def padded(self, seed: int) -> list[np.ndarray] | None:
        """Returns a batch whose sequences end with padding, but for one; None: nothing is padding.

        Padding is token 0, or what a layer `Masking` leaves out. It is drawn of all tokens: what
        Keras does not mask, a module may not leave out.
        """
        batch, found = self.drawn(seed), False
        for number, (name, shape) in enumerate(zip(self.names, self.shapes, strict=True)):
            count, filler = self._counts[number], self._fillers[number]
            if max(shape[:1] if filler is not None else shape, default=1) < 2:
                continue
            if count is not None and count > 1:
                tokens = (Tokens(0, count - 1, "post"),)
                drawn = ModelInput(name, shape, "tokens", tokens=tokens)
            elif filler is not None:
                drawn = ModelInput(name, shape, filler=filler, padding="post")
            else:
                continue
            dtype = batch[number].dtype
            batch[number] = drawn.drawn(seed, "padded", NUM_SAMPLES).astype(dtype)
            found = True
        return batch if found else None

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
            shifted = self._given_to_tables(changed) if base else []
            sizes = [
                size
                for (size, given), (_, before) in zip(shifted, base, strict=True)
                if given.shape != before.shape or not torch.equal(given, before)
            ]
            counts.append(min(sizes) if sizes else None)
        return counts

    def _left_out(self) -> list[float | None]:
        """Returns the value of steps that a layer `Masking` leaves out, of each input."""
        arrays = [
            np.zeros((1, *shape)) if count is not None else self._ones(number)
            for number, (shape, count) in enumerate(zip(self.shapes, self._counts, strict=True))
        ]
        calls: list[tuple[float, torch.Tensor]] = []

        def note(masking: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            calls.append((_filler(masking), given[0]))

        handles = [
            module.register_forward_pre_hook(note)
            for module in self._twin.module.modules()
            if isinstance(module, Masking)
        ]
        if not handles:
            return [None] * len(arrays)
        try:
            with torch.no_grad():
                self._twin.module(self.arguments(arrays))
        finally:
            for handle in handles:
                handle.remove()
        return [
            next((value for value, x in calls if np.array_equal(x.numpy(), array)), None)
            for array in arrays
        ]

    def _ones(self, number: int) -> np.ndarray:
        """Returns a sample of an input by which it is known again."""
        shape, dtype = self.shapes[number], self.dtypes[number]
        return np.full((1, *shape), number + 1).astype(
            "float64" if dtype.startswith("float") else dtype
        )

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


def _filler(masking: nn.Module) -> float:
    assert isinstance(masking, Masking)
    return float(np.float32(masking.mask_value))  # Keras rounds it before it compares


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

"""PortUnderTest: a port that has Keras's weights, is fed Keras's batches, and is read back.

factory -> Port -> calls of one forward pass -> pairs (`pairs.py`) -> weights carried over
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import InputError
from parity.traces.trace import Trace
from torch_impl.harness.calls import Call, Passed, first_tensor, recorded_calls
from torch_impl.harness.factories import call_factory
from torch_impl.harness.port.call_places import line_of
from torch_impl.harness.port.paired_layer import PairedLayer
from torch_impl.harness.port.pairs import node_of, paired_calls, paired_layers
from torch_impl.layouts import Variable, variables
from torch_impl.weights import assign, read

# Kinds of layers that take images or signals, which have their channels first in torch.
_SPATIAL = frozenset(
    [
        *("conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool"),
        *("global_max_pool", "global_average_pool", "zero_padding", "cropping", "upsampling"),
        *("batch_norm", "group_norm"),
    ]
)


class PortUnderTest:
    """A port with Keras's weights.

    Args:
        factory: builds the port.
        seed: of the factory's random numbers.
        keras: what Keras computed.
        device: on which the port computes.

    Raises:
        InputError: the factory or `layers` of the port cannot be used.
    """

    def __init__(
        self, factory: Callable[[], Any], seed: int, keras: Trace, device: str = "cpu"
    ) -> None:
        self.built = call_factory(factory, seed)
        self.built.module.to(device)  # in place, so that the optimizer keeps its parameters
        self.device = device
        self.keras = keras
        self.problems: list[str] = []  # found while Keras's weights were set
        self._is_turned = True  # whether images are fed with channels first
        module = self.built.module
        self._state = copy.deepcopy(module.state_dict())
        self.calls, self.output = self._discovered()
        self.nodes = [node_of(call) for call in self.calls]
        self.pairing = paired_calls(keras.facts, self.nodes, self.built.layers)
        self.pairs = paired_layers(
            keras.facts["nodes"],
            self.nodes,
            self.calls,
            self.pairing,
            channels_last=self.channels_last,
        )
        self.carry()

    def _discovered(self) -> tuple[list[Call], torch.Tensor]:
        """Returns the calls of one pass in train mode without dropout, and the output.

        A module that fails with channels first may move the channels itself. It is then fed in
        Keras's layout.
        """
        try:
            return self._called()
        except Exception as error:  # the code of the port may raise anything
            if self.built.feed is None and not self.channels_last:
                self._is_turned = False
                with suppress(Exception):
                    return self._called()
            shapes = [tuple(self.keras["input/probe/0"].shape)]
            what = f"{type(error).__name__}: {error}, {line_of(error) or 'inside torch'}"
            raise InputError(
                f"the torch module cannot take the batch that Keras took, of shape {shapes[0]} in "
                f"Keras's layout ({what}); return a Port with `feed`, which turns a batch into its "
                "arguments"
            ) from error

    def _called(self) -> tuple[list[Call], torch.Tensor]:
        self.module.train()
        identity: Any = lambda number, x, rate: x  # noqa: E731
        arguments = self.arguments("probe")  # outside the block: `feed` is not a call of the port
        with torch.no_grad(), recorded_calls(self.module, identity) as calls:
            output = first_tensor(self.module(*arguments))
        self.module.load_state_dict(self._state)
        return calls, output

    @property
    def fed(self) -> str:
        """How images and sequences are fed to the network, in words for the user."""
        if self.built.feed is not None:
            return "fed by the port's own `feed`"
        is_first = any(map(self._turns, self._batch("probe")))
        return "fed with channels first" if is_first else "fed as Keras is"

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self.built.module

    @property
    def channels_last(self) -> bool:
        """Whether the network takes images in Keras's layout."""
        return bool(getattr(self.module, "channels_last", False))

    def arguments(self, purpose: str) -> tuple[Any, ...]:
        """Returns the arguments of the module for a recorded batch."""
        arrays = self._batch(purpose)
        moved: tuple[Any, ...]
        if self.built.feed is None:
            moved = self._moved(tuple(map(self._fed, arrays)))
        else:
            fed = self.built.feed(*arrays)
            moved = self._moved(fed if isinstance(fed, tuple) else (fed,))
        return moved

    def _batch(self, purpose: str) -> list[np.ndarray]:
        """Returns the inputs of a recorded batch in Keras's layout."""
        arrays: list[np.ndarray] = []
        while (key := f"input/{purpose}/{len(arrays)}") in self.keras:
            arrays.append(self.keras[key])
        return arrays

    def _fed(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.array(array))
        return tensor.movedim(-1, 1).contiguous() if self._turns(array) else tensor

    def _turns(self, array: np.ndarray) -> bool:
        """Whether an input is fed with channels first: an image, or a signal for such a layer."""
        if self.channels_last or not self._is_turned or array.ndim < 3:
            return False
        if array.ndim > 3:
            return True
        shape = list(array.shape[1:])  # without the batch size, which differs in the last batches
        for node in self.keras.facts["nodes"]:
            if shape in [given[1:] for given in node["input_shapes"]]:
                return node["kind"] in _SPATIAL
        return False

    def target(self, key: str) -> Any:
        """Returns the targets that the trace has under `key`, in the form the loss takes."""
        array = self.keras[key]
        if self.built.target is not None:
            return self._moved(self.built.target(array))
        return self._moved(torch.from_numpy(np.array(array)))

    def masks(self, mode: str) -> Callable[[int, torch.Tensor, float], torch.Tensor]:
        """Returns the function of an active dropout: Keras's mask at the rate of the port.

        Args:
            mode: of the pass in the keras: "train", "step1", ...; without masks nothing is
                dropped.
        """
        dropouts = [n for n, call in enumerate(self.calls) if call.kind == "dropout"]
        pairs = {
            dropouts.index(column): pair
            for (_, column), pair in zip(self.pairing.pairs, self.pairs, strict=True)
            if column in dropouts
        }

        def dropped(number: int, x: torch.Tensor, rate: float) -> torch.Tensor:
            pair = pairs.get(number)
            key = f"mask/{mode}/{pair.node['name']}" if pair else ""
            if pair is None or key not in self.keras or rate >= 1:
                return x
            mask = pair.native(self.keras[key], x)
            if mask is None:
                return x
            return torch.where(mask != 0, x * (1 / (1 - rate)), torch.zeros_like(x))

        return dropped

    def forward(
        self, mode: str, purpose: str, *, training: bool, passed: Passed | None = None
    ) -> tuple[list[Call], Any]:
        """Calls the module; returns its calls and its output."""
        self.module.train(training)
        arguments = self.arguments(purpose)
        with recorded_calls(self.module, self.masks(mode), passed) as calls:
            output = first_tensor(self.module(*arguments))
        return calls, output

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Restores parameters and buffers at the end of the block."""
        before = copy.deepcopy(self.module.state_dict())
        try:
            yield
        finally:
            self.module.load_state_dict(before)

    def _moved(self, value: Any) -> Any:
        """Moves tensors to the device of the check."""
        if isinstance(value, torch.Tensor):
            return value.to(self.device)
        if isinstance(value, list | tuple):
            return type(value)(self._moved(item) for item in value)
        return value

    # --- weights ---------------------------------------------------------------------------------

    def carry(self) -> None:
        """Sets Keras's weights in the module, by the port's `load` or by the table of layouts."""
        weights = {name: self.keras[f"weights/{name}"] for name in self.keras.facts["weights"]}
        if self.built.load is not None:
            with torch.no_grad():
                self.built.load(self.module, weights)
            return
        for pair in self.pairs:
            if pair.call.module is None:
                continue
            arrays = {
                local: pair.to_module(name, weights[name]) for name, local in pair.variables.items()
            }
            for local, array in arrays.items():
                try:
                    assign(pair.call.module, {local: array})
                except ValueError as error:
                    self.problems.append(f"{pair.node['name']}: {error}")

    def weights(self) -> dict[str, np.ndarray]:
        """Returns all weights that have a partner, by Keras's names, in the portable layout."""
        return self._read(gradient=False)

    def moving(self) -> dict[str, np.ndarray]:
        """Returns the weights that a pass in train mode changes: moving statistics."""
        names = ("moving_mean", "moving_variance")
        return {name: array for name, array in self.weights().items() if name.endswith(names)}

    def gradients(self) -> dict[str, np.ndarray]:
        """Returns the gradients of these weights, by the same names and in the same layout."""
        return self._read(gradient=True)

    def set_gradients(self, gradients: Mapping[str, np.ndarray]) -> None:
        """Sets the gradients of all parameters; those without a partner get zero."""
        for parameter in self.module.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        for pair, name, variable in self.variables():
            if name not in gradients:
                continue
            array = torch.from_numpy(pair.to_module(name, gradients[name]).copy())
            parts = variable.to_torch(array)
            if variable.gradient_of is not None:
                # Torch has two biases where Keras has one: each has the gradient of the sum.
                parts = (parts[0],) * len(parts)
            for tensor, part in zip(variable.tensors, parts, strict=True):
                if tensor.requires_grad:
                    tensor.grad = part.to(tensor).contiguous()

    def variables(self) -> Iterator[tuple[PairedLayer, str, Variable]]:
        """Yields (pair, Keras's name, variable of the module) for every weight with a partner."""
        for pair in self.pairs:
            if pair.call.module is None:
                continue
            by_name = {variable.name: variable for variable in variables(pair.call.module)}
            for name, local in pair.variables.items():
                yield pair, name, by_name[local]

    def _read(self, gradient: bool) -> dict[str, np.ndarray]:
        found = {}
        for pair in self.pairs:
            if pair.call.module is None:
                continue
            arrays = read(pair.call.module, gradient=gradient)
            for name, local in pair.variables.items():
                if local in arrays:
                    found[name] = pair.to_keras(name, arrays[local])
        return found

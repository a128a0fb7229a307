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
from parity.traces.bundle import Bundle
from torch_impl.harness.calls import Call, first_tensor, recorded_calls
from torch_impl.harness.factories import call_factory
from torch_impl.harness.port.call_places import line_of
from torch_impl.harness.port.paired_layer import PairedLayer
from torch_impl.harness.port.pairs import node_of, paired_calls, paired_layers
from torch_impl.layouts import Variable, variables
from torch_impl.weights import assign, read

# Kinds of layers whose samples are images or signals: channels first in torch.
_SPATIAL = frozenset(
    [
        "conv",
        "depthwise_conv",
        "conv_transpose",
        "max_pool",
        "average_pool",
        "global_max_pool",
        "global_average_pool",
        "zero_padding",
        "cropping",
        "upsampling",
        "batch_norm",
        "group_norm",
    ]
)


class PortUnderTest:
    """A port with Keras's weights.

    Args:
        factory: of the port.
        seed: of the factory's random numbers.
        bundle: what Keras computed.
        device: on which the port computes.

    Raises:
        InputError: the factory or `layers` of the port cannot be used.
    """

    def __init__(
        self, factory: Callable[[], Any], seed: int, bundle: Bundle, device: str = "cpu"
    ) -> None:
        self.built = call_factory(factory, seed)
        self.built.module.to(device)  # in place, so that the optimizer keeps its parameters
        self.device = device
        self.bundle = bundle
        self.problems: list[str] = []  # of carrying weights
        self._is_turned = True  # whether images are given with channels first
        module = self.built.module
        self._state = copy.deepcopy(module.state_dict())
        self.calls, self.output = self._discovered()
        self.nodes = [node_of(call) for call in self.calls]
        self.pairing = paired_calls(bundle.facts, self.nodes, self.built.layers)
        self.pairs = paired_layers(
            bundle.facts["nodes"],
            self.nodes,
            self.calls,
            self.pairing,
            channels_last=self.channels_last,
        )
        self.carry()

    def _discovered(self) -> tuple[list[Call], torch.Tensor]:
        """The calls of one pass in train mode, in which no dropout drops anything.

        A module that does not take images with their channels first may turn them itself: it is
        given them as Keras is.
        """
        try:
            return self._called()
        except Exception as error:  # the port's own code may raise anything
            if self.built.feed is None and not self.channels_last:
                self._is_turned = False
                with suppress(Exception):
                    return self._called()
            shapes = [tuple(self.bundle["input/probe/0"].shape)]
            what = f"{type(error).__name__}: {error}, {line_of(error) or 'inside of torch'}"
            raise InputError(
                f"the torch module cannot take the batch that Keras took, of shape {shapes[0]} in "
                f"Keras's layout ({what}); a Port with `feed` says how it is fed"
            ) from error

    def _called(self) -> tuple[list[Call], torch.Tensor]:
        self.module.train()
        identity: Any = lambda number, x, rate: x  # noqa: E731
        arguments = self.arguments("probe")  # how it is fed is no call of the port's
        with torch.no_grad(), recorded_calls(self.module, identity) as calls:
            output = first_tensor(self.module(*arguments))
        self.module.load_state_dict(self._state)
        return calls, output

    @property
    def fed(self) -> str:
        """How the network is given images and sequences, as it is told to the user."""
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
        """Whether the network takes images as Keras has them."""
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
        """The inputs of a recorded batch, as Keras takes them."""
        arrays: list[np.ndarray] = []
        while (key := f"input/{purpose}/{len(arrays)}") in self.bundle:
            arrays.append(self.bundle[key])
        return arrays

    def _fed(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.array(array))
        return tensor.movedim(-1, 1).contiguous() if self._turns(array) else tensor

    def _turns(self, array: np.ndarray) -> bool:
        """Whether an input is given with channels first: images, and signals of such layers."""
        if self.channels_last or not self._is_turned or array.ndim < 3:
            return False
        if array.ndim > 3:
            return True
        shape = list(array.shape[1:])  # the last batches are smaller than that of the nodes
        for node in self.bundle.facts["nodes"]:
            if shape in [given[1:] for given in node["input_shapes"]]:
                return node["kind"] in _SPATIAL
        return False

    def target(self, key: str) -> Any:
        """Returns recorded targets, `key` their name in the bundle, as the loss takes them."""
        array = self.bundle[key]
        if self.built.target is not None:
            return self._moved(self.built.target(array))
        return self._moved(torch.from_numpy(np.array(array)))

    def masks(self, mode: str) -> Callable[[int, torch.Tensor, float], torch.Tensor]:
        """Returns what an active dropout does in a pass: Keras's mask, at the port's own rate.

        Args:
            mode: of the pass in the bundle: "train", "step1", ...; one without masks drops nothing.
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
            if pair is None or key not in self.bundle or rate >= 1:
                return x
            mask = pair.native(self.bundle[key], x)
            if mask is None:
                return x
            return torch.where(mask != 0, x * (1 / (1 - rate)), torch.zeros_like(x))

        return dropped

    def forward(self, mode: str, purpose: str, *, training: bool) -> tuple[list[Call], Any]:
        """Calls the module; returns what it called, and its output."""
        self.module.train(training)
        arguments = self.arguments(purpose)
        with recorded_calls(self.module, self.masks(mode)) as calls:
            output = first_tensor(self.module(*arguments))
        return calls, output

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Brings parameters and buffers back at the end of the block."""
        before = copy.deepcopy(self.module.state_dict())
        try:
            yield
        finally:
            self.module.load_state_dict(before)

    def _moved(self, value: Any) -> Any:
        """Tensors on the device of the check."""
        if isinstance(value, torch.Tensor):
            return value.to(self.device)
        if isinstance(value, list | tuple):
            return type(value)(self._moved(item) for item in value)
        return value

    # --- weights ---------------------------------------------------------------------------------

    def carry(self) -> None:
        """Puts Keras's weights into the module: the port's own way, or by the table of layouts."""
        weights = {name: self.bundle[f"weights/{name}"] for name in self.bundle.facts["weights"]}
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

    def gradients(self) -> dict[str, np.ndarray]:
        """Returns the gradients likewise."""
        return self._read(gradient=True)

    def set_gradients(self, gradients: Mapping[str, np.ndarray]) -> None:
        """Sets the gradients of all parameters, those without a partner to zero."""
        for parameter in self.module.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        for pair, name, variable in self.variables():
            if name not in gradients:
                continue
            array = torch.from_numpy(pair.to_module(name, gradients[name]).copy())
            parts = variable.to_torch(array)
            if variable.gradient_of is not None:
                # Two biases for one of Keras: each has the gradient of the sum.
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

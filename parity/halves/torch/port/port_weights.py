"""PortWeights: the weights of Keras in a port, and their gradients, by Keras's names."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch
from torch import nn

from parity.data.weight_names import MOVING
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.carrying import Cargo


class PortWeights:
    """What a port under test says of its weights.

    Attributes:
        module: the network.
        cargo: the weights that were carried into it, and those that were not.
    """

    module: nn.Module
    cargo: Cargo

    @property
    def carried(self) -> list[Carried]:
        """The weights of Keras that have a place in the module."""
        return self.cargo.carried

    @property
    def problems(self) -> list[str]:
        """What was found while Keras's weights were set: "LAYER: why"."""
        return self.cargo.problems

    def weights(self) -> dict[str, np.ndarray]:
        """Returns all weights that have a partner, by Keras's names, in the portable layout."""
        return {item.name: item.value() for item in self.carried}

    def moving(self) -> dict[str, np.ndarray]:
        """Returns the weights that a pass in train mode changes: moving statistics."""
        return {item.name: item.value() for item in self.carried if item.name.endswith(MOVING)}

    def gradients(self) -> dict[str, np.ndarray]:
        """Returns the gradients of these weights, by the same names and in the same layout."""
        found = {item.name: item.gradient() for item in self.carried}
        return {name: gradient for name, gradient in found.items() if gradient is not None}

    def set_gradients(self, names: Collection[str], made: Callable[[str], np.ndarray]) -> None:
        """Sets the gradients of all parameters; those without a partner get zero.

        Args:
            names: Keras's names of weights.
            made: makes the gradient of one of them, so that one at a time is in memory.
        """
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.module.zero_grad(set_to_none=True)
        for item in self.carried:
            if item.name in names:
                item.set_gradient(made(item.name))
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

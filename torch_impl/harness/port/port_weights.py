"""PortWeights: the weights of Keras in a port, and their gradients, by Keras's names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from parity.data.weight_names import MOVING
from torch_impl.harness.port.carried import Carried
from torch_impl.harness.port.carrying import Cargo


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

    def set_gradients(self, gradients: Mapping[str, np.ndarray]) -> None:
        """Sets the gradients of all parameters; those without a partner get zero."""
        for parameter in self.module.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        for item in self.carried:
            if item.name in gradients:
                item.set_gradient(gradients[item.name])

"""Carried: a weight of Keras and the variable of the port that takes its place.

Values, gradients and initial draws are read and written here, whatever the way in which the two
were found: by pairing layers, by the port's `load`, by names and shapes, or by values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from parity.data import probe_inputs
from torch_impl.layouts import Variable
from torch_impl.weights import gradient_of, put, set_variable, to_array

PAIRING, LOAD, NAMES, VALUES = "pairing", "load", "names", "values"


@dataclass(frozen=True)
class Carried:
    """A weight of Keras in a port.

    Attributes:
        name: Keras's, "dense1.kernel".
        variable: turns the tensors of the port into Keras's array and back, the order of rows
            included.
        how: the way in which it was found: "pairing", "load", "names" or "values".
        node: name of the Keras layer; "" if none is paired.
    """

    name: str
    variable: Variable
    how: str
    node: str = ""

    def value(self) -> np.ndarray:
        """Returns the weight in Keras's layout."""
        return to_array(self.variable.to_keras(self.variable.tensors))

    def of_step(self, *tensors: torch.Tensor) -> np.ndarray:
        """Returns `probe_inputs.of_step(self.value())` without a copy of the whole weight.

        Args:
            *tensors: taken in the place of those of the port, such as a slot of its optimizer.
        """
        whole = self.variable.to_keras(tensors or self.variable.tensors).detach()
        if whole.numel() <= probe_inputs.MAX_STEP_ENTRIES:
            return to_array(whole)
        places = np.unravel_index(probe_inputs.places_of_step(whole.numel()), tuple(whole.shape))
        return to_array(whole[tuple(map(torch.from_numpy, places))])

    def set(self, array: np.ndarray) -> None:
        """Sets the weight from Keras's array.

        Raises:
            ValueError: it does not fit.
        """
        set_variable(self.variable, self.name, array)

    def gradient(self) -> np.ndarray | None:
        """Returns the gradient in Keras's layout; None if there is none."""
        found = gradient_of(self.variable)
        return None if found is None else to_array(found)

    def set_gradient(self, array: np.ndarray) -> None:
        """Sets the gradient of the tensors from that of Keras's weight; None becomes a tensor."""
        variable = self.variable
        given = torch.from_numpy(array if array.flags.writeable else array.copy())
        parts = variable.to_torch(given)
        if variable.gradient_of is not None:
            # Torch has two biases where Keras has one: each has the gradient of the sum.
            parts = (parts[0],) * len(parts)
        for tensor, part in zip(variable.tensors, parts, strict=True):
            if variable.is_computed:
                if tensor.requires_grad:
                    tensor.backward(part.to(tensor))
            elif tensor.requires_grad:
                if tensor.grad is None:
                    whole = variable.part is None
                    tensor.grad = (torch.empty_like if whole else torch.zeros_like)(tensor)
                put(variable, tensor.grad, part.to(tensor))

    def drawn_by(self, module: nn.Module, path: str) -> np.ndarray | None:
        """Returns the weight of another module of the same program; None if it has none.

        Args:
            module: root of the other.
            path: of the module that holds the weight.
        """
        try:
            other = replace(self.variable, module=module.get_submodule(path))
            return to_array(other.to_keras(other.tensors))
        except (AttributeError, RuntimeError):  # its structure is drawn too
            return None


def ordered(variable: Variable, orders: tuple[tuple[int, np.ndarray], ...]) -> Variable:
    """Returns a variable whose Keras array has other orders along some axes.

    Args:
        variable: as its module stores it.
        orders: (axis, order): the port's position n has Keras's position `order[n]`.
    """
    if not orders:
        return variable

    def to_keras(tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        array = variable.to_keras(tensors)
        for axis, order in orders:
            array = array.index_select(axis, torch.from_numpy(np.argsort(order)).to(array.device))
        return array

    def to_torch(array: torch.Tensor) -> tuple[torch.Tensor, ...]:
        for axis, order in orders:
            array = array.index_select(axis, torch.from_numpy(np.array(order)).to(array.device))
        return variable.to_torch(array)

    return replace(variable, to_keras=to_keras, to_torch=to_torch)

"""Finds the weights that a port's own `load` has set: by their values, wherever they are.

Keras's weights and the module go in. A weight whose values are those of a parameter, or of a part
of one, in any order, comes out as a variable, so that its gradient and its steps can be compared.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from torch_impl.harness.port.function_weights import Place, as_it_is, placed, tensors_of
from torch_impl.layouts import Variable


class Loaded:
    """The parameters and buffers of a module, searched by value.

    Args:
        module: holds Keras's weights.
    """

    def __init__(self, module: nn.Module) -> None:
        self._held: list[tuple[nn.Module, str, np.ndarray, np.ndarray]] = []
        for _, owner, attribute, tensor in tensors_of(module):
            if not tensor.is_floating_point():
                continue
            values = tensor.detach().cpu().double().reshape(-1).numpy()
            order = np.argsort(values, kind="stable")
            self._held.append((owner, attribute, values[order], order))

    def find(self, name: str, array: np.ndarray) -> Variable | None:
        """Returns the variable with the values of a weight of Keras; None if there is none.

        Args:
            name: of the weight.
            array: its value. If a value stands in it twice, only a tensor with the same values in
                the same order has them.
        """
        wanted = array.astype(np.float64).reshape(-1)
        if not wanted.size:
            return None
        is_told_apart = len(np.unique(wanted)) == wanted.size
        for owner, attribute, values, order in self._held:
            if len(values) < wanted.size:
                continue
            places = np.searchsorted(values, wanted)
            if (places >= len(values)).any() or (values[places] != wanted).any():
                continue
            positions = order[places]
            if not is_told_apart:
                if len(values) != wanted.size:
                    continue
                positions = np.arange(wanted.size)
                if (values[np.argsort(order)] != wanted).any():
                    continue
            place = Place(owner, attribute, torch.from_numpy(positions).reshape(array.shape))
            short = name.partition(".")[2]
            return placed(replace(as_it_is(owner, attribute), name=short), place)
        return None

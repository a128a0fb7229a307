"""Array: numbers in a network that are neither trained nor drawn, such as positions of a sequence.

self.add = Array((1, 16, 8))
load_arrays(model, Path("weights.safetensors"))

`load_state` fills a whole model from such a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from torch_impl.layers.activation_layers import Normalization


class Array(nn.Module):
    """Holds an array that a Keras program adds to a tensor, or the like.

    Attributes:
        value: the array, zeros at first; see `load_arrays`.

    Args:
        shape: of the array.
        dtype: of whole numbers and truth values; None: torch's default.
    """

    value: torch.Tensor

    def __init__(self, shape: Sequence[int], dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(tuple(shape), dtype=dtype))

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{tuple(self.value.shape)}"


@torch.no_grad()
def load_arrays(model: nn.Module, path: Path) -> None:
    """Fills all arrays of a model, and the statistics that a `Normalization` has of its data.

    Args:
        model: has them.
        path: of a safetensors file with their values by the names of a state_dict.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        for name, module in model.named_modules():
            for buffer in buffers_of(module):
                module.get_buffer(buffer).copy_(file.get_tensor(f"{name}.{buffer}"))


def buffers_of(module: nn.Module) -> tuple[str, ...]:
    """Returns the names of the buffers of a module that `load_arrays` fills."""
    if isinstance(module, Normalization):  # without a count, they are its arguments
        return ("mean", "variance") if module.count is not None else ()
    return ("value",) if isinstance(module, Array) else ()


def load_state(model: nn.Module, path: Path) -> None:
    """Fills a model with the weights in a file.

    Args:
        model: gets them; a layer that draws keeps its seed and its count, which are no weights.
        path: of a safetensors file with all weights by the names of the state_dict.

    Raises:
        ValueError: weights are missing, or unknown.
    """
    from safetensors.torch import load_file

    missing, unknown = model.load_state_dict(load_file(path), strict=False)
    missing = [name for name in missing if not name.endswith("_extra_state")]
    if missing or unknown:
        raise ValueError(
            f"{path}: {missing} are missing, {unknown} are unknown: expected the weights of "
            f"{type(model).__name__}"
        )

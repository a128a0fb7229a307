"""draw_initial: the initial weights of any module, drawn from one seed in Keras's order.

draw_initial(model, seeds, [("conv1.kernel", HeNormal()), ("dropout", SEED)])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.initializers import Initializer
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.layouts import variables
from torch_impl.seeds import KerasSeeds
from torch_impl.weights import put

SEED = "seed"  # in the place of an initialiser: the layer gets the drawn number as its seed
SKIPPED = "skipped"  # a number that no layer of the model gets


@torch.no_grad()
def draw_initial(
    model: nn.Module, seeds: KerasSeeds, draws: Sequence[tuple[str, Initializer | str]]
) -> None:
    """Sets weights and seeds in the order in which a Keras program draws them.

    Args:
        model: its weights in `draws` are set; others keep their values.
        seeds: advanced by one draw for each entry whose initialiser is random and has no seed of
            its own, each `SEED` and each `SKIPPED`.
        draws: (module and Keras's name of the weight, initialiser), such as ("dense.kernel",
            GlorotUniform()); (module, `SEED`); or ("", `SKIPPED`).

    Raises:
        AttributeError: the model has no module of that name.
        ValueError: the module has no weight of that name, or draws nothing.
    """
    for name, initializer in draws:
        if isinstance(initializer, str):
            number = seeds.next_layer_seed()
            if initializer == SEED:
                _set_seed(model.get_submodule(name), name, number)
            continue
        path, module = _holder(model, name)
        found = {variable.name: variable for variable in variables(module)}
        weight = name.removeprefix(f"{path}.") if path else name
        if weight not in found:
            raise ValueError(f"{name!r}: expected one of {sorted(found)} of {path!r}")
        variable = found[weight]
        seed = seeds.next_layer_seed() if initializer.draws_seed else None
        shape = tuple(variable.to_keras(variable.tensors).shape)
        dtype = torch.float64 if variable.tensors[0].dtype == torch.float64 else torch.float32
        value = initializer(shape, seed=seed, dtype=dtype)
        for tensor, part in zip(variable.tensors, variable.to_torch(value), strict=True):
            put(variable, tensor, part)


def _holder(model: nn.Module, name: str) -> tuple[str, nn.Module]:
    """Returns the longest path in a name that is a module, and the module."""
    parts = name.split(".")
    for count in range(len(parts) - 1, -1, -1):
        path = ".".join(parts[:count])
        try:
            return path, model.get_submodule(path)
        except AttributeError:
            continue
    raise AttributeError(f"{name!r}: the model has no such module")


def _set_seed(module: Any, name: str, number: int) -> None:
    if isinstance(module, RandomImageLayer) or not hasattr(module, "seed"):
        raise ValueError(f"{name!r}: expected a layer with one seed, as Dropout has it")
    module.seed = number

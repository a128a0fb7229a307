"""draw_initial: the initial weights of any module, drawn from one seed in Keras's order.

draw_initial(model, seeds, [("conv1.kernel", HeNormal()), ("dropout", SEED)])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from torch_impl.initializers import Initializer, VarianceScaling
from torch_impl.layers import EinsumDense
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.seeds import KerasSeeds
from torch_impl.weights import put, variable_of

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
            its own, each `SEED` and each `SKIPPED`; by two for the `SEED` of a RandomCrop.
        draws: (module and Keras's name of the weight, initialiser), such as ("dense.kernel",
            GlorotUniform()); (module, `SEED`); or ("", `SKIPPED`).

    Raises:
        AttributeError: the model has no module of that name.
        ValueError: the module has no weight of that name, or draws nothing.
    """
    for name, initializer in draws:
        if initializer == SKIPPED:
            seeds.next_layer_seed()
            continue
        if isinstance(initializer, str):
            _give_seed(model.get_submodule(name), name, seeds)
            continue
        variable = variable_of(model, name)
        if variable.name.endswith("kernel"):
            initializer = with_axes(initializer, variable.module)
        seed = seeds.next_layer_seed() if initializer.draws_seed else None
        shape = tuple(variable.to_keras(variable.tensors).shape)
        dtype = torch.float64 if variable.tensors[0].dtype == torch.float64 else torch.float32
        value = initializer(shape, seed=seed, dtype=dtype)
        for tensor, part in zip(variable.tensors, variable.to_torch(value), strict=True):
            put(variable, tensor, part)


def with_axes(initializer: Initializer, module: nn.Module) -> Initializer:
    """Returns an initialiser that knows the axes of a layer with an equation, as Keras does it."""
    if not isinstance(module, EinsumDense) or not isinstance(initializer, VarianceScaling):
        return initializer
    if initializer.input_axes is not None and initializer.output_axes is not None:
        return initializer
    return replace(initializer, input_axes=module.input_axes, output_axes=module.output_axes)


def _give_seed(module: Any, name: str, seeds: KerasSeeds) -> None:
    if not hasattr(module, "seed"):
        raise ValueError(f"{name!r}: expected a layer with a seed, as Dropout has it")
    if isinstance(module, RandomImageLayer):
        if not module.draws_seed:
            raise ValueError(f"{name!r} has a seed of its own: expected a layer without one")
        module.take_seed(seeds)
    else:
        module.seed = seeds.next_layer_seed()

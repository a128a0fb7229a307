"""draw_initial: the initial weights of any module, drawn from one seed in Keras's order.

draw_initial(model, seeds)  # each weight by Keras's default
draw_initial(model, seeds, {"*.kernel": HeNormal(), "head.bias": Constant(0.1)}, skipped=(3, 4))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from torch_impl.initializers import (
    GlorotUniform,
    Initializer,
    Orthogonal,
    RandomUniform,
    UnitForgetBias,
    VarianceScaling,
    Zeros,
)
from torch_impl.layers import EinsumDense
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.layouts import variables
from torch_impl.layouts.families import row_of
from torch_impl.seeds import KerasSeeds
from torch_impl.weights import put, variable_of

# What Keras begins a weight with, by the end of its name. Torch begins a scale with 1 and a shift
# with 0, as Keras does.
_DEFAULTS: Mapping[str, Initializer] = {
    "kernel": GlorotUniform(),
    "depthwise_kernel": GlorotUniform(),
    "pointwise_kernel": GlorotUniform(),
    "recurrent_kernel": Orthogonal(),
    "embeddings": RandomUniform(),
    "bias": Zeros(),
}
_RATES = ("rate", "recurrent_rate", "stddev")  # of a layer that draws; at 0 it draws nothing
_FORGETTING = ("lstm_cell/bias", "conv_lstm_cell/bias")


@torch.no_grad()
def draw_initial(
    model: nn.Module,
    seeds: KerasSeeds,
    initializers: Mapping[str, Initializer] | None = None,
    *,
    order: Sequence[str] | None = None,
    skipped: Collection[int] = (),
) -> None:
    """Sets weights and seeds in the order in which a Keras program draws them.

    Args:
        model: its weights and the seeds of its layers are set.
        seeds: advanced by one draw for each weight whose initialiser is random and has no seed of
            its own, and for each layer with a seed; by two for a RandomCrop.
        initializers: of weights that begin otherwise than by Keras's default: module and Keras's
            name of the weight, such as "dense.kernel", or a pattern, such as "*.kernel". A later
            entry replaces an earlier one.
        order: names of all weights and layers with a seed that are set, as Keras draws them; None:
            that of `keras_order`. Others keep their values.
        skipped: numbers of the draws of Keras, from 0, that no part of the model gets. Keras draws
            for dropouts of rate 0 inside of recurrent layers, and for layers of which it makes
            others, such as the one that a Bidirectional is given.

    Raises:
        AttributeError: the model has no module of a name.
        ValueError: a module has no weight of that name, or draws nothing; a pattern fits nothing.
    """
    given = initializers or {}
    names = list(keras_order(model) if order is None else order)
    names += [name for name in given if "*" not in name and name not in names]
    for pattern in given:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{pattern!r} fits none of {', '.join(names)}")
    number = 0

    def drawn() -> int:
        nonlocal number
        while number in skipped:
            seeds.next_layer_seed()
            number += 1
        number += 1
        return seeds.next_layer_seed()

    for name in names:
        initializer = initializer_of(name, given)
        if initializer is None:
            module: Any = _seeded(model, name)
            for _ in range(getattr(module, "seeds_drawn", 1)):
                module.seed = drawn()
            continue
        variable = variable_of(model, name)
        if variable.name.endswith("kernel"):
            initializer = with_axes(initializer, variable.module)
        seed = drawn() if initializer.draws_seed else None
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


def keras_order(model: nn.Module) -> Iterator[str]:
    """Yields the names of what Keras draws or sets, layer by layer: weights, then the seed.

    These are the weights that do not begin in torch as in Keras, and layers that draw.
    """
    for path, module, is_inside in _layers(model):
        before = f"{path}." if path else ""
        if row_of(module) is not None and not is_inside:
            for variable in variables(module):
                if default_of(variable.name) is not None:
                    yield f"{before}{variable.name}"
        if takes_seed(module):
            yield path


def takes_seed(module: nn.Module) -> bool:
    """Whether a layer draws numbers in train mode, from a seed that Keras draws for it."""
    if not isinstance(getattr(module, "seed", None), int):
        return False
    if isinstance(module, RandomImageLayer):
        return module.draws_seed
    return any(getattr(module, name, 0) for name in _RATES)


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """Yields path and module of each, and whether it is inside of one whose weights it has."""
    inside = ""
    for path, module in model.named_modules():
        is_inside = bool(inside) and path.startswith(inside)
        yield path, module, is_inside
        if not is_inside and path and row_of(module) is not None:
            inside = f"{path}."


def initializer_of(name: str, given: Mapping[str, Initializer]) -> Initializer | None:
    """Returns the initialiser of a weight; None for a layer with a seed.

    Args:
        name: of the weight or the layer.
        given: as `draw_initial` gets them.
    """
    fitting = [given[pattern] for pattern in given if fnmatchcase(name, pattern)]
    return fitting[-1] if fitting else default_of(name)


def default_of(name: str) -> Initializer | None:
    """Returns what Keras begins a weight with by default; None: with what torch does, or others."""
    if name.endswith(_FORGETTING):
        return UnitForgetBias()
    return _DEFAULTS.get(name.replace("/", ".").rpartition(".")[2])


def _seeded(model: nn.Module, name: str) -> nn.Module:
    module = model.get_submodule(name)
    if not hasattr(module, "seed"):
        raise ValueError(f"{name!r}: expected a layer with a seed, as Dropout has it")
    if isinstance(module, RandomImageLayer) and not module.draws_seed:
        raise ValueError(f"{name!r} has a seed of its own: expected a layer without one")
    return module

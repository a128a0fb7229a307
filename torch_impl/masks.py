"""Masks of sequences, by Keras's rules: which steps count, and who is told.

A mask is a tensor (N, T), true where a step counts; without a mask, all steps do. It goes with a
tensor through a model in three ways:

1. a module that leaves masked steps out has the argument `mask` of `forward`: the mask of its
   input, or a list of those of its inputs. One with several inputs NAME may have NAME_mask instead;
2. a module whose output has another mask than its input says which: `compute_mask(inputs, mask)`;
3. the output of a model carries its mask as the attribute `_keras_mask`. Losses and metrics look
   for it there. Any operation in between loses it, in Keras as here.

`torch_impl.keras_config.KerasModel` carries masks from layer to layer; a program of its own passes
them by hand.

Source: keras 3.15 `layers/layer.py` (`Layer.__call__`), `backend/common/masking.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import nn


def mask_of(x: Any) -> torch.Tensor | None:
    """Returns the mask that a tensor carries; None if it carries none."""
    found: torch.Tensor | None = getattr(x, "_keras_mask", None)
    return found


def with_mask(x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Returns the tensor, which now carries a mask; None takes the mask away.

    Args:
        x: output of a model, (N, T, ...).
        mask: (N, T), true where a step counts.
    """
    if mask is not None:
        x._keras_mask = mask  # type: ignore[attr-defined]
    elif hasattr(x, "_keras_mask"):
        del x._keras_mask
    return x


def detached(x: torch.Tensor) -> torch.Tensor:
    """Returns a tensor outside of the graph, with the mask that it carries."""
    return with_mask(x.detach(), mask_of(x))


def mask_arguments(module: nn.Module) -> frozenset[str]:
    """Returns the arguments of `forward` by which a module takes masks: "mask", "query_mask", ...

    A module around another one says those of the inner one in its attribute `mask_arguments`.
    """
    declared: frozenset[str] | None = getattr(module, "mask_arguments", None)
    if declared is not None:
        return declared
    return frozenset(name for name in _parameters(type(module).forward) if is_mask(name))


def positional_names(module: nn.Module) -> tuple[str, ...]:
    """Returns the names of the arguments that `forward` takes by position.

    A module around another one says those of the inner one in its attribute `positional_names`.
    """
    declared: tuple[str, ...] | None = getattr(module, "positional_names", None)
    if declared is not None:
        return declared
    is_positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    found = _parameters(type(module).forward)
    return tuple(name for name, kind in found.items() if kind == is_positional)


@cache
def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the kinds of the parameters of a method by name, without `self`."""
    found = list(inspect.signature(function).parameters.values())[1:]
    return {parameter.name: parameter.kind for parameter in found}


def is_mask(name: str) -> bool:
    """Whether an argument of that name is a mask."""
    return name == "mask" or name.endswith("_mask")


def masks_by_argument(
    module: nn.Module, given: Mapping[str, Any], masks: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the masks of its inputs that a module is to be told, by the name of the argument.

    As in Keras, a module with one argument of tensors is told by `mask`, one with several by
    NAME_mask for each argument NAME. So a recurrent layer that also gets its initial state is told
    none. A mask that was given by hand is not replaced.

    Args:
        module: is called with `given`.
        given: the arguments by name: tensors, nests of tensors, or other values.
        masks: the same names -> the masks of these tensors, in the same nests.
    """
    takes = mask_arguments(module)
    if not takes:
        return {}
    filled = [name for name, value in given.items() if is_any(value)]
    is_only = len(filled) == 1
    names = {"mask": filled[0]} if is_only else {f"{name}_mask": name for name in filled}
    return {
        argument: masks[name]
        for argument, name in names.items()
        if argument in takes and not is_any(given.get(argument)) and is_any(masks.get(name))
    }


def is_any(nest: Any) -> bool:
    """Whether there is a tensor in nested lists, tuples and dicts."""
    if isinstance(nest, Mapping):
        nest = list(nest.values())
    if isinstance(nest, list | tuple):
        return any(map(is_any, nest))
    return isinstance(nest, torch.Tensor)


def masked_steps(
    step: Callable[[torch.Tensor, Any], Any],
    inputs: torch.Tensor,
    states: tuple[torch.Tensor, ...],
    mask: torch.Tensor,
    zero_output: bool = False,
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Walks over the steps that count; the others keep the states and repeat the last output.

    Steps before the first that counts have the output 0, whatever the initial states are.

    Source: keras 3.15 `backend/tensorflow/rnn.py`.

    Args:
        step: returns the new states from the input of a step and the old states; the first of them
            is the output.
        inputs: (N, T, ...).
        states: before the first step, (N, ...) each.
        mask: (N, T), true where a step counts.
        zero_output: whether the output of the other steps is 0 (Keras's `zero_output_for_mask`).

    Returns:
        All outputs, (N, T, ...), and the last states.

    Raises:
        ValueError: the mask has another shape.
    """
    if mask.shape != inputs.shape[:2]:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}: expected {tuple(inputs.shape[:2])}, one value "
            "for each step of each sequence"
        )
    found: list[torch.Tensor] = []
    output = torch.zeros_like(states[0])
    for x, counts in zip(inputs.unbind(1), mask.bool().unbind(1), strict=True):
        after = step(x, states)
        kept = torch.zeros_like(output) if zero_output else output
        output = _where(counts, after[0], kept)
        states = tuple(_where(counts, new, old) for new, old in zip(after, states, strict=True))
        found.append(output)
    return torch.stack(found, dim=1), states


def _where(counts: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    return torch.where(counts.reshape(-1, *[1] * (new.ndim - 1)), new, old)

"""Masks of sequences in the twin of a model: what each layer is told, and what mask its output has.

`torch_impl.masks` explains the mechanism; `KerasModel` calls the functions of this file for every
call of its graph. Masks stand beside the tensors, in the same nests. Most layers give on the mask
of their input, some have a `compute_mask` of their own, and all others destroy it.

Source: keras 3.15 `layers/layer.py`; `supports_masking` and `compute_mask` of all layers;
`layers/attention/multi_head_attention.py` (`call`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.graph import Call, Tensor, fill, tensors_of
from torch_impl.layers import MultiHeadAttention
from torch_impl.masks import is_any, is_mask, mask_arguments, positional_names, told_masks

# Keras's layers whose output has the mask of the input, or of the first of several.
PASSING = frozenset(
    [
        *("Dense", "Identity", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"),
        *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
        *("Normalization", "Rescaling", "ActivityRegularization", "TimeDistributed"),
        *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
        *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
        *("MultiHeadAttention", "GroupQueryAttention"),
    ]
)
# Those whose output has the mask of the first entry of their input, which is a list.
_OF_FIRST_ENTRY = frozenset(["Attention", "AdditiveAttention"])


# Keras takes the masks of their inputs away when they are called: the tensors go on without.
_TAKING = frozenset(["MultiHeadAttention"])


def heeded(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of a call that a layer heeds.

    `MultiHeadAttention` takes the mask of its query from that tensor, or none, whatever it is told.

    Args:
        kind: Keras's class of the layer.
        options: of the call.
    """
    ignored = "query_mask" if kind == "MultiHeadAttention" else ""
    return {name: value for name, value in options.items() if name != ignored}


def taken_from(kind: str, call: Call) -> list[Tensor]:
    """Returns the tensors that lose their masks in a call of a layer.

    A residual connection around `MultiHeadAttention` has no mask behind it for that reason.

    Args:
        kind: Keras's class of the layer.
        call: of the graph.
    """
    if kind not in _TAKING:
        return []
    given = {name: value for name, value in call.options.items() if not is_mask(name)}
    return tensors_of(replace(call, options=given))


def told_to(
    name: str,
    module: nn.Module,
    arguments: Sequence[Any],
    options: Mapping[str, Any],
    masks: tuple[Sequence[Any], Mapping[str, Any]],
) -> tuple[dict[str, Any], Any, Any]:
    """Returns the masks with which a layer is called, and what its output's mask comes of.

    Args:
        name: Keras's name of the layer, for messages.
        module: its twin.
        arguments: in order, tensors in nests.
        options: by name; a mask that the model gives to the layer itself is among them.
        masks: of these two, in the same nests.

    Returns:
        The options, with the masks by the names of the arguments of `forward`; the first argument;
        and the mask that the layer is told by `mask`, or else that of the first argument.

    Raises:
        ValueError: the model gives a mask to a layer that takes none.
    """
    own = {key: value for key, value in options.items() if not _is_empty_mask(key, value)}
    if isinstance(module, MultiHeadAttention):
        own = heeded("MultiHeadAttention", own)
    if getattr(module, "drops_masks", False):
        own = {key: value for key, value in own.items() if not is_mask(key)}
    unknown = sorted(filter(is_mask, own.keys() - mask_arguments(module)))
    if unknown:
        given_by_model = ", ".join(unknown)
        raise ValueError(f"{given_by_model} of {name!r}: expected none, as the layer takes none")
    names = positional_names(module)[: len(arguments)]
    names += tuple(map(str, range(len(names), len(arguments))))
    given = {**dict(zip(names, arguments, strict=True)), **own}
    beside = {**dict(zip(names, masks[0], strict=True)), **masks[1]}
    own |= told_masks(module, given, beside)
    first = next(iter([*names, *positional_names(module)]), "")
    return own, given.get(first), own.get("mask", beside.get(first))


def _is_empty_mask(key: str, value: Any) -> bool:
    """Whether an option is a mask that is None, alone or in a list."""
    return is_mask(key) and not is_any(value) and not isinstance(value, bool)


def mask_of_output(
    kind: str, module: nn.Module, inputs: Any, mask: Any, number: int
) -> list[torch.Tensor | None]:
    """Returns the mask of each output of a layer.

    Args:
        kind: Keras's class of the layer.
        module: its twin.
        inputs: the first argument of the call.
        mask: what the layer was told by `mask`, or else the mask of the first argument.
        number: of the outputs.
    """
    found: Any = None
    compute: Any = getattr(module, "compute_mask", None)
    if compute is not None:
        found = compute(inputs, mask)
    elif kind in PASSING:
        found = mask
    elif kind in _OF_FIRST_ENTRY:
        found = None if mask is None else mask[0]
    elif getattr(module, "return_sequences", False):  # a recurrent layer: of its sequences
        found = _flat(mask)[0]
    flat = _flat(found)
    return [*flat, *[None] * number][:number]


def _flat(nest: Any) -> list[Any]:
    found: list[Any] = []
    fill(nest, found.append)
    return found

"""A torch module for each Keras layer, from its entry in a config, and its masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.custom import (
    Custom,
    CustomLayer,
    Lambda,
    found,
    function_names,
    names_of,
)
from torch_impl.keras_config.graph import Call, Config, Tensor, fill, is_custom, name_of, tensors_of
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows import activation, convolution, core, preprocessing, recurrent
from torch_impl.keras_config.rows.entry import Entry, Row, dtype_of, planned
from torch_impl.keras_config.rules import NoTwinError, naming, of_settings, title_of
from torch_impl.layers import MultiHeadAttention
from torch_impl.masks import is_any, is_mask, mask_arguments, masks_by_argument, positional_names
from torch_impl.torch_names import one_of

# --------------------------------------------------------------------------------------------------
#
# Masks of sequences in the twin of a model: what each layer is told, and what mask its output has.
#
# `torch_impl.masks` explains the mechanism; `KerasModel` calls the functions of this file for every
# call of its graph. Masks stand beside the tensors, in the same nests. Most layers give on the mask
# of their input, some have a `compute_mask` of their own, and all others destroy it.
#
# Source: keras 3.15 `layers/layer.py`; `supports_masking` and `compute_mask` of all layers;
# `layers/attention/multi_head_attention.py` (`call`).


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


def tensors_without_mask(kind: str, call: Call) -> list[Tensor]:
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


def options_with_masks(
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
    call_options = {key: value for key, value in options.items() if not _is_empty_mask(key, value)}
    if isinstance(module, MultiHeadAttention):
        call_options = heeded("MultiHeadAttention", call_options)
    if getattr(module, "drops_masks", False):
        call_options = {key: value for key, value in call_options.items() if not is_mask(key)}
    unknown = sorted(filter(is_mask, call_options.keys() - mask_arguments(module)))
    if unknown:
        given_by_model = ", ".join(unknown)
        raise ValueError(f"{given_by_model} of {name!r}: expected none, as the layer takes none")
    names = positional_names(module)[: len(arguments)]
    names += tuple(map(str, range(len(names), len(arguments))))
    given = {**dict(zip(names, arguments, strict=True)), **call_options}
    beside = {**dict(zip(names, masks[0], strict=True)), **masks[1]}
    call_options |= masks_by_argument(module, given, beside)
    first = next(iter([*names, *positional_names(module)]), "")
    return call_options, given.get(first), call_options.get("mask", beside.get(first))


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


# --------------------------------------------------------------------------------------------------
#
# REFUSED: the public layers of Keras that have no twin, each with the reason and what to do.


_BASE = "it is a base class, of which no network is made"
_IMAGES = (
    "no layer of torch_impl makes its images; put it in front of the model, and give both halves "
    "what it makes"
)
_TEXT = (
    "it takes text, of which torch has no tensors; put it in front of the model, and give both "
    "halves what it makes"
)
_PROGRAM = "it runs a program, which a config has not; give its torch module by custom={...}"

# Keras's class -> what stands behind "layer 'NAME' of class 'CLASS': ".
REFUSED: dict[str, str] = {
    **dict.fromkeys(("InputSpec", "Layer", "Wrapper"), _BASE),
    **dict.fromkeys(("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"), _PROGRAM),
    **dict.fromkeys(("StringLookup", "TextVectorization"), _TEXT),
    **dict.fromkeys(
        (
            *("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix"),
            *("Equalization", "MaxNumBoundingBoxes", "MixUp", "RandAugment"),
            *("RandomColorJitter", "RandomElasticTransform", "RandomErasing"),
            *("RandomGaussianBlur", "RandomHue", "RandomPerspective"),
            *("RandomPosterization", "RandomSaturation"),
        ),
        _IMAGES,
    ),
}


# --- A torch module for each Keras layer, from the layer's entry in a model's config --------------


_LISTED = "the layers of Keras in docs/twin.md"

BUILDERS: dict[str, Row] = {
    **core.ROWS,
    **activation.ROWS,
    **convolution.ROWS,
    **convolution.ROWS_OF_POOLING,
    **convolution.ROWS_OF_NORMALIZATION,
    **convolution.ROWS_OF_REGULARIZATION,
    **preprocessing.ROWS,
    **core.ROWS_OF_SHAPING,
    **core.ROWS_OF_MERGING,
    **preprocessing.ROWS_OF_CATEGORIES,
    **recurrent.ROWS,
    **core.ROWS_OF_ATTENTION,
    **core.ROWS_OF_RESIDUAL,
    **convolution.ROWS_OF_SOUND,
    **activation.ROWS_OF_MASKING,
}


def build_layer(layer: Config, build: Callable[[Config], nn.Module], custom: Custom) -> nn.Module:
    """Returns the module for one layer of a model's config: see `plan_layer`."""
    with naming(layer):
        module: nn.Module = plan_layer(layer, build, custom).build()
    dtype = dtype_of(layer["config"])
    if dtype.is_floating_point:
        module.to(dtype)
    if not layer["config"].get("trainable", True):
        module.requires_grad_(False)
    return module


def plan_layer(layer: Config, build: Callable[[Config], nn.Module], custom: Custom) -> Planned:
    """Returns the module for one layer of a model's config, not built yet.

    Args:
        layer: its entry in the config.
        build: makes the module of a layer or model inside of it.
        custom: layers and functions of the user's own.

    Raises:
        NoTwinError: the layer or some of its settings are unknown.
    """
    kind, name = layer["class_name"], title_of(layer)
    factory = found(custom, names_of(layer))
    problems = of_settings(layer)
    if factory is None and kind == "Lambda":
        factory = found(custom, function_names(layer["config"].get("function") or ""))
        if factory is None:
            problems.append(
                f"{name}: its function is Python code, which a config has not: expected "
                f"custom={{{name_of(layer)!r}: function}}, a function of torch tensors"
            )
    elif factory is None and kind in REFUSED and not is_custom(layer):
        problems = [f"{name}: {REFUSED[kind]}"]
    elif factory is None and (kind not in BUILDERS or is_custom(layer)):
        class_name = layer.get("registered_name") or kind
        problems.append(
            f"{name}: {one_of(kind, BUILDERS, _LISTED)}, or custom={{{class_name!r}: factory}}"
        )
    if problems:
        raise NoTwinError(problems)
    entry = Entry(layer, build, custom)
    with naming(layer):
        return _custom(entry, factory) if factory is not None else planned(BUILDERS[kind], entry)


def _custom(entry: Entry, factory: Callable[..., Any]) -> Planned:
    """Returns the module of the user's own for a layer.

    Raises:
        ValueError: the factory returned no module.
    """
    if entry.layer["class_name"] == "Lambda":
        mask = found(entry.custom, [f"{entry.name}/mask"])
        if entry.config.get("mask") is not None and mask is None:
            raise ValueError(
                "its mask is Python code or an array: expected "
                f"custom={{'{entry.name}/mask': function}}, a function of the input and its mask"
            )
        return Planned(Lambda, factory, entry.config.get("arguments"), mask)
    made = factory(entry)
    if not isinstance(made, nn.Module):
        raise ValueError(f"its factory returned {type(made).__name__}: expected a torch.nn.Module")
    return Planned(CustomLayer, made, passes_masks=entry.layer["class_name"] in PASSING)

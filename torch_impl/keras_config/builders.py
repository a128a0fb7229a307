"""A torch module for each Keras layer, from the layer's entry in a model's config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from torch_impl.keras_config.custom import (
    Custom,
    CustomLayer,
    Lambda,
    found,
    function_names,
    names_of,
)
from torch_impl.keras_config.graph import Config, is_own, name_of
from torch_impl.keras_config.masks import PASSING
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.problems import NoTwinError, naming, of_settings, title_of
from torch_impl.keras_config.rows import (
    activation,
    attention,
    categories,
    convolution,
    core,
    masking,
    merging,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    residual,
    shaping,
    sound,
)
from torch_impl.keras_config.rows.entry import Entry, Row, dtype_of, planned
from torch_impl.keras_config.rows.refused import REFUSED
from torch_impl.near_names import one_of

_LISTED = "the layers of Keras in docs/twin.md"

BUILDERS: dict[str, Row] = {
    **core.ROWS,
    **activation.ROWS,
    **convolution.ROWS,
    **pooling.ROWS,
    **normalization.ROWS,
    **regularization.ROWS,
    **preprocessing.ROWS,
    **shaping.ROWS,
    **merging.ROWS,
    **categories.ROWS,
    **recurrent.ROWS,
    **attention.ROWS,
    **residual.ROWS,
    **sound.ROWS,
    **masking.ROWS,
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
    elif factory is None and kind in REFUSED and not is_own(layer):
        problems = [f"{name}: {REFUSED[kind]}"]
    elif factory is None and (kind not in BUILDERS or is_own(layer)):
        own = layer.get("registered_name") or kind
        problems.append(
            f"{name}: {one_of(kind, BUILDERS, _LISTED)}, or custom={{{own!r}: factory}}"
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

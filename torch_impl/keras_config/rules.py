"""Rules of a twin's layers: initialisers, regularisers, constraints, and what has no twin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torch_impl import constraints, initializers, regularizers
from torch_impl.constraints import Constraint
from torch_impl.initial_weights import with_axes
from torch_impl.initializers import Initializer, UnitForgetBias, from_config
from torch_impl.keras_config.graph import Config, name_of
from torch_impl.keras_config.rows.entry import dtype_of
from torch_impl.layers import EinsumDense
from torch_impl.layouts import variables
from torch_impl.penalty import RegularizedLoss
from torch_impl.regularizers import L1L2, Regularizer
from torch_impl.weights import put

# --------------------------------------------------------------------------------------------------
#
# The settings that a layer's config has for one of its weights: `kernel_regularizer` and others.
#
# A weight has a name, such as "kernel" or "lstm_cell/recurrent_kernel". Settings of wrapped layers
# are in the config of the wrapped layer.


# End of the path of a weight -> beginnings of the names of its settings, the first that is there.
_STEMS = {
    "kernel": ("kernel", "depthwise"),
    "recurrent_kernel": ("recurrent",),
    "depthwise_kernel": ("depthwise",),
    "pointwise_kernel": ("pointwise",),
    "reverse_embeddings": ("embeddings",),
}


_INSIDE = ("cell", "layer", "backward_layer")


def holder(layer: Config, path: str) -> Mapping[str, Any]:
    """Returns the settings of the layer or cell that holds a weight, inside of wrappers.

    Args:
        layer: its entry in the config of a model.
        path: of the weight below the layer.
    """
    config: Mapping[str, Any] = layer["config"]
    names = path.split("/")
    while parts := [config[key] for key in _INSIDE if config.get(key)]:
        named = [part for part in parts if part["config"]["name"] in names]
        config = (named or parts)[0]["config"]
        if "cells" in config:
            config = next(c["config"] for c in config["cells"] if c["config"]["name"] in names)
    return config


def setting(config: Mapping[str, Any], path: str, ending: str) -> tuple[str, Any] | None:
    """Returns a setting of a weight, as (its name, its config); None if there is none.

    Args:
        config: settings of the layer that holds the weight.
        path: of the weight.
        ending: "initializer", "regularizer" or "constraint".
    """
    short = path.rpartition("/")[2]
    if short == "reverse_embeddings" and ending != "initializer":
        return None  # Keras gives it no other setting of the table
    for stem in _STEMS.get(short, (short,)):
        name = f"{stem}_{ending}"
        if config.get(name) is not None:
            return name, config[name]
    return None


def given(layer: Config, *endings: str) -> Iterator[tuple[str, str]]:
    """Yields (name of the layer, name of the setting) of each setting that is not None.

    Args:
        layer: its entry in the config of a model; layers and cells in it are read, too.
        *endings: of the names of the settings.
    """
    config = layer["config"]
    for name, value in config.items():
        if value is not None and name.endswith(tuple(f"_{ending}" for ending in endings)):
            yield config.get("name", ""), name
    for part in [config[name] for name in _INSIDE if config.get(name)] + config.get("cells", []):
        yield from given(part, *endings)


# --- Initial weights of the twin of a layer: drawn by the initialisers in the layer's config ------
#
# The distributions are Keras's, the numbers are not, unless an initialiser has a seed of its own:
# the other seeds come from torch's generator. A weight whose config names no initialiser keeps its
# value.


_MAX_SEED = 2**31 - 1


@torch.no_grad()
def initialise(module: nn.Module, layer: Config) -> None:
    """Draws the weights of a layer.

    Args:
        module: its twin.
        layer: its entry in the config of a model.

    Raises:
        ValueError: an initialiser is none of Keras's.
    """
    for variable in variables(module):
        config = holder(layer, variable.name)
        initializer = initializer_of(variable.name, config)
        if initializer is None:
            continue
        if variable.name.endswith("kernel"):
            initializer = with_axes(initializer, variable.module)
        shape = tuple(variable.to_keras(variable.tensors).shape)
        seed = int(torch.randint(_MAX_SEED, ())) if initializer.draws_seed else None
        value = initializer(shape, seed=seed, dtype=_dtype(variable.tensors[0]))
        for tensor, part in zip(variable.tensors, variable.to_torch(value), strict=True):
            put(variable, tensor, part)


def initializer_of(path: str, config: Mapping[str, Any]) -> Initializer | None:
    """Returns what Keras makes a weight with; None: the config says nothing.

    Args:
        path: of the weight below its layer.
        config: of the layer or cell that holds it.
    """
    found = setting(config, path, "initializer")
    if found is None:
        return None
    initializer = from_config(found[1])
    is_forgetting = config.get("unit_forget_bias") and path.endswith("/bias")
    return UnitForgetBias(initializer) if is_forgetting else initializer


def _dtype(tensor: torch.Tensor) -> torch.dtype:
    """Returns the dtype in which Keras draws: initialisers have no other two."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


# --------------------------------------------------------------------------------------------------
#
# Regularisers and constraints of the weights and outputs of a twin's layer, from its config.


# Keras gives the regulariser of their output to each of their projections. The second one has it
# itself, too.
_PROJECTING = ("MultiHeadAttention", "GroupQueryAttention")


class Projections:
    """The penalties of the outputs of projections inside of a layer.

    Args:
        module: the layer, whose projections are its children.
        regularizer: of each output.
    """

    def __init__(self, module: nn.Module, regularizer: Regularizer) -> None:
        self.regularizer = regularizer
        self._terms: list[torch.Tensor] = []
        for child in module.children():
            if isinstance(child, EinsumDense):
                child.register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self._terms.append(_of_output(self.regularizer, output))

    def take(self) -> list[torch.Tensor]:
        """Returns the penalties since the last time."""
        terms, self._terms = self._terms, []
        return terms


def _of_output(regularizer: Regularizer, output: torch.Tensor) -> torch.Tensor:
    """Returns the penalty of an output, divided by the batch size; 0 of an empty batch."""
    penalty = regularizer(output)
    if not output.ndim:
        return penalty
    return penalty / len(output) if len(output) else penalty * 0


@dataclass(frozen=True)
class LayerRules:
    """What Keras adds to the loss for a layer, and does with its weights after a step.

    Attributes:
        regularizers: of weights, by their names below the layer.
        constraints: of weights, likewise.
        activity: of the layer's outputs.
        projections: penalties inside of the layer.
    """

    regularizers: dict[str, Regularizer]
    constraints: dict[str, Constraint]
    activity: Regularizer | None = None
    projections: Projections | None = None

    def __bool__(self) -> bool:
        return bool(self.is_penalised or self.constraints)

    @property
    def is_penalised(self) -> bool:
        """Whether something of the layer has a regulariser."""
        return bool(self.regularizers or self.activity or self.projections)

    def weight_terms(self, module: nn.Module) -> Iterator[torch.Tensor]:
        """Yields the penalties of the weights that are trained, each a scalar."""
        for variable in variables(module) if self.regularizers else ():
            regularizer = self.regularizers.get(variable.name)
            if regularizer and any(tensor.requires_grad for tensor in variable.tensors):
                yield regularizer(variable.to_keras(variable.tensors))

    def output_terms(self, outputs: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yields the penalty of each output, divided by the batch size."""
        yield from self.projections.take() if self.projections else ()
        if self.activity:
            yield from (_of_output(self.activity, output) for output in outputs)

    def constrain(self, module: nn.Module) -> None:
        """Replaces the weights that are trained and have a constraint."""
        for variable in variables(module) if self.constraints else ():
            if constraint := self.constraints.get(variable.name):
                constraints.apply(variable, constraint)


def rules_of(module: nn.Module, layer: Config) -> LayerRules:
    """Returns the rules of a layer.

    Args:
        module: its twin.
        layer: its entry in the config of a model.

    Raises:
        ValueError: a regulariser or constraint is none of Keras's, or belongs to no weight here.
    """
    config = layer["config"]
    found = LayerRules({}, {}, regularizers.from_config(config.get("activity_regularizer")))
    if found.activity and layer["class_name"] in _PROJECTING:
        projections = Projections(module, found.activity)
        has_itself = layer["class_name"] == "GroupQueryAttention"
        found = LayerRules({}, {}, found.activity if has_itself else None, projections)
    if layer["class_name"] == "ActivityRegularization":
        found = LayerRules({}, {}, L1L2(config["l1"], config["l2"]))
    waiting = set(given(layer, "regularizer", "constraint"))
    waiting.discard((config.get("name", ""), "activity_regularizer"))
    for variable in variables(module) if waiting else ():
        owner = holder(layer, variable.name)
        if entry := setting(owner, variable.name, "regularizer"):
            regularizer = regularizers.from_config(entry[1])
            assert regularizer is not None
            found.regularizers[variable.name] = regularizer
            waiting.discard((owner.get("name", ""), entry[0]))
        if entry := setting(owner, variable.name, "constraint"):
            constraint = constraints.from_config(entry[1])
            assert constraint is not None
            found.constraints[variable.name] = constraint
            waiting.discard((owner.get("name", ""), entry[0]))
    # A layer without a bias may still have a regulariser for it.
    left = sorted(name for _, name in waiting if not name.startswith(("bias", "beta", "gamma")))
    if left:
        raise ValueError(f"{left[0]} of a layer inside of it, or of no weight: expected None")
    return found


# --- RuledModel: the regularisers and constraints of the layers of a twin, for its training -------


class RuledModel(nn.Module):
    """A twin whose layers, its children, may have regularisers and constraints.

    Attributes:
        keras_names: name of a child -> Keras's name of the layer.
        output_terms: penalties of outputs in the last call.
        is_penalised: whether the penalties have been asked for.
        is_constrained: whether an optimizer applies the constraints.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keras_names: dict[str, str] = {}
        self._rules: dict[str, LayerRules] = {}
        self.output_terms: list[torch.Tensor] = []
        self.is_penalised = self.is_constrained = False

    @property
    def penalty(self) -> TwinPenalty:
        """The penalties of the layers, for `RegularizedLoss`."""
        self.is_penalised = True
        return TwinPenalty(self)

    def weight_terms(self) -> Iterator[torch.Tensor]:
        """Yields the penalties of the weights that are trained, each a scalar."""
        for module, rules in self._ruled_layers():
            yield from rules.weight_terms(module)

    def _ruled_layers(
        self, visited: set[int] | None = None
    ) -> Iterator[tuple[nn.Module, LayerRules]]:
        """Yields the layers with their rules, each once, those of inner models too."""
        visited = set() if visited is None else visited
        for name, module in self.named_children():
            if isinstance(module, RuledModel):
                yield from module._ruled_layers(visited)
            elif self.keras_names[name] in self._rules and id(module) not in visited:
                visited.add(id(module))
                yield module, self._rules[self.keras_names[name]]

    def constrain(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Replaces the weights that have a constraint in the config, as Keras does after a step.

        Args:
            optimizer: does so after each of its steps from now on; None: it is done once, now.
        """
        if optimizer is not None:
            self.is_constrained = True
            optimizer.register_step_post_hook(lambda *_: self.constrain())
            return
        for module, rules in self._ruled_layers():
            rules.constrain(module)

    def rules_by_layer(self) -> dict[str, LayerRules]:
        """Returns the layers that have regularisers or constraints, those of inner models too."""
        found = {name: rules for name, rules in self._rules.items() if rules}
        for name, module in self.named_children():
            if isinstance(module, RuledModel):
                inner = module.rules_by_layer()
                found |= {f"{self.keras_names[name]}/{key}": value for key, value in inner.items()}
        return found

    def left_out(self, loss: Any) -> list[str]:
        """Returns a sentence for each part of Keras's training that nothing has asked for.

        Args:
            loss: of the training; a `RegularizedLoss` has its penalties, whichever they are.
        """
        rules = self.rules_by_layer()
        penalised = [name for name, rule in rules.items() if rule.is_penalised]
        constrained = [name for name, rule in rules.items() if rule.constraints]
        sentences = []
        if penalised and not self.is_penalised and not isinstance(loss, RegularizedLoss):
            sentences.append(
                f"layers {penalised} have regularisers, and the loss has no penalty: expected "
                "RegularizedLoss(loss, module.penalty) of torch_impl.penalty"
            )
        if constrained and not self.is_constrained:
            sentences.append(
                f"layers {constrained} have constraints, and nothing applies them: expected "
                "module.constrain(optimizer)"
            )
        return sentences


class TwinPenalty:
    """The penalties of a twin's layers, by the regularisers in the config.

        criterion = RegularizedLoss(losses.MeanSquaredError(), twin.penalty)

    Penalties of outputs are those of the last call of the twin. Frozen weights have no penalty.

    Args:
        model: the twin.
    """

    def __init__(self, model: RuledModel) -> None:
        self.model = model

    def terms(self) -> Iterator[torch.Tensor]:
        """Yields the penalties, each a scalar: those of outputs first, as in Keras."""
        yield from self.model.output_terms
        yield from self.model.weight_terms()

    def __repr__(self) -> str:
        return f"TwinPenalty({', '.join(self.model.rules_by_layer())})"


# --- NoTwinError: all parts of a model that have no twin, in one message --------------------------


class NoTwinError(ValueError):
    """A model has layers, operations or settings that torch_impl does not offer.

    Args:
        problems: a sentence for each.
        lacks: what they have not.

    Attributes:
        problems: as given.
    """

    def __init__(self, problems: Sequence[str], lacks: str = "twin") -> None:
        self.problems = list(dict.fromkeys(problems))
        lines = [f"{len(self.problems)} parts of the model have no {lacks}:", *self.problems]
        super().__init__(self.problems[0] if len(self.problems) == 1 else "\n- ".join(lines))


@contextmanager
def naming(layer: Config) -> Iterator[None]:
    """Makes a NoTwinError that names a layer of what goes wrong inside.

    An error of torch's own, such as one of memory, stays as it is: it says nothing about the layer.
    """
    try:
        yield
    except NoTwinError:
        raise
    except Exception as error:
        if type(error).__module__ != "builtins":
            raise
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise NoTwinError([f"{title_of(layer)}: {kind}{error}"]) from error


def title_of(layer: Config) -> str:
    """Returns name and class of a layer, in words."""
    return f"layer {name_of(layer)!r} of class {layer['class_name']!r}"


_CUSTOM = re.compile(r"(: expected|, or|; give its torch module by) custom=\{.*", re.DOTALL)


def without_custom(problems: Sequence[str]) -> list[str]:
    """Returns problems without the advice to give `custom`, for who calls no Python function."""
    return [_CUSTOM.sub("", problem) for problem in problems]


_READERS: dict[str, Callable[..., object]] = {
    "initializer": initializers.from_config,
    "regularizer": regularizers.from_config,
    "constraint": constraints.from_config,
}


def of_settings(layer: Config) -> list[str]:
    """Returns what is wrong with the settings that all kinds of layers have.

    Args:
        layer: its entry in the config of a model.
    """
    name, config = title_of(layer), layer["config"]
    found = []
    if config.get("data_format") == "channels_first":
        message = "data_format='channels_first': expected 'channels_last'"
        found.append(f"layer {name_of(layer)!r} with {message}")
    try:
        dtype_of(config)
    except ValueError as error:
        found.append(f"{name}: {error}")
    for key, value in _settings(layer):
        try:
            _READERS[key.rpartition("_")[2]](value)
        except (ValueError, TypeError) as error:
            found.append(f"{name}: {key}: {error}")
    return found


def _settings(layer: Config) -> list[tuple[str, object]]:
    """Returns the settings of a layer, and of those inside of it, that name a rule of Keras."""
    wrapped = [layer, *(layer["config"].get(key) for key in ("layer", "backward_layer"))]
    return [
        (key, part["config"][key])
        for part in wrapped
        if part
        for name, key in given(part, *_READERS)
        if key in part["config"] and name == part["config"].get("name", "")
    ]

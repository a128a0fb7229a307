"""KerasModel: runs the layers of a Keras model in torch, and takes its weights by Keras's names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from torch_impl.keras_config.builders import (
    build_layer,
    mask_of_output,
    options_with_masks,
    tensors_without_mask,
)
from torch_impl.keras_config.casting import Inputs, cast_results
from torch_impl.keras_config.custom import Calling, Custom, CustomLayer
from torch_impl.keras_config.graph import (
    NO_SHAPE,
    Config,
    Constant,
    Graph,
    Tensor,
    fill,
    is_operation,
    name_of,
    read_graph,
    sequence_of,
    tensors_in,
    tensors_of,
)
from torch_impl.keras_config.operations import Operation
from torch_impl.keras_config.operations.elementwise import dtype_named
from torch_impl.keras_config.rows.entry import dtype_of
from torch_impl.keras_config.rules import (
    LayerRules,
    NoTwinError,
    RuledModel,
    initialise,
    naming,
    rules_of,
)
from torch_impl.layouts import Variable, variables
from torch_impl.layouts.variable import renamed
from torch_impl.masks import is_mask, mask_of, with_mask
from torch_impl.weights import get_weights, match, set_weights

# --------------------------------------------------------------------------------------------------
#
# What a twin is called with, beside the inputs of its graph: in a row, in lists or by name.


def paired(places: Any, inputs: tuple[Any, ...]) -> tuple[list[Tensor], list[torch.Tensor]]:
    """Returns the input tensors of a graph and their values, in one order.

    Args:
        places: nest of the inputs of the graph.
        inputs: that a model was called with: tensors in a row, or one nest.

    Raises:
        ValueError: there are others, or another number of them.
    """
    given: Any = inputs[0] if len(inputs) == 1 else list(inputs)
    if isinstance(given, Mapping):
        is_named = isinstance(places, Mapping)
        return _by_key(places if is_named else {p.layer: p for p in tensors_in(places)}, given)
    wanted, values = tensors_in(places), flat(given)
    if len(values) != len(wanted):
        raise ValueError(f"{len(values)} inputs: expected {len(wanted)}")
    return wanted, values


def _by_key(
    places: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[list[Tensor], list[torch.Tensor]]:
    """Returns the places in a nest of dicts and lists, and what is given for each."""
    if given.keys() != places.keys():
        raise ValueError(f"inputs {sorted(given)}: expected {sorted(places)}")
    wanted: list[Tensor] = []
    values: list[torch.Tensor] = []
    for key, part in places.items():
        if isinstance(part, Mapping):
            if not isinstance(given[key], Mapping):
                raise ValueError(f"input {key!r}: expected a dictionary of {sorted(part)}")
            inner, parts = _by_key(part, given[key])
        else:
            inner, parts = tensors_in(part), flat(given[key])
        if len(inner) != len(parts):
            raise ValueError(f"{len(parts)} inputs under {key!r}: expected {len(inner)}")
        wanted += inner
        values += parts
    return wanted, values


def flat(value: Any) -> list[Any]:
    """Returns the tensors of nested lists, tuples and dicts as one list, in Keras's order."""
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in flat(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in flat(entry)]
    return [value]


# --- Layers that several models inside of a model have in common ----------------------------------
#
# A config has such a layer once in each of these models. In a saved file, all but the first have a
# `shared_object_id`; in what `to_json` and `get_config` return, nothing says that they are one.


class Sharing:
    """Builds a layer once that several models have.

    Args:
        names: of layers that are the same wherever their name stands.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)
        self._built: dict[str, list[nn.Module]] = {}
        self._again: set[str] = set()

    def build(self, layer: Config, build: Callable[[Config], nn.Module]) -> nn.Module:
        """Returns the module of a layer: the one that was built before, if it is the same layer.

        Raises:
            ValueError: several layers of that name were built before.
        """
        name = name_of(layer)
        before = self._built.setdefault(name, [])
        is_again = layer.get("shared_object_id") is not None or (name in self._names and before)
        if not is_again or not before:
            before.append(build(layer))
            return before[-1]
        if len(before) > 1:
            raise ValueError(f"it is one of {len(before)} layers of its name: expected other names")
        self._again.add(name)
        return before[0]

    def check(self) -> None:
        """Checks that each given name stands in several models.

        Raises:
            ValueError: one does not.
        """
        if missing := sorted(self._names - self._again):
            raise ValueError(f"shared={missing}: expected names of layers that several models have")


# --------------------------------------------------------------------------------------------------
#
# KerasModel: runs the layers of a Keras model in torch, and takes its weights by Keras's names.


def from_keras_config(
    config: Config | str, custom: Custom | None = None, shared: Iterable[str] = ()
) -> KerasModel:
    """Returns the torch twin of a Sequential or functional Keras model.

    Keras writes some functions by the name of others: `activation=keras.ops.gelu`, which
    approximates, is "gelu" in the config, which means the exact one, to Keras as well.

    Args:
        config: `model.get_config()`, or `model.to_json()` as text or as the object in it.
        custom: what the config has no code for, by name (docs/twin.md):

            - a factory for a layer class, under the name of the layer, its registered name
              ("package>Patches"), or that of its class: called with an `Entry`, which has the
              layer's settings as `config`, and the `shapes` of its inputs, it returns a module;
            - the function of a Lambda layer, under the name of the layer, or of the function;
            - an activation function, under its name, or "LAYER/activation".
        shared: names of layers that several models inside of the model have in common. Only a
            saved file says which these are, and needs no names here.

    Returns:
        A module whose initial weights have Keras's distributions, and torch's random numbers; see
        `KerasModel.load_keras_weights`.

    Raises:
        NoTwinError: layers, operations, initialisers or settings are unknown: a ValueError that
            tells all of them.
        ValueError: a name in `shared` is no such layer.
    """
    read: Any = json.loads(config) if isinstance(config, str) else config
    sharing = Sharing([shared] if isinstance(shared, str) else shared)
    twin = KerasModel(read["config"] if "class_name" in read else read, custom, sharing)
    sharing.check()
    return twin


class KerasModel(RuledModel):
    """A Keras model in torch, layer by layer.

    Inputs, outputs and tensors between layers have Keras's layout, (N, H, W, C). Masks of sequences
    go along with them by Keras's rules: see `torch_impl.masks`. A layer is a child
    module with Keras's name, which `legal_name` makes legal for torch; a layer that is called twice
    is one module that runs twice. Eval mode computes what Keras computes with training=False, train
    mode with training=True: Dropout draws Keras's masks, from the first call on, if its config has
    a seed, and BatchNormalization moves its statistics.

    Regularisers in the config are in `penalty`, which a loss adds: `RegularizedLoss(loss,
    twin.penalty)`. Constraints are applied after each step of an optimizer that was given to
    `constrain`. A training that uses the twin without them is another one than Keras's; Trainer
    warns of it.

    Args:
        config: `model.get_config()` of a Sequential or functional model.
        custom: see `from_keras_config`.
        sharing: has the layers that several models have in common.

    Attributes:
        output_terms: the penalties of the outputs of layers in the last call, each a scalar.
    """

    channels_last = True  # layout of its inputs, so that a Port needs no `feed`

    def __init__(
        self, config: Config, custom: Custom | None = None, sharing: Sharing | None = None
    ) -> None:
        super().__init__()
        sharing = sharing or Sharing()
        problems: list[str] = []
        try:
            self.graph = read_graph(config)
        except ValueError as error:
            if "layers" not in config:
                raise
            problems.append(str(error))
            self.graph = Graph((), (), ())
            if any(
                not (layer.get("name") or layer["config"].get("name")) for layer in config["layers"]
            ):
                raise NoTwinError(problems) from None
        is_unread = bool(problems)
        for number, constant in enumerate(self.graph.constants):
            self.register_buffer(_constant(number), constant, persistent=False)
        self._dtypes: dict[str, torch.dtype] = {}
        self._inputs: dict[str, Inputs] = {}
        self._kinds: dict[str, str] = {}
        for layer in config["layers"]:
            if layer["class_name"] == "Pipeline":
                layer = sequence_of(layer)
            name = layer.get("name") or name_of(layer)
            self._kinds[name] = layer["class_name"]
            try:
                if layer["class_name"] == "InputLayer":
                    with naming(layer):
                        self._dtypes[name] = dtype_named(layer["config"]["dtype"])
                    continue
                module = _build(layer, custom or {}, sharing)
                if not _is_free(layer):
                    self._dtypes[name] = dtype_of(layer["config"])
                    self._inputs[name] = Inputs(layer)
                    self._rules[name] = _rules(module, layer)
            except NoTwinError as error:
                # That a model has no shape is said once, and not again of each layer.
                problems += [p for p in error.problems if not (is_unread and NO_SHAPE in p)]
                continue
            other = self.keras_names.get(legal_name(name), name)
            if other != name:
                message = f"layers {other!r} and {name!r} have one name in torch: expected others"
                problems.append(message)
            self.keras_names[legal_name(name)] = name
            self.add_module(legal_name(name), module)
        if problems:
            raise NoTwinError(problems)
        self._last_use = self._find_last_uses()

    def _find_last_uses(self) -> list[list[tuple[str, int]]]:
        """Returns, for each call, the results that no later call needs."""
        ends: list[Tensor] = []
        fill(self.graph.outputs, ends.append)
        needed = {(tensor.layer, tensor.call) for tensor in ends}
        uses: list[list[tuple[str, int]]] = []
        for call in reversed(self.graph.calls):
            last = {(tensor.layer, tensor.call) for tensor in tensors_of(call)} - needed
            needed |= last
            uses.append(sorted(last))
        return uses[::-1]

    def _apply(self, fn: Any, *arguments: Any, **options: Any) -> KerasModel:
        """Follows `double()`, `float()` and `to(dtype)`: inputs are cast to the new dtype."""
        # Torch's `_apply` has no types.
        super()._apply(fn, *arguments, **options)  # type: ignore[no-untyped-call]
        for name, dtype in self._dtypes.items():
            if dtype.is_floating_point:
                self._dtypes[name] = fn(torch.empty(0, dtype=dtype)).dtype
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the penalties of the last call, which no copy has made."""
        return {**self.__dict__, "output_terms": []}

    def forward(
        self, *inputs: Any, mask: Any = None, output_terms: list[torch.Tensor] | None = None
    ) -> Any:
        """Returns the outputs, in the structure that Keras returns; they carry their masks.

        Args:
            *inputs: one tensor for each input, or one list or dict of them, as Keras takes it.
            mask: of the inputs, in the same structure: see `torch_impl.masks`. None: no input has
                one.
            output_terms: gets the penalties of outputs, if the model is a layer of another one.

        Raises:
            NoTwinError: a layer cannot compute with what it is given.
            ValueError: there are more or fewer inputs than the model has.
        """
        results: dict[tuple[str, int], list[Any]] = {}
        terms: list[torch.Tensor] = [] if output_terms is None else output_terms
        masks: dict[tuple[str, int], list[torch.Tensor | None]] = {}
        places, values = paired(self.graph.inputs, inputs)
        given_masks = (
            [None] * len(places) if mask is None else paired(self.graph.inputs, (mask,))[1]
        )
        for place, value, each in zip(places, values, given_masks, strict=True):
            results[place.layer, place.call] = [value.to(self._dtypes[place.layer])]
            masks[place.layer, place.call] = [each]

        def look_up(value: Any) -> Any:
            if isinstance(value, Constant):
                return self.get_buffer(_constant(value.number))
            if not isinstance(value, Tensor):
                return value
            return results[value.layer, value.call][value.index]

        def mask_at(value: Any) -> Any:
            is_tensor = isinstance(value, Tensor)
            return masks[value.layer, value.call][value.index] if is_tensor else None

        for call, last in zip(self.graph.calls, self._last_use, strict=True):
            layer = self.get_submodule(legal_name(call.layer))
            given = fill([call.arguments, call.options], look_up)
            through: tuple[torch.dtype, ...] = ()
            explicit_masks = {key: given[1].pop(key) for key in list(given[1]) if is_mask(key)}
            kind = self._kinds[call.layer]
            named = {"class_name": kind, "config": {"name": call.layer}}
            if call.layer in self._inputs:
                caster, dtype = self._inputs[call.layer], self._dtypes[call.layer]
                with naming(named):
                    given, through = caster.cast(given, dtype, layer.training)
            arguments, options = given[0], {**given[1], **explicit_masks}
            # The module's mode replaces Keras's `training` argument.
            options.pop("training", None)
            beside = fill([call.arguments, call.options], mask_at)
            options, first, input_mask = options_with_masks(
                call.layer, layer, arguments, options, tuple(beside)
            )
            if isinstance(layer, KerasModel):
                options["output_terms"] = terms
            with nullcontext() if isinstance(layer, CustomLayer | Calling) else naming(named):
                made = flat(cast_results(layer(*arguments, **options), through))
            key = call.layer, call.number
            results[key] = made
            masks[key] = (
                list(map(mask_of, made))
                if isinstance(layer, KerasModel)
                else mask_of_output(kind, layer, first, input_mask, len(made))
            )
            if call.layer in self._rules:
                terms += self._rules[call.layer].output_terms(made)
            for tensor in tensors_without_mask(kind, call):
                masks[tensor.layer, tensor.call][tensor.index] = None
            for done in last:
                del results[done], masks[done]
        if output_terms is None:
            self.output_terms = terms
        ends = fill(self.graph.outputs, lambda end: with_mask(look_up(end), mask_at(end)))
        return _only(ends)

    def keras_variables(self) -> Iterator[Variable]:
        """Yields the variables of all layers, one that several layers have only once."""
        visited: set[tuple[int, tuple[str, ...]]] = set()
        for name, module in self.named_children():
            for variable in variables(module):
                key = id(variable.module), variable.attributes
                if key not in visited:
                    yield renamed(variable, f"{name}/{variable.name}")
                visited.add(key)

    def load_keras_weights(self, weights: Mapping[str, np.ndarray] | Sequence[np.ndarray]) -> None:
        """Sets all weights.

        Args:
            weights: by Keras's paths, {w.path: w.numpy() for w in model.weights}, in which "." may
                replace "/" and outer models may be left out; or a list in Keras's order,
                `model.get_weights()`. The state of seeds is not a weight.

        Raises:
            ValueError: a weight is missing, unknown or of another shape.
        """
        names = [variable.name for variable in variables(self)]
        if not isinstance(weights, Mapping):
            if len(weights) != len(names):
                raise ValueError(f"{len(weights)} weights: expected {len(names)}")
            weights = dict(zip(names, weights, strict=True))
        given = {n: a for n, a in weights.items() if not n.endswith("seed_generator_state")}
        legal = {name: _legal_path(name) for name in given}
        found = match(list(legal.values()), names)
        unknown = sorted(name for name, path in legal.items() if path not in found)
        missing = sorted(set(names) - set(found.values()))
        if unknown or missing:
            raise ValueError(f"weights {unknown} are unknown, and {missing} are missing")
        portable = {found[path].replace("/", "."): given[name] for name, path in legal.items()}
        set_weights(self, portable)

    def keras_weights(self) -> dict[str, np.ndarray]:
        """Returns all weights by Keras's paths below the model, in Keras's layout."""
        names = [variable.name for variable in variables(self)]
        return dict(zip(map(self.keras_path, names), get_weights(self).values(), strict=True))

    def keras_path(self, path: str) -> str:
        """Returns Keras's path of a weight of this module."""
        name, _, rest = path.partition("/")
        child = self.get_submodule(name)
        inner = child.keras_path(rest) if isinstance(child, KerasModel) else rest
        return f"{self.keras_names[name]}/{inner}"


def legal_name(name: str) -> str:
    """Returns Keras's name of a layer as torch allows it.

    "." becomes "_", and an attribute of every module, such as "forward", gets a "_" at its end.
    """
    name = name.replace(".", "_")
    return f"{name}_" if name in _TAKEN else name


_TAKEN = set(dir(nn.Module())) | set(dir(KerasModel)) | {"graph", "keras_names", "output_terms"}


def _constant(number: int) -> str:
    """Returns the name of the buffer with a constant of the graph."""
    return f"_constant_{number}"


def _legal_path(path: str) -> str:
    parts = path.split("/" if "/" in path else ".")
    return "/".join([*map(legal_name, parts[:-1]), parts[-1]])


def _is_free(layer: Config) -> bool:
    """Whether a layer is a model or an operation, which have no dtype."""
    return "layers" in layer["config"] or is_operation(layer)


def _build(layer: Config, custom: Custom, sharing: Sharing) -> nn.Module:
    """Builds a layer, an operation, or a model inside the model.

    Raises:
        NoTwinError: it, or something in it, has no twin.
    """
    if "layers" in layer["config"]:
        with naming(layer):
            return sharing.build(layer, lambda inner: KerasModel(inner["config"], custom, sharing))
    if _is_free(layer):
        settings = {key: value for key, value in layer["config"].items() if key != "name"}
        if isinstance(settings.get("dtype"), Mapping):  # a policy, not a setting of `cast`
            del settings["dtype"]
        try:
            return Operation(layer["class_name"], **settings)
        except ValueError as error:
            raise NoTwinError([str(error)]) from None

    def build(layer: Config) -> nn.Module:
        module = build_layer(layer, lambda inner: _build(inner, custom, sharing), custom)
        initialise(module, layer)
        return module

    with naming(layer):
        return sharing.build(layer, build)


def _rules(module: nn.Module, layer: Config) -> LayerRules:
    with naming(layer):
        return rules_of(module, layer)


def _only(outputs: Any) -> Any:
    """Returns the only output of a list of one, as a call of a Keras model does."""
    return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs

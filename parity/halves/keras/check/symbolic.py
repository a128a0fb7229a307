"""Custom layers in a graph: tensors that stand for their weights, arrays and masks."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from parity.halves.keras import versions
from parity.halves.keras.casts import noted_initializer
from parity.halves.keras.check.quoted_code import rules_in
from parity.halves.keras.versions import is_from_keras, is_weight, path_of

# --------------------------------------------------------------------------------------------------
#
# The weights and layers that a layer of the user's own holds, by the names of its attributes.


_OF_KERAS = frozenset(
    ["_layers", "_metrics", "_losses", "_trainable_variables", "_non_trainable_variables"]
)


def attributes_of(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields the attributes of a layer, and the entries of those that are lists: "blocks.0".

    What is held in a way that no attribute tells has the name of its own.
    """
    yield from named_attributes_of(layer)
    for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
        yield path_of(variable).rpartition("/")[2], variable
    for inner in layer._layers:
        yield inner.name, inner


def named_attributes_of(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields the same without what no attribute tells."""
    for name, value in vars(layer).items():
        if name in _OF_KERAS:
            continue
        is_list = isinstance(value, list | tuple)
        entries = [(f"{name}.{n}", each) for n, each in enumerate(value)] if is_list else []
        for each in entries or [(name, value)]:
            if isinstance(each[1], keras.layers.Layer | keras.Variable):
                yield each


# --------------------------------------------------------------------------------------------------
#
# HeldArray: an array as a tensor of a graph, so that a layer that is called on it is in it.


class HeldArray(versions.Operation):
    """Returns an array, whatever the tensor beside it is.

    Keras computes a layer that is called on numbers alone at once, and a graph then has the result
    in the place of the layer. A graph reaches an operation by its tensors, so this one is given any
    that the graph has. Shapes and numbers of that tensor do not matter.
    """

    def call(self, beside: Any, value: Any) -> Any:
        """Returns the array.

        Args:
            beside: a tensor of the graph.
            value: the array.
        """
        return value

    def compute_output_spec(self, beside: Any, value: Any) -> keras.KerasTensor:
        """Returns the shape and dtype of the array; no axis is that of a batch."""
        dtype = keras.backend.standardize_dtype(value.dtype)
        return keras.KerasTensor(tuple(value.shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns its name: the array is an argument of the call."""
        return {"name": self.name}


def is_array(value: Any) -> bool:
    """Whether a value has numbers that stay: an array, or a tensor that is none of a graph."""
    others = (keras.KerasTensor, keras.Variable)
    is_tensor = keras.ops.is_tensor(value) and not isinstance(value, others)
    return is_tensor or isinstance(value, np.ndarray)


# --- HeldWeight: a weight of a layer of the user's own as a tensor of a graph ---------------------
#
# The code of such a layer computes with its weights. While it runs, its attributes are tensors of
# the graph in their place, so that the graph has what is done with them, and the weights too.


WEIGHT = "value"  # the name of the weight below its HeldWeight


class HeldWeight(keras.layers.Layer):
    """Returns a weight, whatever the tensor beside it is; a graph reaches layers by tensors.

    Args:
        variable: the weight, which the layer of the user's own still has.
        attribute: of that layer.
    """

    def __init__(self, variable: Any, attribute: str) -> None:
        super().__init__(dtype=variable.dtype)
        self.variable, self.attribute = variable, attribute
        self.built = True

    def call(self, beside: Any) -> Any:
        """Returns the weight.

        Args:
            beside: a tensor of the graph.
        """
        return keras.ops.convert_to_tensor(self.variable)

    def compute_output_spec(self, beside: Any) -> keras.KerasTensor:
        """Returns the shape and dtype of the weight; no axis is that of a batch."""
        return keras.KerasTensor(tuple(self.variable.shape), dtype=self.variable.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns shape, initialiser and rules of the weight."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "dtype": str(self.variable.dtype),
            "trainable": bool(self.variable.trainable),
            "shape": list(self.variable.shape),
            f"{WEIGHT}_initializer": serialize(noted_initializer(self.variable)),
            f"{WEIGHT}_regularizer": serialize(self.variable.regularizer),
            f"{WEIGHT}_constraint": serialize(self.variable.constraint),
        }


def weights_in(layer: Any) -> list[Any]:
    """Returns the weights that a layer has itself, and not by a layer inside of it."""
    variables = (*layer._trainable_variables, *layer._non_trainable_variables)
    return [variable for variable in variables if is_weight(variable)]


def has_plain_weights(layer: Any) -> bool:
    """Whether a config can tell all weights that a layer of the user's own has itself.

    They are of real numbers, in the dtype in which the layer computes; Keras's own initialisers and
    rules belong to them; an attribute has each, and no layer inside has it, too.
    """
    inner = {id(v) for each in layer._flatten_layers(include_self=False) for v in each.variables}
    in_attributes = {id(variable) for _, variable in _attributes(layer)}
    return all(
        id(variable) in in_attributes
        and id(variable) not in inner
        and variable.dtype == layer.compute_dtype
        and "float" in str(variable.dtype)
        and _has_config(noted_initializer(variable))
        and all(
            rule is None or _has_config(rule)
            for rule in (variable.regularizer, variable.constraint)
        )
        for variable in weights_in(layer)
    )


def _has_config(part: Any) -> bool:
    return part is not None and is_from_keras(part) and hasattr(part, "get_config")


def _attributes(layer: Any) -> list[tuple[str, Any]]:
    """Returns (name, weight) of the attributes of a layer, and of the entries of its lists."""
    known = {id(variable) for variable in weights_in(layer)}
    return [each for each in named_attributes_of(layer) if id(each[1]) in known]


@contextmanager
def weights_as_tensors(layer: Any, beside: Any, known: dict[int, HeldWeight]) -> Iterator[None]:
    """Lets the attributes of a layer be tensors in the place of its weights.

    Args:
        layer: of the user's own, for which `has_plain_weights` is true.
        beside: a tensor of the graph.
        known: by the IDs of weights; gets those that are new.
    """
    tensors: dict[int, Any] = {}
    for name, variable in _attributes(layer):
        if id(variable) not in tensors:
            weight = known.setdefault(id(variable), HeldWeight(variable, name))
            tensors[id(variable)] = weight(beside)
    changed = {name.partition(".")[0] for name, _ in _attributes(layer)}
    before = {name: vars(layer)[name] for name in changed}
    for name, value in before.items():
        # Not by setattr: Keras keeps a list of what a layer holds, and such a list of its own.
        layer.__dict__[name] = _replaced(value, tensors)
    try:
        yield
    finally:
        layer.__dict__.update(before)


def _replaced(value: Any, tensors: Mapping[int, Any]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(tensors.get(id(each), each) for each in value)
    return tensors[id(value)]


# --- EachSample: one tensor for all samples of a batch, such as the token of the class ------------
#
# Code makes it by the size of the batch, which a graph does not know. In a graph it is that of
# another tensor.


class EachSample(versions.Operation):
    """Repeats a tensor of one sample for each sample of another tensor."""

    def call(self, x: Any, beside: Any) -> Any:
        """Returns (N, ...).

        Args:
            x: (1, ...).
            beside: (N, ...), of the batch.
        """
        size = keras.ops.shape(beside)[0]
        return keras.ops.broadcast_to(x, (size, *x.shape[1:]))

    def compute_output_spec(self, x: Any, beside: Any) -> keras.KerasTensor:
        """Returns the shape, of which the first side is open."""
        return keras.KerasTensor((beside.shape[0], *x.shape[1:]), dtype=x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns its name."""
        return {"name": self.name}


@contextmanager
def sizes_of_batches(beside: Callable[[], Any]) -> Iterator[None]:
    """Lets `broadcast_to`, `tile` and `repeat` take None for the size of the batch.

    Args:
        beside: returns a tensor of the batch, or None where no code of the user's runs.
    """
    module = importlib.import_module("keras.src.ops.numpy")
    kinds = {module.BroadcastTo: _broadcast, module.Tile: _tile, module.Repeat: _repeat}

    def watched(kind: Any, row: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        original = kind.symbolic_call

        def symbolic_call(operation: Any, x: Any) -> Any:
            like = beside()
            if like is None or None not in _sizes(operation):
                return original(operation, x)
            one = row(operation, x)
            if not one.shape or one.shape[0] != 1:
                raise ValueError("it needs the size of a batch of more than one tensor")
            return EachSample()(one, like)

        return symbolic_call

    for kind, row in kinds.items():
        kind.symbolic_call = watched(kind, row)
    try:
        yield
    finally:
        for kind in kinds:
            del kind.symbolic_call  # that of all operations is there again


def _sizes(operation: Any) -> tuple[Any, ...]:
    given = operation.shape if hasattr(operation, "shape") else operation.repeats
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _broadcast(operation: Any, x: Any) -> Any:
    """Returns what is repeated for each sample."""
    _, *sides = _sizes(operation)
    if len(x.shape) <= len(sides):
        x = keras.ops.expand_dims(x, 0)
    one = (1, *sides)
    return x if tuple(x.shape) == one else keras.ops.broadcast_to(x, one)


def _tile(operation: Any, x: Any) -> Any:
    _, *repeats = _sizes(operation)
    if len(x.shape) <= len(repeats):
        x = keras.ops.expand_dims(x, 0)
    return x if set(repeats) <= {1} else keras.ops.tile(x, (1, *repeats))


def _repeat(operation: Any, x: Any) -> Any:
    if operation.axis != 0:
        raise ValueError("it needs the size of a batch along another axis than the first")
    return x


# --- MaskedBy: the mask that Keras gives to what code of the user's returns, in a graph -----------
#
# Keras keeps the mask of a tensor beside it. A graph of the operations that code calls has no place
# for one that Keras gives to the output of the layer: by its `compute_mask`, or that of its input.


class MaskedBy(keras.layers.Layer):
    """Returns a tensor, which has another one as its mask.

    Args:
        dtype: of the tensor.
    """

    def __init__(self, dtype: Any = None, **options: Any) -> None:
        super().__init__(dtype=dtype, autocast=False, **options)
        self.built = True

    def call(self, inputs: Sequence[Any]) -> Any:
        """Returns the first of (tensor, mask)."""
        return inputs[0]

    def compute_mask(self, inputs: Sequence[Any], previous_mask: Any) -> Any:
        """Returns the second one."""
        return inputs[1]

    def compute_output_spec(self, inputs: Sequence[Any]) -> keras.KerasTensor:
        """Returns the shape and dtype of the tensor."""
        return keras.KerasTensor(tuple(inputs[0].shape), dtype=inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns its name and dtype: the mask is an argument of the call."""
        return {"name": self.name, "dtype": str(self.compute_dtype)}


class CallMasks:
    """The masks with which Keras calls a layer, and those that it gives to what that returns.

    Source: keras 3.15 `layers/layer.py` (`__call__`, `_set_mask_metadata`).

    Args:
        layer: is called.
        arguments: of the call, in order.
        keywords: of the call.

    Attributes:
        by_name: masks by the names of the arguments of `call` that take them.
        flat: those of a graph: all of them, and those of the first argument.
    """

    def __init__(self, layer: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        module = importlib.import_module("keras.src.layers.layer")
        context = layer._call_context_args
        spec = module.CallSpec(layer._call_signature, context, arguments, dict(keywords))
        tensors, names = spec.tensor_arguments_dict, spec.argument_names
        self._layer, self._first = layer, spec.first_arg
        self.by_name: dict[str, Any] = {}
        takes = {next(iter(tensors), ""): "mask"}
        if len(tensors) > 1:
            takes = {name: f"{name}_mask" for name in tensors}
        for name, mask in takes.items():
            if name in tensors and mask in names and spec.arguments_dict[mask] is None:
                self.by_name[mask] = keras.tree.map_structure(versions.mask_of, tensors[name])
        passed_mask = self.by_name.get("mask", keywords.get("mask"))
        has_mask = passed_mask is not None
        self._before = (
            passed_mask if has_mask else keras.tree.map_structure(versions.mask_of, self._first)
        )
        given = keras.tree.flatten((self.by_name, self._before))
        symbolic = [each for each in given if isinstance(each, keras.KerasTensor)]
        self.flat = list({id(each): each for each in symbolic}.values())

    def given_to(self, made: Any) -> Any:
        """Returns what the layer made, with the masks that Keras gives it.

        Raises:
            ValueError: a mask has other numbers than truth values.
        """
        flat = keras.tree.flatten(made)
        if not self._layer.supports_masking or all(versions.mask_of(x) is not None for x in flat):
            return made
        masks = self._layer.compute_mask(self._first, self._before)
        if masks is None:
            return made
        pairs = dict(zip(range(len(flat)), keras.tree.flatten(masks), strict=False))
        for number, mask in pairs.items():
            if mask is None or versions.mask_of(flat[number]) is not None:
                continue
            if str(mask.dtype) != "bool":
                raise ValueError(f"its mask is of {mask.dtype}: expected truth values")
            flat[number] = MaskedBy(flat[number].dtype)([flat[number], mask])
        return keras.tree.pack_sequence_as(made, flat)


# --- Sizes that a graph does not know: code may count along an open side of a tensor --------------
#
# `ops.arange(ops.shape(x)[1])` are the positions of a sequence of any length. While code runs on
# tensors without numbers, `ops.shape` gives an `OpenSide` in the place of None, of which positions
# can be made.


class OpenSide:
    """The length of a side of a tensor, which is known when the graph runs.

    Args:
        tensor: of the graph.
        axis: of the side.
    """

    def __init__(self, tensor: Any, axis: int) -> None:
        self.tensor, self.axis = tensor, axis


class Positions(versions.Operation):
    """Counts along a side of a tensor: 0, 1, 2, ...

    Args:
        axis: of the side.
        dtype: of the numbers.
    """

    def __init__(self, axis: int, dtype: str = "int32", **options: Any) -> None:
        super().__init__(**options)
        self.axis, self.dtype = axis, dtype

    def call(self, x: Any) -> Any:
        """Returns (length of the side,)."""
        return keras.src.ops.arange(keras.src.ops.shape(x)[self.axis], dtype=self.dtype)

    def compute_output_spec(self, x: Any) -> keras.KerasTensor:
        """Returns the shape, whose only side is open."""
        return keras.KerasTensor((None,), dtype=self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns name, axis and dtype."""
        return {"name": self.name, "axis": self.axis, "dtype": self.dtype}


@contextmanager
def open_sides(is_in_code: Callable[[], bool]) -> Iterator[None]:
    """Lets code of the user's count along sides that a graph does not know.

    Keras's own layers call these functions by another module.

    Args:
        is_in_code: whether code of the user's runs.
    """
    ops = keras.ops
    originals = {name: getattr(ops, name) for name in ("shape", "arange", "reshape")}

    def shape(x: Any) -> Any:
        sides = originals["shape"](x)
        if not is_in_code() or not isinstance(x, keras.KerasTensor):
            return sides
        return tuple(
            OpenSide(x, axis) if axis and side is None else side for axis, side in enumerate(sides)
        )

    def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
        if not any(isinstance(each, OpenSide) for each in (start, stop, step)):
            return originals["arange"](start, stop, step, dtype)
        first, end = (0, start) if stop is None else (start, stop)
        is_counted = isinstance(end, OpenSide) and not isinstance(first, OpenSide)
        if not is_counted or first != 0 or step not in (None, 1):
            raise ValueError("it counts along an open side, and not by one from 0")
        return Positions(end.axis, str(dtype or "int32"))(end.tensor)

    def reshape(x: Any, newshape: Any) -> Any:
        sides = newshape if isinstance(newshape, list | tuple) else (newshape,)
        if not any(isinstance(side, OpenSide) for side in sides):
            return originals["reshape"](x, newshape)
        return _with_ones(x, sides)

    changed = {"shape": shape, "arange": arange, "reshape": reshape}
    for name, function in changed.items():
        setattr(ops, name, function)
    try:
        yield
    finally:
        for name, function in originals.items():
            setattr(ops, name, function)


def _with_ones(x: Any, sides: Sequence[Any]) -> Any:
    """Returns a tensor with sides of 1 before its own, of which some are open.

    Raises:
        ValueError: its sides would be others.
    """
    more = len(sides) - len(x.shape)
    pairs = zip(sides[more:], x.shape, strict=True) if more >= 0 else ()
    is_same = more >= 0 and all(
        size is None if isinstance(side, OpenSide) else side == size for side, size in pairs
    )
    if not is_same or any(side != 1 for side in sides[:more]):
        raise ValueError("it gives a tensor other sides along one that is open")
    for _ in range(more):
        x = keras.ops.expand_dims(x, 0)
    return x


# --- The layers in the graph of a Keras model whose call is code of the user's own ----------------
#
# A model goes in. Such layers come out.


def custom_layers_in(model: keras.Model) -> dict[str, Any]:
    """Returns the layers in the graph of a model that are of the user's own, by name.

    A Lambda is one: its function is code.
    """
    found: dict[str, Any] = {}
    for layer in in_graph(model):
        if is_custom(layer):
            found.setdefault(layer.name, layer)
    return found


def is_custom(layer: Any) -> bool:
    """Whether what a layer computes is code of the user's."""
    is_ours = isinstance(layer, HeldWeight | MaskedBy)
    is_kerass = is_from_keras(layer) or is_graph(layer) or is_ours
    return isinstance(layer, keras.layers.Lambda) or not is_kerass


def is_graph(layer: Any) -> bool:
    """Whether a layer is a Sequential or functional model, of a class that has no own `call`."""
    module = importlib.import_module("keras.src.models")
    kinds = (module.Sequential, module.Functional)
    return isinstance(layer, kinds) and type(layer).call in [kind.call for kind in kinds]


def in_graph(model: Any) -> Iterator[Any]:
    """Yields the layers in the graph of a model, those of inner models and wrapped ones too."""
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if is_graph(layer):
            yield from in_graph(layer)
            continue
        yield layer
        if not is_custom(layer):
            yield from (inner for inner in _inside(layer) if not is_custom(inner))


def _inside(layer: Any) -> Iterator[Any]:
    """Yields the layers that one of Keras's applies."""
    for name in ("layer", "forward_layer", "backward_layer", "cell"):
        inner = getattr(layer, name, None)
        if isinstance(inner, keras.layers.Layer):
            yield inner


def wrapped(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yields (layer of Keras, layer of the user's that it applies)."""
    pairs = [pair for layer in in_graph(model) for pair in wrapped_in(layer)]
    # The layers inside of a Bidirectional are in the graph, too.
    yield from {(id(layer), id(inner)): (layer, inner) for layer, inner in pairs}.values()


def wrapped_in(layer: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the same of a layer, which may hold several cells."""
    if is_custom(layer):
        return
    for inner in _inside(layer):
        for each in (inner, *getattr(inner, "cells", ())):
            if is_custom(each):
                yield layer, each
            elif each is not inner or not hasattr(each, "cell"):
                continue
            else:  # such as the RNN of a Bidirectional
                yield from wrapped_in(each)


def why_refused(inner: Any) -> str:
    """Returns why a port has no stub of a layer that one of Keras's applies, and what to do."""
    return (
        f"it applies {inner.name!r} of your class {type(inner).__name__}, and parity port leaves "
        "no stub inside of a layer of Keras; write its module yourself, and give it to "
        f"torch_impl.from_keras_config(custom={{{inner.name!r}: ...}}), see docs/twin.md"
    )


def takes_weights(graph: Any) -> Iterator[tuple[str, str]]:
    """Yields (name of an operation or layer, path of a weight) of weights among the arguments.

    A config has the numbers of such a weight, as if it were an array that does not train.

    Args:
        graph: a functional model or function; models inside of it are looked at, too.
    """
    depths = getattr(graph, "_nodes_by_depth", {})  # a Sequential without an Input has none
    for node in (node for nodes in depths.values() for node in nodes):
        given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
        for value in given:
            if isinstance(value, keras.Variable):
                yield node.operation.name, path_of(value)
        if is_graph(node.operation):
            inner = getattr(node.operation, "_functional", None) or node.operation
            yield from takes_weights(inner)


@contextmanager
def with_plain_configs(model: keras.Model) -> Iterator[None]:
    """Lets a model have a config that is text, and that says what it computes.

    The `get_config` of a layer of the user's own may be missing, or hold what no text says. So may
    that of a regulariser, and what `compile` got. Keras writes its `keras.ops.gelu`, which
    approximates, by the name of the exact one of keras.activations.
    """
    models = [each for each in model._flatten_layers() if isinstance(each, keras.Model)]
    layers = [*custom_layers_in(model).values(), *(inner for _, inner in wrapped(model))]
    keras_layers = {id(layer): layer for layer in in_graph(model) if not is_custom(layer)}
    approximating = [
        (layer, names) for layer in keras_layers.values() if (names := _with_gelu(layer))
    ]

    def config_of(layer: Any) -> Any:
        return lambda: {"name": layer.name, "trainable": layer.trainable, "dtype": _policy(layer)}

    def with_gelu(layer: Any, names: list[str]) -> Any:
        get_config = layer.get_config
        return lambda: {**get_config(), **dict.fromkeys(names, _GELU)}

    changed = {id(layer): (layer, config_of(layer)) for layer in layers}
    changed |= {id(layer): (layer, with_gelu(layer, names)) for layer, names in approximating}
    rules = [rule for layer in keras_layers.values() for rule in rules_in(layer).values()]
    changed |= {id(rule): (rule, dict) for rule in rules if not inspect.isroutine(rule)}
    for layer, config in changed.values():
        layer.__dict__["get_config"] = config
    for each in models:
        each.__dict__["get_compile_config"] = lambda: None
    try:
        yield
    finally:
        for each in models:
            del each.__dict__["get_compile_config"]
        for layer, _ in changed.values():
            del layer.__dict__["get_config"]


_GELU = {"module": "keras.ops", "class_name": "function", "config": "gelu"}


def _with_gelu(layer: Any) -> list[str]:
    """Returns the settings of a layer of Keras's that are the gelu of keras.ops."""
    names = ("activation", "recurrent_activation")
    return [name for name in names if getattr(layer, name, None) is keras.ops.gelu]


def _policy(layer: Any) -> str:
    return str(layer.dtype_policy.name)

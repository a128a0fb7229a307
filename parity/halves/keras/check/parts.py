"""The parts of a model with a `train_step` of its own, called side by side, as one model."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Input, Reference
from parity.data import probe_inputs
from parity.data.samples import Samples, packed
from parity.errors import InputError, error_message
from parity.halves.keras import versions
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.custom_steps import custom_step_names
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.structure import as_fed, in_order
from parity.halves.keras.check.weights import leaves, named_weights
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import KerasWriter

# --- What a model's own `train_step` gets: a batch as `fit` would hand it over --------------------
#
# A reference goes in. Batches come out: `x` alone, (x, y), or (x, y, weights of the samples).


_VALUES = "values"  # targets of which only their shape has to fit


@dataclass(frozen=True)
class StepBatch:
    """A batch, as arrays in Keras's order and layout; of what there is none, empty."""

    x: Sequence[np.ndarray]
    y: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]


class StepData:
    """The batches of a model with a step of its own.

    Args:
        reference: what `fit` gets. Arrays are taken as they are, row by row. Without them, inputs
            are drawn, and targets if `compile` has a loss that says what they are.
        spec: of the check.

    Raises:
        InputError: the inputs of the model are not known.
    """

    def __init__(self, reference: Reference, spec: CheckSpec) -> None:
        self._reference = reference
        self.inputs = inputs_of(reference, spec.batch_size)
        self._samples = Samples(spec, self.inputs.each, self.inputs.batch_size)
        self._x = self._arrays("x", in_order(reference, reference.x))
        self._y = self._arrays("y", reference.y)
        self._weights = self._arrays("sample_weight", reference.sample_weight)
        self._objective: Objective | None = None
        structure: Any = None
        if reference.y is not None:
            structure = _numbered(reference.y)
        elif names := self._samples.given_targets:
            structure = 0 if names == ("",) else {name: at for at, name in enumerate(names)}
        elif self._finds_targets():
            structure = 0
        self.target_structure = structure

    @property
    def seed(self) -> int:
        """The seed of what is drawn."""
        return self._samples.seed

    def sizes(self, steps: int) -> list[int]:
        """Returns the sizes of the batches of some steps."""
        return self._samples.sizes(steps)

    def batch(self, purpose: str, num: int) -> StepBatch:
        """Returns a batch of `num` samples."""
        given = self._rows(self._x, purpose, num)
        x = given or self._samples.inputs(purpose, num)
        if self._y:
            y = self._rows(self._y, purpose, num)
        elif names := self._samples.given_targets:
            y = [self._samples.targets(purpose, num, _VALUES, (), name) for name in names]
        elif self._objective is not None:
            y = list(self._objective.batch(purpose, num).targets.values())
        else:
            y = []
        return StepBatch(x, y, self._rows(self._weights, purpose, num))

    def as_given(self, batch: StepBatch) -> Any:
        """Returns a batch as `train_step` gets it."""
        x = as_fed(self._reference, batch.x)
        if not batch.y:
            return x
        y = packed(self.target_structure, [tf.constant(array) for array in batch.y])
        if not batch.weights:
            return x, y
        return x, y, tf.constant(batch.weights[0])

    def _arrays(self, name: str, given: Any) -> list[np.ndarray]:
        """Returns the arrays of a nest that `fit` gets; none if it gets no arrays."""
        if given is None or not versions.are_arrays(given):
            return []
        arrays = [np.asarray(array) for array in keras.tree.flatten(given)]
        for array in arrays:
            if array.dtype.kind not in "biuf" or not len(array):
                raise InputError(
                    f"Reference({name}=...) has an array of {len(array)} samples and type "
                    f"{array.dtype}; expected numbers, of one sample or more"
                )
        return [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]

    def _rows(self, arrays: Sequence[np.ndarray], purpose: str, num: int) -> list[np.ndarray]:
        return [array[self._samples.rows(purpose, num, len(array))] for array in arrays]

    def _finds_targets(self) -> bool:
        """Whether the loss of `compile` says what targets are, of a model with one output."""
        model = self._reference.model
        is_called = type(model).call is not keras.Model.call
        if not is_called or getattr(model, "loss", None) is None:
            return False
        batch = self._samples.inputs("probe", self._samples.batch_size)
        output = model(as_fed(self._reference, batch), training=False)
        found = Objective(self._reference, self._samples, output)
        if found.problem or not found.is_one or all(x is None for x in found.losses.values()):
            return False
        self._objective = found
        return True


def _numbered(nest: Any) -> Any:
    """Returns a nest of arrays with a number in the place of each."""
    flat = keras.tree.flatten(nest)
    numbered: Any = keras.tree.pack_sequence_as(nest, list(range(len(flat))))
    return keras.tree.map_structure(int, numbered)


# --- What the optimizers of a Keras program apply, in the order in which it calls them ------------
#
# A program with a step of its own may have several optimizers. Each call goes in as it is made: the
# optimizer, and the gradient of every weight it moves. Keras 3 only.


@dataclass(frozen=True)
class Applied:
    """One call of an optimizer.

    Attributes:
        optimizer: the optimizer.
        variables: that it moves.
        gradients: a tensor of each, clipped as the optimizer does it: a port may clip before.
    """

    optimizer: Any
    variables: Sequence[Any]
    gradients: Sequence[Any]


@contextmanager
def applied(
    moved: Callable[[list[Any], int], list[Any]] = lambda gradients, number: gradients,
) -> Iterator[list[Applied]]:
    """Watches all optimizers in the block, and yields a list to which each call is added.

    Args:
        moved: what an optimizer gets in the place of the gradients of its call with that number.
    """
    base = importlib.import_module("keras.src.optimizers.base_optimizer").BaseOptimizer
    original, calls, depth = base.apply, list[Applied](), 0

    def watched(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
        nonlocal depth
        if depth:  # an optimizer that scales the loss calls another one
            return original(optimizer, grads, trainable_variables)
        variables = trainable_variables
        if variables is None:
            variables = optimizer._trainable_variables
        given = [(v, g) for v, g in zip(variables, grads, strict=False) if g is not None]
        dense = moved([tf.convert_to_tensor(g) for _, g in given], len(calls))
        calls.append(Applied(optimizer, [v for v, _ in given], _clipped(optimizer, dense)))
        left = iter(dense)
        depth += 1
        try:
            passed = [None if g is None else next(left) for g in grads]
            return original(optimizer, passed, trainable_variables)
        finally:
            depth -= 1

    base.apply = watched
    try:
        yield calls
    finally:
        base.apply = original


def _clipped(optimizer: Any, gradients: list[Any]) -> list[Any]:
    """Returns gradients as an optimizer clips them, if it does so in each call."""
    if getattr(optimizer, "gradient_accumulation_steps", None) or not gradients:
        return gradients
    clip = getattr(optimizer, "_clip_gradients", None)
    return gradients if clip is None else [tf.convert_to_tensor(g) for g in clip(gradients)]


# --------------------------------------------------------------------------------------------------
#
# What the networks of a model get and return in a step of its own, in the order of their calls.
#
# They say where a step begins to differ: at what a network gets, or at the loss of the same
# outputs.


@dataclass(frozen=True)
class PartCall:
    """One call of a network.

    Attributes:
        name: of the network.
        inputs: tensors that it gets.
        outputs: tensors that it returns.
        num_dropped: how many of its dropouts drop something.
    """

    name: str
    inputs: list[Any]
    outputs: list[Any]
    num_dropped: int


@contextmanager
def part_calls(
    parts: Mapping[str, Any], num_dropped: Callable[[], int]
) -> Iterator[list[PartCall]]:
    """Watches networks in the block, and yields a list to which each of their calls is added.

    Args:
        parts: by their names.
        num_dropped: returns how many dropouts have dropped something so far.
    """
    names = {id(layer): name for name, layer in parts.items()}
    calls: list[PartCall] = []
    original = versions.Layer.__call__

    def watched(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        before = num_dropped()
        output = original(layer, *arguments, **keywords)
        if id(layer) in names:
            given = [x for x in tf.nest.flatten(arguments) if tf.is_tensor(x)]
            made, num = tf.nest.flatten(output), num_dropped() - before
            calls.append(PartCall(names[id(layer)], given, made, num))
        return output

    versions.Layer.__call__ = watched
    try:
        yield calls
    finally:
        versions.Layer.__call__ = original


def write_part_calls(calls: list[PartCall], writer: KerasWriter) -> None:
    """Writes `part/NUMBER/input/PLACE` and `part/NUMBER/output/PLACE`."""
    for number, call in enumerate(calls):
        for what, tensors in (("input", call.inputs), ("output", call.outputs)):
            for place, tensor in enumerate(tensors):
                array = np.asarray(tensor, np.float64)
                writer.put(f"part/{number}/{what}/{place}", probe_inputs.sampled(array))


# --- The parts of a model with a step of its own, called side by side, as one model ---------------
#
# A GAN, an autoencoder whose step calls encoder and decoder, or a teacher with a student has no
# `call` that reaches all its weights. What such a model holds goes in: networks and layers. One
# model comes out that takes an input for each of them, and returns what each makes of it.


@dataclass(frozen=True)
class Part:
    """A network or layer that a model holds.

    Attributes:
        inputs: `Input`, or a list of them, that it takes.
        is_row: whether it takes them one after the other, and not in a list.
        kept: numbers of its outputs that are not random; None: all are kept, as they are.
        num_outputs: how many it has.
    """

    inputs: Any
    is_row: bool = False
    kept: tuple[int, ...] | None = None
    num_outputs: int = 1


@dataclass(frozen=True)
class Plan:
    """How a model with a step of its own is checked.

    Attributes:
        parts: what it holds, by the names of its attributes; None: its `call` reaches all.
        optimizers: names of the attributes of those optimizers that its step uses.
    """

    parts: Mapping[str, Part] | None
    optimizers: tuple[str, ...]

    def factory(self, factory: Callable[[], Any]) -> Callable[[], Any]:
        """Returns a factory of the model that the probes call."""
        if self.parts is None:
            return factory
        parts = self.parts

        def build() -> Reference:
            built = factory()
            whole = built if isinstance(built, Reference) else Reference(built)
            model = Parts(whole, parts, has_optimizer="optimizer" in self.optimizers)
            inputs = {name: part.inputs for name, part in parts.items()}
            return replace(whole, model=model, inputs=inputs, x=None, y=None, sample_weight=None)

        return build


class Parts(keras.Model):
    """The parts of a model, called side by side.

    Args:
        reference: of the model.
        parts: by their names.
        has_optimizer: whether the step of the model uses what `compile` got as optimizer.
    """

    def __init__(
        self, reference: Reference, parts: Mapping[str, Part], *, has_optimizer: bool
    ) -> None:
        super().__init__(name="parts")
        self.whole = reference.model
        self.reference_of_whole = _Untracked(reference)
        self.parts = _Untracked(parts)
        if has_optimizer:
            self.compile(optimizer=self.whole.optimizer)

    def build(self, input_shape: Any) -> None:
        """Builds nothing: the parts are built when they are called."""

    def call(self, inputs: Any) -> Any:
        """Returns what each part makes of its input, by the names of the parts."""
        layers = parts_in(self.whole)
        return {
            name: _called(layers[name], part, inputs[name]) for name, part in self.parts().items()
        }


class _Untracked:
    """Keeps an object from Keras, which would take its arrays and layers for those of a model."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self) -> Any:
        return self._value


def _called(layer: Any, part: Part, given: Any) -> Any:
    output = layer(*given) if part.is_row else layer(given)
    if part.kept is None:
        return output
    flat = tf.nest.flatten(output)
    kept = [flat[number] for number in part.kept]
    return kept[0] if len(kept) == 1 else kept


def whole_of(reference: Reference) -> Reference:
    """Returns the model whose parts a model calls, or the model itself."""
    model = reference.model
    return model.reference_of_whole() if isinstance(model, Parts) else reference


def parts_in(model: keras.Model) -> dict[str, keras.Layer]:
    """Returns the layers and models that a model holds, by the names of its attributes."""
    names: dict[int, str] = {}
    # Keras keeps lists of its own, whose names begin so; the user's names count first.
    for attribute, value in sorted(vars(model).items(), key=lambda item: item[0][0] == "_"):
        if isinstance(value, keras.Layer):
            names.setdefault(id(value), attribute)
        elif isinstance(value, list | tuple):
            for number, each in enumerate(value):
                if isinstance(each, keras.Layer):
                    names.setdefault(id(each), f"{attribute}_{number}")
    layers = model._flatten_layers(include_self=False, recursive=False)
    return {names.get(id(layer), layer.name): layer for layer in layers}


def plan_of(reference: Reference, spec: CheckSpec) -> Plan | None:
    """Returns how a model with a `train_step` of its own is checked; None for another one.

    Args:
        reference: of the model, which makes a step of its own, if it has one.
        spec: of the check.

    Raises:
        InputError: inputs are not known, or the step raises.
    """
    model = reference.model
    if versions.IS_KERAS_2 or "train_step" not in custom_step_names(model):
        return None
    data = StepData(reference, spec)
    batch = data.batch("probe", data.sizes(1)[0])
    with watched_arguments() as first_arguments, applied() as calls:
        make_step(model, data.as_given(batch))
    used = {id(call.optimizer) for call in calls}
    optimizers = tuple(n for n, each in optimizers_in(model).items() if id(each) in used)
    if _reaches_all(reference, batch.x):
        return Plan(None, optimizers)
    parts: dict[str, Part] = {}
    for name, layer in sorted(parts_in(model).items()):  # both halves call them in this order
        if layer.weights and id(layer) in first_arguments:
            parts[name] = _part(layer, first_arguments[id(layer)])
    return Plan(parts, optimizers)


def make_step(model: Any, data: Any) -> dict[str, Any]:
    """Makes the own step of a model, and returns what it returns.

    Raises:
        InputError: it raises.
    """
    model.reset_metrics()  # else they are means over all steps before
    try:
        with in_float64():
            returned = model.train_step(data)
    except InputError:
        raise
    except Exception as error:  # the user's code may raise anything
        got = f"(x, y) with {len(data)} parts" if isinstance(data, tuple) else "x alone"
        raise InputError(
            f"the train_step of {type(model).__name__} raises {error_message(error)}; it "
            f"was given {got}; give what `fit` gets: keras_impl.Reference(model, x=..., y=...), or "
            "--data with x and y"
        ) from error
    return dict(returned) if isinstance(returned, Mapping) else {"loss": returned}


def optimizers_in(model: keras.Model) -> dict[str, Any]:
    """Returns the optimizers of a model by the names of its attributes."""
    found: dict[str, Any] = {}
    # Keras holds that of `compile` under a name of its own, too.
    for name, value in [
        ("optimizer", getattr(model, "optimizer", None)),
        *sorted(vars(model).items()),
    ]:
        is_new = all(value is not other for other in found.values())
        if isinstance(value, keras.optimizers.Optimizer) and is_new:
            found[name] = value
    return found


@contextmanager
def watched_arguments() -> Iterator[dict[int, tuple[Any, ...]]]:
    """Yields what each layer is called with first in the block: id -> its arguments by place."""
    first_arguments: dict[int, tuple[Any, ...]] = {}
    original = versions.Layer.__call__

    def watched(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        first_arguments.setdefault(id(layer), arguments)
        return original(layer, *arguments, **keywords)

    versions.Layer.__call__ = watched
    try:
        yield first_arguments
    finally:
        versions.Layer.__call__ = original


def _reaches_all(reference: Reference, x: Sequence[np.ndarray]) -> bool:
    """Whether the `call` of a model reaches all layers that have weights."""
    model = reference.model
    if type(model).call is keras.Model.call:
        return False
    try:
        with watched_arguments() as first_arguments, in_float64():
            model(as_fed(reference, x), training=False)
    except NotImplementedError:
        return False
    return all(id(layer) in first_arguments for layer in leaves(model) if layer.weights)


def _part(layer: Any, arguments: tuple[Any, ...]) -> Part:
    """Returns how a layer is called, from the arguments of its first call."""
    tensors = [value for value in arguments if _is_nest_of_tensors(value)]
    is_row = len(tensors) > 1
    given: Any = tensors if is_row else tensors[0]
    inputs = keras.tree.map_structure(_input_of, given)
    outputs = [tf.nest.flatten(_output(layer, given, is_row)) for _ in range(2)]
    same = [
        number
        for number, (one, other) in enumerate(zip(*outputs, strict=True))
        if np.array_equal(one, other, equal_nan=True)
    ]
    num = len(outputs[0])
    kept = None if len(same) == num or not same else tuple(same)
    return Part(inputs, is_row, kept, num)


def _output(layer: Any, given: Any, is_row: bool) -> Any:
    with in_float64():
        return layer(*given, training=False) if is_row else layer(given, training=False)


def _is_nest_of_tensors(value: Any) -> bool:
    flat = tf.nest.flatten(value)
    return bool(flat) and all(tf.is_tensor(part) for part in flat)


def _input_of(tensor: Any) -> Input:
    return Input(tuple(tensor.shape[1:]), dtype=tensor.dtype.name)


# --------------------------------------------------------------------------------------------------
#
# Weights that a check leaves as the factory made them, since a port may have its own of them.
#
# A model goes in; names come out. Other weights that are constant get other values in a check,
# which are carried into the port. What a port computes by itself, such as the statistics by which
# it normalises its data, has the values of the program alone.


def kept_as_built(reference: Reference) -> list[str]:
    """Returns the names of the weights of a model that keep the values of its factory.

    These are the statistics of a `Normalization` that has seen data; and, of a model with a
    `train_step` of its own, what no optimizer can move, and no network holds.
    """
    kept = {id(variable) for variable in _statistics(reference.model)}
    whole = whole_of(reference).model
    if whole is not reference.model:
        kept |= {id(variable) for variable in _constants(whole)}
    return [name for name, each in named_weights(reference.model).items() if id(each) in kept]


def _statistics(model: keras.Model) -> Iterator[keras.Variable]:
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, variance = (np.asarray(each) for each in layer.weights[:2])
            if mean.any() or (variance != 1).any():
                yield from layer.weights


def _constants(model: keras.Model) -> Iterator[keras.Variable]:
    for layer in parts_in(model).values():
        if not isinstance(layer, keras.Model) and not layer.trainable_variables:
            yield from layer.weights
    trained = {id(variable) for variable in model.trainable_variables}
    yield from (each for each in versions.direct_weights(model) if id(each) not in trained)

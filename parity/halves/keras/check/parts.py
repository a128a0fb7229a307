"""The parts of a model with a step of its own, called side by side, as one model.

A GAN, an autoencoder whose step calls encoder and decoder, or a teacher with a student has no
`call` that reaches all its weights. What such a model holds goes in: networks and layers. One model
comes out that takes an input for each of them, and returns what each makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Input, Reference
from parity.errors import InputError, told
from parity.halves.keras import versions
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.applied import applied
from parity.halves.keras.check.model import leaves
from parity.halves.keras.check.own_steps import own_steps
from parity.halves.keras.check.step_data import StepData
from parity.halves.keras.check.structure import as_fed
from parity.programs.check_spec import CheckSpec


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
        self.reference_of_whole = _Held(reference)
        self.parts = _Held(parts)
        if has_optimizer:
            self.compile(optimizer=self.whole.optimizer)

    def build(self, input_shape: Any) -> None:
        """Builds nothing: the parts are built when they are called."""

    def call(self, inputs: Any) -> Any:
        """Returns what each part makes of its input, by the names of the parts."""
        held = parts_in(self.whole)
        return {
            name: _called(held[name], part, inputs[name]) for name, part in self.parts().items()
        }


class _Held:
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
    held = model._flatten_layers(include_self=False, recursive=False)
    return {names.get(id(layer), layer.name): layer for layer in held}


def plan_of(reference: Reference, spec: CheckSpec) -> Plan | None:
    """Returns how a model with a `train_step` of its own is checked; None for another one.

    Args:
        reference: of the model, which makes a step of its own, if it has one.
        spec: of the check.

    Raises:
        InputError: inputs are not known, or the step raises.
    """
    model = reference.model
    if versions.IS_KERAS_2 or "train_step" not in own_steps(model):
        return None
    data = StepData(reference, spec)
    batch = data.batch("probe", data.sizes(1)[0])
    with watched_arguments() as seen, applied() as calls:
        make_step(model, data.as_given(batch))
    used = {id(call.optimizer) for call in calls}
    optimizers = tuple(n for n, each in optimizers_in(model).items() if id(each) in used)
    if _reaches_all(reference, batch.x):
        return Plan(None, optimizers)
    parts: dict[str, Part] = {}
    for name, layer in sorted(parts_in(model).items()):  # both halves call them in this order
        if layer.weights and id(layer) in seen:
            parts[name] = _part(layer, seen[id(layer)])
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
            f"the train_step of {type(model).__name__} raises {told(error)}; it "
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
    seen: dict[int, tuple[Any, ...]] = {}
    own = versions.Layer.__call__

    def watched(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        seen.setdefault(id(layer), arguments)
        return own(layer, *arguments, **keywords)

    versions.Layer.__call__ = watched
    try:
        yield seen
    finally:
        versions.Layer.__call__ = own


def _reaches_all(reference: Reference, x: Sequence[np.ndarray]) -> bool:
    """Whether the `call` of a model reaches all layers that have weights."""
    model = reference.model
    if type(model).call is keras.Model.call:
        return False
    try:
        with watched_arguments() as seen, in_float64():
            model(as_fed(reference, x), training=False)
    except NotImplementedError:
        return False
    return all(id(layer) in seen for layer in leaves(model) if layer.weights)


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

"""How much rounding alone may change: the reference runs a second time, with other weights."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.data.probe_inputs import single
from parity.halves.keras import versions
from parity.halves.keras.check.weights import named_variables
from parity.halves.keras.kinds import kind_of, perturb_scale
from parity.halves.keras.rounding import Perturbation
from parity.halves.keras.schedules import has_schedule
from parity.ladder.compare import absolute_difference
from parity.ladder.rounding import FLOAT64, LIMITS, OF_A_CONSTANT
from parity.traces.anchors import perturbed_one_by_one
from parity.traces.facts import KerasFacts
from parity.traces.trace import TraceWriter, largest_of

# --------------------------------------------------------------------------------------------------
#
# Constraints of weights in the probes: they have something to do, and their epsilon is noise.
#
# Keras's norms add 1e-7 to a denominator, which shrinks weights in every step by about as much as
# float32 rounds. A port may leave that out.


_GROWS, _MOST = 1.25, 1e4  # from try to try; and at most
_BITES = 0.1  # relative: so much a constraint changes one of the weights


def constraints_of(model: keras.Model) -> dict[str, Any]:
    """Returns the constraints of the weights that have one, by the name of the weight."""
    found = {n: getattr(v, "constraint", None) for n, v in named_variables(model).items()}
    return {name: constraint for name, constraint in found.items() if constraint is not None}


def constrained(name: str, weight: np.ndarray, constraints: Mapping[str, Any]) -> np.ndarray:
    """Returns a weight, or a multiple of it which its constraint changes.

    Args:
        name: of the weight.
        weight: with which a probe would begin.
        constraints: by the name of the weight.

    Returns:
        The least multiple that is tried and is changed; the weight itself if none is.
    """
    if (constraint := constraints.get(name)) is None:
        return weight
    factor = 1.0
    while factor <= _MOST:
        tried = weight * factor
        made = np.asarray(constraint(tf.constant(tried)))
        if np.abs(made - tried).max(initial=0.0) > _BITES * np.abs(tried).max(initial=0.0):
            return single(tried)
        factor *= _GROWS
    return weight


def leave_out_epsilon(layer: Any) -> None:
    """Lets Keras's constraints of the weights of a layer add nothing to their denominators."""
    if versions.IS_KERAS_2:
        return
    for variable in layer.trainable_variables:
        constraint = getattr(variable, "constraint", None)
        if constraint is not None and versions.is_from_keras(constraint):
            variable.constraint = _WithoutEpsilon(constraint)


class _WithoutEpsilon(keras.constraints.Constraint):
    def __init__(self, constraint: Any) -> None:
        self._constraint = constraint

    def __call__(self, weight: Any) -> Any:
        with versions.epsilon_times(0):
            return self._constraint(weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the constraint."""
        return dict(self._constraint.get_config())


# --- How much rounding alone may change: the reference runs a second time, perturbed --------------
#
# Constants that Keras rounds, and gradients, are moved by as much as rounding may change them. The
# difference of the two passes is the noise of each array.


# Parts of the keys of what was not computed.
_GIVEN = (
    "init/",
    "weights/",
    "input/",
    "target/",
    "metric_input/",
    "draw/",
    "weight/",
    "loss/confident/target",
)


def perturb_constants(model: keras.Model) -> None:
    """Moves constants that Keras keeps in float32, even in float64 runs, by one unit of float32.

    A port that writes 0.3 where TensorFlow computes with 0.30000001192 is right.
    """
    for layer in model._flatten_layers():
        perturb_scale(layer)
        leave_out_epsilon(layer)
        if not versions.is_from_keras(layer):
            _move_arrays(layer)
        # The output of a plain leaky ReLU is moved, and by less.
        if getattr(layer, "negative_slope", None) and kind_of(layer) != "activation:leaky_relu":
            layer.negative_slope = _next_float32(layer.negative_slope)
        for name in (
            "kernel",
            "depthwise",
            "pointwise",
            "bias",
            "recurrent",
            "beta",
            "gamma",
            "embeddings",
            "activity",
        ):
            regularizer = getattr(layer, f"{name}_regularizer", None)
            for factor in ("l1", "l2", "factor"):
                if getattr(regularizer, factor, None):
                    value = _next_float32(float(getattr(regularizer, factor)))
                    setattr(regularizer, factor, value)


def perturb_schedule(optimizer: Any) -> None:
    """Moves the rates of an optimizer's schedule."""
    if has_schedule(optimizer):
        optimizer._learning_rate = _Perturbed(optimizer._learning_rate)


def perturb_optimizer(optimizer: Any) -> None:
    """Moves all numbers that an optimizer keeps in float32: constants, and rates of a schedule.

    It computes with its constants as they were written. Keras makes float32 tensors of numbers of
    Python, in float64 runs too, but not of np.float64.
    """
    for name, value in list(vars(optimizer).items()):
        if type(value) is float:
            setattr(optimizer, name, _Written(value))
    perturb_schedule(optimizer)


def has_rounded_constants(optimizer: Any) -> bool:
    """Whether an optimizer has numbers that float32 cannot hold, or a schedule."""
    unused = () if getattr(optimizer, "use_ema", False) else ("ema_momentum",)
    used = [x for name, x in vars(optimizer).items() if name not in unused and type(x) is float]
    return has_schedule(optimizer) or any(float(np.float32(x)) != x for x in used)


_VARIABLES: Any = getattr(keras, "Variable", ())  # Keras 2 has those of TensorFlow


class _Written(np.float64):
    """A number in float64, which leaves an operation with a variable to the variable.

    NumPy would make an array of the variable, which a compiled step then never changes.
    """


def _leaving(name: str) -> Any:
    original = getattr(np.float64, name)

    def operation(self: Any, other: Any) -> Any:
        return NotImplemented if isinstance(other, _VARIABLES) else original(self, other)

    return operation


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(_Written, f"__{_name}__", _leaving(f"__{_name}__"))


def moved_by_constants(writer: ChangeWriter) -> dict[str, float]:
    """Returns how far the constants of optimizers move each array of a training.

    Args:
        writer: of a pass in which nothing but these constants was moved.

    Returns:
        The change of each array, relative to its largest value; nothing if what no optimizer has
        touched changed as well, since the model then is another one each time.
    """
    before = ("forward/", "loss/")
    if any(x > FLOAT64 for key, x in writer.changes.items() if key.startswith(before)):
        return {}
    trained = ("optimizer/", "trajectory/", "log/")
    return {key: x for key, x in writer.changes.items() if x and key.startswith(trained)}


def _move_arrays(layer: Any) -> None:
    """Moves the float32 constants that a layer of the user holds, such as means of colours."""
    for name, value in list(vars(layer).items()):
        if getattr(value, "dtype", None) in (np.float32, tf.float32) and not hasattr(value, "path"):
            moved = tf.cast(value, tf.float64) * (1 + OF_A_CONSTANT)
            object.__setattr__(layer, name, moved)


class _Perturbed(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose rates, which are float32, are moved by one unit in the last place."""

    def __init__(self, schedule: Any) -> None:
        self._schedule = schedule

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        return self._schedule(step) * (1 + 2.0**-23)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the schedule."""
        return dict(self._schedule.get_config())


def _next_float32(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def greatest_of(gradients: Sequence[Any]) -> float:
    """Returns the largest absolute value of all gradients together."""
    # Without the absolute values of all, which are as large as the gradient.
    ends = (max(float(tf.reduce_max(g)), -float(tf.reduce_min(g))) for g in gradients if g.shape)
    return max(ends, default=0.0)


def perturbed_gradient(
    gradient: Any, greatest: float, dtype: str, generator: np.random.Generator
) -> Any:
    """Moves a gradient by as much as rounding may change it, in relation to the largest of all.

    A gradient that cancels, such as that of a bias before a normalisation, is nothing but rounding.
    Its own size does not say how large that may be.

    Args:
        gradient: of a weight.
        greatest: largest absolute value of the gradients of all weights.
        dtype: of the port.
        generator: draws the changes.
    """
    limits = LIMITS[dtype]
    most = limits.floor / limits.factor * greatest
    changed = np.asarray(generator.uniform(-1, 1, size=gradient.shape))
    changed *= most  # in place, as large as the gradient
    changed += gradient
    return tf.convert_to_tensor(changed, gradient.dtype)


def perturbed_gradients(gradients: Sequence[Any], perturbation: Perturbation) -> list[Any]:
    """Moves all gradients of a step."""
    generator, greatest = np.random.default_rng(perturbation.seed), greatest_of(gradients)
    dtype = perturbation.dtype
    return [perturbed_gradient(each, greatest, dtype, generator) for each in gradients]


@dataclass
class ChangeWriter(TraceWriter[KerasFacts]):
    """Keeps of each array how far it is from that of the first pass, relative to its largest value.

    Attributes:
        first: arrays of the first pass.
        changes: by key.
        loss_changes: of the loss of each step of training, relative to the largest.
    """

    first: Mapping[str, np.ndarray] = field(default_factory=dict)
    changes: dict[str, float] = field(default_factory=dict)
    loss_changes: list[float] = field(default_factory=list)

    def put(self, key: str, array: Any) -> None:
        """Compares an array, and keeps it only if it was given and not computed."""
        if key.startswith(_GIVEN):
            super().put(key, array)
            return
        expected, array = self.first.get(key), np.asarray(array)
        if expected is None or expected.dtype.kind != "f" or expected.shape != array.shape:
            return
        if expected.size:
            changes = absolute_difference(expected, array) / (largest_of(expected) or 1.0)
            self.changes[key] = float(changes.max())
            if key == "trajectory/losses":
                self.loss_changes = changes.tolist()

    def put_same(self, key: str, other: str) -> None:
        """Gives an array the change of another one, which it is in both passes."""
        if other in self.changes:
            self.changes[key] = self.changes[other]


def noise_of(writers: Sequence[ChangeWriter]) -> dict[str, float]:
    """Returns the greatest change of each array by perturbations."""
    keys = writers[0].changes
    return {key: max(writer.changes[key] for writer in writers) for key in keys}


def loss_noise_of(writers: Sequence[ChangeWriter]) -> list[float]:
    """Returns the same for the loss of each step of training."""
    return [max(changes) for changes in zip(*(w.loss_changes for w in writers), strict=True)]


# --- The weights that a pass begins with, in less memory than a model has for them ----------------
#
# Every pass sets them several times, so they are kept beside the model, whatever its size.


class HeldWeights(Mapping[str, np.ndarray]):
    """Weights in half the memory: as float32 where that holds every value exactly.

    Those of a probe are drawn so. Each is returned as it was given, bit by bit, in a new array.

    Args:
        items: names and arrays.
    """

    def __init__(self, items: Iterable[tuple[str, np.ndarray]]) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._dtypes: dict[str, np.dtype] = {}
        for name, array in items:
            self._arrays[name], self._dtypes[name] = _halved(array), array.dtype

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name].astype(self._dtypes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


class MovedWeights(Mapping[str, np.ndarray]):
    """The weights of a perturbed pass, which are made anew whenever they are asked for.

    Args:
        weights: that are moved.
        perturbation: seed of the directions.
        dtype: by a unit of which they are moved.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], perturbation: int, dtype: str) -> None:
        self._weights, self._how = weights, (perturbation, dtype)

    def __getitem__(self, name: str) -> np.ndarray:
        # The directions of one depend on how many numbers come before it.
        for other, array in self.items():
            if other == name:
                return array
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)

    def items(self) -> ItemsView[str, np.ndarray]:
        """Returns names and arrays, of which one at a time is in memory."""
        return _Moved(self)

    def moved(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields names and arrays."""
        return perturbed_one_by_one(self._weights, *self._how)


class _Moved(ItemsView[str, np.ndarray]):
    _mapping: MovedWeights

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        return self._mapping.moved()


def _halved(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float64:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        halved = array.astype(np.float32)
    return (
        halved
        if (halved.astype(np.float64).view(np.int64) == array.view(np.int64)).all()
        else array
    )

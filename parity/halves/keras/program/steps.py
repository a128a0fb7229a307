"""Makes steps of a Keras program from any state, and notes what changes between two steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.check.noise import perturb_constants, perturb_optimizer
from parity.halves.keras.check.structure import in_input_structure
from parity.halves.keras.check.weights import get_weights, is_built, set_weights, trainable
from parity.halves.keras.factories import BATCH_SIZE, building
from parity.halves.keras.program.feed import rows_of
from parity.halves.keras.random_layers import float32_masks, generator_of
from parity.halves.keras.rounding import moved_activations
from parity.halves.keras.schedules import has_schedule
from parity.traces.anchors import FLOAT32, Anchor
from parity.traces.training_recorder import AnchoredSteps

# --- Float64Steps: makes steps of a user's Keras program in float64, from any state of it ---------
#
# The model's own `train_step` and `test_step` make them, with the metrics it was compiled with,
# with the masks of the training and with given rates.


# (x, y, weight), each a nest of arrays or None.
Batch = tuple[Any, Any, Any]


class Float64Steps:
    """Makes steps of a program in float64.

    Args:
        reference: built in float64, before its training.
        validation: batches that `made` may evaluate.
        dtype: of the training, whose masks are drawn.
        moves_constants: whether the constants that Keras keeps in float32 are moved by one unit in
            the last place, see `perturb_constants`.
    """

    def __init__(
        self,
        reference: Reference,
        validation: Sequence[Batch],
        dtype: str,
        *,
        moves_constants: bool = False,
    ) -> None:
        self._model: Any = reference.model
        self._reference = reference
        self._validation = validation
        self._masks = float32_masks if dtype == FLOAT32 else nullcontext
        self._activations = moved_activations if moves_constants else nullcontext
        self._initial: dict[int, np.ndarray] = {}  # of the optimizer, before its first step
        if moves_constants:
            perturb_constants(reference.model)
            perturb_optimizer(reference.model.optimizer)
        self._rate = tf.Variable(0.0, dtype=tf.float64)
        if has_schedule(self._model.optimizer):
            self._model.optimizer._learning_rate = _Given(self._rate)

    def made(self, anchor: Anchor, *, validates: bool) -> AnchoredSteps:
        """Returns what the steps from a state compute.

        Args:
            anchor: the state; its batches in float64.
            validates: whether to evaluate the validation batches first.
        """
        with building("float64"), versions.top_k_in_float32(), self._masks(), self._activations():
            return self._made(anchor, validates)

    def _made(self, anchor: Anchor, validates: bool) -> AnchoredSteps:
        model = self._model
        if not self._initial:
            self._begin(self._restructured(anchor.batches[0]))
        self._load(anchor)
        made = AnchoredSteps(anchor.weights, len(anchor.rates))
        if validates and self._validation:
            model.reset_metrics()
            for batch in self._validation:
                logs = model.test_function(iter([self._restructured(batch)]))
            made.keep_validation(_numbers(logs))
            self._load(anchor)  # a test may draw random numbers
        model.reset_metrics()
        # The mean of an output's loss is one over batches in `fit`, whose graph does not know their
        # size. This graph does, and weights them by it.
        parts = {f"{name}_loss" for name in getattr(model, "output_names", ())}
        for rate, batch in zip(anchor.rates, anchor.batches, strict=True):
            self._rate.assign(rate)
            if not has_schedule(model.optimizer):
                model.optimizer.learning_rate = rate
            logs = _numbers(model.train_function(iter([self._restructured(batch)])))
            made.keep(logs["loss"], {name: v for name, v in logs.items() if name not in parts})
            made.keep_state(get_weights(model), slots_of(model))
        return made

    def _restructured(self, batch: Batch) -> Batch:
        return (in_input_structure(self._reference, batch[0]), *batch[1:])

    def _begin(self, batch: Batch) -> None:
        """Creates weights, slots and metrics, the last of which a first step makes."""
        model = self._model
        if not is_built(model):
            model(batch[0], training=False)
        versions.build_optimizer(model.optimizer, model.trainable_variables)
        state = versions.state_of(model.optimizer)
        self._initial = {id(variable): variable.numpy() for variable in state}
        x, y, weight = keras.tree.map_structure(_tensor, batch)
        # A graph that makes variables is traced twice.
        is_eager, model.run_eagerly = model.run_eagerly, True
        model.train_on_batch(x, y, sample_weight=weight)
        model.run_eagerly = is_eager
        model.make_train_function(force=True)
        model.make_test_function()

    def _load(self, anchor: Anchor) -> None:
        """Puts the model and its optimizer into the state of an anchor."""
        model = self._model
        set_weights(model, anchor.weights)
        for layer in model._flatten_layers():
            generator = generator_of(layer)
            if generator is not None and layer.name in anchor.masks:
                state = generator.state
                state.assign(anchor.masks[layer.name].astype(state.dtype))
        kept = dict(anchor.others)
        optimizer = model.optimizer
        variables = {variable_name(optimizer, v): v for v in versions.state_of(optimizer)}
        for name, variable in trainable(model).items():
            for slot, value in versions.slots(optimizer, variable):
                if name in anchor.slots.get(slot, {}):
                    kept[variable_name(optimizer, value)] = anchor.slots[slot][name]
        for name, variable in variables.items():  # `fit` creates slots in its first step
            if name != "learning_rate":
                variable.assign(kept.get(name, self._initial[id(variable)]))


class _Given(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose rate is given."""

    def __init__(self, rate: tf.Variable) -> None:
        self._given = rate

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        return self._given

    def get_config(self) -> dict[str, Any]:
        """Returns no settings."""
        return {}


def _tensor(array: Any) -> Any:
    return None if array is None else tf.convert_to_tensor(array)


def cast_batch(batch: Sequence[Any], dtype: str) -> Batch:
    """Returns a batch whose real numbers are float64, with the values that a dtype has of them."""

    def cast(array: Any) -> Any:
        if array is None or np.asarray(array).dtype.kind != "f":
            return array
        return np.asarray(array).astype(dtype).astype(np.float64)

    x, y, weight = keras.tree.map_structure(cast, tuple(batch))
    return x, y, weight


def with_exact_weights(batch: Batch, class_weight: Mapping[int, float], dtype: str) -> Batch:
    """Returns a batch with the weights of classes as the program has them.

    Args:
        batch: its weights are those of a dtype, as `fit` makes them.
        class_weight: of the program.
        dtype: of the training.
    """
    x, y, weight = batch
    if weight is None:
        return batch
    rounded = np.asarray(weight)
    exact = rounded.copy()
    for each in class_weight.values():
        exact[rounded == np.dtype(dtype).type(each)] = each
    return x, y, exact


def validation_batches(reference: Reference, nests: Mapping[str, Any], dtype: str) -> list[Batch]:
    """Returns the batches of one validation, in float64.

    Args:
        reference: says how large they are, and how many.
        nests: `val`, (x, y) or (x, y, weight); or `val_batches`; or neither.
        dtype: of the training.
    """
    steps = reference.validation_steps
    if "val_batches" in nests:
        found = [keras.utils.unpack_x_y_sample_weight(batch) for batch in nests["val_batches"]]
        return [cast_batch(batch, dtype) for batch in found[:steps]]
    if "val" not in nests:
        return []
    x, y, weight = (*nests["val"], None)[:3]
    size = reference.validation_batch_size or reference.batch_size or BATCH_SIZE
    number = math.ceil(len(keras.tree.flatten(x)[0]) / size)
    return [
        cast_batch(rows_of((x, y, weight), slice(n * size, (n + 1) * size)), dtype)
        for n in range(number if steps is None else min(steps, number))
    ]


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of an epoch so far; metrics that are no scalar are left out."""
    return {name: float(np.asarray(v)) for name, v in logs.items() if np.ndim(v) == 0}


def slots_of(model: keras.Model) -> dict[str, dict[str, np.ndarray]]:
    """Returns the slots of the optimizer: slot -> weight -> array."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, variable in trainable(model).items():
        for slot, value in versions.slots(model.optimizer, variable):
            found.setdefault(slot, {})[name] = value.numpy()
    return found


def others_of(model: keras.Model) -> dict[str, Any]:
    """Returns what an optimizer keeps beside its rate and the slots of weights, by name."""
    optimizer: Any = model.optimizer
    known = {id(s) for v in trainable(model).values() for _, s in versions.slots(optimizer, v)}
    found = {}
    for variable in versions.state_of(optimizer):
        name = variable_name(optimizer, variable)
        if id(variable) not in known and name != "learning_rate":
            found[name] = variable
    return found


def masks_of(model: keras.Model) -> dict[str, list[int]]:
    """Returns the states of the generators of layers: name -> seed and number of draws so far."""
    found = {}
    for layer in model._flatten_layers():
        if (generator := generator_of(layer)) is not None:
            found[layer.name] = [int(value) for value in np.asarray(generator.state)]
    return found


def variable_name(optimizer: Any, variable: Any) -> str:
    """Returns the name of a variable of an optimizer: that of its attribute, else of its path."""
    # Nadam makes the product of its momentums without a name.
    found = (name.strip("_") for name, value in vars(optimizer).items() if value is variable)
    return next(found, str(versions.path_of(variable).rpartition("/")[2]))


# --- What changes between two steps of a training: weights and what an optimizer keeps ------------


class Values:
    """Weights and what an optimizer keeps but the rate, as they are now.

    The variables are looked up again when there are others: slots come with the first step, and a
    layer may be trained from some epoch on.

    Args:
        model: that is trained.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model: Any = model
        self._variables: list[Any] = []
        self._before: list[Any] = []
        self._numbers: tuple[int, ...] = ()

    def read(self) -> dict[int, tf.Tensor]:
        """Returns all values, by the identities of their variables; see `value_of`."""
        model = self._model
        parts = (model.variables, model.trainable_variables, versions.state_of(model.optimizer))
        if (numbers := tuple(map(len, parts))) != self._numbers:
            # Those before are kept, so that no other variable gets the identity of one of them.
            self._before, self._variables = self._variables, self._found()
            self._numbers = numbers
        return {id(variable): value_of(variable) for variable in self._variables}

    def _found(self) -> list[Any]:
        model = self._model
        found = [v for v in model.weights if versions.is_weight(v)]
        for variable in trainable(model).values():
            found += [value for _, value in versions.slots(model.optimizer, variable)]
        return [*found, *others_of(model).values()]


def value_of(variable: Any) -> tf.Tensor:
    """Returns the value of a variable; `tf.convert_to_tensor` takes ten times as long.

    It shares the memory of the variable until that is changed: in every step, copies are dear.
    """
    inner = variable if isinstance(variable, tf.Variable) else getattr(variable, "value", None)
    if isinstance(inner, tf.Variable):
        return tf.raw_ops.ReadVariableOp(resource=inner.handle, dtype=inner.dtype)
    return tf.convert_to_tensor(variable)


def num_changed(before: Mapping[int, tf.Tensor], now: Mapping[int, tf.Tensor]) -> int:
    """Returns how many values are not those before.

    Args:
        before: of weights and slots, by variable; none in front of the first step.
        now: later ones. Variables that are not in both are left out.
    """
    both = before.keys() & now.keys()
    arrays = [(np.asarray(before[key]), np.asarray(now[key])) for key in both]
    # A value that is no number stays the same.
    return sum(
        int(((a != b) & ~((a != a) & (b != b))).sum())
        for a, b in arrays
        if not np.array_equal(a, b)
    )


# --- PhantomSteps: notes the steps that Keras makes without a batch -------------------------------
#
# The end of a stream of unknown length is found only when a step asks for its next batch. By then,
# the compiled step has done all that needs no batch: it has counted itself, drawn the numbers of
# dropout masks, applied weight decay, and multiplied Nadam's product of momentums. None of it is
# undone. (keras 3.15 with TensorFlow; a known length, or `steps_per_epoch`, keeps it from
# happening.)


_SAME = 1e-5  # relative: float32 rounds a decayed weight by 6e-8 of it


class PhantomSteps(keras.callbacks.Callback):
    """The first callback of a `fit` on batches of unknown number.

    Args:
        on_found: called after each of them, before any other callback sees the end of the epoch.

    Attributes:
        told: by the number of the epoch: "count" of the steps, and the state after them: "masks",
            layer -> (seed, number of draws), "others", what the optimizer keeps, and "factors",
            weight -> by what it was multiplied; None: it was changed otherwise.
    """

    def __init__(self, on_found: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._on_found = on_found
        self._num_made = 0  # phantom steps included
        self._weights: dict[str, tf.Tensor] = {}  # after the last step with a batch
        self._found: dict[str, Any] = {}  # in this epoch
        self.told: dict[str, dict[str, Any]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first step."""
        self._num_made = self._counted()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a step."""
        self._num_made += 1
        if getattr(self.model.optimizer, "weight_decay", None):
            self._weights = _weights(self.model)

    def on_test_begin(self, logs: Any = None) -> None:
        """After the last step of an epoch, if it is validated."""
        self._look()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch."""
        self._look()
        if self._found:
            self.told[str(epoch)] = self._found
            self._found = {}

    def _look(self) -> None:
        count = self._counted() - self._num_made
        if count <= 0:
            return
        self._num_made += count
        model: Any = self.model
        now = _weights(model)
        both = {name: (weight.numpy(), now[name].numpy()) for name, weight in self._weights.items()}
        factors = {name: _factor(*pair) for name, pair in both.items() if not np.array_equal(*pair)}
        others = {
            name: float(value.numpy()) for name, value in others_of(model).items() if not value.ndim
        }
        self._found = {
            "count": count,
            "masks": masks_of(model),
            "others": others,
            "factors": factors,
        }
        if self._on_found is not None:
            self._on_found()

    def _counted(self) -> int:
        optimizer: Any = self.model.optimizer
        return int(optimizer.iterations)


def _weights(model: keras.Model) -> dict[str, tf.Tensor]:
    return {name: value_of(variable) for name, variable in trainable(model).items()}


def _factor(before: np.ndarray, after: np.ndarray) -> float | None:
    """Returns the factor between two weights; None if there is no common one."""
    is_some = before != 0
    ratios = after[is_some].astype(np.float64) / before[is_some].astype(np.float64)
    if not ratios.size:
        return None
    factor = float(np.median(ratios))
    return factor if np.abs(ratios - factor).max() <= _SAME * abs(factor) else None

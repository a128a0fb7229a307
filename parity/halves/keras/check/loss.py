"""The loss of a Keras model: its value for extreme outputs, and its penalties.

A compiled model goes in; `loss/confident/…` comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.errors import told
from parity.halves.keras import versions
from parity.halves.keras.call import Call
from parity.halves.keras.check.objective import Batch, Objective
from parity.halves.keras.check.output_losses import is_kerass, name_of
from parity.halves.keras.check.outputs import activation, last_of
from parity.halves.keras.check.sequence_masks import confident_of, counts_of_outputs
from parity.halves.keras.check.target_forms import kind_of
from parity.halves.keras.rounding import Perturbation
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter, keyed

# Kind of targets -> how the probabilities that a loss of these takes follow from logits.
_OF_LOGITS = {
    "classes": keras.activations.softmax,
    "one_hot": keras.activations.softmax,
    "binary": keras.activations.sigmoid,
}


def loss_name(model: keras.Model) -> str | None:
    """Returns the name of a compiled loss: "sparse_categorical_crossentropy"; None without one."""
    return name_of(getattr(model, "loss", None))


def kind_of_targets(model: keras.Model) -> str:
    """Returns the kind of targets that the model's loss takes: "classes", "one_hot", "values"..."""
    return kind_of(getattr(model, "loss", None))[0]


def penalties(model: keras.Model) -> Any:
    """Returns what layers add to the loss that training minimises: penalties, and `add_loss`."""
    found = [tf.reduce_sum(tf.cast(value, tf.float64)) for value in model.losses]
    return tf.add_n(found) if found else 0.0


def adding_layers(model: keras.Model) -> list[str]:
    """Returns the names of what has called `add_loss` in the last pass, the model itself included.

    A layer with an activity regulariser does so too; it is told by its configuration.
    """
    return [layer.name for layer in _adding(model)]


def added_losses(model: keras.Model) -> Any:
    """Returns the sum of what these have added: a part of `penalties`."""
    found = [loss for layer in _adding(model) for loss in layer._losses]
    return tf.add_n([tf.reduce_sum(tf.cast(x, tf.float64)) for x in found]) if found else 0.0


def _adding(model: keras.Model) -> list[Any]:
    return [
        layer
        for layer in model._flatten_layers()
        if getattr(layer, "_losses", None) and getattr(layer, "activity_regularizer", None) is None
    ]


def write_confident_loss(
    spec: CheckSpec,
    objective: Objective,
    calls: list[Call],
    outputs: Mapping[str, Any],
    writer: TraceWriter,
    perturbation: Perturbation | None,
) -> None:
    """Writes the loss of given confident outputs, right and wrong ones, without the model.

    Args:
        spec: settings of the check.
        objective: of the model.
        calls: of its last pass.
        outputs: that it made, by name.
        writer: receives `loss/confident/…`, and the facts `output_activation`, of the only output,
            `confident`: false if there is no such loss, and `activated`: the outputs that are given
            behind their activation, since its name does not say all of it.
        perturbation: how rounded numbers are moved.
    """
    model = objective.model
    made_by = calls[-1:] if objective.is_one else calls
    lasts = {name: _activation(output, made_by) for name, output in outputs.items()}
    only = lasts.get("")
    writer.facts["output_activation"] = None if only is None else activation(only)
    given, targets = {}, {}
    counts = counts_of_outputs(outputs)
    # A port's loss divides what it adds for the last batch by the number of outputs that it gets.
    is_of_batch = any(getattr(layer, "_losses", None) for layer in model._flatten_layers())
    for name, last in list(lasts.items()):
        linear, y = objective.confident(name, spec.dtype)
        if counts or is_of_batch:
            num_rows = int(outputs[name].shape[0])
            linear, y = confident_of(linear, y, objective.kinds[name], counts.get(name), num_rows)
        targets[name] = y
        if last is not None and not _is_known(last, linear):
            linear, lasts[name] = _applied(activation_of(last), linear), None
            writer.facts.setdefault("activated", []).append(name)
        elif last is None and _takes_probabilities(objective, name):  # activated further up
            linear = _OF_LOGITS[objective.kinds[name]](tf.constant(linear)).numpy()
        given[name] = linear
    batch = objective.weighted("confident", targets)
    before = {name: tf.Variable(linear) for name, linear in given.items()}
    try:
        with tf.GradientTape() as tape:
            made = {name: tf.convert_to_tensor(variable) for name, variable in before.items()}
            for name, last in lasts.items():
                if last is not None:
                    made[name] = activation_of(last)(made[name])
                if counts:
                    made[name] = versions.with_masks_of(made[name], outputs[name])
            output = objective.packed(made)
            value = objective.value(output, batch)
        slopes = tape.gradient(value, before)
        parts = objective.parts(output, batch)
        unweighted = objective.value(output, Batch(targets)) if batch.has_weights else None
    except Exception as error:  # a loss of the user may raise for other outputs than the model's
        _leave_out(writer, f"it raises for them ({told(error)})")
        return
    if not np.isfinite(float(value)):
        _leave_out(writer, f"it is {float(value)} for them")
        return
    found = {n: np.zeros_like(given[n]) if s is None else s.numpy() for n, s in slopes.items()}
    for name in _of_probabilities(objective, lasts) if perturbation else ():
        changes = _of_rounded_probabilities(given[name], targets[name], spec.dtype)
        weight = objective.loss_weights[name]
        value, found[name] = value + weight * changes[0], found[name] + weight * changes[1]
        if name in parts:
            parts[name] += changes[0]
    for name, linear in given.items():
        writer.put(keyed("loss/confident/linear", name), linear)
        writer.put(keyed("loss/confident/target", name), targets[name])
        writer.put(keyed("loss/confident/gradient", name), found[name])
    writer.put("loss/confident/value", value)
    for name, part in parts.items():
        writer.put(f"loss/confident/of/{name}", part)
    if unweighted is not None:
        writer.put("loss/confident/unweighted", unweighted)
        objective.put_weights(batch, "confident", writer)
    penalty, added = float(penalties(model)), float(added_losses(model))
    if penalty:
        writer.put("loss/confident/penalty", penalty)
    if added:
        writer.put("loss/confident/added", added)


def _of_probabilities(objective: Objective, lasts: Mapping[str, Call | None]) -> list[str]:
    """Returns the outputs whose loss is a crossentropy that a port may take of probabilities.

    One of the user's own may have a crossentropy inside.
    """
    return [
        name
        for name, last in lasts.items()
        if last is not None
        and objective.kinds[name] == "binary"
        and _may_be_crossentropy(objective.losses[name])
    ]


def _may_be_crossentropy(loss: Any) -> bool:
    return "crossentropy" in (name_of(loss) or "") or not is_kerass(loss)


def _leave_out(writer: TraceWriter, why: str) -> None:
    writer.facts["confident"] = False
    entry = {"what": "the loss of confident outputs", "why": why, "arrays": []}
    writer.facts.setdefault("not_compared", []).append(entry)


def _activation(output: Any, calls: list[Call]) -> Call | None:
    """Returns the call that made an output, if it is an activation."""
    last = last_of(output, calls)
    return last if last is not None and activation(last) is not None else None


def _is_known(call: Call, linear: np.ndarray) -> bool:
    """Whether the name of an activation says what it computes: Keras's of that name, as it is.

    A gelu may approximate, a leaky ReLU may have another slope, and a function of the user's may
    have any name.
    """
    try:
        named = keras.activations.get(activation(call))
    except ValueError:  # Keras has none of that name
        return False
    theirs = _applied(activation_of(call), linear)
    return bool(np.allclose(_applied(named, linear), theirs, rtol=1e-12, atol=0))


def _applied(function: Any, linear: np.ndarray) -> np.ndarray:
    return np.asarray(function(tf.constant(linear)))


def _takes_probabilities(objective: Objective, name: str) -> bool:
    loss = objective.losses[name]
    is_crossentropy = "crossentropy" in (name_of(loss) or "")
    takes_logits = getattr(loss, "from_logits", False)
    return is_crossentropy and objective.kinds[name] in _OF_LOGITS and not takes_logits


def _of_rounded_probabilities(
    linear: np.ndarray, y: np.ndarray, dtype: str
) -> tuple[float, np.ndarray]:
    """Returns how much a binary crossentropy and its gradient change if p moves by one unit.

    Keras takes the logits if it can. A port may take the probabilities, and near 1 these have lost
    the digits of 1 - p: log(1 - p) is off by 2**-53 / (1 - p), in float32 by 2**-24. Below
    1e-9 that is more than a comparison could tell, and such outputs are saturated.
    """
    y = y.reshape(linear.shape)
    right = 1 / (1 + np.exp(-np.where(y > 0.5, linear, -linear)))  # p of the right answer, exactly
    lost = np.where(right > 1e-9, np.finfo(dtype).eps / 2 / right, 0.0)
    return float(lost.mean()), lost * (1 - right) / lost.size


def activation_of(call: Call) -> Any:
    """Returns the activation that a call applied: a layer or a function of a tensor."""
    if call.layer is None:  # an operation, or the activation of a layer
        return call.again
    return getattr(call.layer, "activation", call.layer)

"""The loss of a Keras model: its arguments, and its value for extreme outputs.

A compiled model goes in; `loss/confident/…` comes out. For the stages that compute losses of
batches, this file also has the kind of targets, the sample weights and the penalties.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.calls import Call
from keras_impl.harness.check.sequence_masks import confident_of, counted_in
from keras_impl.harness.factories import Reference
from keras_impl.harness.rounding import Perturbation
from parity.data.samples import Samples
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

# Loss -> kind of its targets.
_TARGETS = {
    "sparse_categorical_crossentropy": "classes",
    "categorical_crossentropy": "one_hot",
    "categorical_focal_crossentropy": "one_hot",
    "kl_divergence": "distribution",
    "categorical_hinge": "one_hot",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "hinge": "binary",
    "squared_hinge": "binary",
    "poisson": "counts",
}


# Kind of targets -> how the probabilities that a loss of these takes follow from logits.
_OF_LOGITS = {
    "classes": keras.activations.softmax,
    "one_hot": keras.activations.softmax,
    "binary": keras.activations.sigmoid,
}


def loss_name(model: keras.Model) -> str | None:
    """Returns the name of a compiled loss: "sparse_categorical_crossentropy"; None without one."""
    loss = getattr(model, "loss", None)
    if loss is None or isinstance(loss, dict | list | tuple):
        return None
    if isinstance(loss, str):
        found = keras.losses.get(loss)
        return getattr(found, "__name__", getattr(found, "name", loss))
    return str(getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__)))


def kind_of_targets(model: keras.Model) -> str:
    """Returns the kind of targets that the model's loss takes: "classes", "one_hot", "values"..."""
    return _TARGETS.get(loss_name(model) or "", "values")


def sample_weight(reference: Reference, y: np.ndarray) -> np.ndarray | None:
    """Returns the weight of each sample, which is that of its class; None without class weights."""
    if reference.class_weight is None:
        return None
    labels = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    return np.array([float(reference.class_weight.get(int(label), 1.0)) for label in labels])


def penalties(model: keras.Model) -> Any:
    """Returns the sum of all penalties, a part of the loss that training minimises."""
    return tf.add_n([tf.cast(value, tf.float64) for value in model.losses]) if model.losses else 0.0


def write_confident_loss(
    spec: CheckSpec,
    reference: Reference,
    calls: list[Call],
    output: Any,
    writer: TraceWriter,
    perturbation: Perturbation | None,
) -> None:
    """Writes the loss of given confident outputs, right and wrong ones, without the model."""
    model = reference.model
    last = calls[-1]
    is_activated = last.kind.startswith("activation:") and last.output is output
    shape = tuple(output.shape[1:])
    kind = kind_of_targets(model)
    linear, y = Samples.confident(spec.seed, kind, shape, spec.dtype)
    counts = counted_in(output)
    if counts is not None:
        linear, y = confident_of(linear, y, kind, counts, len(counts))
    takes_logits = getattr(model.loss, "from_logits", False)
    is_crossentropy = "crossentropy" in (loss_name(model) or "")
    if not is_activated and is_crossentropy and kind in _OF_LOGITS and not takes_logits:
        linear = _OF_LOGITS[kind](tf.constant(linear)).numpy()  # the activation is further up
    before = tf.Variable(linear)
    with tf.GradientTape() as tape:
        tensor = tf.convert_to_tensor(before)
        if is_activated:
            tensor = activation_of(model, last)(tensor)
        if counts is not None:
            tensor = versions.with_masks_of(tensor, output)
        value = versions.loss_of(model, y, tensor, sample_weight(reference, y))
    slope = tape.gradient(value, before)
    slope = np.zeros_like(linear) if slope is None else slope.numpy()
    if perturbation and is_activated and is_crossentropy and kind == "binary":
        changes = _of_rounded_probabilities(linear, y, perturbation.dtype)
        value, slope = value + changes[0], slope + changes[1]
    writer.put("loss/confident/linear", linear)
    writer.put("loss/confident/target", y)
    writer.put("loss/confident/value", value)
    writer.put("loss/confident/gradient", slope)
    writer.facts["output_activation"] = last.kind.partition(":")[2] if is_activated else None


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


def activation_of(model: keras.Model, call: Call) -> Any:
    """Returns the activation that a call of a model applied."""
    name = call.name.removesuffix(".activation")
    layer = next(layer for layer in model._flatten_layers() if layer.name == name.partition("#")[0])
    return getattr(layer, "activation", layer)

"""run_probe: writes every level of the ladder below the trajectory into a trace.

It makes the same calls in the same order as `torch_impl/harness/probe.py`, so that both halves draw
the same masks. Levels from structure to optimizer are computed in float64, where a difference is
not rounding but another computation. The feed has the dtype of the run. Only public API is used: a
functional model over the layers' outputs, a gradient tape, `train_on_batch`, and for the feed a
model whose `train_step` writes down its batch.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.data import training_data
from keras_impl.models import build_model
from keras_impl.weights import KINDS, get_weights, named_layers, named_variables
from parity.data.dataset import Data
from parity.data.probe_batch import (
    NUM_FEED_EPOCHS,
    NUM_FEED_IMAGES,
    NUM_MASKS,
    NUM_PROBE_STEPS,
    PROBE_STEPS,
    probe_batch,
    probe_step_batch,
)
from parity.programs.run_spec import RunSpec
from parity.traces.trace import TraceWriter

PARAMETERS = ("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical")


def run_probe(spec: RunSpec, data: Data, writer: TraceWriter) -> None:
    """Writes masks, feed, structure, init, forward, loss, gradient and optimizer of a spec.

    Args:
        spec: the run, which is not trained here.
        data: the arrays of the run.
        writer: receives `mask/...`, `feed/...`, `init/...`, `forward/...`, `loss/...`,
            `gradient/...`, `optimizer/...`, and the facts `structure` and `settings`.
    """
    _write_masks_and_feed(spec, data, writer)
    spec = spec.replace(dtype="float64")
    model = build_model(spec, data.input_shape, data.num_classes)
    writer.facts["structure"] = _structure(model)
    writer.facts["settings"] = _settings(model)
    writer.put_all("init", get_weights(model))
    x, y = probe_batch(spec, data)
    outputs_of = keras.Model(model.inputs[0], {n: layer.output for n, layer in named_layers(model)})
    for mode in ("eval", "train"):
        outputs = outputs_of(x, training=mode == "train")
        last = list(dict(named_layers(model)))[-1]
        writer.put(f"loss/{mode}", model.compute_loss(x, y, outputs[last]).numpy())
        writer.put_all(f"forward/{mode}", {name: out.numpy() for name, out in outputs.items()})
    variables = dict(named_variables(model))
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in variables.values()])
    writer.put("loss/gradient", loss.numpy())
    for name, gradient in zip(variables, gradients, strict=True):
        writer.put(f"gradient/{name}", gradient.numpy())
    _write_optimizer(spec, data, model, writer)


def _write_masks_and_feed(spec: RunSpec, data: Data, writer: TraceWriter) -> None:
    # The model comes first: its construction draws from the generators before the data do.
    model = build_model(spec, data.input_shape, data.num_classes)
    _write_masks(spec, model, writer)
    train = training_data(spec, data)
    index = np.arange(len(data.x_train))
    drawn: list[dict[str, Any]] = []
    if spec.augmentation is None:
        train["sample_weight"] = index
    else:
        flow = train["x"]
        flow.sample_weight = index
        draw = flow.image_data_generator.get_random_transform

        def draw_and_note(*args: Any) -> dict[str, Any]:
            drawn.append(draw(*args))
            return drawn[-1]

        flow.image_data_generator.get_random_transform = draw_and_note
    recorder = _FeedRecorder()
    recorder.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    num_epochs = min(spec.epochs, NUM_FEED_EPOCHS)
    recorder.fit(**train, epochs=num_epochs, verbose=0)
    images, labels, order = (np.concatenate(parts) for parts in zip(*recorder.fed, strict=True))
    # `fit` also draws for the batches that it peeks at; the batches that it feeds come last.
    drawn = drawn[len(drawn) - len(order) :] if drawn else []
    for epoch in range(num_epochs):
        rows = slice(epoch * len(index), (epoch + 1) * len(index))
        writer.put(f"feed/{epoch}/index", order[rows].astype(np.int64))
        writer.put(f"feed/{epoch}/labels", labels[rows].astype(np.int64))
        writer.put(f"feed/{epoch}/images", images[rows][:NUM_FEED_IMAGES])
        for name in PARAMETERS if drawn else ():
            values = [float(parameters[name]) for parameters in drawn[rows]]
            writer.put(f"feed/{epoch}/{name}", np.array(values))


def _write_masks(spec: RunSpec, model: keras.Model, writer: TraceWriter) -> None:
    """Writes what each Dropout keeps of a batch of ones, for a few calls in the run's dtype."""
    for name, layer in named_layers(model):
        if isinstance(layer, keras.layers.Dropout):
            ones = tf.ones((spec.batch_size, *layer.output.shape[1:]), dtype=spec.dtype)
            masks = [layer(ones, training=True).numpy() > 0 for _ in range(NUM_MASKS)]
            writer.put(f"mask/{name}", np.stack(masks))


class _FeedRecorder(keras.Model):
    """Writes down what `fit` feeds it. It draws no random numbers and learns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.fed: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def call(self, x: Any) -> Any:
        """Returns an output that nobody uses; a model must have one."""
        return x

    def train_step(self, batch: Any) -> dict[str, float]:
        """Keeps images, labels, and the sample numbers, which are passed as sample weights."""
        x, y, index = batch
        self.fed.append((x.numpy(), y.numpy(), index.numpy()))
        return {"loss": 0.0}


def _structure(model: keras.Model) -> dict[str, Any]:
    """Describes the network in names that both halves share."""
    layers = []
    for name, layer in named_layers(model):
        facts: dict[str, Any] = {
            "name": name,
            "kind": KINDS[type(layer).__name__],
            "output_shape": list(layer.output.shape[1:]),
        }
        if hasattr(layer, "activation"):
            facts["activation"] = layer.activation.__name__
        layers.append(facts)
    return {
        "layers": layers,
        "parameters": {name: list(value.shape) for name, value in named_variables(model)},
        "dtype": model.trainable_variables[0].dtype,
    }


def _settings(model: keras.Model) -> dict[str, Any]:
    """Returns the settings of each part. Each is compared at the level where it acts."""
    optimizer = model.optimizer
    return {
        "layers": {
            name: {"rate": layer.rate}
            for name, layer in named_layers(model)
            if isinstance(layer, keras.layers.Dropout)
        },
        "l2": {
            # The regulariser casts it through float32, in float64 runs too.
            name: float(np.float32(layer.kernel_regularizer.l2))
            for name, layer in named_layers(model)
            if getattr(layer, "kernel_regularizer", None) is not None
        },
        "optimizer": {
            "name": type(optimizer).__name__.lower(),
            "learning_rate": float(optimizer.learning_rate.numpy()),
            "beta_1": optimizer.beta_1,
            "beta_2": optimizer.beta_2,
            "epsilon": optimizer.epsilon,
            "weight_decay": optimizer.weight_decay or 0.0,
        },
    }


def _write_optimizer(spec: RunSpec, data: Data, model: keras.Model, writer: TraceWriter) -> None:
    losses = []
    # A step that makes variables of its own is traced twice: the optimizer's, the metric's.
    model.optimizer.build(model.trainable_variables)
    x, y = probe_batch(spec, data)
    model.compute_metrics(x, y, model(x, training=False))
    for step in range(1, NUM_PROBE_STEPS + 1):
        x, y = probe_step_batch(spec, data, step)
        losses.append(float(model.train_on_batch(x, y, return_dict=True)["loss"]))
        if step in PROBE_STEPS:
            writer.put_all(f"optimizer/{step}/weights", get_weights(model))
            for slot in ("momentum", "velocity"):
                slots = [v for v in model.optimizer.variables if v.name.endswith(slot)]
                names = [name for name, _ in named_variables(model)]
                for name, variable in zip(names, slots, strict=True):
                    writer.put(f"optimizer/{step}/{slot}/{name}", variable.numpy())
    writer.put("optimizer/losses", np.array(losses))

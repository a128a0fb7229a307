"""run_check: what a Keras model computes in every part of its training, written down.

The reference of `parity check`: everything in float64, in the portable layout. Two passes, the
second with every weight moved by one unit in the last place, and what is rounded elsewhere moved
likewise: what that changes is what rounding alone explains, and what a port may differ by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl import versions
from keras_impl.calls import Call, plain_config, recorded_calls
from keras_impl.subject import Reference, build_subject
from parity import probe_inputs
from parity.check_spec import CheckSpec
from parity.compare import absolute_difference
from parity.errors import InputError
from parity.nudge import nudged
from parity.samples import Samples
from parity.tolerance import FLOAT64, NOISE_FACTOR
from parity.trace import TraceWriter

SMALL_MODEL = 200_000  # parameters; a larger one is initialised once, not NUM_DRAWS times
NUM_DRAWS = 5
MAX_INIT_ENTRIES = 20_000
# Loss -> what its targets are.
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


def run_check(spec: CheckSpec, factory: Callable[[], Any], writer: TraceWriter) -> None:
    """Probes the model that a factory builds.

    Args:
        spec: how.
        factory: returns a compiled model or a Reference.
        writer: receives the arrays `init/…`, `weights/…`, `input/…`, `target/…`, `forward/…`,
            `loss/…`, `gradient/…`, `optimizer/…`, `trajectory/…`, `schedule/…`, and the facts.

    Raises:
        InputError: the model cannot be probed.
    """
    versions.use_float64()
    reference = build_subject(factory, spec.seed)
    samples = Samples(spec, _signature(reference))
    _build(reference, samples)

    def rebuilt(nudge: int) -> Reference:
        subject = build_subject(factory, spec.seed)
        _build(subject, samples)
        if nudge:
            _nudge_constants(subject.model)
        return subject

    _write_init(spec, factory, reference, samples, writer)
    weights = probe_inputs.filled(spec.seed, get_weights(reference.model))
    writer.put_all("weights", weights)
    passes = []
    for nudge in (0, 1):
        start = weights if nudge == 0 else nudged(weights, nudge)
        written = writer if nudge == 0 else TraceWriter()
        # Training changes a model: the optimizer is probed on one of its own.
        _probe(spec, rebuilt(nudge) if nudge else reference, samples, start, written, nudge)
        _write_optimizer(spec, rebuilt(nudge), start, written)
        passes.append(written)
    writer.facts["noise"] = _noise(*passes)
    _write_schedule(spec, factory, writer)


# --- the model -----------------------------------------------------------------------------------


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns all weights by name: "conv1.kernel", for a layer inside a layer "outer.inner/kernel".

    A name is that of the layer as it is called, and the variable's path below it.
    """
    named: dict[str, keras.Variable] = {}
    seen = set()
    for layer in _leaves(model):
        for variable in layer.weights:
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            path = versions.path_of(variable)
            below = path.split(f"{layer.name}/", 1)[-1] if f"{layer.name}/" in path else path
            name, number = f"{layer.name}.{below}", 1
            while name in named:
                number += 1
                name = f"{layer.name}#{number}.{below}"
            named[name] = variable
    return named


def _leaves(model: keras.Model) -> list[keras.Layer]:
    """The layers that hold variables of their own, containers resolved, in order."""
    found: list[keras.Layer] = []
    for layer in model._flatten_layers(include_self=False, recursive=False):
        is_own = versions.is_kerass_own(layer) and not isinstance(layer, keras.Model)
        inner = list(layer._flatten_layers(include_self=False, recursive=False))
        if inner and not is_own:
            found += _leaves(layer)
        else:
            found.append(layer)
    held = {id(variable) for layer in found for variable in layer.weights}
    own = [variable for variable in model.weights if id(variable) not in held]
    if own:
        raise InputError(
            f"the model holds the weights {[versions.path_of(v) for v in own]} itself; expected "
            "them in layers"
        )
    return found


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns all weights by name, those that are not trained too, but no states of generators."""
    return {
        name: variable.numpy()
        for name, variable in named_variables(model).items()
        if versions.is_weight(variable)
    }


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Sets weights by name."""
    variables = named_variables(model)
    for name, value in weights.items():
        variables[name].assign(value)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with copies


def _signature(reference: Reference) -> list[dict[str, Any]]:
    """What the model takes: name, shape of a sample, and the number of tokens if it takes some."""
    model = reference.model
    if reference.input_shapes:
        return [
            {"name": f"input{number}", "shape": list(shape), "tokens": None}
            for number, shape in enumerate(reference.input_shapes)
        ]
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise InputError(
            "the Keras model does not know the shape of its input; build it, start it with "
            "keras.Input, or return keras_impl.Reference(model, input_shapes=[...])"
        )
    embeddings = [
        layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)
    ]
    return [
        {
            "name": tensor.name,
            "shape": list(tensor.shape[1:]),
            "tokens": min((layer.input_dim for layer in embeddings), default=None)
            if _feeds_embedding(tensor, embeddings)
            else None,
        }
        for tensor in inputs
    ]


def _feeds_embedding(tensor: Any, embeddings: list[Any]) -> bool:
    for layer in embeddings:
        for node in layer._inbound_nodes:
            if any(argument is tensor for argument in versions.tensors_of(node)):
                return True
    # Inside a nested model the tensor is another one; a Sequential has only one input.
    return bool(embeddings) and len(tensor.shape) <= 2


def _build(reference: Reference, samples: Samples) -> None:
    """Makes the variables of a model that has not been called yet."""
    if not reference.model.built:
        reference.model(_fed(samples.inputs("eval", 1)), training=False)


def _nudge_constants(model: keras.Model) -> None:
    """Moves constants that Keras keeps in float32, in float64 runs too, by one unit there.

    A port that writes 0.3 where TensorFlow computes with 0.30000001192 is right.
    """
    for layer in model._flatten_layers():
        if isinstance(getattr(layer, "negative_slope", None), float):
            layer.negative_slope = _next_float32(layer.negative_slope)
        for name in ("kernel", "bias", "recurrent", "beta", "gamma", "embeddings", "activity"):
            regularizer = getattr(layer, f"{name}_regularizer", None)
            for factor in ("l1", "l2"):
                if getattr(regularizer, factor, None):
                    value = _next_float32(float(getattr(regularizer, factor)))
                    setattr(regularizer, factor, value)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and _has_schedule(optimizer):
        optimizer._learning_rate = _Nudged(optimizer._learning_rate)


class _Nudged(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule, its rates, which are float32, moved by one unit there."""

    def __init__(self, schedule: Any) -> None:
        self._schedule = schedule

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        return self._schedule(step) * (1 + 2.0**-23)

    def get_config(self) -> dict[str, Any]:
        """Returns that of the schedule."""
        return dict(self._schedule.get_config())


def _next_float32(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def _fed(inputs: list[np.ndarray]) -> Any:
    tensors = [tf.constant(value) for value in inputs]
    return tensors[0] if len(tensors) == 1 else tensors


# --- initial weights -----------------------------------------------------------------------------


def _write_init(
    spec: CheckSpec,
    factory: Callable[[], Any],
    reference: Reference,
    samples: Samples,
    writer: TraceWriter,
) -> None:
    """Weights as the factory makes them, several times for a small model, a part of large ones."""
    weights = get_weights(reference.model)
    is_small = sum(weight.size for weight in weights.values()) <= SMALL_MODEL
    draws = [weights]
    for number in range(1, NUM_DRAWS if is_small else 1):
        subject = build_subject(factory, (spec.seed + number) % 2**32)
        _build(subject, samples)
        draws.append(get_weights(subject.model))
    for name in weights:
        parts = [draw[name].reshape(-1)[:MAX_INIT_ENTRIES] for draw in draws]
        writer.put(f"init/{name}", np.stack(parts))


# --- forward, loss, gradient, trajectory ---------------------------------------------------------


def _probe(
    spec: CheckSpec,
    reference: Reference,
    samples: Samples,
    weights: Mapping[str, np.ndarray],
    writer: TraceWriter,
    nudge: int,
) -> None:
    model = reference.model
    set_weights(model, weights)
    x = samples.inputs("probe", spec.batch_size)
    for number, value in enumerate(x):
        writer.put(f"input/probe/{number}", value)
    fed = _fed(x)
    with recorded_calls(fed, nudge) as calls:
        output = model(fed, training=False)
    _check_output(output)
    named = named_variables(model).items()
    names = {id(variable): name for name, variable in named if versions.is_weight(variable)}
    writer.facts["nodes"] = [_node(call, names) for call in calls]
    _write_calls("eval", calls, writer)
    writer.put("forward/eval/output", output)
    _write_facts(reference, samples, output, writer)
    y = _targets(reference, samples, "probe", spec.batch_size, output)
    if y is None:
        return
    writer.put("target/probe", y)
    _write_synthetic_loss(spec, reference, calls, output, writer)
    _write_step("train", reference, x, y, writer, nudge)
    set_weights(model, weights)
    _write_trajectory(spec, reference, samples, writer, nudge)


def _check_output(output: Any) -> None:
    if not tf.is_tensor(output):
        raise InputError(
            f"the Keras model returns {type(output).__name__}; expected one tensor: several "
            "outputs are not compared yet"
        )


def _node(call: Call, names: Mapping[int, str]) -> dict[str, Any]:
    own = [] if call.layer is None else call.layer.weights
    return {
        "name": call.name,
        "kind": call.kind,
        "config": call.config,
        "input_shapes": [list(value.shape) for value in call.inputs],
        "output_shape": list(call.output.shape),
        "sources": call.sources,
        "weights": [names[id(variable)] for variable in own if id(variable) in names],
    }


def _write_calls(mode: str, calls: list[Call], writer: TraceWriter) -> None:
    for call in calls:
        for number, value in enumerate(call.inputs):
            writer.put(f"forward/{mode}/{call.name}/input/{number}", value)
        writer.put(f"forward/{mode}/{call.name}/output", call.output)
        if call.mask is not None:
            writer.put(f"mask/{mode}/{call.name}", call.mask)


def _write_facts(reference: Reference, samples: Samples, output: Any, writer: TraceWriter) -> None:
    model = reference.model
    variables = named_variables(model)
    trained = {id(variable) for variable in model.trainable_variables}
    writer.facts["inputs"] = samples.signature
    writer.facts["output_shape"] = list(output.shape[1:])
    writer.facts["weights"] = {
        name: {
            "shape": list(variables[name].shape),
            "trainable": id(variables[name]) in trained,
        }
        for name in get_weights(model)
    }
    writer.facts["initializers"] = _initializers(model)
    writer.facts["loss"] = _loss_facts(reference)
    optimizer = getattr(model, "optimizer", None)
    writer.facts["optimizer"] = (
        None
        if optimizer is None
        else {"class": type(optimizer).__name__, "config": _plain_nested(optimizer.get_config())}
    )
    writer.facts["num_parameters"] = int(model.count_params())


# Name of a variable -> the argument that says what draws it, where they differ.
_DRAWN_BY = {
    "recurrent_kernel": "recurrent",
    "depthwise_kernel": "depthwise",
    "pointwise_kernel": "pointwise",
}


def _initializers(model: keras.Model) -> dict[str, Any]:
    """Weight name -> configuration of what draws it, for the layers that say so."""
    found = {}
    layers = {layer.name: layer for layer in reversed(_leaves(model))}
    for name in named_variables(model):
        layer_name, _, variable = name.partition(".")
        layer = layers.get(layer_name.partition("#")[0])
        if layer is not None:
            short = variable.rpartition("/")[2]
            config = plain_config(layer).get(f"{_DRAWN_BY.get(short, short)}_initializer")
            if isinstance(config, dict):
                found[name] = {"class": config.get("class_name"), **config.get("config", {})}
    return found


def _loss_facts(reference: Reference) -> dict[str, Any] | None:
    name = loss_name(reference.model)
    if name is None:
        return None
    loss = reference.model.loss
    config = keras.losses.serialize(loss) if isinstance(loss, keras.losses.Loss) else {}
    weights = reference.class_weight
    return {
        "name": name,
        "config": _plain_nested(config),
        "class_weight": None if weights is None else {str(k): v for k, v in weights.items()},
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


def _targets(
    reference: Reference, samples: Samples, purpose: str, num: int, output: Any
) -> np.ndarray | None:
    name = loss_name(reference.model)
    if name is None:
        return None
    return samples.targets(purpose, num, _TARGETS.get(name, "values"), tuple(output.shape[1:]))


def _write_synthetic_loss(
    spec: CheckSpec,
    reference: Reference,
    calls: list[Call],
    output: Any,
    writer: TraceWriter,
) -> None:
    """The loss of outputs that no model is needed for: confident ones, right and wrong."""
    model = reference.model
    last = calls[-1]
    is_activated = last.kind.startswith("activation:") and last.output is output
    shape = tuple(output.shape[1:])
    draw = probe_inputs.generator(spec.seed, "confident")
    linear = draw.normal(size=(8, *shape)) * np.array([1, 3, 10, 40] * 2).reshape(
        -1, *[1] * len(shape)
    )
    y = Samples.drawn_targets(
        spec.seed, "confident", 8, _TARGETS.get(loss_name(model) or "", "values"), shape
    )
    before = tf.Variable(linear)
    with tf.GradientTape() as tape:
        tensor = tf.convert_to_tensor(before)
        if is_activated:
            tensor = _activation_of(model, last)(tensor)
        value = versions.loss_of(model, y, tensor, _sample_weight(reference, y))
    writer.put("loss/confident/linear", linear)
    writer.put("loss/confident/target", y)
    writer.put("loss/confident/value", value)
    slope = tape.gradient(value, before)
    writer.put("loss/confident/gradient", np.zeros_like(linear) if slope is None else slope)
    writer.facts["output_activation"] = last.kind.partition(":")[2] if is_activated else None


def _activation_of(model: keras.Model, call: Call) -> Any:
    name = call.name.removesuffix(".activation")
    layer = next(layer for layer in model._flatten_layers() if layer.name == name.partition("#")[0])
    return getattr(layer, "activation", layer)


def _penalties(model: keras.Model) -> Any:
    return tf.add_n([tf.cast(value, tf.float64) for value in model.losses]) if model.losses else 0.0


def _sample_weight(reference: Reference, y: np.ndarray) -> np.ndarray | None:
    if reference.class_weight is None:
        return None
    labels = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    return np.array([float(reference.class_weight.get(int(label), 1.0)) for label in labels])


def _write_step(
    mode: str,
    reference: Reference,
    x: list[np.ndarray],
    y: np.ndarray,
    writer: TraceWriter,
    nudge: int,
) -> None:
    """One pass forward and back in train mode: outputs, loss, and all gradients."""
    model = reference.model
    variables = _trainable(model)
    fed = _fed(x)
    with tf.GradientTape(persistent=True) as tape, recorded_calls(fed, nudge) as calls:
        output = model(fed, training=True)
        loss = versions.loss_of(model, y, output, _sample_weight(reference, y))
        penalty = _penalties(model)
    _write_calls(mode, calls, writer)
    writer.put(f"forward/{mode}/output", output)
    # In the order of the calls, so that what comes first is found first.
    sources = [versions.tensor_of(variable) for variable in variables.values()]
    inner = [call.output for call in calls if call.output.dtype.is_floating]
    gradients = tape.gradient(loss, sources + inner)
    writer.put("loss/value", loss)
    writer.put("loss/penalty", float(penalty))
    for (name, variable), slope in zip(variables.items(), gradients, strict=False):
        slope = np.zeros(variable.shape) if slope is None else _dense(slope)
        writer.put(f"gradient/{name}", probe_inputs.sampled(slope))
    if model.losses:
        for name, slope in zip(variables, tape.gradient(penalty, sources), strict=True):
            if slope is not None:
                writer.put(f"penalty_gradient/{name}", probe_inputs.sampled(_dense(slope)))
    names = [call.name for call in calls if call.output.dtype.is_floating]
    for name, slope in zip(names, gradients[len(sources) :], strict=True):
        if slope is not None:
            writer.put(f"output_gradient/{name}", slope)
    for name, variable in named_variables(model).items():
        if name.rsplit(".", 1)[-1] in ("moving_mean", "moving_variance"):
            writer.put(f"state/{name}", variable.numpy())


def _dense(slope: Any) -> np.ndarray:
    return np.asarray(tf.convert_to_tensor(slope).numpy())


def _trainable(model: keras.Model) -> dict[str, keras.Variable]:
    trained = {id(variable) for variable in model.trainable_variables}
    return {
        n: variable for n, variable in named_variables(model).items() if id(variable) in trained
    }


def _write_trajectory(
    spec: CheckSpec, reference: Reference, samples: Samples, writer: TraceWriter, nudge: int
) -> None:
    """A few steps as `fit` makes them; the learning rate is cut on the way."""
    model = reference.model
    if getattr(model, "optimizer", None) is None:
        return
    losses, rates = [], []
    for step, size in enumerate(probe_inputs.batches(spec.steps, spec.batch_size), start=1):
        if step == probe_inputs.TRAJECTORY_CUT_BEFORE:
            _cut(model.optimizer)
        x = samples.inputs(f"step{step}", size)
        shape = tuple(writer.facts["output_shape"])
        kind = _TARGETS.get(loss_name(model) or "", "values")
        y = samples.targets(f"step{step}", size, kind, shape)
        fed = _fed(x)
        with tf.GradientTape() as tape, recorded_calls(fed, nudge) as calls:
            output = model(fed, training=True)
            loss = versions.loss_of(model, y, output, _sample_weight(reference, y))
        variables = model.trainable_variables
        gradients = [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(
                tape.gradient(loss, [versions.tensor_of(v) for v in variables]),
                variables,
                strict=True,
            )
        ]
        if nudge:
            gradients = _nudged(gradients, nudge + step)
        rates.append(float(model.optimizer.learning_rate))
        versions.apply(model.optimizer, gradients, variables)
        losses.append(float(loss))
        for number, value in enumerate(x):
            writer.put(f"input/step{step}/{number}", value)
        writer.put(f"target/step{step}", y)
        for call in calls:
            if call.mask is not None:
                writer.put(f"mask/step{step}/{call.name}", call.mask)
        for name, weight in get_weights(model).items():
            writer.put(f"trajectory/{step}/{name}", probe_inputs.sampled(weight))
    writer.put("trajectory/losses", np.array(losses))
    writer.put("trajectory/rates", np.array(rates))


def _nudged(gradients: list[Any], nudge: int) -> list[Any]:
    """Moves gradients by what rounding may do, seen by the greatest of all.

    Where a gradient cancels, as that of a bias before a normalisation, rounding is all of it, and
    not to be had from its own size.
    """
    generator = np.random.default_rng(nudge)
    greatest = max((float(tf.reduce_max(tf.abs(g))) for g in gradients if g.shape), default=0.0)
    most = FLOAT64 / NOISE_FACTOR * greatest
    return [g + most * generator.uniform(-1, 1, size=g.shape) for g in gradients]


def _cut(optimizer: Any) -> None:
    if not _has_schedule(optimizer):
        optimizer.learning_rate = float(optimizer.learning_rate) * probe_inputs.CUT_FACTOR


def _has_schedule(optimizer: Any) -> bool:
    return isinstance(
        getattr(optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule
    )


# --- optimizer, schedule -------------------------------------------------------------------------


def _write_optimizer(
    spec: CheckSpec,
    reference: Reference,
    weights: Mapping[str, np.ndarray],
    writer: TraceWriter,
) -> None:
    """The optimizer alone, fed with gradients of every size."""
    model = reference.model
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return
    set_weights(model, weights)
    variables = _trainable(model)
    rates = []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        if step == probe_inputs.CUT_BEFORE:
            _cut(optimizer)
        gradients = [
            tf.constant(probe_inputs.gradient(spec.seed, step, name, tuple(v.shape)))
            for name, v in variables.items()
        ]
        rates.append(float(optimizer.learning_rate))
        versions.apply(optimizer, gradients, list(variables.values()))
        if step in probe_inputs.OPTIMIZER_STEPS:
            for name, variable in variables.items():
                value = probe_inputs.sampled(variable.numpy())
                writer.put(f"optimizer/{step}/weights/{name}", value)
        if step in probe_inputs.SLOT_STEPS:
            for slot, name, value in _slots(optimizer, variables):
                writer.put(f"optimizer/{step}/{slot}/{name}", probe_inputs.sampled(value))
    writer.put("optimizer/learning_rate", np.array(rates))


def _slots(
    optimizer: Any, variables: Mapping[str, keras.Variable]
) -> list[tuple[str, str, np.ndarray]]:
    """(slot, weight, value), such as ("momentum", "conv1.kernel", ...)."""
    return [
        (slot, name, value.numpy())
        for name, variable in variables.items()
        for slot, value in versions.slots(optimizer, variable)
    ]


def _write_schedule(spec: CheckSpec, factory: Callable[[], Any], writer: TraceWriter) -> None:
    """The learning rate: of every step, and of every epoch as the callbacks set it."""
    reference = build_subject(factory, spec.seed)
    optimizer = getattr(reference.model, "optimizer", None)
    facts: dict[str, Any] = {"kind": None, "callbacks": []}
    writer.facts["schedule"] = facts
    if optimizer is None:
        return
    if _has_schedule(optimizer):
        schedule = optimizer._learning_rate
        facts["kind"] = type(schedule).__name__
        facts["config"] = _plain_nested(schedule.get_config())
        rates = [float(schedule(step)) for step in probe_inputs.SCHEDULE_STEPS]
        writer.put("schedule/steps", np.array(rates))
        writer.put("schedule/exact", np.array(_exact_rates(schedule, rates)))
    known = (
        keras.callbacks.ReduceLROnPlateau,
        keras.callbacks.EarlyStopping,
        keras.callbacks.LearningRateScheduler,
    )
    callbacks = [callback for callback in reference.callbacks if isinstance(callback, known)]
    facts["callbacks"] = [_callback_facts(callback) for callback in callbacks]
    facts["not_compared"] = [
        type(callback).__name__
        for callback in reference.callbacks
        if not isinstance(callback, known)
    ]
    if not callbacks:
        return
    sequence = probe_inputs.metrics(spec.seed)
    rates, stopped = [], -1
    model = reference.model
    model.stop_training = False
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin({})
    for epoch in range(probe_inputs.NUM_EPOCHS):
        for callback in callbacks:
            callback.on_epoch_begin(epoch, {})
        rates.append(float(optimizer.learning_rate))
        logs = {name: float(values[epoch]) for name, values in sequence.items()}
        for callback in callbacks:
            callback.on_epoch_end(epoch, logs)
        if model.stop_training and stopped < 0:
            stopped = epoch
            break
    writer.put("schedule/epochs", np.array(rates))
    writer.put("schedule/stopped", np.array(stopped))


def _exact_rates(schedule: Any, rates: list[float]) -> list[float]:
    """The rates of a schedule in float64, which it computes in if its numbers are of NumPy's.

    What a schedule of the user's does then is not known: its rates are returned as they are.
    """
    if not type(schedule).__module__.startswith("keras."):
        return rates
    exact = type(schedule).from_config(_as_float64(schedule.get_config()))
    return [float(exact(np.float64(step))) for step in probe_inputs.SCHEDULE_STEPS]


def _as_float64(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_float64(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_float64(item) for item in value]
    return np.float64(value) if isinstance(value, float) else value


def _callback_facts(callback: Any) -> dict[str, Any]:
    names = ("monitor", "factor", "patience", "min_delta", "cooldown", "min_lr", "mode", "baseline")
    found = {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    return {"class": type(callback).__name__, **_plain_nested(found)}


def _plain_nested(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain_nested(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_nested(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _noise(first: TraceWriter, second: TraceWriter) -> dict[str, float]:
    """What one unit in the last place of the weights changes, relative to the largest value."""
    noise = {}
    for key, array in first.arrays.items():
        other = second.arrays.get(key)
        if other is None or array.dtype.kind != "f" or not array.size:
            continue
        if key.startswith(("init/", "weights/", "input/", "target/")) or array.shape != other.shape:
            continue
        finite = np.abs(array[np.isfinite(array)])
        scale = float(finite.max(initial=0.0)) or 1.0
        noise[key] = float(absolute_difference(array, other).max()) / scale
    return noise

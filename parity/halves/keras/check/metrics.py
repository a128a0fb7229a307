"""Loss and metrics of a Keras model: of given outputs, and of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.errors import error_message
from parity.halves.keras import versions
from parity.halves.keras.call import Call, Calls
from parity.halves.keras.check.objective import (
    DATA,
    Batch,
    Objective,
    is_kerass,
    kind_of,
    name_of,
    sample_weight,
)
from parity.halves.keras.check.sequence_masks import confident_of, counts_of_outputs
from parity.halves.keras.check.structure import activation, last_of, outputs_of
from parity.halves.keras.rounding import Perturbation
from parity.programs.check_spec import CheckSpec
from parity.traces.facts import MetricProbe, Metrics
from parity.traces.trace import KerasWriter, keyed

# --- The loss of a Keras model: its value for extreme outputs, and its penalties ------------------
#
# A compiled model goes in; `loss/confident/…` comes out.


# Kind of targets -> how the probabilities that a loss of these takes follow from logits.
_OF_LOGITS = {
    "classes": keras.activations.softmax,
    "one_hot": keras.activations.softmax,
    "binary": keras.activations.sigmoid,
}


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
    writer: KerasWriter,
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
        _leave_out(writer, f"it raises for them ({error_message(error)})")
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


def _leave_out(writer: KerasWriter, why: str) -> None:
    writer.facts["confident"] = False
    what = "the loss of confident outputs"
    writer.facts.setdefault("not_compared", []).append({"what": what, "why": why, "arrays": []})


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


# --- The given outputs on which metrics are compared, with targets and weights of the samples -----
#
# An objective and what the model returned go in. Outputs, targets and weights come out in batches,
# in the structure in which the model returns its outputs.


Given = tuple[Any, Any, Any]  # targets, outputs, weights of the samples or None
Weights = Mapping[str, np.ndarray | None]  # of the samples, by the name of the output


class GivenOutputs:
    """Given outputs of a model with their targets, by the name of the output.

    Args:
        objective: of the model.
        parts: what the model returned, by name; the only output has the name "".
        calls: of that pass.

    Attributes:
        sizes: of the batches.
        y: targets.
        weights: of the samples, as a loss gets them.
    """

    def __init__(self, objective: Objective, parts: Mapping[str, Any], calls: Calls) -> None:
        self._objective = objective
        self._linear: dict[str, np.ndarray] = {}
        self._output: dict[str, np.ndarray] = {}
        self.sizes = probe_inputs.sizes_of([tuple(part.shape[1:]) for part in parts.values()])
        num = sum(self.sizes)
        # Given outputs have no mask: none of their targets is a class of padding.
        counts = {
            name: np.ones((num, *each.shape[1:]), bool)
            for name, each in counts_of_outputs(parts).items()
        }
        batch = objective.batch("metrics", num, counts)
        self.y, self.weights = batch.targets, batch.weights
        for name, part in parts.items():
            linear = self._linear[name] = self._drawn(name)
            last = last_of(part, calls if name else calls[-1:])
            self._output[name] = linear
            if last is not None and activation(last) is not None:
                apply = activation_of(last)
                activated = np.asarray(apply(tf.constant(linear)))
                self._output[name] = probe_inputs.tied(linear, activated)

    def _drawn(self, name: str) -> np.ndarray:
        objective = self._objective
        kind = objective.kinds[name]
        return probe_inputs.outputs_for(
            objective.samples.seed,
            "values" if kind == DATA else kind,
            self.y[name],
            objective.shapes[name],
            name,
        )

    def batches(self, weights: Weights) -> Iterator[Given]:
        """Yields targets, outputs and weights of each batch."""
        for rows in probe_inputs.rows(self.sizes):
            y, output = (as_tensors(self._objective, x, rows) for x in (self.y, self._output))
            yield y, output, packed_weights(self._objective, weights, rows)

    def put(self, writer: KerasWriter) -> None:
        """Writes outputs and targets."""
        parts = {"linear": self._linear, "output": self._output, "target": self.y}
        for key, by_name in parts.items():
            for name, array in by_name.items():
                writer.put(keyed(f"metric_input/{key}", name), array)


def as_tensors(objective: Objective, arrays: Mapping[str, np.ndarray], rows: slice) -> Any:
    """Returns rows of what belongs to each output, in the structure of the model."""
    return objective.packed({name: tf.constant(array[rows]) for name, array in arrays.items()})


def packed_weights(objective: Objective, weights: Weights, rows: slice) -> Any:
    """Returns rows of the weights likewise; None if there are none."""
    if all(weight is None for weight in weights.values()):
        return None
    found = {name: None if weight is None else weight[rows] for name, weight in weights.items()}
    return objective.packed(found)


def weight_kind(reference: Reference) -> Literal["class", "sample"] | None:
    """Returns which weights `fit` gives to samples: "class", "sample", or None."""
    if reference.class_weight is not None:
        return "class"
    return None if reference.sample_weight is None else "sample"


def weights_by_part(objective: Objective, batch: Batch, given: GivenOutputs) -> dict[str, Weights]:
    """Returns the weights of the given outputs, and of the probe in eval and in train mode.

    Args:
        objective: of the model.
        batch: of the probe.
        given: outputs.
    """
    if weight_kind(objective.reference) != "class":
        return {"given": given.weights, "eval": batch.weights, "train": batch.weights}
    found: dict[str, Weights] = {
        part: {name: sample_weight(objective.reference, y) for name, y in targets.items()}
        for part, targets in (("given", given.y), ("train", batch.targets))
    }
    return {**found, "eval": {}}  # which are for training alone


# --- What the compiled metrics of a Keras model say: of given outputs, and of its own -------------
#
# A compiled model goes in. `metric/PART/NAME` comes out: what the metric says after each batch, by
# the name that the history writes. PART is "given", "eval" or "train". The given outputs, their
# targets and the weights of the samples are `metric_input/…`, of several outputs with their names.


def write_metrics(
    objective: Objective,
    batch: Batch,
    outputs: dict[str, Any],
    calls: Calls,
    writer: KerasWriter,
    perturbation: Perturbation | None,
) -> None:
    """Writes what the metrics say, and the facts `metrics` and `metric_probe`.

    Args:
        objective: of the model.
        batch: targets and weights of the probe.
        outputs: what the model returned for it, by mode: "eval" and "train".
        calls: of the pass in eval mode.
        writer: receives all that is written.
        perturbation: if there is one, the metrics add twice as much to their denominators: a port
            that adds nothing is right.
    """
    reference = objective.reference
    compiled = getattr(reference.model, "_compile_metrics", None)
    facts: MetricProbe = {"names": [], "float32": []}
    parts = outputs_of(objective.model, outputs["eval"])
    names = getattr(reference.model, "output_names", None) or []
    in_order = list(parts) if set(names) == set(parts) else objective.names
    writer.facts["metrics"] = metrics_of(reference.model, in_order)
    writer.facts["metric_probe"] = facts
    if versions.IS_KERAS_2:
        facts["why"] = "metrics of Keras 2 are not compared yet"
    if versions.IS_KERAS_2 or compiled is None:
        return
    given = GivenOutputs(objective, parts or {"": outputs["eval"]}, calls)
    weights = weights_by_part(objective, batch, given)
    facts |= {"sizes": given.sizes, "weights": weight_kind(reference)}
    batches = {
        "given": list(given.batches(weights["given"])),
        **{m: list(_probe(objective, batch, outputs[m], weights[m])) for m in ("eval", "train")},
    }
    try:
        with versions.epsilon_times(2 if perturbation else 1):
            found = {part: _said(compiled, each) for part, each in batches.items()}
    except Exception as error:  # a metric of the user may raise anything
        facts["why"] = f"Keras's metrics raise for the targets of the probe: {error_message(error)}"
        return
    for name, values in found["given"].items():
        facts["names"].append(name)
        if values[0].dtype == np.float32:
            facts["float32"].append(name)
    if not facts["names"]:
        return
    for part, by_name in found.items():
        for name, values in by_name.items():
            writer.put(f"metric/{part}/{name}", np.stack(values).astype(np.float64))
    given.put(writer)
    for part, by_output in weights.items():
        for name, weight in by_output.items():
            if weight is not None:
                writer.put(keyed(f"metric_input/weight/{part}", name), weight)


def metrics_of(model: keras.Model, outputs: Sequence[str] = ()) -> Metrics:
    """Returns the metrics that a model was compiled with, as their names or configurations.

    They are lists; of several outputs, mappings from the name of an output to its list.

    Args:
        model: compiled.
        outputs: names of its outputs, if the model does not tell them.
    """
    compiled = getattr(model, "_compile_metrics", None)
    names = list(outputs or getattr(model, "output_names", None) or [])

    def configs(kind: str) -> Any:
        given = getattr(compiled, f"_user_{kind}", None) or []
        if len(names) > 1:
            return _of_outputs(given, names)
        return list(map(_metric_config, keras.tree.flatten(given)))

    return {"metrics": configs("metrics"), "weighted_metrics": configs("weighted_metrics")}


def _of_outputs(given: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """Returns the metrics of each output that has some, by its name, in the order of `names`."""
    by_name = given if isinstance(given, Mapping) else dict(zip(names, given, strict=False))
    flat = {name: keras.tree.flatten(by_name[name]) for name in names if by_name.get(name)}
    return {name: list(map(_metric_config, part)) for name, part in flat.items()}


def _metric_config(metric: Any) -> Any:
    """Returns the name or the configuration of a metric.

    Of one of the user's own, it is the name, and the class or function as one that is registered,
    which tells it from one of Keras's with this name.
    """
    if isinstance(metric, str):
        return metric
    name = str(getattr(metric, "name", getattr(metric, "__name__", type(metric).__name__)))
    function = getattr(metric, "_fn", None)
    for part in (metric, function):
        if part is None:
            continue
        kind = part if hasattr(part, "__name__") else type(part)
        if str(kind.__module__).partition(".")[0] != "keras":
            return _custom_config(name, kind)  # its name may be that of one of Keras's
    try:
        return keras.metrics.serialize(metric)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return _custom_config(name, type(metric))


def _custom_config(name: str, code: Any) -> dict[str, Any]:
    """Returns what is told of a metric whose class or function is code of the user's."""
    kind = str(code.__name__)
    return {"class_name": kind, "config": {"name": name}, "registered_name": f"own>{kind}"}


def _probe(
    objective: Objective, batch: Batch, output: Any, weights: Mapping[str, np.ndarray | None]
) -> Iterator[Given]:
    """Yields the whole probe batch, and its first sample once more, as a smaller last batch."""
    y = batch.targets
    whole, first = slice(None), slice(0, 1)
    yield as_tensors(objective, y, whole), output, packed_weights(objective, weights, whole)
    yield (
        as_tensors(objective, y, first),
        tf.nest.map_structure(_first, output),
        packed_weights(objective, weights, first),
    )


def _first(output: Any) -> Any:
    first = output[:1]
    if hasattr(output, "_keras_logits"):  # which some metrics look for
        first._keras_logits = output._keras_logits[:1]
    if (mask := versions.mask_of(output)) is not None:
        first._keras_mask = mask[:1]
    return first


def _said(compiled: Any, batches: Sequence[Given]) -> dict[str, list[np.ndarray]]:
    """Returns what each metric says after each batch, by name."""
    compiled.reset_state()
    found: dict[str, list[np.ndarray]] = {}
    with versions.top_k_in_float32():
        for y, output, weight in batches:
            compiled.update_state(y, output, weight)
            for name, value in compiled.result().items():
                found.setdefault(name, []).append(np.asarray(value))
    compiled.reset_state()
    return found

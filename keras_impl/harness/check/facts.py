"""The facts of a Keras model: layers, weights, initialisers, loss, optimizer.

A reference and the calls of one pass go in; the facts of the trace come out, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_impl.harness import versions
from keras_impl.harness.calls import Call
from keras_impl.harness.check.begun_anew import trained_steps
from keras_impl.harness.check.initializers import initializers
from keras_impl.harness.check.loss import loss_name
from keras_impl.harness.check.model import get_weights, named_variables
from keras_impl.harness.check.own_steps import own_steps
from keras_impl.harness.factories import Reference
from parity.data.samples import Samples
from parity.traces.trace import TraceWriter


def write_facts(
    reference: Reference, samples: Samples, calls: list[Call], output: Any, writer: TraceWriter
) -> None:
    """Writes the facts of a model, from the calls and the output of a pass in eval mode."""
    model = reference.model
    variables = named_variables(model)
    names = {id(v): name for name, v in variables.items() if versions.is_weight(v)}
    writer.facts["nodes"] = [_node(call, names) for call in calls]
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
    writer.facts["initializers"] = {
        name: plain_nested(found.config)
        for name, found in initializers(model).items()
        if found.config
    }
    if "train_step" in own_steps(model):
        writer.facts["own_steps"] = own_steps(model)
    # Of several outputs, and of a step of the user's own, no single loss is known.
    is_known = not {"outputs", "own_steps"} & set(writer.facts)
    writer.facts["loss"] = loss_facts(reference) if is_known else None
    optimizer = getattr(model, "optimizer", None)
    writer.facts["optimizer"] = (
        None
        if optimizer is None
        else {"class": type(optimizer).__name__, "config": plain_nested(optimizer.get_config())}
    )
    writer.facts["trained_steps"] = trained_steps(model)
    writer.facts["num_parameters"] = int(model.count_params())


def _node(call: Call, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "name": call.name,
        "kind": call.kind,
        "config": call.config,
        "input_shapes": [list(value.shape) for value in call.inputs],
        "output_shape": list(call.output.shape),
        "sources": call.sources,
        "weights": [names[id(variable)] for variable in call.weights if id(variable) in names],
    }


def loss_facts(reference: Reference) -> dict[str, Any] | None:
    """Returns name and configuration of the loss, and the class weights; None without one loss."""
    name = loss_name(reference.model)
    if name is None:
        return None
    loss = reference.model.loss
    config = keras.losses.serialize(loss) if isinstance(loss, keras.losses.Loss) else {}
    if config:  # the config of a loss may lack an argument of its function, such as Huber's delta
        given = getattr(loss, "_fn_kwargs", {})
        config = {**config, "config": {**given, **config.get("config", {})}}
    weights = reference.class_weight
    return {
        "name": name,
        "config": plain_nested(config),
        "class_weight": None if weights is None else {str(k): v for k, v in weights.items()},
    }


def plain_nested(value: Any) -> Any:
    """Returns a value in JSON's types; other objects become text."""
    if isinstance(value, dict):
        return {str(k): plain_nested(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_nested(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

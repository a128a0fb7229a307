"""The facts of a Keras model: layers, weights, initialisers, loss, optimizer.

A reference and the calls of one pass go in; the facts of the trace come out, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_impl.reference import Reference
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.call import Call
from parity.halves.keras.check.begun_anew import trained_steps
from parity.halves.keras.check.initializers import all_initializers
from parity.halves.keras.check.model import named_variables, named_weights, trainable
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.output_losses import config_of, name_of
from parity.halves.keras.check.own_steps import own_steps
from parity.halves.keras.check.parts import whole_of
from parity.traces.trace import TraceWriter


def write_facts(
    reference: Reference, samples: Samples, calls: list[Call], output: Any, writer: TraceWriter
) -> None:
    """Writes the facts of a model, from the calls and the output of a pass in eval mode.

    Those of its loss are written by `write_loss_facts`.
    """
    model = reference.model
    variables = named_variables(model)
    names = {id(v): name for name, v in variables.items() if versions.is_weight(v)}
    writer.facts["nodes"] = [_node(call, names) for call in calls]
    trained = {id(variable) for variable in model.trainable_variables}
    writer.facts["inputs"] = [each.to_json() for each in samples.model_inputs]
    writer.facts["output_shape"] = list(output.shape[1:])
    writer.facts["weights"] = {
        name: {
            "shape": list(variables[name].shape),
            "trainable": id(variables[name]) in trained,
        }
        for name in named_weights(model)
    }
    writer.facts["initializers"] = {
        name: plain_nested(found.config)
        for name, found in all_initializers(model).items()
        if found.config
    }
    own = own_steps(whole_of(reference).model)
    if "train_step" in own:
        writer.facts["own_steps"] = own
    if "compute_loss" in own:
        writer.facts["own_loss"] = True
    writer.facts["loss"] = None
    optimizer = getattr(model, "optimizer", None)
    writer.facts["optimizer"] = (
        None
        if optimizer is None
        else {"class": type(optimizer).__name__, "config": plain_nested(optimizer.get_config())}
    )
    if getattr(optimizer, "weight_decay", None) and not versions.IS_KERAS_2:
        decays: Any = optimizer._use_weight_decay  # type: ignore[union-attr]
        writer.facts["undecayed"] = sorted(n for n, v in trainable(model).items() if not decays(v))
    writer.facts["trained_steps"] = trained_steps(model)
    if file := getattr(model, "_parity_file", ""):  # that `saved_model` has read
        writer.facts["model_file"] = file
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
    return _facts_of(getattr(reference.model, "loss", None), reference)


def objective_facts(objective: Objective) -> dict[str, Any] | None:
    """Returns the same of the loss of a model that was called.

    Of several outputs, the name is that of all losses, and "outputs" has name, configuration and
    weight of each. "targets" has the kind of targets of each output, and "sample_weight" says
    whether samples have weights of their own. None: the model is not compiled with a loss.
    """
    losses = {name: loss for name, loss in objective.losses.items() if name_of(loss) is not None}
    if not losses or objective.problem:
        return None
    found = _facts_of(next(iter(losses.values())), objective.reference)
    assert found is not None
    found["targets"] = dict(objective.kinds)
    found["sample_weight"] = objective.reference.sample_weight is not None
    if objective.is_one:
        return found
    found["name"], found["config"] = " + ".join(str(name_of(x)) for x in losses.values()), {}
    found["outputs"] = {
        name: {
            "name": name_of(loss),
            "config": plain_nested(config_of(loss)),
            "weight": objective.loss_weights[name],
        }
        for name, loss in losses.items()
    }
    return found


def _facts_of(loss: Any, reference: Reference) -> dict[str, Any] | None:
    name = name_of(loss)
    weights = reference.class_weight
    if name is None:
        return None
    return {
        "name": name,
        "config": plain_nested(config_of(loss)),
        "class_weight": None if weights is None else {str(k): v for k, v in weights.items()},
    }


def plain_nested(value: Any) -> Any:
    """Returns a value in JSON's types; other objects become text."""
    if isinstance(value, dict):
        return {str(k): plain_nested(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_nested(item) for item in value]
    value = versions.python_number(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

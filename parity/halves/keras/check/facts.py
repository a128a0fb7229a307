"""The facts of a Keras model: layers, weights, loss, optimizer, rates by step and epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.data.probe_inputs import FEW, rule_sequences
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.call import Call
from parity.halves.keras.check.custom_steps import custom_step_names
from parity.halves.keras.check.not_compared import RULES, other_callbacks
from parity.halves.keras.check.objective import Objective, config_of, name_of
from parity.halves.keras.check.parts import whole_of
from parity.halves.keras.check.weights import (
    all_initializers,
    named_variables,
    named_weights,
    trainable,
)
from parity.halves.keras.factories import called_anew, trained_steps
from parity.halves.keras.schedules import CompiledRate, has_schedule
from parity.halves.keras.versions import is_from_keras
from parity.programs.check_spec import LARGE_MODEL, CheckSpec
from parity.traces.facts import Input, Loss, Node, Schedule, known
from parity.traces.trace import KerasWriter

# --- The facts of a Keras model: layers, weights, initialisers, loss, optimizer -------------------
#
# A reference and the calls of one pass go in; the facts of the trace come out, ready for JSON.


def write_facts(
    reference: Reference, samples: Samples, calls: list[Call], output: Any, writer: KerasWriter
) -> None:
    """Writes the facts of a model, from the calls and the output of a pass in eval mode.

    Those of its loss are written by `write_loss_facts`.
    """
    model = reference.model
    variables = named_variables(model)
    names = {id(v): name for name, v in variables.items() if versions.is_weight(v)}
    writer.facts["nodes"] = [_node(call, names) for call in calls]
    trained = {id(variable) for variable in model.trainable_variables}
    writer.facts["inputs"] = [cast("Input", x.to_json()) for x in samples.model_inputs]
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
    step_names = custom_step_names(whole_of(reference).model)
    if "train_step" in step_names:
        writer.facts["own_steps"] = step_names
    if "compute_loss" in step_names:
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


def _node(call: Call, names: Mapping[int, str]) -> Node:
    return {
        "name": call.name,
        "kind": call.kind,
        "config": call.config,
        "input_shapes": [list(value.shape) for value in call.inputs],
        "output_shape": list(call.output.shape),
        "sources": call.sources,
        "weights": [names[id(variable)] for variable in call.weights if id(variable) in names],
    }


def loss_facts(reference: Reference) -> Loss | None:
    """Returns name and configuration of the loss, and the class weights; None without one loss."""
    return _facts_of(getattr(reference.model, "loss", None), reference)


def objective_facts(objective: Objective) -> Loss | None:
    """Returns the same of the loss of a model that was called.

    Of several outputs, the name is that of all losses, and "outputs" has name, configuration and
    weight of each. "targets" has the kind of targets of each output, and "sample_weight" says
    whether samples have weights of their own. "target_axes" has how many axes the targets of
    `fit` have, where they are known. None: the model is not compiled with a loss.
    """
    losses = {name: loss for name, loss in objective.losses.items() if name_of(loss) is not None}
    if not losses or objective.problem:
        return None
    found = _facts_of(next(iter(losses.values())), objective.reference)
    assert found is not None
    found["targets"] = dict(objective.kinds)
    found["target_axes"] = objective.given_axes
    found["sample_weight"] = objective.reference.sample_weight is not None
    if objective.is_one:
        return found
    found["name"], found["config"] = " + ".join(str(name_of(x)) for x in losses.values()), {}
    found["outputs"] = {
        name: {
            "name": known(name_of(loss)),
            "config": plain_nested(config_of(loss)),
            "weight": objective.loss_weights[name],
        }
        for name, loss in losses.items()
    }
    return found


def _facts_of(loss: Any, reference: Reference) -> Loss | None:
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


# --- The learning rate of a Keras program, by step and by epoch -----------------------------------
#
# A schedule gives the rates of chosen steps, and callbacks get a sequence of metrics. The rates,
# and the epoch at which training stops, come out as `schedule/…`.


def write_schedule(
    spec: CheckSpec, factory: Callable[[], Any], reference: Reference, writer: KerasWriter
) -> None:
    """Writes the learning rate of every step, and of every epoch as the callbacks set it.

    Args:
        spec: settings of the check.
        factory: builds the model.
        reference: what it has built before, whose optimizer may have made steps since.
        writer: receives `schedule/…` and the facts.
    """
    optimizer = getattr(reference.model, "optimizer", None)
    facts: Schedule = {"kind": None, "callbacks": []}
    writer.facts["schedule"] = facts
    if optimizer is None:
        return
    if not reference.callbacks and not has_schedule(optimizer):
        facts["not_compared"] = []  # the rate stays, and a model takes a while to build
        return
    reference = called_anew(factory, spec.seed)
    optimizer = reference.model.optimizer
    if has_schedule(optimizer):
        schedule = optimizer._learning_rate
        facts["kind"] = type(schedule).__name__
        facts["config"] = plain_nested(schedule.get_config())
        # What code of the user's would give without rounding is not known.
        facts["exact_known"] = is_from_keras(schedule)
        rates = [float(schedule(step)) for step in probe_inputs.SCHEDULE_STEPS]
        writer.put("schedule/steps", np.array(rates))
        writer.put("schedule/exact", np.array(_exact_rates(schedule, rates)))
        writer.put("schedule/compiled", np.array(_compiled_rates(schedule, rates)))
    callbacks = [callback for callback in reference.callbacks if isinstance(callback, RULES)]
    facts["callbacks"] = [_callback_facts(callback) for callback in callbacks]
    facts["not_compared"] = [name for name, _ in other_callbacks(reference)]
    if not callbacks:
        return
    sequence = probe_inputs.metrics(spec.seed, probe_inputs.watched_deltas(facts["callbacks"]))
    rates, stopped, first = [], -1, float(optimizer.learning_rate)
    model = reference.model
    model.stop_training = False
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin({})
    num_rates = _num_epochs(reference, len(sequence["loss"]))
    for epoch in range(len(sequence["loss"])):
        if epoch < num_rates:
            for callback in callbacks:
                callback.on_epoch_begin(epoch, {})
            if 0 < (rate := float(optimizer.learning_rate)) < probe_inputs.SMALLEST_RATE:
                num_rates = epoch
            else:
                rates.append(rate)
        watched = [str(c.monitor) for c in callbacks if hasattr(c, "monitor")]
        logs = {name: float(sequence[name][epoch]) for name in {*sequence, *watched}}
        for callback in callbacks:
            callback.on_epoch_end(epoch, logs)
        if model.stop_training and stopped < 0:
            stopped = epoch
            break
    if facts["kind"] is None:  # a schedule counts steps, and none are made here
        writer.put("schedule/epochs", np.array(rates))
    writer.put("schedule/stopped", np.array(stopped))
    if not versions.IS_KERAS_2:
        _write_decisions(spec, model, callbacks, first, writer)


def _write_decisions(
    spec: CheckSpec, model: Any, callbacks: list[Any], first: float, writer: KerasWriter
) -> None:
    """Writes what rules that watch a metric decide in sequences that tell such rules apart."""
    rules = [callback for callback in callbacks if hasattr(callback, "monitor")]
    facts = [_callback_facts(callback) for callback in rules]
    sequences = rule_sequences(spec.seed, facts)
    if model.count_params() >= LARGE_MODEL:
        sequences = dict(list(sequences.items())[:FEW])
    if not sequences:
        return
    # What the epoch alone decides is compared before.
    is_free = writer.facts["schedule"]["kind"] is None  # no schedule of the steps sets the rate
    has_rates = is_free and len(rules) == len(callbacks)
    decisions, rows = [], []
    for sequence in sequences.values():
        marked = _Marked(model)
        if is_free:
            model.optimizer.learning_rate = first
        for callback in rules:
            callback.set_model(marked)
            callback.on_train_begin({})
        rates = []
        for epoch in range(len(sequence["loss"])):
            marked.epoch = epoch
            rates.append(float(model.optimizer.learning_rate))
            names = {*sequence, *(str(each.monitor) for each in rules)}
            logs = {name: float(sequence[name][epoch]) for name in names}
            for callback in rules:
                callback.on_epoch_end(epoch, logs)
            if marked.stop_training:
                break
        for callback in rules:
            callback.on_train_end({})
        decisions.append([epoch if marked.stop_training else -1, marked.epoch])
        rows.append(rates + [0.0] * (len(sequence["loss"]) - len(rates)))
    writer.put("schedule/decisions", np.array(decisions, dtype=np.float64))
    if has_rates:
        writer.put("schedule/rule_rates", np.array(rows))


class _Marked:
    """A model whose weights are the number of the epoch, which a callback may keep and restore."""

    def __init__(self, model: Any) -> None:
        self._model, self.epoch, self.stop_training = model, 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def get_weights(self) -> int:
        return self.epoch

    def set_weights(self, epoch: int) -> None:
        self.epoch = epoch


def _num_epochs(reference: Reference, most: int) -> int:
    """Returns of how many epochs the rates are compared.

    A function of the epoch is not asked for one that the program does not train, if it is known
    what it trains. Rules that watch metrics get the whole sequence.
    """
    kind = keras.callbacks.LearningRateScheduler
    is_known = reference.x is not None or reference.epochs > 1
    has_function = any(isinstance(callback, kind) for callback in reference.callbacks)
    return min(reference.epochs, most) if is_known and has_function else most


def _exact_rates(schedule: Any, rates: list[float]) -> list[float]:
    """Returns the rates in float64, in which a schedule computes if its constants are np.float64.

    For a user's own schedule this is not known to work, so `rates` are returned as they are.
    """
    if not is_from_keras(schedule):
        return rates
    exact = type(schedule).from_config(_as_float64(schedule.get_config()))
    return [float(exact(np.float64(step))) for step in probe_inputs.SCHEDULE_STEPS]


def _compiled_rates(schedule: Any, rates: list[float]) -> list[float]:
    """Returns the rates of the steps of `fit`; `rates` if a schedule cannot be compiled."""
    compiled = CompiledRate(schedule)
    try:
        return [compiled(step) for step in probe_inputs.SCHEDULE_STEPS]
    except Exception:  # the user's code may raise anything; `fit` will tell it
        return rates


def _as_float64(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_float64(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_float64(item) for item in value]
    return np.float64(value) if isinstance(value, float) else value


def _callback_facts(callback: Any) -> dict[str, Any]:
    names = (
        *("monitor", "factor", "patience", "min_delta", "cooldown", "min_lr", "mode", "baseline"),
        *("start_from_epoch", "restore_best_weights"),
    )
    found = {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    return {"class": type(callback).__name__, **plain_nested(found)}

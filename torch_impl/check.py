"""run_check: what a port computes where Keras computed what the bundle holds, written down.

The same probes in the same order as `keras_impl/check`, under the same keys and the same names,
in the portable layout. Every paired layer is judged twice: as it is reached in the port (an error
may be inherited), and fed with Keras's own input (an error is its own). What raises is written down
too, and the next probe goes on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import numpy as np
import torch

from parity import probe_inputs
from parity.bundle import Bundle
from parity.check_spec import CheckSpec
from parity.errors import ParityError
from parity.trace import TraceWriter
from torch_impl.call_places import line_of
from torch_impl.calls import Call, final_states, first_tensor, output_of
from torch_impl.layers import activations
from torch_impl.losses import from_config, sample_weights
from torch_impl.losses import logits as keras_logits
from torch_impl.paired_layer import PairedLayer
from torch_impl.portable import as_returned, from_returned
from torch_impl.rig import Rig
from torch_impl.schedule import LearningRateScheduler
from torch_impl.subject import Port, build_subject
from torch_impl.weights import read

MAX_INIT_ENTRIES = 20_000
_COMMUTATIVE = frozenset(("add", "multiply", "average", "maximum", "minimum"))
# Slot of a stock optimizer -> Keras's name of the same quantity.
_STOCK_SLOTS = {
    "Adam": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "AdamW": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "NAdam": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "RMSprop": {"square_avg": "velocity"},
    "Adagrad": {"sum": "accumulator"},
    "Adadelta": {"square_avg": "accumulated_grad", "acc_delta": "accumulated_delta_var"},
}


def run_check(
    spec: CheckSpec, factory: Callable[[], Any], bundle: Bundle, writer: TraceWriter
) -> None:
    """Probes the port that a factory builds.

    Args:
        spec: how; seed and sizes are the bundle's.
        factory: returns a module or a Port.
        bundle: what Keras computed.
        writer: receives arrays under the keys of the bundle, `forward/…/own` beside them, and the
            facts `nodes`, `pairs`, `problems`, `raised`, `settings`.

    Raises:
        InputError: the port cannot be probed at all.
    """
    rig = Rig(factory, spec.seed, bundle, spec.device)
    raised: dict[str, str] = {}
    writer.facts["raised"] = raised
    _write_facts(rig, writer)
    _write_init(spec, factory, rig, writer)
    writer.put_all("weights", rig.weights())
    for mode in ("eval", "train"):
        with _noted(raised, f"forward/{mode}"):
            _write_forward(rig, mode, writer)
    form = _output_form(rig, writer)
    writer.facts["output_form"] = form
    if bundle.facts["loss"] is not None:
        _write_training(spec, factory, rig, form, writer)
    if rig.port.optimizer is not None and bundle.facts["optimizer"] is not None:
        with _noted(raised, "optimizer"):
            _write_optimizer(Rig(factory, spec.seed, bundle, spec.device), writer)
    with _noted(raised, "schedule"):
        _write_schedule(spec, factory, bundle, writer)


def _write_training(
    spec: CheckSpec, factory: Callable[[], Any], rig: Rig, form: str, writer: TraceWriter
) -> None:
    """Loss, gradients, and a few steps."""
    raised, bundle = writer.facts["raised"], rig.bundle
    try:
        loss = _loss(rig, form)
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # one of the user's own
        writer.facts["no_loss"] = f"give the port a loss, since Keras's is not known here ({error})"
        return
    with _noted(raised, "loss"):
        _write_confident_loss(rig, form, loss, writer)
    with _noted(raised, "gradient"), rig.kept():
        _write_step(rig, loss, writer)
    if rig.port.optimizer is not None and bundle.facts["optimizer"] is not None:
        with _noted(raised, "trajectory"):
            _write_trajectory(Rig(factory, spec.seed, bundle, spec.device), form, writer)


@contextmanager
def _noted(raised: dict[str, str], stage: str) -> Iterator[None]:
    """Writes down what the user's code raises, with its line."""
    try:
        yield
    except ParityError:
        raise
    except Exception as error:  # whatever a port may raise is a finding about the port
        line = line_of(error)
        raised[stage] = f"{type(error).__name__}: {error}" + (f" ({line})" if line else "")


# --- what the port is ----------------------------------------------------------------------------


def _write_facts(rig: Rig, writer: TraceWriter) -> None:
    nodes = rig.bundle.facts["nodes"]
    paired = {id(variable.module) for _, _, variable in rig.variables()}
    carried = {id(tensor) for _, _, variable in rig.variables() for tensor in variable.tensors}
    names = dict(rig.module.named_parameters())
    writer.facts["nodes"] = rig.nodes
    writer.facts["pairs"] = [
        [nodes[row]["name"], rig.nodes[column]["name"]] for row, column in rig.pairing.pairs
    ]
    writer.facts["ends"] = {
        pair.node["name"]: [nodes[n]["name"] for n in (pair.ends.keras_first, pair.ends.keras_last)]
        for pair in rig.pairs
    }
    writer.facts["keras_left"] = [nodes[row]["name"] for row in rig.pairing.keras_left]
    writer.facts["torch_left"] = [rig.nodes[n]["name"] for n in rig.pairing.torch_left]
    writer.facts["problems"] = rig.problems
    writer.facts["weights"] = {
        name: {"shape": list(array.shape)} for name, array in rig.weights().items()
    }
    writer.facts["not_carried"] = [
        name for name, parameter in names.items() if id(parameter) not in carried
    ]
    writer.facts["num_parameters"] = sum(p.numel() for p in rig.module.parameters())
    writer.facts["num_paired_modules"] = len(paired)
    writer.facts["settings"] = {
        rig.nodes[column]["name"]: _settings(rig.calls[column]) for _, column in rig.pairing.pairs
    }
    writer.facts["flattened"] = {
        pair.node["name"]: "channels_first" if pair.features is not None else "channels_last"
        for pair in rig.pairs
        if pair.node["kind"] == "flatten"
    }
    port = rig.port
    writer.facts["given"] = {
        name: getattr(port, name) is not None
        for name in ("loss", "optimizer", "scheduler", "early_stopping", "load")
    }
    writer.facts["optimizer"] = _optimizer_facts(port.optimizer)
    writer.facts["schedulers"] = [_object_facts(scheduler) for scheduler in port.schedulers]
    writer.facts["scheduler_interval"] = port.scheduler_interval
    writer.facts["loss"] = None if port.loss is None else _object_facts(port.loss)


def _settings(call: Call) -> dict[str, Any]:
    """The plain attributes of a module: eps, momentum, padding, stride."""
    if call.module is None:
        return {"rate": call.rate} if call.rate is not None else {}
    found = _object_facts(call.module)
    return {"class": found.pop("class"), **found}


def _object_facts(value: Any) -> dict[str, Any]:
    name = getattr(value, "__qualname__", type(value).__qualname__)
    module = getattr(value, "__module__", type(value).__module__)
    plain = {
        key: _plain(item)
        for key, item in (vars(value) if hasattr(value, "__dict__") else {}).items()
        if not key.startswith("_") and _plain(item) is not None
    }
    return {"class": f"{module}.{name}", **plain}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple) and all(
        isinstance(v, bool | int | float | str) for v in value
    ):
        return list(value)
    return None


def _optimizer_facts(optimizer: torch.optim.Optimizer | None) -> dict[str, Any] | None:
    if optimizer is None:
        return None
    groups = [
        {key: _plain(value) for key, value in group.items() if _plain(value) is not None}
        for group in optimizer.param_groups
    ]
    kind = type(optimizer)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "groups": groups}


def _write_init(spec: CheckSpec, factory: Callable[[], Any], rig: Rig, writer: TraceWriter) -> None:
    """Weights as the factory makes them, as often as the bundle has them."""
    shape = next((rig.bundle[f"init/{name}"].shape for name in rig.bundle.facts["weights"]), (1,))
    draws: dict[str, list[np.ndarray]] = {}
    for number in range(shape[0]):
        port = build_subject(factory, (spec.seed + number) % 2**32)
        modules = dict(port.module.named_modules())
        for pair in rig.pairs:
            path = pair.call.name.partition("#")[0]
            if not pair.variables or path not in modules:
                continue
            arrays = read(modules[path])
            for name, local in pair.variables.items():
                if local in arrays:
                    draws.setdefault(name, []).append(arrays[local].reshape(-1)[:MAX_INIT_ENTRIES])
    for name, parts in draws.items():
        writer.put(f"init/{name}", np.stack(parts))


# --- forward -------------------------------------------------------------------------------------


def _write_forward(rig: Rig, mode: str, writer: TraceWriter) -> None:
    """Inputs and outputs of every paired call; in train mode also what it does to its state."""
    is_training = mode == "train"
    with torch.no_grad(), rig.kept():
        calls, output = rig.forward(mode, "probe", training=is_training)
        by_name = {call.name: call for call in calls}
        writer.put(f"forward/{mode}/output", output.detach().cpu().numpy())
        if is_training:
            writer.put_all("state", _moving(rig))
    writer.facts.setdefault("active_dropouts", {})[mode] = [
        call.name for call in calls if call.kind == "dropout" and call.is_active
    ]
    if f"forward/{mode}/output" not in rig.bundle:  # Keras's model is not compiled
        return
    for pair in rig.pairs:
        chain = [by_name.get(call.name) for call in pair.chain(rig.calls)]
        if all(call is not None for call in chain):
            _write_pair(rig, mode, pair, [call for call in chain if call is not None], writer)


def _write_pair(
    rig: Rig, mode: str, pair: PairedLayer, chain: list[Call], writer: TraceWriter
) -> None:
    """What a pair is given, makes of it, and makes of Keras's input."""
    nodes = rig.bundle.facts["nodes"]
    first, last = nodes[pair.ends.keras_first], nodes[pair.ends.keras_last]
    prefix = f"forward/{mode}/{first['name']}/input"
    keys = [key for n in range(len(chain[0].inputs)) if (key := f"{prefix}/{n}") in rig.bundle]
    theirs = [rig.bundle[key] for key in keys]
    given = [
        pair.portable(first, chain[0], x, y, is_input=True)
        for x, y in zip_longest(chain[0].inputs, theirs)
        if x is not None
    ]
    order = _order_of_inputs(pair.call.kind, given, theirs)
    for key, number in zip(keys, order, strict=False):
        writer.put(key, given[number])
    key = f"forward/{mode}/{pair.node['name']}"
    output = output_of(chain[-1].output, chain[-1].final, last["output_shape"])
    made = f"forward/{mode}/{last['name']}/output"
    aim = rig.bundle[made] if made in rig.bundle else None  # noqa: SIM401  # it has no `get`
    writer.put(f"{key}/output", pair.portable(last, chain[-1], output, aim))
    # The mask of a dropout is Keras's already.
    if pair.call.kind == "dropout" or len(first["input_shapes"]) != len(chain[0].inputs):
        return
    fed: list[torch.Tensor] = list(chain[0].inputs)
    for number, source in zip(order, keys, strict=True):
        tensor = pair.native(rig.bundle[source], fed[number])
        if tensor is None:
            return
        fed[number] = tensor
    with torch.no_grad(), rig.kept():
        result = chain[0].run(*fed)
        for call in chain[1:]:
            result = call.run(first_tensor(result))
    final = final_states(chain[-1].module, result)
    output = output_of(first_tensor(result), final, last["output_shape"])
    writer.put(f"{key}/own", pair.portable(last, chain[-1], output, aim))


def _order_of_inputs(kind: str, given: list[np.ndarray], theirs: list[np.ndarray]) -> list[int]:
    """Which of the port's inputs stands for each of Keras's, where their order is of no matter."""
    order = list(range(len(given)))
    if kind not in _COMMUTATIVE or not len(given) == len(theirs) == 2:
        return order
    errors = []
    for numbers in (order, order[::-1]):
        pairs = [(given[n], y) for n, y in zip(numbers, theirs, strict=True)]
        fits = all(x.shape == y.shape for x, y in pairs)
        errors.append(sum(float(np.abs(x - y).max()) for x, y in pairs) if fits else np.inf)
    return order[::-1] if errors[1] < errors[0] else order


def _moving(rig: Rig) -> dict[str, np.ndarray]:
    return {
        name: array
        for name, array in rig.weights().items()
        if name.endswith(("moving_mean", "moving_variance"))
    }


def _output_form(rig: Rig, writer: TraceWriter) -> str:
    """What the module returns: Keras's output, what its last activation is applied to, or its log.

    Told by the numbers; where none of them fits, by the last call.
    """
    bundle, key = rig.bundle, "forward/eval/output"
    name = bundle.facts.get("output_activation")
    if name is None or key not in writer.arrays:
        return "same"
    ours, theirs = writer.arrays[key], bundle[key]
    linear = bundle[f"forward/eval/{bundle.facts['nodes'][-1]['name']}/input/0"]
    forms = {"same": theirs, "linear": linear}
    with np.errstate(divide="ignore", invalid="ignore"):
        forms["log"] = np.log(theirs)
    forms = {name: as_returned(value, ours.shape) for name, value in forms.items()}
    errors = {
        form: float(np.abs(ours - value).max())
        for form, value in forms.items()
        if value.shape == ours.shape and np.isfinite(value).all()
    }
    best = min(errors, key=lambda form: errors[form], default="same")
    if errors and errors[best] < 1e-6:
        return best
    last = rig.calls[-1].kind if rig.calls else ""
    return {"activation:log_softmax": "log", f"activation:{name}": "same"}.get(last, "linear")


# --- loss, gradient, trajectory ------------------------------------------------------------------

Loss = Callable[[Any, Any, np.ndarray], torch.Tensor]


def _loss(rig: Rig, form: str) -> Loss:
    """The port's loss; where it gives none, Keras's."""
    port, facts = rig.port, rig.bundle.facts
    if port.loss is not None:
        given = port.loss
        return lambda output, target, y: given(output, target)
    own = from_config(facts["loss"]["config"] or facts["loss"]["name"])
    weights = facts["loss"]["class_weight"]
    by_label = None if weights is None else {int(key): float(w) for key, w in weights.items()}

    def loss(output: Any, target: Any, y: np.ndarray) -> torch.Tensor:
        output = from_returned(output, rig.bundle["forward/eval/output"].shape)
        output = _activated(output, form, facts.get("output_activation"))
        labels = torch.from_numpy(np.array(y))
        if by_label is None:
            return own(output, labels)
        return own(output, labels, sample_weight=sample_weights(labels, by_label))

    return loss


def _activated(output: torch.Tensor, form: str, name: str | None) -> torch.Tensor:
    if form == "linear" and name == "softmax":
        return keras_logits.softmax(output)
    if form == "linear" and name == "sigmoid":
        return keras_logits.sigmoid(output)
    return output.exp() if form == "log" else output


def _write_confident_loss(rig: Rig, form: str, loss: Loss, writer: TraceWriter) -> None:
    """The loss of outputs that no model is needed for."""
    y = rig.bundle["loss/confident/target"]
    given = as_returned(rig.bundle["loss/confident/linear"], rig.output.shape)
    linear = torch.from_numpy(given.copy()).to(rig.device).requires_grad_()
    axis = -1 if given.shape == rig.bundle["loss/confident/linear"].shape else 1
    name = rig.bundle.facts.get("output_activation")
    output = linear
    if form != "linear" and name == "softmax":
        # Where the port's own remembers its logits, as Keras's does, the loss will look for them.
        softmax = keras_logits.softmax if hasattr(rig.output, "_keras_logits") else torch.softmax
        output = linear.log_softmax(axis) if form == "log" else softmax(linear, axis)
    elif form != "linear" and name == "sigmoid" and hasattr(rig.output, "_keras_logits"):
        output = keras_logits.sigmoid(linear)
    elif form != "linear" and name is not None:
        if name not in activations.ACTIVATIONS:  # a function of the user's
            return
        output = activations.activation(name)(linear)
    value = loss(output, rig.target("loss/confident/target"), y)
    writer.put("loss/confident/value", float(value.detach()))
    value.sum().backward()
    assert linear.grad is not None
    gradient = from_returned(linear.grad.cpu(), rig.bundle["loss/confident/gradient"].shape)
    writer.put("loss/confident/gradient", gradient.numpy())


def _write_step(rig: Rig, loss: Loss, writer: TraceWriter) -> None:
    """One pass forward and back in train mode."""
    rig.module.zero_grad()
    _, output = rig.forward("train", "probe", training=True)
    value = loss(output, rig.target("target/probe"), rig.bundle["target/probe"])
    writer.put("loss/value", float(value.detach()))
    value.backward()
    for name, gradient in rig.gradients().items():
        if f"gradient/{name}" in rig.bundle:
            writer.put(f"gradient/{name}", probe_inputs.sampled(gradient))
    writer.facts["no_gradient"] = [
        name for name, p in rig.module.named_parameters() if p.grad is None and p.requires_grad
    ]


def _write_trajectory(rig: Rig, form: str, writer: TraceWriter) -> None:
    """A few steps as the port makes them, with Keras's masks."""
    port, loss = rig.port, _loss(rig, form)
    assert port.optimizer is not None
    losses: list[float] = []
    num_steps = len(rig.bundle["trajectory/losses"])
    given = _given_rates(rig.bundle, "trajectory/rates")
    for step in range(1, num_steps + 1):
        purpose = f"step{step}"
        if step == probe_inputs.TRAJECTORY_CUT_BEFORE:
            _cut(rig)
        port.optimizer.zero_grad()
        _, output = rig.forward(purpose, purpose, training=True)
        value = loss(output, rig.target(f"target/{purpose}"), rig.bundle[f"target/{purpose}"])
        value.backward()
        _step(rig, given[step - 1] if given else None)
        losses.append(float(value.detach()))
        for name, weight in rig.weights().items():
            writer.put(f"trajectory/{step}/{name}", probe_inputs.sampled(weight))
        writer.put(f"trajectory/loss/{step}", losses[-1])


def _cut(rig: Rig) -> None:
    assert rig.port.optimizer is not None
    if rig.bundle.facts["schedule"]["kind"] is None:
        for group in rig.port.optimizer.param_groups:
            group["lr"] *= probe_inputs.CUT_FACTOR


def _step(rig: Rig, given: float | None) -> float:
    """Makes a step with the gradients that are there; returns the rate at which it was made.

    Args:
        rig: whose port steps.
        given: the rate, where a schedule of Keras's gives it: schedules have a level of their own.
    """
    port = rig.port
    if port.before_step is not None:
        port.before_step(port.module)
    if given is not None:
        _set_rate(port.optimizer, given)
        return _made_step(port)
    rate = _made_step(port)
    if port.scheduler_interval == "step":
        for scheduler in port.schedulers:
            scheduler.step()
    return rate


def _set_rate(optimizer: Any, rate: float) -> None:
    """Sets the rate, that of groups with another one in proportion."""
    if getattr(optimizer, "schedule", None) is not None:
        optimizer.schedule = None
    first = optimizer.param_groups[0]["lr"]
    for group in optimizer.param_groups:
        group["lr"] = rate * (group["lr"] / first if first else 1.0)


def _given_rates(bundle: Bundle, key: str) -> list[float] | None:
    is_scheduled = bundle.facts["schedule"]["kind"] is not None
    return bundle[key].tolist() if is_scheduled else None


def _made_step(port: Port) -> float:
    assert port.optimizer is not None
    before = float(port.optimizer.param_groups[0]["lr"])
    port.optimizer.step()
    # A schedule inside of the optimizer sets the rate in the step itself.
    has_schedule = getattr(port.optimizer, "schedule", None) is not None
    return float(port.optimizer.param_groups[0]["lr"]) if has_schedule else before


def _write_optimizer(rig: Rig, writer: TraceWriter) -> None:
    """The optimizer alone, fed with Keras's gradients of every size."""
    optimizer, bundle = rig.port.optimizer, rig.bundle
    assert optimizer is not None
    trained = {n: e["shape"] for n, e in bundle.facts["weights"].items() if e["trainable"]}
    seed = int(bundle.spec["seed"])
    given = _given_rates(bundle, "optimizer/learning_rate")
    rates = []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        if step == probe_inputs.CUT_BEFORE:
            _cut(rig)
        rig.set_gradients(
            {n: probe_inputs.gradient(seed, step, n, shape) for n, shape in trained.items()}
        )
        rates.append(_step(rig, given[step - 1] if given else None))
        if step in probe_inputs.OPTIMIZER_STEPS:
            weights = rig.weights()
            for name in trained:
                if name in weights:
                    value = probe_inputs.sampled(weights[name])
                    writer.put(f"optimizer/{step}/weights/{name}", value)
            for slot, name, value in _slots(rig):
                if f"optimizer/{step}/{slot}/{name}" in bundle:
                    writer.put(f"optimizer/{step}/{slot}/{name}", probe_inputs.sampled(value))
    writer.put("optimizer/learning_rate", np.array(rates, dtype=np.float64))


def _slots(rig: Rig) -> Iterator[tuple[str, str, np.ndarray]]:
    """(Keras's slot, weight, value), for weights that are one tensor."""
    optimizer = rig.port.optimizer
    assert optimizer is not None
    stock = _STOCK_SLOTS.get(type(optimizer).__name__, {})
    for pair, name, variable in rig.variables():
        if len(variable.tensors) != 1:
            continue
        (parameter,) = variable.tensors
        if hasattr(optimizer, "slots"):
            slots = optimizer.slots(parameter)
        else:
            state = optimizer.state.get(parameter, {})
            slots = {stock[key]: value for key, value in state.items() if key in stock}
        for slot, value in slots.items():
            if value.shape == parameter.shape:
                array = variable.to_keras((value,)).detach().cpu().numpy().copy(order="C")
                yield slot, name, pair.to_keras(name, array)


# --- schedule ------------------------------------------------------------------------------------


def _write_schedule(
    spec: CheckSpec, factory: Callable[[], Any], bundle: Bundle, writer: TraceWriter
) -> None:
    if "schedule/steps" in bundle:
        port = build_subject(factory, spec.seed)
        if port.optimizer is not None:
            writer.put("schedule/steps", _rates_by_step(port))
    if "schedule/epochs" in bundle:
        port = build_subject(factory, spec.seed)
        if port.optimizer is None:
            return
        rates, stopped = _rates_by_epoch(port, spec.seed)
        writer.put("schedule/epochs", np.array(rates, dtype=np.float64))
        writer.put("schedule/stopped", np.array(stopped))


def _rates_by_step(port: Port) -> np.ndarray:
    """The rate of each step, no gradient having any effect."""
    rates = {}
    for parameter in port.module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    steps = probe_inputs.SCHEDULE_STEPS
    for step in range(max(steps) + 1):
        rates[step] = _made_step(port)
        is_epoch_end = (step + 1) % port.steps_per_epoch == 0
        if port.scheduler_interval == "step" or is_epoch_end:
            for scheduler in port.schedulers:
                scheduler.step()
    return np.array([rates[step] for step in steps], dtype=np.float64)


def _rates_by_epoch(port: Any, seed: int) -> tuple[list[float], int]:
    sequence = probe_inputs.metrics(seed)
    rates: list[float] = []
    for epoch in range(probe_inputs.NUM_EPOCHS):
        after = [scheduler for scheduler in port.schedulers if not _begun(scheduler, epoch)]
        rates.append(float(port.optimizer.param_groups[0]["lr"]))
        value = float(sequence[port.monitor][epoch])
        port.optimizer.step()  # torch's schedulers ask for it
        for scheduler in after:
            if _takes_value(scheduler):
                scheduler.step(value)
                continue
            for _ in range(port.steps_per_epoch if port.scheduler_interval == "step" else 1):
                scheduler.step()
        if port.early_stopping is not None and port.early_stopping.step(value):
            return rates, epoch
    return rates, -1


def _begun(scheduler: Any, epoch: int) -> bool:
    """Lets a scheduler act that acts at the beginning of an epoch; tells whether it is one."""
    if hasattr(scheduler, "on_epoch_begin"):
        scheduler.on_epoch_begin(epoch)
    elif isinstance(scheduler, LearningRateScheduler):
        scheduler.step()
    else:
        return False
    return True


def _takes_value(scheduler: Any) -> bool:
    """Whether `step` has to be given the monitored metric."""
    parameters = list(inspect.signature(scheduler.step).parameters.values())
    return bool(parameters) and (
        parameters[0].name in ("metrics", "value", "metric")
        or parameters[0].default is inspect.Parameter.empty
    )

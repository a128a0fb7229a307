"""The optimizer of a port alone, and a few steps of training with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.data.probe_inputs import AVERAGE
from parity.halves.torch.check.loss import Loss
from parity.halves.torch.port.carried import LOAD, Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import STOCK_SLOTS
from parity.halves.torch.step_rate import step_of
from parity.traces.facts import known
from parity.traces.trace import KerasTrace, PortWriter
from torch_impl import optim
from torch_impl.optim.base import averaged
from torch_impl.schedule.callbacks import begin_epoch

# --- The parameters of a port with only the entries that the level `optimizer` compares -----------
#
# A dozen steps of all entries of a large network take longer than its training. An optimizer that
# treats each number by itself moves an entry in the same way whatever is beside it.


# Of torch and of this project, by class and not by subclass: those take norms of no weight.
_NAMES = (
    *("SGD", "Adam", "AdamW", "Adamax", "NAdam", "Nadam", "RMSprop", "Adagrad", "Adadelta"),
    *("Ftrl", "Lion"),
)
ONE_BY_ONE = {
    getattr(module, name)
    for module in (torch.optim, optim)
    for name in _NAMES
    if hasattr(module, name)
}
# Settings of this project's by which an optimizer looks at whole weights, or keeps more than slots.
_BY_WEIGHT = ("clipnorm", "global_clipnorm", "use_ema", "gradient_accumulation_steps")


@contextmanager
def compared_entries(port: PortUnderTest, names: Collection[str]) -> Iterator[PortUnderTest]:
    """Yields the port with parameters that have only the compared entries of Keras's weights.

    In the block, each of them is a vector of `probe_inputs.of_step`. A port whose optimizer, or a
    weight of which, does not allow this is yielded as it is.

    Args:
        port: before the first step of its optimizer.
        names: of Keras's weights that are trained.
    """
    items = [item for item in port.carried if item.name in names]
    places = _places(items) if is_one_by_one(port) else None
    if places is None:
        yield port
        return
    whole = []
    port.module.zero_grad(set_to_none=True)
    try:
        for item, entries in places:
            (parameter,) = item.variable.tensors
            whole.append((parameter, parameter.data))
            parameter.data = parameter.data.reshape(-1)[entries]
        other, cut = copy.copy(port), {item.name for item, _ in places}
        carried = [_as_it_is(item) if item.name in cut else item for item in port.carried]
        other.cargo = replace(port.cargo, carried=carried)
        yield other
    finally:
        for parameter, data in whole:
            parameter.grad, parameter.data = None, data


def is_one_by_one(port: PortUnderTest) -> bool:
    """Whether the steps of a port treat every number by itself, before the first of them."""
    optimizer: Any = port.built.optimizer
    common = getattr(optimizer, "common", {})
    return (
        type(optimizer) in ONE_BY_ONE
        and port.built.before_step is None
        and not optimizer.state
        and "step" not in vars(optimizer)  # one that somebody has put in the place of its own
        and not optimizer._optimizer_step_pre_hooks
        and not optimizer._optimizer_step_post_hooks
        and not any(common.get(name) for name in _BY_WEIGHT)
    )


def _places(items: list[Carried]) -> list[tuple[Carried, torch.Tensor]] | None:
    """Returns the long weights, and which entries of their tensors are compared.

    None: one is not a parameter of its own whose entries have only another order in Keras.
    """
    found, visited = [], set[int]()
    for item in items:
        variable = item.variable
        is_plain = item.how != LOAD and not variable.is_computed and variable.part is None
        if not is_plain or len(variable.tensors) != 1 or id(variable.tensors[0]) in visited:
            return None
        (parameter,) = variable.tensors
        visited.add(id(parameter))
        if parameter.numel() <= probe_inputs.MAX_STEP_ENTRIES:
            continue
        numbers = torch.arange(parameter.numel(), device=parameter.device).view(parameter.shape)
        places = torch.from_numpy(probe_inputs.places_of_step(parameter.numel()))
        try:
            entries = variable.to_keras((numbers,)).reshape(-1)[places]
            kept = variable.to_keras((parameter.detach(),)).reshape(-1)[places]
            if not torch.equal(parameter.detach().reshape(-1)[entries], kept):
                return None
        except (IndexError, RuntimeError, TypeError):  # more than an order
            return None
        found.append((item, entries))
    return found


def _as_it_is(item: Carried) -> Carried:
    variable = replace(
        item.variable, to_keras=lambda tensors: tensors[0], to_torch=lambda array: (array,)
    )
    return replace(item, variable=variable)


# --- The optimizer of a port alone, without loss and data -----------------------------------------
#
# Keras's gradients of every size go in; `optimizer/…` comes out: weights, slots and rates after
# some steps. The other stages that make steps call `make_step` of this file.


# (seed, number of the step, name and shape of the weight) -> its gradient
Gradients = Callable[[int, int, str, Sequence[int]], np.ndarray]


def write_optimizer(port: PortUnderTest, writer: PortWriter, *, is_brief: bool = False) -> None:
    """Feeds Keras's gradients to the optimizer, and writes what its steps change.

    Args:
        port: before its first step.
        writer: receives weights, slots and rates.
        is_brief: whether only the entries that are compared make steps, where that is the same.
    """
    keras = port.keras
    trained = {n: e["shape"] for n, e in keras.facts["weights"].items() if e["trainable"]}
    _set_back(port, trained)
    with compared_entries(port, trained) if is_brief else nullcontext(port) as stepped:
        made = probe_inputs.gradient if stepped is port else probe_inputs.gradient_of_step
        _write_steps(stepped, trained, made, writer)


def _write_steps(
    port: PortUnderTest, trained: Mapping[str, Any], made: Gradients, writer: PortWriter
) -> None:
    keras = port.keras
    seed = int(keras.spec["seed"])
    given = given_rates(keras, "optimizer/learning_rate")
    begin_training(port)
    rates: list[float] = []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        if step == probe_inputs.CUT_BEFORE:
            cut(port)
        port.set_gradients(trained, partial(_gradient, trained, made, seed, step))
        rates.append(make_step(port, given[step - 1] if given else None))
        if step in probe_inputs.OPTIMIZER_STEPS:
            found = {item.name: item for item in port.carried}
            for name in trained:
                if name in found:
                    writer.put(f"optimizer/{step}/weights/{name}", found[name].of_step())
            for slot, item, value in _slots(port):
                if (key := f"optimizer/{step}/{slot}/{item.name}") in keras:
                    writer.put(key, item.of_step(value))
            for item, value in _averages(port):
                if item.name in trained:
                    writer.put(f"optimizer/{step}/{AVERAGE}/{item.name}", item.of_step(value))
    writer.put("optimizer/learning_rate", np.array(rates, dtype=np.float64))


def _gradient(
    shapes: Mapping[str, Any], made: Gradients, seed: int, step: int, name: str
) -> np.ndarray:
    return made(seed, step, name, shapes[name])


def _set_back(port: PortUnderTest, names: Collection[str]) -> None:
    """Gives the port Keras's weights again, which its code may have set in a pass.

    Such as a masked convolution does. What its own `load` holds in another form stays.
    """
    for item in port.carried:
        if item.name not in names or item.how == LOAD or item.variable.is_computed:
            continue
        weight = port.keras[f"weights/{item.name}"]
        if not np.array_equal(item.value(), weight):
            item.set(weight)


def _slots(port: PortUnderTest) -> Iterator[tuple[str, Carried, torch.Tensor]]:
    """Yields (Keras's slot, weight, tensor) for weights that are one tensor in torch."""
    optimizer = port.built.optimizer
    assert optimizer is not None
    stock = STOCK_SLOTS.get(type(optimizer).__name__, {})
    for item in port.carried:
        variable = item.variable
        if len(variable.tensors) != 1 or variable.is_computed:
            continue
        (parameter,) = variable.tensors
        if hasattr(optimizer, "slots"):
            slots = optimizer.slots(parameter)
        else:
            state = optimizer.state.get(parameter, {})
            slots = {stock[key]: value for key, value in state.items() if key in stock}
        for slot, value in slots.items():
            if value.shape == parameter.shape and slot != AVERAGE:
                yield slot, item, value


def _averages(port: PortUnderTest) -> Iterator[tuple[Carried, torch.Tensor]]:
    """Yields what stands in the place of each weight after a training that ends now.

    That is its average, wherever the port keeps one. Without one it is the weight, which is
    written only where Keras keeps an average.
    """
    built = port.built
    kept: dict[int, torch.Tensor] = {}
    if built.average is not None and int(built.average.n_averaged):
        kept = {id(p): mean for p, mean in averaged(built.average, built.module)}
    is_of_keras = bool(known(port.keras.facts["optimizer"])["config"].get("use_ema"))
    for item in port.carried:
        variable = item.variable
        if len(variable.tensors) != 1 or variable.is_computed:
            continue
        (parameter,) = variable.tensors
        slots: dict[str, Any] = getattr(built.optimizer, "slots", lambda _: {})(parameter)
        mean = kept.get(id(parameter), slots.get(AVERAGE))
        if mean is not None or is_of_keras:
            yield item, parameter if mean is None else mean


def begin_training(port: PortUnderTest) -> None:
    """Lets schedulers set the rate of the first epoch that do so before its first step."""
    for scheduler in port.built.schedulers:
        begin_epoch(scheduler, 0)


def cut(port: PortUnderTest) -> None:
    """Cuts the learning rate, unless a Keras schedule sets it."""
    assert port.built.optimizer is not None
    if port.keras.facts["schedule"]["kind"] is None:
        for group in port.built.optimizer.param_groups:
            group["lr"] *= probe_inputs.CUT_FACTOR


def make_step(port: PortUnderTest, given: float | None) -> float:
    """Makes a step with the present gradients; returns the learning rate of that step.

    The gradients are those of the loss. An optimizer that divides by its `loss_scale_factor` gets
    them multiplied, as in a training.

    Args:
        port: makes the step.
        given: the rate, if a Keras schedule sets it; schedules have a level of their own.
    """
    built = port.built
    assert built.optimizer is not None
    if factor := getattr(built.optimizer, "common", {}).get("loss_scale_factor"):
        for group in built.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad = parameter.grad * factor
    if built.before_step is not None:
        built.before_step(built.module)
    rate = step_of(built.optimizer, given)
    if given is None and built.scheduler_interval == "step":
        for scheduler in built.schedulers:
            scheduler.step()
    return rate


def given_rates(keras: KerasTrace, key: str) -> list[float] | None:
    """Returns the rates of Keras's steps if a schedule sets them, else None."""
    is_scheduled = keras.facts["schedule"]["kind"] is not None
    return keras[key].tolist() if is_scheduled else None


# --- A step with one sample, which torch's BatchNorm refuses where Keras's does not ---------------
#
# A program that makes no such step is not harmed by that: then the step is left out, and told.


_REFUSED = "Expected more than 1 value per channel when training"
_WHY = (
    "torch's BatchNorm refuses a batch of one sample, and Keras's does not. The data that the "
    "check knows makes no such batch; torch_impl.layers.BatchNormalization takes one"
)


@contextmanager
def left_out_if_refused(port: PortUnderTest, step: int, writer: PortWriter) -> Iterator[None]:
    """Leaves a step out if torch refuses its one sample, and the program makes no such step.

    Args:
        port: the port that makes the step.
        step: its number, from 1.
        writer: receives what was left out, in the fact `not_compared`.

    Raises:
        ValueError: the program makes such a step, or something else is refused.
    """
    try:
        yield
    except ValueError as error:
        is_met = port.keras.facts.get("batch_of_one", False)
        if _REFUSED not in str(error) or is_met or _num_samples(port.keras, step) != 1:
            raise
        what = f"step {step} of the training, with one sample"
        writer.facts.setdefault("not_compared", []).append({"what": what, "why": _WHY})


def _num_samples(keras: KerasTrace, step: int) -> int:
    """Returns how many samples a step has, one of the probe or one of the model's own."""
    prefixes = (f"input/step{step}", f"input/data/{step}")
    keys = [f"{prefix}/{name}" for prefix in prefixes for name in keras.below(prefix)]
    return len(keras[keys[0]]) if keys else 0


# --- A few steps of training, as a port makes them ------------------------------------------------
#
# Keras's batches and masks go in; `trajectory/…` comes out: losses, and the weights after each
# step.


def write_trajectory(port: PortUnderTest, form: str, writer: PortWriter) -> None:
    """Makes a few steps with Keras's masks, and writes losses and weights."""
    loss = Loss(port, form)
    num_steps = len(port.keras["trajectory/losses"])
    given = given_rates(port.keras, "trajectory/rates")
    begin_training(port)
    for step in range(1, num_steps + 1):
        if step == probe_inputs.TRAJECTORY_CUT_BEFORE and _is_cut(port.keras):
            cut(port)
        with left_out_if_refused(port, step, writer):
            value = _made(port, loss, step, given[step - 1] if given else None)
            for item in port.carried:
                writer.put(f"trajectory/{step}/{item.name}", item.of_step())
            writer.put(f"trajectory/loss/{step}", value)


def _made(port: PortUnderTest, loss: Loss, step: int, rate: float | None) -> float:
    """Makes a step with a given rate, None: that of the port; returns the loss before it."""
    optimizer, purpose = port.built.optimizer, f"step{step}"
    assert optimizer is not None
    optimizer.zero_grad()
    port.forward(purpose, purpose, training=True, is_kept=False)
    value = loss.last(purpose)
    if value.requires_grad:  # a loss of whole numbers depends on no weight
        value.backward()
    make_step(port, rate)
    return float(value.detach())


def _is_cut(keras: KerasTrace) -> bool:
    """Whether Keras's rate changes in front of the step at which a cut is made."""
    before, after = keras["trajectory/rates"][probe_inputs.TRAJECTORY_CUT_BEFORE - 2 :][:2]
    return bool(before != after)

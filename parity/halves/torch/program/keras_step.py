"""Keras's step on a port: the port's own gradients, and Keras's optimizer in Keras's layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from parity.data.probe_inputs import AVERAGE
from parity.halves.torch.kinds import kind_of
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.program.elsewhere import SUMS
from parity.halves.torch.program.masks import Masks
from parity.halves.torch.program.stepper import Runner
from parity.traces.anchors import Anchor
from parity.traces.facts import known
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.training import planned_loss, planned_optimizer

_OTHER = 1e-6  # relative: gradients of another loss, and not of constants that Keras rounds
Tensors = dict[str, torch.Tensor]  # by Keras's names, in the portable layout, float64


@dataclass(frozen=True)
class State:
    """What a step begins and ends with.

    Attributes:
        weights: all of Keras's.
        slots: of the optimizer: slot -> weight -> value.
        others: what else the optimizer keeps.
    """

    weights: Tensors
    slots: Mapping[str, Tensors]
    others: Mapping[str, float]

    @classmethod
    def of(cls, weights: Any, slots: Any, others: Any) -> State:
        """Returns a state of arrays."""
        return cls(
            _exact(weights),
            {slot: _exact(values) for slot, values in slots.items()},
            {name: float(value) for name, value in others.items()},
        )

    @property
    def values(self) -> Tensors:
        """The weights, and the averages of weights that the optimizer keeps."""
        averages = self.slots.get(AVERAGE, {})
        return self.weights | {f"{name}.{AVERAGE}": each for name, each in averages.items()}

    @property
    def slot_arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """The slots as arrays."""
        return {s: {n: each.numpy() for n, each in v.items()} for s, v in self.slots.items()}

    def replaced(self, values: Tensors) -> State:
        """Returns the state with other values."""
        ending = f".{AVERAGE}"
        averages = {n.removesuffix(ending): v for n, v in values.items() if n.endswith(ending)}
        slots = {s: v | averages if s == AVERAGE else v for s, v in self.slots.items()}
        weights = {n: v for n, v in values.items() if not n.endswith(ending)}
        return replace(self, weights=self.weights | weights, slots=slots)


@dataclass(frozen=True)
class Stepping:
    """What makes the steps.

    Attributes:
        port: computes in float64.
        runner: of its steps.
        masks: of its dropouts.
        loss: Keras's, where the port's is another one, of which its loop makes Keras's; None: the
            port's.
    """

    port: PortUnderTest
    runner: Runner
    masks: Masks
    loss: Any = None

    @cached_property
    def trained(self) -> list[str]:
        """Names of the weights that Keras trains."""
        return [n for n, entry in self.port.keras.facts["weights"].items() if entry["trainable"]]

    @cached_property
    def with_modes(self) -> dict[str, str]:
        """Classes of the parts that have modes, by name: dropouts, and what has buffers."""
        named = [(name, part) for name, part in self.port.module.named_modules() if name]
        with_modes = [(n, part) for n, part in named if kind_of(part) == "dropout" or part._buffers]
        return {name: type(part).__name__ for name, part in with_modes}

    @property
    def optimizer(self) -> Mapping[str, Any]:
        """Keras's, {"class", "config"}."""
        found: Mapping[str, Any] = known(self.port.keras.facts["optimizer"])
        return found

    def gradients(self) -> Tensors:
        """Returns the gradients that the port has now, of the weights that are trained."""
        found = self.port.gradients()
        return _exact({name: found[name] for name in self.trained if name in found})

    def moved(self, planned: Planned, state: State, gradients: Tensors) -> State:
        """Lets an optimizer make a step."""
        parameters = {name: state.weights[name].clone() for name in gradients}
        optimizer = planned.on(list(parameters.values())).build()
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].clone()
            for slot, key in (optimizer.SLOTS | {AVERAGE: AVERAGE, SUMS: SUMS}).items():
                if name in state.slots.get(slot, {}):
                    optimizer.state[parameter][key] = state.slots[slot][name].clone()
        undecayed = self.port.keras.facts.get("undecayed", ())
        optimizer.exclude_from_weight_decay([p for n, p in parameters.items() if n in undecayed])
        (group,) = optimizer.param_groups
        group["step"] = int(state.others.get("iterations", 0))
        if "u_product" in group:
            group["u_product"] = state.others.get("u_product", 1.0)
        optimizer.step()
        slots: dict[str, Tensors] = {}
        for name, parameter in parameters.items():
            for slot, value in optimizer.slots(parameter).items():
                slots.setdefault(slot, {})[name] = value
        others = {"iterations": group["step"], "u_product": group.get("u_product", 1.0)}
        return State(state.weights | parameters, slots, others)


@dataclass
class KerasStep:
    """One step from a state, and what else can be made of it.

    Attributes:
        by: what makes it.
        anchor: the step is one of those from there.
        number: of the step, from 0.
        state: before it.
    """

    by: Stepping
    anchor: Anchor
    number: int
    state: State
    _passes: dict[Any, tuple[Tensors, Tensors]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._draws = self.by.masks.states()

    def begin(self) -> None:
        """Lets dropouts draw what they draw in this step."""
        self.by.masks.set_states(self._draws)

    @cached_property
    def made(self) -> State:
        """The state behind it."""
        return self.with_gradients(self.gradients())

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings of Keras's optimizer."""
        found: Mapping[str, Any] = self.by.optimizer["config"]
        return found

    def gradients(self, batch: int | None = None, **how: Any) -> Tensors:
        """Returns the gradients of this batch, or of another one; see `passed`."""
        return self.passed(batch, **how)[0]

    def passed(
        self,
        batch: int | None = None,
        *,
        weighted: bool = True,
        training: bool = True,
        resting: str = "",
        loss: Any = None,
    ) -> tuple[Tensors, Tensors]:
        """Returns the gradients of a pass, and the weights that are not trained behind it.

        Args:
            batch: number of the batch among those of the anchor; None: its own.
            weighted: whether samples have their weights.
            training: whether the module is in train mode.
            resting: name of a part that is in eval mode.
            loss: another one than the port's.
        """
        key = (self.number if batch is None else batch), weighted, training, resting
        if key not in self._passes or loss is not None:
            port = self.by.port
            self.begin()
            for item in port.carried:
                item.set(self.state.weights[item.name].numpy())
                for tensor in item.variable.tensors:  # whatever the port has frozen by now
                    if tensor.is_leaf and tensor.is_floating_point():
                        tensor.requires_grad_(item.name in self.by.trained)
            port.module.zero_grad(set_to_none=True)
            x, y, weight = self.anchor.batches[key[0]]
            nest = x, y, weight if weighted else None
            part = port.module.get_submodule(resting) if resting else None
            given = self.by.loss if loss is None else loss
            self.by.runner.backward(nest, training=training, resting=part, loss=given)
            others = [item for item in port.carried if item.name not in self.by.trained]
            made = self.by.gradients(), _exact({item.name: item.value() for item in others})
            if loss is not None:
                return made
            self._passes[key] = made
        return self._passes[key]

    def with_gradients(self, gradients: Tensors, **settings: Any) -> State:
        """Returns the state behind the step with other gradients, or settings of the optimizer."""
        return self.begun_from(self.state, gradients, **settings)

    def begun_from(self, state: State, gradients: Tensors, **settings: Any) -> State:
        """Returns the state behind the optimizer's step from another one."""
        config = {**self.config, **settings, "learning_rate": self._rate}
        named = {"class_name": self.by.optimizer["class"], "config": config}
        return self._behind(planned_optimizer(named), state, gradients)

    def by_optimizer(self, kind: Any) -> State:
        """Returns the state behind the first step of another optimizer."""
        begun = replace(self.state, slots={}, others={})
        return self._behind(Planned(kind, learning_rate=self._rate), begun, self.gradients())

    @property
    def _rate(self) -> float:
        return float(self.anchor.rates[self.number])

    def _behind(self, planned: Planned, state: State, gradients: Tensors) -> State:
        return self.by.moved(planned, state, gradients).replaced(self.passed()[1])


def keras_steps(by: Stepping, anchor: Anchor) -> list[KerasStep]:
    """Makes Keras's steps from a recorded state, which the port is in.

    Raises:
        ValueError: its optimizer is not known.
    """
    state = State.of(anchor.weights, anchor.slots, anchor.others)
    step = _with_loss(KerasStep(by, anchor, 0, state))
    found = [step]
    for number in range(1, len(anchor.rates)):
        found.append(KerasStep(step.by, anchor, number, found[-1].made))
    return found


def _with_loss(first: KerasStep) -> KerasStep:
    """Returns the step by Keras's loss, if the port's gives other gradients.

    A loop of the port's own may weight samples, or smooth labels, before it. With penalties, the
    port's stays: those of Keras are no part of its loss.
    """
    keras = first.by.port.keras
    if keras.facts["loss"] is None or "loss/penalty" not in keras or keras["loss/penalty"]:
        return first
    try:
        theirs = loss_of_keras(known(keras.facts["loss"]))
        both = [first.gradients(), first.gradients(loss=theirs)]
    except Exception:  # a loss that is not known, or that the code of the port does not take
        return first
    apart = max(float((both[0][name] - each).abs().max()) for name, each in both[1].items())
    size = max(float(each.abs().max()) for each in both[1].values())
    if apart <= _OTHER * size:
        return first
    first.begin()  # as it was, for a step that draws the same
    return replace(first, by=replace(first.by, loss=theirs), _passes={})


def loss_of_keras(facts: Mapping[str, Any], **settings: Any) -> Any:
    """Returns the loss of a model with one output, or one with other settings.

    Raises:
        ValueError: it is not known.
    """
    named = {"class_name": facts["name"], "config": {**loss_settings(facts), **settings}}
    return planned_loss(named).build()


def loss_settings(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the arguments of Keras's loss."""
    config: Mapping[str, Any] = facts["config"]
    found: Mapping[str, Any] = config.get("config", config)
    return found


def _exact(arrays: Mapping[str, np.ndarray]) -> Tensors:
    return {name: torch.from_numpy(np.array(each, np.float64)) for name, each in arrays.items()}

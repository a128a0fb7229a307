"""What a port's optimizer does otherwise: the change of Keras's that gives the port's numbers.

Keras's optimizer makes the steps of the probe once more, changed in one thing after the other, in
two and in three together: in each of its settings by its name, in its equations, which torch's own
class has otherwise, and in what it makes of a gradient before. A number that neither the port nor a
default says is solved for.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.data.probe_inputs import constraint_of
from parity.halves.torch.check.changed_settings import (
    ACCUMULATED,
    BY_CONSTANTS,
    DECAY,
    MOST_BY_CONSTANTS,
    RULES,
    Between,
    Change,
    changed_settings,
    shown,
)
from parity.halves.torch.check.fixes.training import Written
from parity.halves.torch.check.optimizer import ONE_BY_ONE
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.comparers import optimizer as level
from parity.ladder.items import FAIL
from parity.ladder.rounding import dtype_of
from parity.traces.facts import known
from parity.traces.trace import PortWriter
from torch_impl import optim
from torch_impl.keras_config.planned import parameters_of
from torch_impl.keras_config.training import planned_optimizer
from torch_impl.optim.base import CLIPS, DEFAULTS
from torch_impl.optim.batch import Batch

# By the dtype of the port: what the same steps are apart, by how far they move the weights.
_SAME = {"float64": 1e-9, "float32": 1e-3}
_MOST_CHANGES = 3  # together
_MOST_WEIGHTS, _MOST = 3, 256  # and entries of each, which see every size of gradient
_FIRST = 2  # compared steps for which a number is solved: the second shows a momentum
# Beside Keras's settings, those of changes for which Keras has none: another class, torch's
# equations, a rate inside of torch's momentum, a decay in the gradients, one of weights that Keras
# excludes, a factor of the gradients, a norm of each of their rows, what is made of them before.
_CLASS, _TORCH, _INSIDE, _COUPLED = "class", "torch", "rate_inside", "coupled"
_ALL, _TIMES, _ROWS, _BEFORE = "decays_all", "times", "rows", "before"
_OF_TORCH = {
    name.lower(): kind for name, kind in vars(torch.optim).items() if inspect.isclass(kind)
}
_Change = tuple[str, str, Mapping[str, Any]]  # ID of the divergence, what it is, its settings
_Steps = Mapping[int, torch.Tensor]  # entries of the weights behind compared steps


def write_optimizer_changes(port: PortUnderTest, writer: PortWriter) -> None:
    """Says which changes of Keras's optimizer give what the port's has made, where that differs.

    Args:
        port: with its optimizer.
        writer: has what the optimizer made of given gradients; receives the fact
            `optimizer_changes`, those that explain the numbers together: none, if Keras's optimizer
            gives them at the rates of the port. Without that fact, nothing explains them.
    """
    keras = port.keras
    if keras.facts["optimizer"] is None or "optimizer/learning_rate" not in writer.arrays:
        return
    outcome = level.of_probe(keras, Written(writer, writer.facts).as_trace)
    failed = {item.name for item in outcome.items if item.status == FAIL}
    if not failed or keras.facts["optimizer"]["class"] not in _KINDS:
        return
    trained = {n: e["shape"] for n, e in keras.facts["weights"].items() if e["trainable"]}
    names = sorted(failed & {*trained}, key=lambda name: -math.prod(trained[name]))
    # Settings from outside may be anything, and some of those that are tried divide by zero.
    with suppress(Exception), np.errstate(all="ignore"):
        for some in dict.fromkeys([tuple(names[:_MOST_WEIGHTS]), tuple(names[:1])]):
            found = _Search(port, writer, some, trained).found() if some else ()
            if found is not None:
                writer.facts["optimizer_changes"] = [{"id": i, "text": t} for i, t, _ in found]
                return


# Keras's optimizers that treat each number by itself.
_KINDS = [name for name in optim.__all__ if getattr(optim, name) in ONE_BY_ONE]


def _in_keras(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the numbers among settings, by Keras's names."""
    named = {{"eps": "epsilon", "alpha": "rho"}.get(name, name): v for name, v in given.items()}
    named |= dict(zip(("beta_1", "beta_2"), named.get("betas", ()), strict=False))
    return {name: value for name, value in named.items() if isinstance(value, int | float)}


def _defaults(kind: Any) -> dict[str, Any]:
    return _in_keras({name: each.default for name, each in parameters_of(kind).items()})


class _Torchs(optim.KerasOptimizer):
    """Torch's equations in the place of Keras's.

    Args:
        params: parameters.
        made: an optimizer of torch, of the same parameters.
        is_inside: whether its momentum keeps the rates of earlier steps, as Keras's does.
        common: see `KerasOptimizer`.
    """

    def __init__(self, params: Any, made: Any, *, is_inside: bool, **common: Any) -> None:
        super().__init__(params, 0.0, {}, **common)
        self._made, self._is_inside = made, is_inside

    def _update(self, group: Any, parameters: Any, gradients: Any) -> None:
        (theirs,) = self._made.param_groups
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
            if self._is_inside and (kept := self._made.state[parameter]):
                kept["momentum_buffer"] *= theirs["lr"] / group["lr"]
        theirs["lr"] = group["lr"]
        self._made.step()


class _Search:
    """Looks for the changes that give what a port has.

    Args:
        port: with its optimizer.
        writer: has what the port made.
        names: of weights that differ, all of which are to be explained.
        shapes: of all weights that are trained.
    """

    def __init__(
        self,
        port: PortUnderTest,
        writer: PortWriter,
        names: Sequence[str],
        shapes: Mapping[str, Any],
    ) -> None:
        keras, facts = port.keras, known(port.keras.facts["optimizer"])
        self._keras, self._names, self._shapes = keras, names, shapes
        self._kind, self._same = facts["class"], _SAME[dtype_of(keras.facts)]
        self._config: Mapping[str, Any] = {**facts["config"], "loss_scale_factor": None}
        self._rates = writer.arrays["optimizer/learning_rate"]
        optimizer: Any = port.built.optimizer
        self._groups = [*optimizer.param_groups, getattr(optimizer, "common", {})]
        self._gradient = cache(self._drawn)
        self._start = {name: _few(keras[f"weights/{name}"]) for name in names}
        self._targets, self._of_keras = self._joined(writer.arrays), self._joined(keras)
        self._theirs = dict(self._steps(self._config, self._rates))
        start = _cat(self._start.values())
        self._moved = {step: _most(target, start) for step, target in self._targets.items()}
        self._apart = self._distance(self._theirs, self._targets)
        self._share = max(self._same, min(BY_CONSTANTS, MOST_BY_CONSTANTS * self._apart))

    def found(self) -> Sequence[_Change] | None:
        """Returns the changes that explain the numbers together; None if nothing does."""
        if self._apart <= self._same:
            return [*self._without_constraints()]
        if not any(self._moved.values()):  # what is left out of the optimizer
            return None
        changes, numbers = [*self._changes()], range(1, _MOST_CHANGES + 1)
        sets = (some for number in numbers for some in itertools.combinations(changes, number))
        more = ((change,) for change in itertools.chain(self._with_numbers(), self._others()))
        found = next((some for some in itertools.chain(sets, more) if self._gives(*some)), None)
        return None if found is None else [*self._without_constraints(), *found]

    def _gives(self, *some: _Change) -> bool:
        settings = {name: value for *_, each in some for name, value in each.items()}
        if len(settings) < sum(len(each) for *_, each in some):
            return False  # two values for one setting
        try:
            steps = self._steps({**self._config, **settings}, self._rates)
            return all(_most(w, self._targets[n]) <= self._share * self._moved[n] for n, w in steps)
        except (ArithmeticError, TypeError, ValueError):  # values that do not go together
            return False

    def _distance(self, some: _Steps, others: _Steps) -> float:
        """Returns how far two walks are apart, by how far the port moves the weights."""
        return max(_most(w, others[step]) / (self._moved[step] or 1) for step, w in some.items())

    # --- the changes -----------------------------------------------------------------------------

    def _changes(self) -> Iterator[_Change]:
        """Yields the changes to try, with values that the port says, and defaults."""
        config, rule = self._config, RULES.get(self._kind, "F14")
        said = [*map(_in_keras, self._groups), _defaults(getattr(optim, self._kind))]
        if (of_torch := _OF_TORCH.get(self._kind.lower())) is not None:
            said.append(_defaults(of_torch))
            yield rule, "torch's equations give the port's numbers", {_TORCH: True}
            if config.get("momentum") and "epsilon" in config:
                text = "epsilon is added outside the root, in Keras inside"
                yield rule, text, {_TORCH: True, _INSIDE: True}
        clip = next((name for name in CLIPS if config.get(name)), "")
        said += [dict.fromkeys(CLIPS, config[clip])] if clip else []
        for each in changed_settings(self._kind, config):
            if not each.among:
                yield each.id, each.text, each.made(None)
            values = (some[each.name] for some in said if each.among and each.name in some)
            for value in dict.fromkeys(values):
                if each.name != DECAY and value != config[each.name]:
                    yield each.id, shown(each.text, value), each.made(value)
        for some in said:
            both = {name: value for name, value in some.items() if name in ("beta_1", "beta_2")}
            if len(both) == 2 and all(value != config.get(name) for name, value in both.items()):
                text = " and ".join(f"{name} is {value}" for name, value in both.items())
                yield "F14", f"{text}, in the place of other betas", both
        yield from self._of_decay({some[DECAY] for some in said if some.get(DECAY)})
        if clip and clip != "clipvalue":
            before = partial(_clipped, is_whole=clip == "global_clipnorm", limit=config[clip])
            text = "1e-6 is added to the norm by which gradients are clipped"
            yield "E2", text, dict.fromkeys(CLIPS) | {_BEFORE: before}
        if clip == "clipnorm" and all(list(self._shapes[n])[:-1] == [2] for n in self._names):
            text = f"each of the two biases in {', '.join(self._names)} is clipped by itself"
            yield "E10", text, dict.fromkeys(CLIPS) | {_ROWS: config[clip]}
        if number := config.get(ACCUMULATED):
            keras = f"the mean gradient of {number} steps in Keras"
            yield "E3", f"{keras}, their sum in the port", {_TIMES: number}
            yield "E3", f"{keras}, each step by itself in the port", {ACCUMULATED: None}

    def _without_constraints(self) -> Iterator[_Change]:
        """Yields what Keras does to the weights behind its step, which is in no trial."""
        nodes = {weight: node for node in self._keras.facts["nodes"] for weight in node["weights"]}
        given = [constraint_of(nodes[n]["config"], n) for n in self._names if n in nodes]
        steps = dict(self._steps(self._config, self._keras["optimizer/learning_rate"]))
        if any(given) and self._distance(steps, self._of_keras) > self._same:
            names = ", ".join(dict.fromkeys(str(each["class_name"]) for each in given if each))
            yield "F16", f"without {names}, Keras's optimizer gives the port's numbers", {}

    def _of_decay(self, said: Collection[float]) -> Iterator[_Change]:
        now = self._config.get(DECAY)
        keras, names = f"in Keras {now:g}" if now else "in Keras none", ", ".join(self._names[:3])
        if now:
            yield "C11", f"no weight decays in the port, {keras}", {DECAY: None}
            text = f"{names}: none in Keras, which excludes it, {now:g} in the port"
            yield "C11", text, {_ALL: True}
        for value in (*said, now or 0.01):
            text = f"the decay of weights is {value:g} in the port, {keras}"
            yield "F9" if now else "C11", text, {DECAY: value}
            yield "C11", f"{text}, and is added to the gradients", {DECAY: value, _COUPLED: True}

    def _with_numbers(self) -> Iterator[_Change]:
        """Yields changes with the numbers that give the first steps of the port."""
        first = [*self._targets][:_FIRST]
        halves = [_cat(some[n] for n in first) for some in (self._targets, self._theirs)]
        between = Between(halves[0], halves[1], _cat(self._start.values()).repeat(len(first)))
        for each in changed_settings(self._kind, self._config):

            def made(number: Any, each: Change = each) -> torch.Tensor:
                steps = self._steps({**self._config, **each.made(number)}, self._rates)
                return _cat(w for _, w in itertools.islice(steps, len(first)))

            numbers = each.among
            if numbers and not each.is_whole:
                found = between.numbers(made, numbers, is_whole=False)
                # As somebody has typed it: what Keras has in float32 blurs its last digits.
                numbers = [n for number in found for n in (float(f"{number:.2g}"), number)]
            for number in numbers:
                yield each.id, shown(each.text, number), each.made(number)

    def _others(self) -> Iterator[_Change]:
        """Yields other optimizers, with the port's settings or their own defaults."""
        for name, is_torch in itertools.product(_KINDS, (True, False)):
            kinds = [getattr(optim, each) for each in (name, self._kind)]
            kind = _OF_TORCH.get(name.lower()) if is_torch else kinds[0]
            if kind is None or any(issubclass(*some) for some in (kinds, kinds[::-1])):
                continue
            given = _defaults(kind) | _in_keras(self._groups[0]) | {_CLASS: name, _TORCH: is_torch}
            text = f"{self._kind} in Keras, {name} in the port"
            for clips in ({}, dict.fromkeys(CLIPS)):
                yield "F13", text, {_COUPLED: is_torch and name != "AdamW"} | given | clips

    # --- the steps -------------------------------------------------------------------------------

    def _steps(
        self, config: Mapping[str, Any], rates: np.ndarray
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yields (number of a compared step, entries of the weights behind it)."""
        start: dict[str, torch.Tensor] = {
            name: torch.cat([each, each.new_zeros(1)]) for name, each in self._start.items()
        }
        if config.get("global_clipnorm") or config.get(_BEFORE):
            start[""] = torch.zeros(1, dtype=torch.float64)
        weights = {name: torch.nn.Parameter(each) for name, each in start.items()}
        optimizer = self._built(weights, config)
        for step, rate in enumerate(rates.tolist(), start=1):
            for name, weight in weights.items():
                gradient = self._gradient(step, name, config.get(_ROWS, math.inf))
                weight.grad = gradient * config.get(_TIMES, 1)
            if config.get(_BEFORE):
                config[_BEFORE](weights.values())
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            if step in probe_inputs.OPTIMIZER_STEPS:
                yield step, _cat(weights[name].detach()[:-1] for name in self._names)

    def _built(self, weights: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
        kind, given = config.get(_CLASS, self._kind), {**config, "learning_rate": 0.0}
        parameters = list(weights.values())
        if not config.get(_TORCH):
            named = {"class_name": kind, "config": given}
            optimizer: Any = planned_optimizer(named).on(parameters).build()
        else:
            of_torch: Any = _OF_TORCH[kind.lower()]
            given |= {"eps": given.get("epsilon"), "alpha": given.get("rho"), DECAY: 0.0}
            given["betas"] = given.get("beta_1"), given.get("beta_2")
            names = inspect.signature(of_torch).parameters.keys() - {"params"}
            # What torch's class alone has, such as a dampening, is what the port says.
            found = {n: v for n, v in {**self._groups[0], **given}.items() if n in names}
            common = {name: config[name] for name in (*DEFAULTS, DECAY) if name in config}
            made, is_inside = of_torch(parameters, **found), bool(config.get(_INSIDE))
            optimizer = _Torchs(parameters, made, is_inside=is_inside, **common)
        if config.get(_COUPLED):
            optimizer._decay = _coupled
        elif not config.get(_ALL):
            undecayed = self._keras.facts.get("undecayed", ())
            optimizer.exclude_from_weight_decay([weights[n] for n in weights if n in undecayed])
        return optimizer

    def _drawn(self, step: int, name: str, limit: float) -> torch.Tensor:
        """Returns the entries of a gradient, and one that gives them the norm of the whole.

        Args:
            step: its number.
            name: of the weight; "": all others, of which there is only the norm.
            limit: of the norm of each row.
        """
        seed, shapes = int(self._keras.spec["seed"]), self._shapes
        names = [name] if name else sorted(shapes.keys() - {*self._names})
        drawn = [probe_inputs.gradient(seed, step, each, shapes[each]) for each in names]
        if limit < math.inf:
            rows = ([row * min(1.0, limit / np.linalg.norm(row)) for row in each] for each in drawn)
            drawn = [np.array(each) for each in rows]
        few = _few(drawn[0]) if name else torch.zeros(0, dtype=torch.float64)
        rest = sum(float(np.square(each).sum()) for each in drawn) - float(few.square().sum())
        return torch.cat([few, few.new_tensor([max(rest, 0.0)]).sqrt()])

    def _joined(self, arrays: Any) -> _Steps:
        """Returns the entries of what a half has behind each compared step."""
        return {
            step: _cat(_few(arrays[f"optimizer/{step}/weights/{name}"]) for name in self._names)
            for step in probe_inputs.OPTIMIZER_STEPS
        }


def _clipped(weights: Collection[torch.Tensor], *, is_whole: bool, limit: float) -> None:
    """Clips gradients as torch does, all together or each by itself."""
    for some in [weights] if is_whole else weights:
        torch.nn.utils.clip_grad_norm_(some, limit)


def _coupled(batch: Batch) -> None:
    for parameter, gradient in zip(batch.parameters, batch.gradients, strict=True):
        gradient.add_(parameter, alpha=batch.group["weight_decay"])


def _few(array: np.ndarray) -> torch.Tensor:
    """Returns some of the entries of a weight that are compared."""
    few = probe_inputs.sampled(probe_inputs.of_step(array).reshape(-1), _MOST)
    return torch.from_numpy(few.astype(np.float64))


def _cat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.cat([*tensors])


def _most(some: torch.Tensor, others: torch.Tensor) -> float:
    return float((some - others).abs().max())

"""Base of Keras's optimizers: the order of a step, rate, decay, averages, accumulation."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from numbers import Real
from typing import Any, ClassVar, TypedDict, Unpack

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from torch_impl.optim.batch import Batch, Group, Tensors, clip, with_gradients
from torch_impl.optim.rounding import numpy_dtype, through_float32
from torch_impl.schedule.base import LearningRateSchedule, plain

# --------------------------------------------------------------------------------------------------
#
# The arguments that all optimizers take in addition to their own, and their allowed values.


Parameters = Iterable[torch.Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, torch.Tensor]]


class CommonArguments(TypedDict, total=False):
    """The arguments that `KerasOptimizer` explains; the defaults are in `DEFAULTS`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None


DEFAULTS: dict[str, Any] = {
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}

# Keras's names of what a group has under torch's.
_IN_A_GROUP = {
    "learning_rate": "lr",
    "epsilon": "eps",
    "beta_1": "betas=(beta_1, beta_2)",
    "beta_2": "betas=(beta_1, beta_2)",
}

CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


def check_common(arguments: dict[str, Any]) -> None:
    """Raises a ValueError for common arguments that Keras refuses, a TypeError for unknown ones."""
    if unknown := set(arguments) - set(DEFAULTS):
        raise TypeError(f"arguments {sorted(unknown)}: expected some of {', '.join(DEFAULTS)}")
    values = DEFAULTS | arguments
    clips = {key: values[key] for key in CLIPS if values[key] is not None}
    if len(clips) > 1:
        raise ValueError(f"{clips}: expected at most one of {', '.join(CLIPS)}")
    for key, low in (("gradient_accumulation_steps", 2), ("ema_overwrite_frequency", 1)):
        value = values[key]
        # 0 is None, as in Keras.
        if value and not (isinstance(value, int) and value >= low):
            raise ValueError(f"{key}={value!r}: expected a whole number of at least {low}, or None")
    check_fraction("ema_momentum", values["ema_momentum"])


def check_fraction(name: str, value: float) -> None:
    """Raises a ValueError if a number is not in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value!r}: expected a number in [0, 1]")


def check_settings(settings: dict[str, Any]) -> None:
    """Raises a ValueError if the settings of a subclass are not numbers, or tuples of them."""
    for name, value in settings.items():
        parts = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(part, Real) for part in parts):
            raise ValueError(
                f"{name}={value!r}: expected {'numbers' if len(parts) > 1 else 'a number'}; the "
                "order of the arguments is Keras's"
            )


def check_group(group: dict[str, Any], known: Iterable[str]) -> None:
    """Raises a ValueError for a setting of a group that nothing would read.

    Args:
        group: as a user gives it, with names of its own beside those that torch reads.
        known: names of the settings that a group can have.
    """
    for name in set(group) & {*_IN_A_GROUP, *DEFAULTS} - set(known):
        wanted = "it as an argument of the optimizer, for all groups"
        if name in _IN_A_GROUP:
            wanted = f"{_IN_A_GROUP[name]} in its place"
        raise ValueError(f"{name}={group[name]!r} in a group: expected {wanted}")


# --------------------------------------------------------------------------------------------------
#
# Averages of weights that a port keeps beside its optimizer, as an `AveragedModel` of torch.


_IS_UPDATED = "_parity_is_updated"


def update_after_steps(
    average: AveragedModel, module: nn.Module, optimizer: torch.optim.Optimizer | None
) -> None:
    """Lets an average be updated after every step of an optimizer; a second call does nothing.

    Raises:
        ValueError: there is no optimizer, or the average is of a module with other parameters.
    """
    if optimizer is None:
        raise ValueError("average without an optimizer: expected Port(average=..., optimizer=...)")
    if [p.shape for p in average.module.parameters()] != [p.shape for p in module.parameters()]:
        raise ValueError("average: expected an AveragedModel of the port's module")
    if not hasattr(average, _IS_UPDATED):
        object.__setattr__(average, _IS_UPDATED, True)
        optimizer.register_step_post_hook(lambda *_: average.update_parameters(module))


def averaged(
    average: AveragedModel, module: nn.Module
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yields the trained parameters of a module, each with its average."""
    for parameter, kept in zip(module.parameters(), average.module.parameters(), strict=True):
        if parameter.requires_grad:
            yield parameter, kept


@torch.no_grad()
def replace_weights(average: AveragedModel, module: nn.Module) -> None:
    """Replaces the trained parameters of a module by their averages, if there are any yet."""
    if int(average.n_averaged):
        for parameter, kept in averaged(average, module):
            parameter.copy_(kept)


# --- Base of Keras's optimizers: the order of a step, rate, decay, averages, accumulation ---------


class KerasOptimizer(torch.optim.Optimizer):
    """Base of the optimizers: a step in Keras's order, around the equations of a subclass.

    A step divides the gradients by `loss_scale_factor` and adds them up. The last of
    `gradient_accumulation_steps` steps clips them, decays the weights and updates the weights.
    Every step then updates the averages of the weights.

    Differs from torch.optim.Optimizer in:
    1. the rate is rounded to the dtype of the weights, as Keras's variable is;
    2. weight_decay is decoupled: w -= w * weight_decay * lr, before the update and not through the
       gradient, for all weights including biases, except those that are excluded;
    3. weight_decay is rounded to float32 first, in float64 runs too;
    4. there is one count of steps for all parameters, with or without a gradient, in
       `param_groups[i]["step"]`; a group that is added later takes it over;
    5. it clips, accumulates and averages itself.

    The following is as in torch and not as in Keras. A parameter without a gradient stays as it is,
    without a warning (only its average is updated), and its slots are made at its first gradient. A
    step without any gradient counts. Each group can have its own rate, settings and dtype. A
    closure is called once, before the step. A sparse gradient is an error.

    Source: keras 3.15 `optimizers/base_optimizer.py`, `backend/tensorflow/optimizer.py`.

    Args:
        params: parameters, named parameters, or groups of them with their own settings; float32 or
            float64, one dtype in a group.
        learning_rate: a number, which `param_groups[i]["lr"]` has and which can be changed there;
            or a schedule, with which every step sets "lr" to its rate.
        settings: those of the subclass, under their names in `param_groups`.
        weight_decay: None means 0.
        common: clipnorm, norm above which the gradient of one parameter is scaled down;
            clipvalue, size above which an entry of a gradient is cut;
            global_clipnorm, norm of all gradients together above which all are scaled down;
            use_ema, whether an average of the weights is kept;
            ema_momentum, for average = ema_momentum * average + (1 - ema_momentum) * weights, where
            the first average is the weights;
            ema_overwrite_frequency, number of updates after which the averages become the weights;
            with None only `finalize_variable_values` does that;
            loss_scale_factor, by which the loss was multiplied, see `scale_loss`;
            gradient_accumulation_steps, number of steps whose mean gradient makes one update; a
            schedule counts the steps, the equations count the updates.

    Raises:
        ValueError: Keras refuses a setting or it is no number; a dtype is another one; a group has
            two dtypes, or Keras's name for a setting, which it has under torch's.
    """

    # Keras's name of a slot -> its key in `state`.
    SLOTS: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule,
        settings: dict[str, Any],
        weight_decay: float | None = None,
        **common: Unpack[CommonArguments],
    ) -> None:
        check_common(dict(common))
        check_settings(settings)
        settings = {name: plain(value) for name, value in settings.items()}
        self.common: dict[str, Any] = {**DEFAULTS, **common}
        self.schedule = learning_rate if isinstance(learning_rate, LearningRateSchedule) else None
        rate = self.schedule(0, compiled=True) if self.schedule else learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise ValueError(f"learning_rate={rate!r}: expected a number or LearningRateSchedule")
        defaults = {"lr": rate, **settings, "step": 0, "weight_decay": plain(weight_decay or 0.0)}
        super().__init__(params, {**defaults, "exclude_from_weight_decay": (), "joined": ()})

    @classmethod
    def takes_norms(cls, settings: Mapping[str, Any]) -> bool:
        """Whether a step takes the norms of single weights or gradients.

        Args:
            settings: of the optimizer, "clipnorm" among them.
        """
        return bool(settings.get("clipnorm"))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Makes a step for all parameters with a gradient; returns the closure's result."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        batches = [with_gradients(group) for group in self.param_groups]
        for group in self.param_groups:
            group["step"] += 1  # (4)
            if self.schedule is not None:
                group["lr"] = self.schedule(group["step"] - 1, compiled=True)
        if factor := self.common["loss_scale_factor"]:
            batches = [batch.changed(lambda _, g: g / factor) for batch in batches]
        if self._is_update():
            batches = clip(self._mean_gradients(batches), self.common)  # (5)
            for batch in batches:
                self._decay(batch)
            for batch in batches:
                if batch.parameters:
                    self._update(*batch)
            self._reset_accumulators()
        else:
            for _, parameters, gradients in batches:
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    self._slot(parameter, "gradient_accumulator").add_(gradient)  # (5)
        if self.common["use_ema"]:
            self._update_averages()  # (5)
        return loss

    @abstractmethod
    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        """Applies the equations: changes parameters and slots in place, but not gradients.

        There is at least one parameter.
        """

    def slots(self, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns the slots of a parameter by Keras's names; empty before its first gradient."""
        names = {**self.SLOTS, **{key: key for key in ("average", "gradient_accumulator")}}
        state = self.state.get(parameter, {})
        return {name: state[key] for name, key in names.items() if key in state}

    @torch.no_grad()
    def finalize_variable_values(self) -> None:
        """Replaces the weights by their averages if there are any. Call it after the last step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if "average" in self.state.get(parameter, {}):
                    parameter.copy_(self.state[parameter]["average"])

    def scale_loss(self, loss: torch.Tensor) -> torch.Tensor:
        """Returns the loss, multiplied by `loss_scale_factor` if there is one."""
        factor = self.common["loss_scale_factor"]
        return loss * factor if factor else loss

    def exclude_from_weight_decay(
        self, var_list: Collection[torch.Tensor] = (), var_names: Collection[str] = ()
    ) -> None:
        """Excludes these parameters from decay; another call replaces the list.

        As usual in torch, a group whose `weight_decay` is 0 is excluded too.

        Args:
            var_list: parameters of this optimizer.
            var_names: patterns to search for in names, such as "bias"; for an optimizer that was
                given `model.named_parameters()`.

        Raises:
            ValueError: the parameters have no names.
        """
        for group in self.param_groups:
            if var_names and "param_names" not in group:
                raise ValueError(
                    f"var_names={list(var_names)!r} for parameters without names: expected an "
                    "optimizer that was given model.named_parameters()"
                )
            names = group.get("param_names", [""] * len(group["params"]))
            pairs = zip(group["params"], names, strict=True)
            # Positions stay right in a copy and after load_state_dict.
            group["exclude_from_weight_decay"] = tuple(
                position
                for position, (parameter, name) in enumerate(pairs)
                if any(parameter is excluded for excluded in var_list)
                or any(re.search(pattern, name) for pattern in var_names)
            )

    def join_norms(self, sets: Collection[Collection[torch.Tensor]]) -> None:
        """Takes one norm of the parameters in each set; another call replaces the sets.

        They are one variable in Keras, as the two biases of a GRU are: `clipnorm` clips them as
        one, and `Lamb` has one rate for them. `torch_impl.layouts.joined_parameters` finds them.

        Args:
            sets: of parameters of this optimizer, each in one group.

        Raises:
            ValueError: a set has parameters of no group, or of several.
        """
        places = {
            id(parameter): (number, place)
            for number, group in enumerate(self.param_groups)
            for place, parameter in enumerate(group["params"])
        }
        found: list[list[tuple[int, ...]]] = [[] for _ in self.param_groups]
        for parameters in sets:
            at = [places.get(id(parameter), (-1, 0)) for parameter in parameters]
            numbers = {number for number, _ in at}
            if len(numbers) != 1 or -1 in numbers:
                shapes = [tuple(parameter.shape) for parameter in parameters]
                raise ValueError(
                    f"parameters of shapes {shapes} to be joined: expected parameters of one group "
                    "of this optimizer"
                )
            found[numbers.pop()].append(tuple(place for _, place in at))
        # Positions stay right in a copy and after load_state_dict.
        for group, joined in zip(self.param_groups, found, strict=True):
            group["joined"] = tuple(joined)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters, which take over the count of earlier steps."""
        if self.schedule is not None and "lr" in param_group:
            raise ValueError(f"lr={param_group['lr']!r} in a group: the schedule sets all rates")
        check_group(param_group, self.defaults)
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        dtypes = {parameter.dtype for parameter in group["params"]}
        if len(dtypes) > 1:
            given = ", ".join(sorted(map(str, dtypes)))
            raise ValueError(f"a group with parameters of {given}: expected one dtype")
        for dtype in dtypes:
            group["lr"] = float(numpy_dtype(dtype)(group["lr"]))  # (1)
        group["step"] = self.param_groups[0]["step"]  # (4)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "common": self.common, "schedule": self.schedule}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key, value in self.defaults.items():
                group.setdefault(key, value)  # an older state may lack a key

    def _is_update(self) -> bool:
        steps = self.common["gradient_accumulation_steps"]
        return not steps or self.param_groups[0]["step"] % steps == 0

    def _num_updates(self, group: Group) -> int:
        """Returns the number of the present update, from 1: Keras's `iterations + 1`."""
        steps = self.common["gradient_accumulation_steps"] or 1
        number: int = 1 + (group["step"] - 1) // steps
        return number

    def _rate(self, group: Group) -> float:
        """Returns the rate of a group in the dtype of its weights."""
        return float(numpy_dtype(group["params"][0].dtype)(group["lr"]))  # (1)

    def _slot(self, parameter: torch.Tensor, key: str, value: float = 0.0) -> torch.Tensor:
        """Returns the slot of a parameter; makes it, filled with a value, if there is none yet.

        It follows its parameter, which `module.double()` or `module.cuda()` may have changed.
        """
        state = self.state[parameter]
        if key not in state:
            state[key] = torch.full_like(parameter, value)
        slot: torch.Tensor = state[key].to(parameter)
        state[key] = slot
        return slot

    def _mean_gradients(self, batches: list[Batch]) -> list[Batch]:
        steps = self.common["gradient_accumulation_steps"]
        if not steps:
            return batches
        return [
            batch.changed(lambda p, g: (g + self._slot(p, "gradient_accumulator")) / steps)  # (5)
            for batch in batches
        ]

    def _reset_accumulators(self) -> None:
        if self.common["gradient_accumulation_steps"]:
            for state in self.state.values():
                if "gradient_accumulator" in state:
                    state["gradient_accumulator"].zero_()

    def _decay(self, batch: Batch) -> None:
        group, parameters, _ = batch
        if not group["weight_decay"]:
            return
        excluded = {id(group["params"][i]) for i in group["exclude_from_weight_decay"]}
        if parameters := [p for p in parameters if id(p) not in excluded]:
            self._decay_weights(group, parameters)

    def _decay_weights(self, group: Group, parameters: Tensors) -> None:
        decays = torch._foreach_mul(parameters, through_float32(group["weight_decay"]))  # (3)
        torch._foreach_mul_(decays, self._rate(group))
        torch._foreach_sub_(parameters, decays)  # (2)

    def _update_averages(self) -> None:
        frequency = self.common["ema_overwrite_frequency"]
        for group in self.param_groups:
            number = self._num_updates(group)
            for parameter in group["params"]:
                one = numpy_dtype(parameter.dtype)(1)
                kept = one * self.common["ema_momentum"] if number > 1 else 0 * one
                average = self._slot(parameter, "average")
                average.mul_(float(kept)).add_(parameter * float(one - kept))
                if frequency and number % frequency == 0:
                    parameter.copy_(average)

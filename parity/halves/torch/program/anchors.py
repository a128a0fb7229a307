"""Anchors: starts a port from recorded states of the reference, and puts its own state back."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.casts import without_casts
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import counters_of, set_slots, slots_of, why_not_carried
from parity.halves.torch.program.masks import Masks, mask_states
from parity.halves.torch.program.stepper import Runner
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchors import FLOAT32, Anchor, AnchorPlan
from parity.traces.trace import PortWriter
from parity.traces.training_recorder import AnchoredSteps, moved
from torch_impl.port import Port

# --------------------------------------------------------------------------------------------------
#
# kept: the state of a port in the middle of its training, put back after a block as it was.
#
# The tensors of module and optimizer, the random numbers, and the plain values that modules, rules
# and functions of the user count with: a loss that counts its calls goes on where it was.


_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


@contextmanager
def kept(port: Port) -> Iterator[None]:
    """Puts a port back, after the block, into its present state.

    Everything is put back into the objects that have it, since code of the user may hold them.
    """
    restore = [_tensors(port), _optimizer(port.optimizer), *map(_plain, _objects(port))]
    random = torch.get_rng_state()
    try:
        yield
    finally:
        for each in restore:
            each()
        torch.set_rng_state(random)


@contextmanager
def in_float64(port: Port) -> Iterator[None]:
    """Makes everything float64 in the block; `kept` around it makes it what it was."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    for module in _modules(port):
        module.double()
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _tensors(port: Port) -> Callable[[], None]:
    """Gives a module other tensors with the same values; returns what puts its own back."""
    owners = [inner for module in _modules(port) for inner in module.modules()]
    parameters = {
        id(p): (p, p.data, p.grad, p.requires_grad) for m in _modules(port) for p in m.parameters()
    }
    buffers = [(owner, dict(owner._buffers)) for owner in {id(o): o for o in owners}.values()]
    for parameter, data, _, _ in parameters.values():
        parameter.grad = None
        parameter.data = data.clone()
    for owner, tensors in buffers:
        for name, buffer in tensors.items():
            owner._buffers[name] = None if buffer is None else buffer.clone()

    def restore() -> None:
        for parameter, data, gradient, is_trained in parameters.values():
            parameter.grad = None
            parameter.data = data
            parameter.grad = gradient
            parameter.requires_grad_(is_trained)
        for owner, tensors in buffers:
            owner._buffers.clear()
            owner._buffers.update(tensors)

    return restore


def _optimizer(optimizer: Any) -> Callable[[], None]:
    state = {parameter: copy.deepcopy(slots) for parameter, slots in optimizer.state.items()}
    groups = [
        {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    schedule = getattr(optimizer, "schedule", None)

    def restore() -> None:
        optimizer.state.clear()
        optimizer.state.update(state)
        for group, before in zip(optimizer.param_groups, groups, strict=True):
            for name in [name for name in group if name not in before and name != "params"]:
                del group[name]
            group.update(before)
        if schedule is not None:
            optimizer.schedule = schedule

    return restore


def _modules(port: Port) -> list[nn.Module]:
    """Returns the modules of a port whose tensors take part in a step."""
    found = (port.module, port.loss, port.validation_loss)
    return [each for each in found if isinstance(each, nn.Module)]


def _objects(port: Port) -> list[Any]:
    """Returns what may count: modules, rules, and functions of the user."""
    found: list[Any] = [inner for module in _modules(port) for inner in module.modules()]
    found += [*port.schedulers, port.early_stopping]
    given = (port.loss, port.validation_loss, port.before_step, port.train_epoch, port.evaluate)
    for function in (*given, port.feed, port.target, port.output):
        found += [*_functions(function), getattr(function, "__self__", None)]
    return list({id(each): each for each in found if each is not None}.values())


def _functions(function: Any, depth: int = 3) -> Iterator[Any]:
    """Yields a function and those that it holds, as a decorated one does."""
    yield function
    for cell in getattr(function, "__closure__", None) or () if depth else ():
        if inspect.isfunction(content := _content(cell)):
            yield from _functions(content, depth - 1)


def _content(cell: Any) -> Any:
    """Returns what a variable of an outer function holds; a list, which is not plain, if unset."""
    try:
        return cell.cell_contents
    except ValueError:
        return []


def _plain(holder: Any) -> Callable[[], None]:
    """Returns what puts the plain values back that an object or a function holds."""
    values = _plain_values(getattr(holder, "__dict__", {}))
    cells: list[tuple[Any, Any]] = []
    if inspect.isfunction(holder):
        given = [(cell, _content(cell)) for cell in holder.__closure__ or ()]
        cells = [(cell, content) for cell, content in given if isinstance(content, _PLAIN)]

    def restore() -> None:
        if values:
            vars(holder).update(values)
        for cell, content in cells:
            cell.cell_contents = content

    return restore


def _plain_values(given: Any) -> dict[str, Any]:
    """Returns the plain values among attributes, and copies of lists and dictionaries of them."""
    found: dict[str, Any] = {}
    for name, value in dict(given).items():
        if isinstance(value, _PLAIN):
            found[name] = value
        elif type(value) in (list, tuple) and all(isinstance(each, _PLAIN) for each in value):
            found[name] = type(value)(value)
        elif type(value) is dict and all(isinstance(each, _PLAIN) for each in value.values()):
            found[name] = dict(value)
    return found


# --- Anchors: starts a port from recorded states of the reference, in its own training ------------
#
# In front of its own steps, the port makes the same steps from the state of the reference: with its
# own loss, optimizer and loop, as its code is at that moment, in float64. Then it goes on from its
# own state as if nothing had been.


_DO = "run it with `--dtype float64`, or use an optimizer of torch_impl.optim or torch.optim"


class Anchors:
    """Makes the steps from anchors while a port trains.

    Args:
        port: with the weights of its own training.
        built: the same port, complete.
        form: of its output.
        masks: of its dropouts.
        folder: has the anchors of the Keras half, as soon as it has made them.
        nests: what Keras's `fit` was fed.
        writer: receives `anchored/…` and `between_steps`.

    Attributes:
        are_made: whether steps are being made that do not belong to the training.
        wall_s: seconds that these steps took, and looking for changes between two steps.
    """

    def __init__(
        self,
        port: PortUnderTest,
        built: Port,
        form: str,
        masks: Masks,
        folder: AnchorFolder,
        nests: Mapping[str, Any],
        writer: PortWriter,
    ) -> None:
        self._port, self._built, self._form, self._masks = port, built, form, masks
        self._folder, self._nests, self._writer = folder, nests, writer
        self._plan: AnchorPlan | None = None
        self._trained_in = port.dtype
        self._initial = copy.deepcopy(dict(built.optimizer.state.items()))  # type: ignore[union-attr]
        self._runners: dict[str, Runner] = {}
        self._step_state: list[torch.Tensor] = []
        self._changed: list[int] = []
        self.are_made = False
        self.wall_s = 0.0

    def before_step(self) -> None:
        """Makes the steps from an anchor that is in front of the next step of the training."""
        if self.are_made:
            return
        started = time.perf_counter()
        self._before_step()
        self.wall_s += time.perf_counter() - started

    def _before_step(self) -> None:
        if self._plan is None:
            self._plan = self._folder.plan()
        self._changed.append(num_changed(self._step_state, self._values()))
        step = len(self._changed) - 1
        if step not in self._plan.steps:
            return
        anchor = self._folder.read(step)  # there is none if the reference has ended before
        if anchor is not None:
            self._from(anchor)

    def after_step(self) -> None:
        """Keeps the state after a step of the training's own."""
        if not self.are_made:
            started = time.perf_counter()
            self._step_state = [value.clone() for value in self._values()]
            self.wall_s += time.perf_counter() - started

    def finish(self) -> None:
        """Writes what changed between the steps of the training."""
        self._writer.put("between_steps", np.array(self._changed))

    def _values(self) -> list[torch.Tensor]:
        """Returns weights with a place in Keras, slots and counters, as they are now."""
        weights = {
            id(tensor): tensor for item in self._port.carried for tensor in item.variable.tensors
        }
        slots = slots_of(self._port, rate=1.0)
        found = [torch.from_numpy(value) for part in slots.values() for value in part.values()]
        counters = torch.tensor(counters_of(self._optimizer), dtype=torch.float64)
        return [*(tensor.detach() for tensor in weights.values()), *found, counters]

    def _from(self, anchor: Anchor) -> None:
        """Makes the steps from an anchor, and writes what they compute."""
        why = why_not_carried(self._port, anchor.slots, anchor.others)
        if why is not None:
            self._leave_out("optimizer steps from recorded states", why, _DO)
        self.are_made = True
        try:
            with ExitStack() as stack:
                stack.enter_context(kept(self._built))
                stack.enter_context(self._masks.kept())
                if self._built.seeds is not None:  # elsewhere it draws its masks by itself
                    by_layer = mask_states(self._port)
                    self._writer.put_all(f"anchored/{anchor.step}/masks", by_layer)
                    stack.enter_context(self._masks.active())
                if why is None and self._port.dtype == FLOAT32:
                    self._rounded(anchor)
                stack.enter_context(in_float64(self._built))
                stack.enter_context(self._port.computing("float64"))
                with without_casts("float64"):  # as in Keras's steps
                    self._exact(anchor, is_whole=why is None).write(self._writer, anchor.step)
        except Exception as error:  # the code of the port may raise anything
            self._leave_out(*_error_entry(error))
        finally:
            self.are_made = False

    def _leave_out(self, what: str, why: str, do: str) -> None:
        found = self._writer.facts.setdefault("incomplete", [])
        if what not in [each["what"] for each in found]:
            found.append({"what": what, "why": why, "do": do})

    def _rounded(self, anchor: Anchor) -> None:
        """Makes the first step in the dtype of the training."""
        self._load(anchor)

        def keep(loss: float | None, numbers: Mapping[str, float]) -> None:
            by = moved(anchor.weights, self._port.weights())
            self._writer.put_all(f"anchored/{anchor.step}/{FLOAT32}", by)

        self._runner("float32").steps(anchor, 1, keep)

    def _exact(self, anchor: Anchor, *, is_whole: bool) -> AnchoredSteps:
        """Makes all steps in float64, or, if the slots are not known, evaluates alone."""
        assert self._plan is not None
        runner, made = self._runner("float64"), AnchoredSteps(anchor.weights, len(anchor.rates))
        if anchor.step in self._plan.validated and (batches := runner.validation(self._nests)):
            self._load(anchor)
            made.keep_validation(runner.evaluated(batches))
        if not is_whole:
            return made
        self._load(anchor)

        def keep(loss: float | None, numbers: Mapping[str, float]) -> None:
            is_kept = made.next_is_kept
            made.keep(loss, numbers)
            if is_kept:
                rate = float(self._optimizer.param_groups[0]["lr"])
                made.keep_state(self._port.weights(), slots_of(self._port, rate))

        made.keep_running(runner.steps(anchor, len(anchor.rates), keep))
        return made

    def _load(self, anchor: Anchor) -> None:
        """Puts the port into the state of an anchor; its settings stay its own."""
        optimizer = self._optimizer
        optimizer.state.clear()
        for item in self._port.carried:
            item.set(anchor.weights[item.name])
        if not anchor.slots:  # the reference has made no step yet, or keeps nothing
            for parameter, state in self._initial.items():
                optimizer.state[parameter] = {
                    key: value.to(parameter.dtype).clone()
                    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim
                    else copy.deepcopy(value)
                    for key, value in state.items()
                }
        set_slots(self._port, anchor.slots, anchor.others, float(anchor.rates[0]))
        self._masks.set_states(anchor.masks)

    @property
    def _optimizer(self) -> Any:
        return self._built.optimizer

    def _runner(self, dtype: str) -> Runner:
        if dtype not in self._runners:
            given = (self._port, self._built, self._form, self._nests, self._trained_in)
            self._runners[dtype] = Runner(*given)
        return self._runners[dtype]


def _error_entry(error: Exception) -> tuple[str, str, str]:
    """Returns what could not be compared since the port raised an error, why, and what to do."""
    what = "steps from recorded states"
    why = f"made again in float64, they raise {type(error).__name__}: {error}"
    do = (
        "let the port compute in the dtype of its weights, constants included; or compare single "
        "batches: `parity check --dtype float32`"
    )
    return what, why, do


def num_changed(before: list[torch.Tensor], now: list[torch.Tensor]) -> int:
    """Returns how many values are not those before; all that are there if some are missing.

    Args:
        before: weights and slots; none in front of the first step.
        now: the same ones, later.
    """
    if not before:  # in front of the first step
        return 0
    if [value.shape for value in before] != [value.shape for value in now]:
        return sum(value.numel() for value in before)
    pairs = [(a, b) for a, b in zip(before, now, strict=True) if not torch.equal(a, b)]
    # A value that is no number stays the same.
    return sum(int(((a != b) & ~(a.isnan() & b.isnan())).sum()) for a, b in pairs)

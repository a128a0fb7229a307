"""A whole training of a port on what Keras was fed, written down."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from parity.errors import InputError
from parity.halves.torch.check.custom_training import StepData, given_draws, numbers_of
from parity.halves.torch.port.carrying import source_tensors
from parity.halves.torch.port.parts import as_written
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.program.anchors import Anchors, period_of
from parity.halves.torch.program.loop_notes import LoopNotes
from parity.halves.torch.program.masks import Masks, PhantomSteps, refuse_other_images, write_draws
from parity.halves.torch.program.stepper import Evaluation, ReplayedStepper
from parity.halves.torch.step_rate import StepRate
from parity.ladder.custom_steps import FACT, counts_key, mode_of_step
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.trace import KerasTrace, PortWriter, RunResult, Weights
from parity.traces.training_recorder import TrainingRecorder, loss_of
from torch_impl import losses, metrics
from torch_impl.port import Port
from torch_impl.trainer import Batch, Callback, Trainer
from torch_impl.trainer.batches import GivenBatches, leaves, mapped

if TYPE_CHECKING:
    from parity.halves.torch.program.flow_batches import FlowBatches


# --- A whole training of a port by a `train_step` of its own, with all that Keras's has drawn -----
#
# The training of Keras goes in: what its steps drew, and of what their numbers are means. The steps
# of the port come out, measured likewise.


class OwnMeasures(Mapping[str, float]):
    """The numbers that steps return, as Keras's `fit` shows them.

    A number that Keras keeps as a mean is one over the epoch, with Keras's weights; another one is
    that of the last step.

    Args:
        trained: the training of Keras.
    """

    def __init__(self, trained: KerasTrace) -> None:
        self._counts = {
            name: trained[counts_key(name)] for name in trained.below("training/counts")
        }
        self._num_made = 0
        self._sums: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def reset(self) -> None:
        """Begins an epoch."""
        self._sums, self._before, self._last = {}, {}, {}

    def update(self, logs: Mapping[str, float], *_: Any) -> None:
        """Adds the numbers of a step."""
        step, self._num_made = self._num_made, self._num_made + 1
        for name, value in logs.items():
            if step < len(counts := self._counts.get(name, ())):
                count, before = float(counts[step]), self._before.get(name, 0.0)
                self._sums[name] = self._sums.get(name, 0.0) + value * (count - before)
                self._before[name] = count
                self._last[name] = self._sums[name] / count if count else value
            else:
                self._last[name] = value

    def __getitem__(self, key: str) -> float:
        return self._last[key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._last))

    def __len__(self) -> int:
        return len(self._last)


class OwnStepper:
    """Makes the steps of a port by its `train_step`, in the place of a Stepper.

    Args:
        port: with Keras's initial weights.
        trained: the training of Keras, which has ended.

    Attributes:
        port: what the factory returned.
        measures: the numbers of the epoch.
        parts: empty.
        dtype: of the module.
        rate: of the last step, of the optimizer whose rates are compared.
    """

    prepares_whole = False

    def __init__(self, port: PortUnderTest, trained: KerasTrace) -> None:
        self._port, self._facts = port, port.keras.facts[FACT]
        self._drawn = _Drawn(port.keras, trained)
        self._data = StepData(port)
        self._modes = list(port.modes)
        self._num_made = 0
        self._watched = self._weights_of_first()
        self.port: Port = port.built
        self.measures = OwnMeasures(trained)
        self.parts: dict[str, Any] = {}
        self.dtype = getattr(torch, port.dtype)
        self.rate = 0.0
        self._rate: StepRate | None = None  # of a step that is being made

    def prepared(self, batch: Batch) -> Batch:
        """Returns a batch whose `x` is what `train_step` gets."""
        arrays = [
            [np.asarray(array) for array in leaves(part) if array is not None]
            for part in (batch.x, batch.y, batch.weight)
        ]
        return Batch(self._data.given(*arrays))

    def step(self, batch: Batch) -> tuple[Mapping[str, float], None]:
        """Makes a step of training; returns its numbers."""
        port = self._port
        self._num_made += 1
        for module, is_training in self._modes:  # as the port left them
            module.training = is_training
        hooks = [
            register_optimizer_step_pre_hook(self._begin_step),
            register_optimizer_step_post_hook(self._end_step),
        ]
        probes, port.keras = port.keras, self._drawn  # type: ignore[assignment]
        try:
            given = given_draws(port, mode_of_step(self._num_made), self._facts)
            with as_written(port.module), given:
                assert self.port.train_step is not None
                returned = self.port.train_step(batch.x)
        finally:
            port.keras = probes
            for hook in hooks:
                hook.remove()
        self._modes = [(module, module.training) for module in port.module.modules()]
        return numbers_of(returned), None

    def measured_batch(self, batch: Batch) -> Batch:
        """Returns a batch as it is: the numbers of a step are its own."""
        return batch

    def finish(self) -> None:
        """Ends a training: what its optimizers average is the port's own."""

    def _weights_of_first(self) -> set[int]:
        """Returns the parameters that Keras's first optimizer moves."""
        applied = self._facts["applied"]
        names = (
            set(applied[0]["weights"]) if applied else {item.name for item in self._port.carried}
        )
        carried = (item for item in self._port.carried if item.name in names)
        return {id(tensor) for item in carried for tensor in source_tensors(item.variable)}

    def _begin_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if moved & self._watched:
            self._rate = StepRate(optimizer)
            self._rate.begin()

    def _end_step(self, *_: Any) -> None:
        if self._rate is not None:
            self.rate, self._rate = self._rate.end(), None


class _Drawn:
    """The probes of Keras, with what its training drew.

    Args:
        probes: of Keras.
        trained: its training.
    """

    def __init__(self, probes: KerasTrace, trained: KerasTrace) -> None:
        self.facts = probes.facts
        self._traces = (trained, probes)

    def __contains__(self, key: str) -> bool:
        return any(key in trace for trace in self._traces)

    def __getitem__(self, key: str) -> np.ndarray:
        return next(trace[key] for trace in self._traces if key in trace)

    def below(self, prefix: str) -> list[str]:
        """Returns the rest of all keys that begin with a prefix."""
        found = (key for trace in self._traces for key in trace.below(prefix))
        return list(dict.fromkeys(found))


# --- A whole training of a port on what Keras was fed, written down -------------------------------


# (step, number of steps or 0, running loss)
Report = Callable[[int, int, float], None]
_ARGUMENTS = ("batch_size", "initial_epoch", "validation_steps", "validation_batch_size")


def train(
    port: PortUnderTest,
    form: str,
    weights: Weights | None,
    fed: tuple[Mapping[str, Any], Mapping[str, Any]],
    writer: PortWriter,
    report: Report,
    folder: AnchorFolder | None = None,
    *,
    evaluated: Mapping[str, Any] | None = None,
    trained: KerasTrace | None = None,
) -> RunResult:
    """Trains a port on what Keras was fed, and writes down what it does.

    Args:
        port: paired with Keras's layers.
        form: of its output.
        weights: initial ones, by Keras's names, in the portable layout; None: those that the port
            has drawn. A port with `seeds` also draws masks and order by itself.
        fed: nests and settings of the feed file.
        writer: receives `training/...`.
        report: called after every step.
        folder: has the recorded states of the Keras half; None: the training is compared whole.
        evaluated: nests of the feed file, whose samples are evaluated; None: they are not.
        trained: the training of Keras, of a port that makes its steps by a `train_step` of its own.

    Returns:
        History and seconds.

    Raises:
        InputError: the port cannot be trained, or not from Keras's weights.
    """
    refuse_other_images(port)
    port.forget_states()  # those of the probes
    if weights is None:
        port.begin_as_built()
        write_draws(port, fed[0], writer)
    else:
        begin(port, weights)
    for module, is_training in port.modes:  # a loop of the port's own may rely on them
        module.training = is_training
    if trained is not None:
        return _train_by_steps(port, trained, fed, writer, report)
    built = complete(port, writer)
    masks = Masks(port, port.keras.facts["masks"])
    stepper = ReplayedStepper(port, built, form)
    recorder = TrainingRecorder(writer, port.weights)
    anchors = None
    if folder is not None:
        anchors = Anchors(port, built, form, masks, folder, _first_validation(*fed), writer)

    def is_other() -> bool:
        return anchors is not None and anchors.are_made

    stepper.note_rates(is_other)
    notes = LoopNotes(built, is_other, period_of(port))
    total = num_steps_of(port.keras.facts["fit"], fed[1])
    recording = _Recording(recorder, stepper, lambda step, loss: report(step, total, loss))
    evaluations = [] if evaluated is None else [Evaluation(stepper, evaluated, writer)]
    phantom = PhantomSteps(port, built, masks, fed[1].get("phantom_steps", {}))

    def after_pass(epoch: int) -> None:
        if phantom.after(epoch) and anchors is not None:
            anchors.on_train_batch_end(0, {})  # no change between two steps

    started = time.perf_counter()
    with nullcontext() if port.built.seeds is not None else masks.active():
        history = Trainer(notes.noted(), stepper).fit(
            **arguments_of(port.keras.facts["fit"], built, *fed, after_pass),
            callbacks=[notes, *([] if anchors is None else [anchors]), recording, *evaluations],
        )
    wall_s = time.perf_counter() - started
    wall_s -= sum(each.wall_s for each in (anchors, *evaluations) if each is not None)
    recorder.on_end()
    if anchors is not None:
        anchors.finish()
    notes.write(writer)
    writer.facts["has_own_loop"] = built.train_epoch is not None
    writer.facts["loop_sets_rates"] = built.train_epoch is not None and not built.schedulers
    return RunResult(history.history, {}, wall_s)


def _train_by_steps(
    port: PortUnderTest,
    trained: KerasTrace,
    fed: tuple[Mapping[str, Any], Mapping[str, Any]],
    writer: PortWriter,
    report: Report,
) -> RunResult:
    """Trains a port by its own `train_step`; the arguments are those of `train`.

    Raises:
        InputError: Keras validates, and the port does not say how it does.
    """
    if port.built.evaluate is None and any(name.startswith("val") for name in fed[0]):
        raise InputError(
            "Keras validates in every epoch, and the port trains by its own train_step; expected "
            "Port(evaluate=...), which returns the numbers of a validation"
        )
    stepper: Any = OwnStepper(port, trained)  # it has no loss and no optimizer, as a Stepper has
    recorder = TrainingRecorder(writer, port.weights)
    total = num_steps_of(port.keras.facts["fit"], fed[1])
    recording = _Recording(recorder, stepper, lambda step, loss: report(step, total, loss))
    started = time.perf_counter()
    history = Trainer(port.built, stepper).fit(
        **arguments_of(port.keras.facts["fit"], port.built, *fed), callbacks=[recording]
    )
    wall_s = time.perf_counter() - started
    recorder.on_end()
    writer.facts["has_own_loop"] = False
    return RunResult(history.history, {}, wall_s)


def with_batches(
    port: PortUnderTest, nests: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the nests of the feed file, with batches in the place of flows.

    Args:
        port: augments by itself if it has an augmentation, and draws if it has Keras's seeds.
        nests: of the file.
        settings: of the file.
    """
    if not any(name.endswith("_flow") for name in nests):
        return dict(nests)
    # It imports torchvision, which takes as long as the probes do.
    from parity.halves.torch.program.flow_batches import with_flows

    built, shuffle = port.built, bool(port.keras.facts["fit"]["shuffle"])
    return with_flows(nests, settings, built.augment, built.seeds, shuffle=shuffle)


def num_steps_of(fit: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """Returns the number of steps of all epochs, unless a rule stops the training before.

    Args:
        fit: arguments of Keras's.
        settings: of the feed file.
    """
    if "epoch_ends" in settings:
        return int(settings["epoch_ends"][-1])
    steps = fit["steps_per_epoch"] or math.ceil(fit["num_samples"] / fit["batch_size"])
    return int(steps) * int(fit["epochs"] - fit["initial_epoch"])


def _first_validation(nests: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was fed, with the batches of one validation alone."""
    found = dict(nests)
    if "val_batches" in nests:
        found["val_batches"] = list(nests["val_batches"][: settings["val_ends"][0]])
    return found


def begin(port: PortUnderTest, weights: Weights) -> None:
    """Sets the initial weights.

    Raises:
        InputError: some have no place in the port.
    """
    carried = {item.name: item for item in port.carried}
    left_out = [name for name in weights if name not in carried]
    if left_out or port.problems:
        why = f"these have no place in it: {', '.join(left_out)}" if left_out else port.problems[0]
        raise InputError(
            f"the port cannot begin with Keras's weights ({why}); give Port(load=...), which puts "
            "them into the module"
        )
    for name, item in carried.items():
        item.set(weights[name])


def complete(port: PortUnderTest, writer: PortWriter) -> Port:
    """Returns the port with Keras's loss and metrics where it has none of its own.

    Args:
        port: paired with Keras's layers.
        writer: receives which metrics are not known.

    Raises:
        InputError: the port lacks something that Keras cannot give it.
    """
    built, facts = port.built, port.keras.facts
    check_losses(built, port.outputs.names)
    loss: Mapping[str, Any] = facts["loss"] or {}
    built = with_loss(
        built,
        loss.get("config") or loss.get("name"),
        loss.get("class_weight"),
        has_penalties=any(port.keras.names("penalty_gradient")),
    )
    if built.metrics or built.weighted_metrics:
        return built
    given = facts["metrics"].items()
    known = {name: _known_of(each, port, writer) for name, each in given}
    return dataclasses.replace(built, **known)


def check_losses(built: Port, names: Sequence[str]) -> None:
    """Rejects a port without a loss where Keras has several, which are not known.

    Args:
        built: the port.
        names: of Keras's outputs; none: there is one.

    Raises:
        InputError: the port has none.
    """
    if built.loss is None and names:
        raise InputError(
            "the port gives no loss, and Keras's model has several outputs; give Port(loss={...}), "
            f"by the names {', '.join(names)}"
        )


def with_loss(
    built: Port, loss: Any, class_weight: Mapping[str, float] | None, *, has_penalties: bool
) -> Port:
    """Returns a port that can be trained: with Keras's loss where it has none of its own.

    Args:
        built: the port.
        loss: Keras's, as its configuration or its name.
        class_weight: that of `fit`.
        has_penalties: whether Keras adds penalties to the loss.

    Raises:
        InputError: the port lacks something that Keras cannot give it.
    """
    if built.optimizer is None:
        raise InputError(
            "the port has no optimizer, and it is to be trained; return "
            "torch_impl.Port(module, loss, optimizer)"
        )
    if built.loss is not None:
        return built
    if has_penalties:
        raise InputError(
            "the port gives no loss, and Keras's loss has penalties; give Port(loss=...)"
        )
    try:
        found = dataclasses.replace(built, loss=losses.from_config(loss))
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"give the port a loss, since Keras's is not known ({error})") from error
    if class_weight is None:
        return found
    by_label = {int(label): float(weight) for label, weight in class_weight.items()}
    return dataclasses.replace(found, class_weight=by_label)


def _known_of(given: Any, port: PortUnderTest, writer: PortWriter) -> Any:
    """Returns Keras's metrics that there are here: a list, or one for each of several outputs."""
    if isinstance(given, Mapping):
        return {name: _known(part, port, writer) for name, part in given.items()}
    return _known(given, port, writer)


def _known(given: Sequence[Any], port: PortUnderTest, writer: PortWriter) -> list[Any]:
    """Returns Keras's metrics that there are here; tells the others."""
    found = []
    dtype = getattr(torch, port.dtype)
    for each in given:
        is_accuracy = isinstance(each, str) and each.lower() in ("accuracy", "acc")
        try:
            found.append(each if is_accuracy else metrics.metric(each, dtype=dtype))
        except (LookupError, TypeError, ValueError) as error:
            name = each if isinstance(each, str) else each.get("config", {}).get("name", "a metric")
            writer.facts.setdefault("metrics_left_out", {})[str(name)] = str(error)
    return found


def arguments_of(
    fit: Mapping[str, Any],
    built: Port,
    nests: Mapping[str, Any],
    settings: Mapping[str, Any],
    after_pass: Callable[[int], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Returns the arguments of `Trainer.fit` with which it does what Keras's `fit` did.

    Args:
        fit: arguments of Keras's.
        built: the port, complete.
        nests: what was fed.
        settings: of the feed file.
        after_pass: called behind the last batch of an epoch, with its number, if no arrays are fed.
    """
    found = {name: fit[name] for name in _ARGUMENTS}
    found["epochs"], found["shuffle"] = fit["epochs"], False  # the samples are in Keras's order
    frequency = fit["validation_freq"]
    found["validation_freq"] = frequency if isinstance(frequency, int) else tuple(frequency)
    if "train_batches" in nests:
        ends = settings["epoch_ends"]
        found["x"] = _Epochs(nests["train_batches"], ends, after_pass)
        found["epochs"] = min(fit["epochs"], fit["initial_epoch"] + len(ends))
        if not isinstance(nests["train_batches"], Sequence):  # those of a flow lack their weights
            found["class_weight"] = built.class_weight
    else:
        names = {"x": "x", "y": "y", "weight": "sample_weight"}
        found |= {name: nests[key] for key, name in names.items()}
        if built.seeds is not None and fit["shuffle"] and "order" in nests:
            as_given = np.argsort(nests["order"])
            found |= {name: mapped(lambda a: a[as_given], found[name]) for name in names.values()}
            found["shuffle"] = True
        found |= {"class_weight": built.class_weight, "steps_per_epoch": fit["steps_per_epoch"]}
    if "val_batches" in nests:
        batches = nests["val_batches"]  # of every validation, or of one that is repeated
        ends = settings.get("val_ends")  # a list of two batches would be x and y
        found["validation_data"] = GivenBatches(batches if ends is None else _Epochs(batches, ends))
    elif "val" in nests:
        found["validation_data"] = nests["val"]
    return found


class _Epochs:
    """Batches that Keras was fed; each pass gives those of the next epoch."""

    def __init__(
        self,
        batches: Sequence[Any] | FlowBatches,
        ends: Sequence[int],
        after_pass: Callable[[int], None] = lambda epoch: None,
    ) -> None:
        self._batches, self._after_pass = batches, after_pass
        self._parts = enumerate(zip([0, *ends], ends, strict=False))

    def __iter__(self) -> Iterator[Any]:
        number, (first, last) = next(self._parts)
        yield from self._batches[first:last]
        self._after_pass(number)


class _Recording(Callback):
    """Calls a recorder during a training."""

    def __init__(
        self,
        recorder: TrainingRecorder,
        stepper: ReplayedStepper | OwnStepper,
        report: Callable[[int, float], None],
    ) -> None:
        self._recorder, self._stepper, self._report = recorder, stepper, report
        self._step = 0

    def on_train_begin(self) -> None:
        """Before the first step."""
        self._recorder.on_begin()

    def on_train_batch_end(self, step: int, logs: Mapping[str, float]) -> None:
        """After every step."""
        loss = loss_of(logs)
        if not self._step:
            self._recorder.on_first_step(logs)
        self._recorder.on_step(loss, self._stepper.rate)
        self._step += 1
        self._report(self._step, loss)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """After an epoch."""
        self._recorder.on_epoch_end()

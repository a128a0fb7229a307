"""A user's Keras program by itself: trained by its own `fit`, or asked what `fit` would get."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.call import Call
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.facts import loss_facts
from parity.halves.keras.check.metrics import metrics_of
from parity.halves.keras.check.structure import activation, last_of, outputs_by_name
from parity.halves.keras.program.feed import Written, fed_arrays, is_whole, settings_of
from parity.halves.keras.program.script import Enough
from parity.halves.keras.program.source import Source
from parity.halves.keras.program.training import MIB, fit
from parity.programs.factories import forget_modules
from parity.programs.program_spec import ProgramSpec
from parity.traces.trace import RunResult

if TYPE_CHECKING:
    from parity.sweeps.child import SweptProgram


def fit_program(task: SweptProgram) -> RunResult:
    """Trains a program by its own `fit`, or only finds what `fit` would get.

    Args:
        task: its `nests` receive what `fit` gets, as the feed file has it: arrays in the order in
            which they are given; or batches, if it trains nothing. Its `settings` receive the
            arguments, and what is known of the model.

    Returns:
        History and seconds; both empty if it trains nothing.

    Raises:
        InputError: the program cannot be trained, or feeds too many batches.
    """
    results: list[RunResult] = []

    def on_fit(reference: Reference) -> None:
        nests = fed_arrays(_in_given_order(reference), notes_flows=False)
        nests.pop("order", None)  # that of the arrays themselves
        task.settings = {"fit": settings_of(reference), **_model_facts(reference)}
        if task.trains:
            task.nests = nests if is_whole(nests) else {}
            results.append(_trained(task, reference))
            return
        if not is_whole(nests):
            batches, task.settings["epoch_ends"] = _written(task.spec, reference, nests)
            nests |= batches
        task.nests = nests
        results.append(RunResult({}, {}, 0.0))

    _begin(task.spec, on_fit)
    return results[0]


def _trained(task: SweptProgram, reference: Reference) -> RunResult:
    arguments = reference.fit_arguments()
    arguments["callbacks"] = [*reference.callbacks, _Watching(task.on_step)]
    return fit(reference.model, arguments, task.spec.dtype)[1]


def _begin(spec: ProgramSpec, on_fit: Callable[[Reference], None]) -> None:
    """Begins a program from its seed, as a new process would, and ends it after its first `fit`."""

    def once(reference: Reference) -> None:
        on_fit(reference)
        raise Enough

    forget_modules(spec.folder)
    keras.utils.set_random_seed(spec.seed)  # modules may draw when they are imported
    try:
        Source(spec).train(once)
    except Enough:
        return


def _in_given_order(reference: Reference) -> Reference:
    """Returns a reference whose arrays are not shuffled: the port does that by itself."""
    return dataclasses.replace(reference, shuffle=False) if reference.shuffle is True else reference


def _model_facts(reference: Reference) -> dict[str, Any]:
    """Returns what a port that has no loss or no metrics of its own needs to know."""
    model = reference.model
    loss: Mapping[str, Any] = loss_facts(reference) or {}
    calls: list[Call] = []
    outputs = outputs_by_name(model, lambda: _called(reference, calls))
    names = [name for name in outputs if name]
    given = _names_of_metrics(metrics_of(model, names), names)
    has_accuracy = {name: not {"accuracy", "acc"}.isdisjoint(each) for name, each in given.items()}
    facts = {
        name: {"name": name, **_output_facts(output, calls)} for name, output in outputs.items()
    }
    only = facts.get("", {})
    return {
        "loss": loss.get("config") or loss.get("name"),
        "has_penalties": bool(_regularised(model)),
        "has_accuracy": any(has_accuracy.values()),
        "activation": only.get("activation"),
        "output_shape": only.get("shape"),
        "outputs": [{**facts[n], "has_accuracy": has_accuracy[n]} for n in facts if n],
    }


def _names_of_metrics(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, set[str]]:
    """Returns the names of metrics, in small letters, by the name of several outputs, or by ""."""
    if not names:
        return {"": {str(each).lower() for part in given.values() for each in part}}
    return {
        name: {str(each).lower() for part in given.values() for each in part.get(name, ())}
        for name in names
    }


def _regularised(model: keras.Model) -> list[Any]:
    """Returns the layers with penalties."""
    names = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
    layers = model._flatten_layers()
    return [each for each in layers if any(getattr(each, name, None) for name in names)]


def _called(reference: Reference, calls: list[Call]) -> Any:
    """Returns what a model makes of its first sample, and adds its calls; None without arrays."""
    if not versions.are_arrays(reference.x):
        return None
    first = keras.tree.map_structure(lambda array: tf.constant(array[:1]), reference.x)
    with recorded_calls(first) as found:
        output = reference.model(first, training=False)
    calls += found
    return output


def _output_facts(output: Any, calls: Sequence[Call]) -> dict[str, Any]:
    """Returns the shape of a sample of an output, if it is known, and its last activation.

    That is "softmax", "sigmoid" or None.

    Args:
        output: symbolic, or of one of the calls.
        calls: of a model that was called.
    """
    shape = list(output.shape[1:])
    layer = getattr(output, "_keras_history", [None])[0]
    found = getattr(layer, "activation", None)
    name = getattr(found, "__name__", type(layer).__name__.lower())
    if (last := last_of(output, calls)) is not None:
        name = activation(last)
    return {
        "shape": None if None in shape else shape,
        "activation": name if name in ("softmax", "sigmoid") else None,
    }


def _written(
    spec: ProgramSpec, reference: Reference, fed: dict[str, Any]
) -> tuple[dict[str, list[Any]], list[int]]:
    """Calls `fit` with steps that do nothing, and writes down the batches that it is fed.

    Returns:
        All batches of training and those of the first validation; and after how many batches of
        training each epoch ended.
    """
    model = reference.model
    written = {name: Written(spec.max_feed * MIB) for name in fed if name.endswith("_batches")}
    for step in ("train_step", "test_step"):
        setattr(model, step, _no_step)
    model.get_metrics_result = dict  # they have measured nothing
    for name, batches in written.items():
        batches.watch(model, "train_step" if name.startswith("train") else "test_step")
    counting = _Counting(written)
    arguments = {**reference.fit_arguments(), "callbacks": [counting]}
    if "train_batches" not in fed:  # one validation is enough
        arguments["epochs"] = reference.initial_epoch + 1
    fit(model, arguments, spec.dtype)
    kept = {name: part.kept(spec.max_feed) for name, part in written.items()}
    if "val_batches" in kept:
        kept["val_batches"] = kept["val_batches"][: counting.num_val]
    return kept, counting.ends


def _no_step(data: Any) -> dict[str, Any]:
    return {"loss": tf.constant(0.0)}


class _Counting(keras.callbacks.Callback):
    """Notes where epochs end, and how long the first validation is."""

    def __init__(self, written: dict[str, Written]) -> None:
        super().__init__()
        self._written, self.ends = written, list[int]()
        self.num_val: int | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch and its validation."""
        if "train_batches" in self._written:
            self.ends.append(len(self._written["train_batches"].batches))
        validation = self._written.get("val_batches")
        if validation is not None and self.num_val is None and validation.batches:
            self.num_val = len(validation.batches)


class _Watching(keras.callbacks.Callback):
    """Calls a function after every step, which ends the process if nobody waits for it."""

    def __init__(self, on_step: Callable[[], None]) -> None:
        super().__init__()
        self._on_step = on_step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After every step."""
        self._on_step()

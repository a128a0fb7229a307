"""run_program: writes down what a user's Keras program computes, by probes and by training it.

    spec -> Source -> probes, initial weights, feed -> trace of the half, which the port reads
                   -> fit                           -> trace of the training

The probes come first, so that the torch half can pair its layers and train at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import keras

from keras_impl.reference import Reference
from parity.data.samples import packed
from parity.errors import InputError
from parity.halves.keras.check import run_check
from parity.halves.keras.check.metrics import metrics_of
from parity.halves.keras.check.parts import parts_in
from parity.halves.keras.check.structure import loss_weights_of
from parity.halves.keras.check.weights import get_weights, is_built
from parity.halves.keras.factories import building, call_factory
from parity.halves.keras.inner_calls import cells_of
from parity.halves.keras.program.anchors import Anchors
from parity.halves.keras.program.feed import (
    Feeding,
    check_epochs,
    check_validations,
    fed_arrays,
    is_flow,
    is_whole,
    num_steps_of,
    settings_of,
    sizes_of,
    written_flows,
)
from parity.halves.keras.program.source import Source
from parity.halves.keras.program.steps import masks_of
from parity.halves.keras.program.training import WatchedSteps, train
from parity.halves.keras.schedules import has_schedule
from parity.ladder.custom_steps import FACT
from parity.programs.check_spec import probes_of
from parity.traces.anchors import MOST_STEPS_IN_FLOAT64, are_needed
from parity.traces.facts import Fit, Incomplete, WatchedRule
from parity.traces.feed_file import write_feed
from parity.traces.trace import KerasWriter, RunResult

if TYPE_CHECKING:
    from parity.runs.child import ProgramTask


def run_program(task: ProgramTask) -> RunResult:
    """Probes and trains a program.

    Args:
        task: its `probes` receive what `run_check` writes, and `start/NAME`: the initial weights of
            the training, `order`, that of its samples, and the facts `fit`, `masks` and `metrics`.
            Its `training` receives `training/...`, and its folder the feed file.

    Returns:
        History and seconds of the training.

    Raises:
        InputError: the program cannot be probed or trained.
    """
    spec, probes, training = task.spec, task.probes, task.training
    source = Source(spec, makes_one_step=True)
    run_check(probes_of(spec), source.reference, probes)
    results: list[RunResult] = []
    found: list[Anchors] = []
    validation: dict[str, Any] = {}
    fed: dict[str, Any] = {}  # sizes of batches, which are not known before

    def on_fit(reference: Reference) -> Any:
        check_epochs(reference)
        check_validations(reference)
        nests = fed_arrays(reference)
        arrays = keras.tree.flatten(nests.get("x"))
        _write_start(reference, spec.dtype, len(arrays[0]) if "x" in nests else None, probes)
        if "order" in nests:
            probes.put("order", nests["order"])
        is_written = is_whole(nests)
        if is_written:
            write_feed(task.folder.feed, nests, {})
            task.probed()
        watched_steps = _watched_steps(task, reference)
        if probes.facts["fit"]["has_anchors"]:
            found.append(Anchors(reference, training, task.anchors(), spec.dtype))
        feeding = Feeding(reference, nests)
        with feeding.watched():
            fitted, result, batches = train(
                spec,
                feeding.reference,
                nests,
                training,
                task.report,
                found[0] if found else None,
                watched_steps,
            )
        results.append(result)
        training.facts["has_schedule"] = has_schedule(reference.model.optimizer)
        training.facts["watched"] = _watched(reference)
        feeding.write(training)
        training.facts["written_flows"] = written_flows(reference)
        if not is_written:
            kept = {name: part.kept(spec.max_feed) for name, part in batches.items()}
            settings = {"epoch_ends": training.facts["epoch_ends"], **feeding.settings()}
            settings["phantom_steps"] = training.facts.get("phantom_steps", {})
            write_feed(task.folder.feed, {**nests, **kept, **feeding.nests()}, settings)
            if "train_batches" in kept:
                fed.update(sizes_of(kept["train_batches"][: settings["epoch_ends"][0]]))
            if "val_batches" in kept:  # of all validations
                nests["val_batches"] = kept["val_batches"][: settings["val_ends"][0]]
            task.probed()
        training.facts["num_train"] = _num_samples(reference, probes.facts["fit"] | fed)
        validation.update({n: nests[n] for n in ("val", "val_batches") if n in nests})
        return fitted

    source.train(on_fit)
    for anchors in found:  # after the program's end, since it builds the model again
        anchors.finish(lambda: call_factory(source.reference, spec.seed), validation)
    training.facts["num_val"] = _number(validation)
    if spec.evaluates:
        training.facts["num_classes"] = probes.facts["output_shape"][-1]
    training.facts["num_fits"] = source.num_fits
    training.facts["broke_off"] = source.broke_off
    training.facts["fit"] = cast("Fit", probes.facts["fit"] | fed)
    training.facts["loss_weights"] = probes.facts["loss_weights"]
    return results[0]


def _watched_steps(task: ProgramTask, reference: Reference) -> WatchedSteps | None:
    """Returns what watches the steps of a model with a `train_step` of its own; else None.

    Raises:
        InputError: the training is judged by states, which hold one network and one optimizer.
    """
    spec, facts = task.spec, task.probes.facts
    if FACT not in facts:
        return None
    if not facts["fit"]["has_anchors"]:
        return WatchedSteps(reference.model, facts, task.training, spec.dtype, spec.max_feed)
    if "parts" in facts[FACT]:
        raise InputError(
            f"the train_step of {type(reference.model).__name__} trains networks that no call of "
            f"the model reaches; expected dtype float64 and at most {MOST_STEPS_IN_FLOAT64} steps, "
            "so that the training is compared whole"
        )
    return None


def _drawn_inside(model: keras.Model) -> list[Incomplete]:
    """Returns the recurrent layers that draw masks: a whole training gives a port none of them."""
    names = [layer.name for layer in model._flatten_layers() if cells_of(layer)]
    return [
        {
            "what": f"the masks inside of {name} in a whole training",
            "why": "Keras draws them for all time steps, also in each evaluation",
            "do": "train both without them (dropout=0, recurrent_dropout=0); `parity check` "
            "compares a few steps with them",
            "layer": name,
        }
        for name in names
    ]


def _watched(reference: Reference) -> list[WatchedRule]:
    """Returns what the rules of a training watched, which is over: column, direction, limits."""
    known = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.EarlyStopping)
    return [
        {
            "monitor": str(rule.monitor),
            "is_max": bool(rule.monitor_op(1.0, 0.0)),
            "min_delta": abs(float(rule.min_delta)),
            "start": int(getattr(rule, "start_from_epoch", 0)),
        }
        for rule in reference.callbacks
        if isinstance(rule, known) and rule.monitor_op is not None
    ]


def _num_samples(reference: Reference, fit: dict[str, Any]) -> int | None:
    """Returns the number of training samples; None if it is not known."""
    found = reference.x.n if is_flow(reference.x) else fit["num_samples"]
    return None if found is None else int(found)


def _number(nests: dict[str, Any]) -> int | None:
    """Returns the number of validation samples; None if it is not known."""
    batches = [nests["val"]] if "val" in nests else nests.get("val_batches")
    return sizes_of(batches)["num_samples"] if batches else None


def _write_start(
    reference: Reference, dtype: str, num_samples: int | None, writer: KerasWriter
) -> None:
    """Writes initial weights, the states of the layers' generators, and the metrics."""
    model = reference.model
    is_called = "parts" not in writer.facts.get(FACT, {})  # else its step calls what it holds
    if is_called and not is_built(model):
        structure, arrays = writer.facts["input_structure"], writer.arrays
        number = len(keras.tree.flatten(structure))
        first = [arrays[f"input/probe/{place}"][:1] for place in range(number)]
        with building(dtype):
            model(packed(structure, first), training=False)
    networks = [model] if is_called else list(parts_in(model).values())
    if not all(each.built for each in networks):
        raise InputError(
            "the Keras model does not know the shape of its input; start it with keras.Input"
        )
    writer.put_all("start", get_weights(model))
    writer.facts["masks"] = masks_of(model)
    writer.facts["incomplete"] = [*writer.facts.get("incomplete", []), *_drawn_inside(model)]
    has_anchors = are_needed(dtype, num_steps_of(reference, num_samples))
    fit = settings_of(reference)
    fit["num_samples"], fit["has_anchors"] = num_samples, has_anchors
    writer.facts["fit"] = fit
    writer.facts["metrics"] = metrics_of(model)
    writer.facts["loss_weights"] = loss_weights_of(model)

"""What the compiled metrics of a Keras model say: of given outputs, and of its own.

A compiled model goes in. `metric/PART/NAME` comes out: what the metric says after each batch, by
the name that the history writes. PART is "given", "eval" or "train". The given outputs, their
targets and the weights of the samples are `metric_input/…`, of several outputs with their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.errors import told
from parity.halves.keras import versions
from parity.halves.keras.call_list import Calls
from parity.halves.keras.check.metric_outputs import (
    Given,
    GivenOutputs,
    as_tensors,
    packed_weights,
    weight_kind,
    weights_by_part,
)
from parity.halves.keras.check.objective import Batch, Objective
from parity.halves.keras.check.outputs import outputs_of
from parity.halves.keras.rounding import Perturbation
from parity.traces.trace import TraceWriter, keyed


def write_metrics(
    objective: Objective,
    batch: Batch,
    outputs: dict[str, Any],
    calls: Calls,
    writer: TraceWriter,
    perturbation: Perturbation | None,
) -> None:
    """Writes what the metrics say, and the facts `metrics` and `metric_probe`.

    Args:
        objective: of the model.
        batch: targets and weights of the probe.
        outputs: what the model returned for it, by mode: "eval" and "train".
        calls: of the pass in eval mode.
        writer: receives all that is written.
        perturbation: if there is one, the metrics add twice as much to their denominators: a port
            that adds nothing is right.
    """
    reference = objective.reference
    compiled = getattr(reference.model, "_compile_metrics", None)
    facts: dict[str, Any] = {"names": [], "float32": []}
    parts = outputs_of(objective.model, outputs["eval"])
    names = getattr(reference.model, "output_names", None) or []
    in_order = list(parts) if set(names) == set(parts) else objective.names
    writer.facts["metrics"] = metrics_of(reference.model, in_order)
    writer.facts["metric_probe"] = facts
    if versions.IS_KERAS_2:
        facts["why"] = "metrics of Keras 2 are not compared yet"
    if versions.IS_KERAS_2 or compiled is None:
        return
    given = GivenOutputs(objective, parts or {"": outputs["eval"]}, calls)
    weights = weights_by_part(objective, batch, given)
    facts |= {"sizes": given.sizes, "weights": weight_kind(reference)}
    batches = {
        "given": list(given.batches(weights["given"])),
        **{m: list(_probe(objective, batch, outputs[m], weights[m])) for m in ("eval", "train")},
    }
    try:
        with versions.epsilon_times(2 if perturbation else 1):
            found = {part: _said(compiled, each) for part, each in batches.items()}
    except Exception as error:  # a metric of the user may raise anything
        facts["why"] = f"Keras's metrics raise for the targets of the probe: {told(error)}"
        return
    for name, values in found["given"].items():
        facts["names"].append(name)
        if values[0].dtype == np.float32:
            facts["float32"].append(name)
    if not facts["names"]:
        return
    for part, by_name in found.items():
        for name, values in by_name.items():
            writer.put(f"metric/{part}/{name}", np.stack(values).astype(np.float64))
    given.put(writer)
    for part, by_output in weights.items():
        for name, weight in by_output.items():
            if weight is not None:
                writer.put(keyed(f"metric_input/weight/{part}", name), weight)


def metrics_of(model: keras.Model, outputs: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the metrics that a model was compiled with, as their names or configurations.

    They are lists; of several outputs, mappings from the name of an output to its list.

    Args:
        model: compiled.
        outputs: names of its outputs, if the model does not tell them.
    """
    compiled = getattr(model, "_compile_metrics", None)
    given = {
        name: getattr(compiled, f"_user_{name}", None) or []
        for name in ("metrics", "weighted_metrics")
    }
    names = list(outputs or getattr(model, "output_names", None) or [])
    if len(names) > 1:
        return {kind: _of_outputs(part, names) for kind, part in given.items()}
    return {kind: list(map(_told, keras.tree.flatten(part))) for kind, part in given.items()}


def _of_outputs(given: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """Returns the metrics of each output that has some, by its name, in the order of `names`."""
    by_name = given if isinstance(given, Mapping) else dict(zip(names, given, strict=False))
    flat = {name: keras.tree.flatten(by_name[name]) for name in names if by_name.get(name)}
    return {name: list(map(_told, part)) for name, part in flat.items()}


def _told(metric: Any) -> Any:
    """Returns the name or the configuration of a metric.

    Of one of the user's own, it is the name, and the class or function as one that is registered,
    which tells it from one of Keras's with this name.
    """
    if isinstance(metric, str):
        return metric
    name = str(getattr(metric, "name", getattr(metric, "__name__", type(metric).__name__)))
    function = getattr(metric, "_fn", None)
    for part in (metric, function):
        if part is None:
            continue
        kind = part if hasattr(part, "__name__") else type(part)
        if str(kind.__module__).partition(".")[0] != "keras":
            return _own(name, kind)  # its name may be that of one of Keras's
    try:
        return keras.metrics.serialize(metric)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return _own(name, type(metric))


def _own(name: str, code: Any) -> dict[str, Any]:
    """Returns what is told of a metric whose class or function is code of the user's."""
    kind = str(code.__name__)
    return {"class_name": kind, "config": {"name": name}, "registered_name": f"own>{kind}"}


def _probe(
    objective: Objective, batch: Batch, output: Any, weights: Mapping[str, np.ndarray | None]
) -> Iterator[Given]:
    """Yields the whole probe batch, and its first sample once more, as a smaller last batch."""
    y = batch.targets
    whole, first = slice(None), slice(0, 1)
    yield as_tensors(objective, y, whole), output, packed_weights(objective, weights, whole)
    yield (
        as_tensors(objective, y, first),
        tf.nest.map_structure(_first, output),
        packed_weights(objective, weights, first),
    )


def _first(output: Any) -> Any:
    first = output[:1]
    if hasattr(output, "_keras_logits"):  # which some metrics look for
        first._keras_logits = output._keras_logits[:1]
    if (mask := versions.mask_of(output)) is not None:
        first._keras_mask = mask[:1]
    return first


def _said(compiled: Any, batches: Sequence[Given]) -> dict[str, list[np.ndarray]]:
    """Returns what each metric says after each batch, by name."""
    compiled.reset_state()
    found: dict[str, list[np.ndarray]] = {}
    with versions.top_k_in_float32():
        for y, output, weight in batches:
            compiled.update_state(y, output, weight)
            for name, value in compiled.result().items():
                found.setdefault(name, []).append(np.asarray(value))
    compiled.reset_state()
    return found

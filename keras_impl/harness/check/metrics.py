"""What the compiled metrics of a Keras model say: of given outputs, and of its own.

A compiled model goes in. `metric/PART/NAME` comes out: what the metric says after each batch, by
the name that the history writes. PART is "given", "eval" or "train". The given outputs, their
targets and the weights of the samples are `metric_input/…`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.check.loss import kind_of_targets, sample_weight
from keras_impl.harness.check.sequence_masks import counted_in, targets_of
from keras_impl.harness.factories import Reference
from keras_impl.harness.rounding import Perturbation
from parity.data import metric_inputs
from parity.data.samples import Samples
from parity.traces.trace import TraceWriter

Batch = tuple[Any, Any, Any]  # targets, outputs, weights of the samples or None


def write_metrics(
    reference: Reference,
    samples: Samples,
    outputs: dict[str, Any],
    last: Callable[[Any], Any] | None,
    writer: TraceWriter,
    perturbation: Perturbation | None,
) -> None:
    """Writes what the metrics say, and the facts `metrics` and `metric_probe`.

    Args:
        reference: the model, and what `fit` gets.
        samples: of the probe.
        outputs: of the model for the probe batch, by mode: "eval" and "train".
        last: the activation at the end of the model; None: there is none.
        writer: has the targets of the probe; receives all that is written.
        perturbation: if there is one, the metrics add twice as much to their denominators: a port
            that adds nothing is right.
    """
    compiled = getattr(reference.model, "_compile_metrics", None)
    facts: dict[str, Any] = {"names": [], "float32": []}
    writer.facts["metrics"], writer.facts["metric_probe"] = metrics_of(reference.model), facts
    if versions.IS_KERAS_2:
        facts["why"] = "metrics of Keras 2 are not compared yet"
    if versions.IS_KERAS_2 or compiled is None:
        return
    shape = tuple(outputs["eval"].shape[1:])
    kind = kind_of_targets(reference.model)
    linear, y, sizes = metric_inputs.given(samples, kind, shape)
    if counted_in(outputs["eval"]) is not None:  # given ones have no mask: no class of padding
        y = targets_of(y, kind, np.ones(y.shape[:2], bool), shape[-1])
    output = (
        linear
        if last is None
        else metric_inputs.tied(linear, np.asarray(last(tf.constant(linear))))
    )
    weighted = _weight_kind(reference)
    probe = writer.arrays["target/probe"]
    targets = {"given": y, "train": probe, "eval": probe}
    weights = {
        part: _weights(reference, weighted, samples.seed, each) for part, each in targets.items()
    }
    if weighted == "class":  # which are for training alone
        weights["eval"] = None
    facts |= {"sizes": sizes, "weights": weighted}
    parts = {
        "given": list(_given(y, output, weights["given"], sizes)),
        **{mode: list(_probe(probe, outputs[mode], weights[mode])) for mode in ("eval", "train")},
    }
    try:
        with versions.epsilon_times(2 if perturbation else 1):
            found = {part: _said(compiled, batches) for part, batches in parts.items()}
    except Exception as error:  # a metric of the user may raise anything
        told = str(error).partition("\n")[0][:200]
        facts["why"] = f"Keras's metrics raise for the targets of the probe: {told}"
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
    for key, array in (("linear", linear), ("output", output), ("target", y)):
        writer.put(f"metric_input/{key}", array)
    for part, weight in weights.items():
        if weight is not None:
            writer.put(f"metric_input/weight/{part}", weight)


def _weight_kind(reference: Reference) -> str | None:
    """Returns which weights `fit` gives to samples: "class", "sample", or None."""
    if reference.class_weight is not None:
        return "class"
    return None if reference.sample_weight is None else "sample"


def metrics_of(model: keras.Model) -> dict[str, Any]:
    """Returns the metrics that a model was compiled with, as their names or configurations.

    They are lists; of several outputs, mappings from the name of an output to its list.
    """
    compiled = getattr(model, "_compile_metrics", None)
    given = {
        name: getattr(compiled, f"_user_{name}", None) or []
        for name in ("metrics", "weighted_metrics")
    }
    names = list(getattr(model, "output_names", None) or [])
    if len(names) > 1:
        return {kind: _of_outputs(part, names) for kind, part in given.items()}
    return {kind: list(map(_told, keras.tree.flatten(part))) for kind, part in given.items()}


def _of_outputs(given: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """Returns the metrics of each output that has some, by its name."""
    by_name = given if isinstance(given, Mapping) else dict(zip(names, given, strict=False))
    flat = {name: keras.tree.flatten(part) for name, part in by_name.items() if part}
    return {name: list(map(_told, part)) for name, part in flat.items()}


def _told(metric: Any) -> Any:
    """Returns the name or the configuration of a metric; of one of the user's own, its name."""
    if isinstance(metric, str):
        return metric
    name = str(getattr(metric, "name", getattr(metric, "__name__", type(metric).__name__)))
    own = {"class_name": "custom", "config": {"name": name}}
    function = getattr(metric, "_fn", None)
    for part in (metric, function):
        if part is None:
            continue
        kind = part if hasattr(part, "__name__") else type(part)
        if str(kind.__module__).partition(".")[0] != "keras":
            return own  # its name may be that of one of Keras's
    try:
        return keras.metrics.serialize(metric)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return own


def _weights(reference: Reference, kind: str | None, seed: int, y: np.ndarray) -> np.ndarray | None:
    if kind == "class":
        return sample_weight(reference, y)
    return metric_inputs.weights(seed, len(y)) if kind == "sample" else None


def _given(
    y: np.ndarray, output: np.ndarray, weight: np.ndarray | None, sizes: Sequence[int]
) -> Iterator[Batch]:
    for rows in metric_inputs.rows(sizes):
        yield y[rows], tf.constant(output[rows]), None if weight is None else weight[rows]


def _probe(y: np.ndarray, output: Any, weight: np.ndarray | None) -> Iterator[Batch]:
    """Yields the whole probe batch, and its first sample once more, as a smaller last batch."""
    yield y, output, weight
    first = output[:1]
    if hasattr(output, "_keras_logits"):  # which some metrics look for
        first._keras_logits = output._keras_logits[:1]
    if (mask := versions.mask_of(output)) is not None:
        first._keras_mask = mask[:1]
    yield y[:1], first, None if weight is None else weight[:1]


def _said(compiled: Any, batches: Sequence[Batch]) -> dict[str, list[np.ndarray]]:
    """Returns what each metric says after each batch, by name."""
    compiled.reset_state()
    found: dict[str, list[np.ndarray]] = {}
    with versions.top_k_in_float32():
        for y, output, weight in batches:
            compiled.update_state(tf.constant(y), output, weight)
            for name, value in compiled.result().items():
                found.setdefault(name, []).append(np.asarray(value))
    compiled.reset_state()
    return found

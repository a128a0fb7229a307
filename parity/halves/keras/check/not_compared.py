"""What of a Keras program is not compared, with reasons, and what had no effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data.probe_inputs import short_name, single
from parity.halves.keras import versions
from parity.halves.keras.batches import gives_batches
from parity.halves.keras.call import Calls
from parity.halves.keras.check.custom_steps import methods_of
from parity.ladder import coverage
from parity.ladder.coverage import COMPARED, FED, LEFT_OUT, Row
from parity.ladder.incomplete import DRAWS
from parity.ladder.items import UNKNOWN_TARGETS, UNUSED
from parity.ladder.rounding import LIMITS, allowed_by_float32, allowed_by_rounding, limits_of
from parity.traces.facts import Incomplete, NotCompared, Notice
from parity.traces.trace import ARE_NAN, KerasWriter, largest_of

# --------------------------------------------------------------------------------------------------
#
# What of a Keras model a check cannot give to a port: random numbers, and masks of no steps.
#
# The calls of a pass in eval mode and of one in train mode go in; entries for the report come out.


def incomplete(passes: Sequence[Calls]) -> list[Incomplete]:
    """Returns what cannot be compared, why, and what the user can do.

    Args:
        passes: the calls of each pass.
    """
    return [*_random(passes), *_masked(passes)]


def unknown_targets(problem: str, *, has_given: bool = False) -> Incomplete:
    """Returns what a check leaves open if the loss has no value for its targets.

    Args:
        problem: in words.
        has_given: whether targets are of the data, and not drawn.
    """
    if has_given:
        why = f"the loss has no value: {problem}"
        do = "find what Keras refuses: model.evaluate(x, y, sample_weight=...) of a few samples"
    else:
        why = f"no targets are known: {problem}"
        do = "give samples of them: keras_impl.Reference(model, y=...), or --data with x and y"
    return {"what": UNKNOWN_TARGETS, "why": why, "do": do}


def not_a_number(arrays: Mapping[str, np.ndarray], *, has_data: bool) -> list[Incomplete]:
    """Returns the outputs in which Keras has NaN: what a port makes there could not be judged.

    Args:
        arrays: of the trace, with `forward/MODE/output…`.
        has_data: whether the samples are the user's, and not drawn.
    """
    samples = "the samples of --data" if has_data else "inputs that were drawn at random"
    do = "look for such numbers in the samples, and in the weights"
    if not has_data:
        do = "say which numbers the inputs take, Reference(model, inputs=keras_impl.Input(shape, "
        do += "range=(low, high))), or give samples of them: --data"
    found: list[Incomplete] = []
    for mode in ("eval", "train"):
        outputs = [
            arrays[key] for key in sorted(arrays) if key.startswith(f"forward/{mode}/output")
        ]
        count = sum(int(np.isnan(each).sum()) for each in outputs)
        if count:
            total = sum(each.size for each in outputs)
            why = f"{count:,} of its {total:,} numbers {ARE_NAN}, for {samples}"
            found.append({"what": f"the output ({mode})", "why": why, "do": do})
    return found


def replayable(passes: Sequence[Calls]) -> dict[str, float]:
    """Returns layers that drop whole samples, as stochastic depth does, with their factors.

    Their masks are in the trace, like those of dropouts: a port that keeps the same samples, times
    the factor, computes the same.
    """
    return {
        name: _snapped(factor)
        for calls in passes
        for name, factor in calls.factors.items()
        if factor
    }


def _random(passes: Sequence[Calls]) -> Iterator[Incomplete]:
    drew = {name: kind for calls in passes for name, kind in calls.drew.items()}
    for name, kind in drew.items():
        yield {
            "what": f"{name} ({kind})",
            "why": f"{DRAWS}, which a port cannot draw alike",
            "do": "build both models without them for the check, with a rate or deviation of 0",
            "layer": name,
        }


def _masked(passes: Sequence[Calls]) -> Iterator[Incomplete]:
    used = {name: kind for calls in passes for name, kind in calls.used_masks.items()}
    masked = {name for calls in passes for name in calls.masked}
    for name, kind in used.items():
        if name not in masked:
            yield {
                "what": f"the mask of sequences in {name} ({kind})",
                "why": "no step of the probe is masked there, so nothing shows whether a port has "
                "the mask",
                "do": "give samples with masked steps (--data)",
                "layer": name,
            }


def _snapped(factor: float) -> float:
    """Returns the factor of the rate with few digits that is nearest: 1.25 of rate 0.2."""
    rate = round(1 - 1 / factor, 6)
    near = 1 / (1 - rate) if rate < 1 else factor
    return near if abs(near / factor - 1) < 1e-6 else factor


# --------------------------------------------------------------------------------------------------
#
# What a Keras program uses and nothing compares, by the tables of `parity.ladder.coverage`.


RULES = tuple(
    getattr(keras.callbacks, name)
    for name, row in coverage.CALLBACKS.items()
    if row.kind == COMPARED
)


def left_out(reference: Reference, model: keras.Model) -> list[Notice]:
    """Returns {"what", "why"} of what a program uses and nothing compares.

    Args:
        reference: model, and arguments of `fit`.
        model: the whole one of the user, of which `reference` may have a part.
    """
    found = [*_compile(model), *_fit(reference), *_optimizer(model), *_methods(model)]
    if not versions.IS_KERAS_2:
        found += _surroundings(model)
    found += [(f"the callback {name}", why) for name, why in other_callbacks(reference)]
    return [{"what": what, "why": why} for what, why in dict(found).items()]


def other_callbacks(reference: Reference) -> Iterator[tuple[str, str]]:
    """Yields class and reason of each callback that may change numbers and is not compared."""
    for callback in reference.callbacks:
        kind = type(callback)
        is_keras = versions.is_from_keras(callback)
        row = coverage.CALLBACKS.get(kind.__name__) if is_keras else None
        if isinstance(callback, RULES) or (row is not None and row.kind != LEFT_OUT):
            continue
        yield kind.__name__, coverage.CUSTOM_CALLBACK if row is None else row.why


def _compile(model: keras.Model) -> Iterator[tuple[str, str]]:
    config = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    if config.get("jit_compile") is True:
        yield "compile(jit_compile=True)", coverage.COMPILE["jit_compile"].why


def _fit(reference: Reference) -> Iterator[tuple[str, str]]:
    if not versions.IS_KERAS_2 and gives_batches(reference):
        yield "weights of samples in the batches that `fit` gets", coverage.UNKNOWN_BATCHES
    for each in dataclasses.fields(Reference):
        row, value = coverage.FIT.get(each.name), getattr(reference, each.name)
        is_default = value is each.default or (
            isinstance(value, int | float | str) and value == each.default
        )
        if row is not None and row.kind == FED and not is_default:
            yield f"fit({each.name}=...)", row.why


def _optimizer(model: keras.Model) -> Iterator[tuple[str, str]]:
    optimizer = getattr(model, "optimizer", None)
    config: Mapping[str, Any] = {} if optimizer is None else optimizer.get_config()
    for name, row in coverage.OPTIMIZER.items():
        value = config.get(name)
        is_used = name != "ema_overwrite_frequency" or config.get("use_ema")
        if is_used and _is_beyond(value, row):
            why = f"the probe of an optimizer makes too few steps to tell more than {row.most}"
            yield f"{type(optimizer).__name__}({name}={value})", why


def _is_beyond(value: Any, row: Row) -> bool:
    return row.most is not None and isinstance(value, int | float) and value > row.most


def _methods(model: keras.Model) -> Iterator[tuple[str, str]]:
    for name in methods_of(model):
        if (row := coverage.METHODS[name]).kind == LEFT_OUT:
            yield f"the model's own {name}", f"{type(model).__name__} defines it: {row.why}"


def _surroundings(model: keras.Model) -> Iterator[tuple[str, str]]:
    strategy = getattr(model, "_distribute_strategy", None)
    if isinstance(strategy, tf.distribute.Strategy):
        yield f"the strategy {type(strategy).__name__}", coverage.SURROUNDINGS["distribution"].why
    if (layout := keras.distribution.distribution()) is not None:
        yield f"the distribution {type(layout).__name__}", coverage.SURROUNDINGS["distribution"].why


# --- What a probe leaves without effect: what it cannot compare, and how it is drawn again --------
#
# A pass in train mode goes in. The activations that let no gradient through, the weights whose
# gradient is zero and the masks that drop nothing or everything come out, with weights under which
# more of them mean something.


# Where one sample of each unit is put: inside the linear part of relu, relu6 and hard_sigmoid.
_ALIVE = 0.5


@dataclass
class Exercise:
    """What a pass in train mode leaves without effect.

    Attributes:
        dead: activations that get a gradient and let none through: a ReLU that is zero for all
            samples, a gate that is saturated.
        unused: trainable weights on which the loss does not depend at all.
        idle: other trainable weights whose gradient is zero.
        masks: dropout -> "nothing" or "everything", which is what it drops.
        used_masked: calls with a mask of sequences whose masked steps something uses; no problem.
        unreached: activations -> pieces in which they get no number, such as "above 6" of `relu6`;
            of a recurrent layer, those of its gates.
    """

    dead: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    masks: dict[str, str] = field(default_factory=dict)
    used_masked: list[str] = field(default_factory=list)
    unreached: dict[str, list[str]] = field(default_factory=dict)

    @property
    def num_problems(self) -> int:
        """How many of these another draw may change."""
        return len(self.dead) + len(self.idle) + len(self.masks)

    @property
    def num_left(self) -> int:
        """How much is not compared: the problems, and the pieces without a number."""
        return self.num_problems + sum(map(len, self.unreached.values()))


def useless_masks(masks: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Returns the masks (name -> what is kept) that drop nothing or everything."""
    said = {True: "nothing", False: "everything"}
    return {
        name: said[bool(mask.all())] for name, mask in masks.items() if mask.all() or not mask.any()
    }


def revived(
    weights: Mapping[str, np.ndarray], writer: KerasWriter, dead: Sequence[str]
) -> dict[str, np.ndarray] | None:
    """Returns weights under which dead activations let a gradient through.

    The bias of the layer before a dead activation is moved, so that the middle sample of each unit
    is in the linear part of the activation. Without a bias, the kernel is turned over and made
    smaller. A second pass may show others further on.

    Args:
        weights: of the pass.
        writer: holds the pass: the facts `nodes`, and `forward/train/…`.
        dead: names of activations.

    Returns:
        All weights, or None if no layer before a dead activation has weights of its units.
    """
    order = writer.facts["nodes"]
    nodes = {node["name"]: node for node in order}
    found: dict[str, np.ndarray] = {}
    for name in dead:
        sources = nodes[name]["sources"] if name in nodes else []
        if len(sources) != 1 or sources[0] is None or sources[0] < 0:
            continue
        given = writer.arrays[f"forward/train/{name}/input/0"]
        rows = given.reshape(-1, given.shape[-1])
        weight_names = order[sources[0]]["weights"]
        biases = [
            n
            for n in weight_names
            if _ends(n, "bias", "beta") and weights[n].shape == rows.shape[1:]
        ]
        kernels = [
            n
            for n in weight_names
            if _ends(n, "kernel") and weights[n].shape[-1:] == rows.shape[1:]
        ]
        if biases:
            middle = np.sort(rows, axis=0)[(len(rows) - 1) // 2]
            found[biases[0]] = single(weights[biases[0]] - middle + _ALIVE)
        elif kernels:
            size = np.maximum(np.abs(rows).max(axis=0), 1)
            found[kernels[0]] = single(-weights[kernels[0]] / size)
    return {**weights, **found} if found else None


def _ends(weight: str, *variables: str) -> bool:
    return short_name(weight) in variables


def not_compared(exercise: Exercise, writer: KerasWriter) -> list[NotCompared]:
    """Returns what a probe says nothing about, and why.

    Args:
        exercise: of the pass in train mode.
        writer: holds the whole probe, with the fact `noise`.
    """
    reason = f", since nothing passes {', '.join(exercise.dead)}" if exercise.dead else ""
    why = dict.fromkeys(exercise.idle, f"it is zero in every probe{reason}")
    why |= dict.fromkeys(exercise.unused, UNUSED)
    found = [
        not_compared_entry(f"gradient through {name}", "none passes in any probe")
        for name in exercise.dead
    ]
    found += [
        not_compared_entry(f"mask of {name}", f"it drops {what}")
        for name, what in exercise.masks.items()
    ]
    for name, pieces in exercise.unreached.items():
        found += [
            not_compared_entry(f"numbers {piece} in {name}", "no probe has any") for piece in pieces
        ]
    found += [
        not_compared_entry(f"gradient of {n}", text, f"gradient/{n}") for n, text in why.items()
    ]
    return [*found, *_rounding(writer, set(why))]


def _rounding(writer: KerasWriter, zero: set[str]) -> Iterator[NotCompared]:
    """Tells the arrays that are nothing but rounding, or of which rounding decides too much."""
    reader = _Reader(writer)
    limits, single = limits_of(reader), LIMITS["float32"].most
    trained = [name for name, entry in writer.facts["weights"].items() if entry["trainable"]]
    keys = [f"gradient/{name}" for name in trained if f"gradient/{name}" in reader]
    greatest = max(map(reader.largest, keys), default=0.0)
    named: set[str] = set()
    for key in keys:
        name = key.partition("/")[2]
        if name in zero:
            continue
        if reader.largest(key) < limits.floor * greatest:
            named.add(name)
            yield not_compared_entry(f"gradient of {name}", "its gradient is only rounding", key)
        elif (most := allowed_by_rounding(reader, key)) > limits.most:
            named.add(name)
            yield not_compared_entry(f"gradient of {name}", _share(most), key)
        elif allowed_by_float32(reader, key) * reader.largest(key) >= single * greatest:
            named.add(name)
            yield not_compared_entry(
                f"gradient of {name}", "the program has it in float32, which rounds it away", key
            )
    states = [key for key in writer.arrays if key.startswith("state/")]
    for key in states:
        if (most := allowed_by_rounding(reader, key)) > limits.most:
            yield not_compared_entry(f"{key.partition('/')[2]} after a batch", _share(most), key)
    for name in writer.facts["weights"]:
        if name in zero | named:  # what trains by such a gradient is no more certain
            continue
        steps = [key for key in writer.arrays if _is_step_of(key, name)]
        found = {key: allowed_by_rounding(reader, key) for key in steps}
        decided = {key: most for key, most in found.items() if most > limits.most_in_training}
        if decided:
            yield not_compared_entry(f"training of {name}", _share(max(decided.values())), *decided)


def _is_step_of(key: str, weight: str) -> bool:
    parts = key.split("/", 2)
    return parts[0] == "trajectory" and parts[-1] == weight


def _share(most: float) -> str:
    return f"rounding may change it by {most:.1e} of its size"


def not_compared_entry(what: str, why: str, *keys: str) -> NotCompared:
    """Returns an entry of the fact `not_compared`; the keys are the arrays that it is about."""
    return {"what": what, "why": why, "arrays": list(keys)}


class _Reader:
    """A trace that is not written yet, as `allowed` reads it."""

    def __init__(self, writer: KerasWriter) -> None:
        self.facts = writer.facts
        self._arrays = writer.arrays
        self._largest: dict[str, float] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def largest(self, key: str) -> float:
        """As Trace.largest."""
        if key not in self._largest:
            self._largest[key] = largest_of(self._arrays[key])
        return self._largest[key]

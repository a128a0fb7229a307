"""Divergences of outputs: their losses, weights of samples, places, and penalties."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from parity.data.probe_inputs import short_name
from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, SETTINGS, Match, Recogniser
from parity.divergences.groups import SAME, array_in, factors_of
from parity.divergences.training import confident, is_near, total, weights_of_another
from parity.ladder.items import OF_KERAS
from parity.traces.trace import keyed

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.divergences.training import Total
    from parity.traces.facts import OutputLoss
    from parity.traces.trace import KerasTrace


# --- Divergences of the losses of several outputs, and of the weights of samples in a loss --------
#
# Losses that are Keras's with other weights are told by the gradient by each output.


def _losses_of_outputs(keras: KerasTrace) -> Mapping[str, OutputLoss]:
    loss = keras.facts["loss"]
    return (loss and loss.get("outputs")) or {}


def _weights(evidence: Evidence) -> Match | None:
    """Recognises losses that are Keras's, with other weights."""
    keras, port = evidence.keras, evidence.port
    losses = _losses_of_outputs(keras)
    if evidence.level.id != "loss" or not losses:
        return None
    factors = {name: f for name, f in factors_of(keras, port).items() if name in losses}
    if not factors or any(factor is None for factor in factors.values()):
        return None
    weights = {name: float(losses[name]["weight"]) for name in factors}
    ours = {name: weights[name] * float(f or 0.0) for name, f in factors.items()}
    if all(is_near(weights[name], ours[name]) for name in weights):
        return None
    said, given = (", ".join(f"{n} {w:.6g}" for n, w in each.items()) for each in (weights, ours))
    text = f"weights of the losses: {said} in Keras, {given} in the port{_relation(weights, ours)}"
    return Match(NUMBERS, text, fix=f"Port(loss={{...}}, loss_weights={weights!r})")


def _relation(weights: Mapping[str, float], ours: Mapping[str, float]) -> str:
    """Returns in words what a port does with the weights; "" if it is nothing known."""
    number = len(weights)
    if all(is_near(weight, 1.0) for weight in ours.values()):
        return ": it has none"
    if all(is_near(ours[name], weights[name] / number) for name in weights):
        return ": it takes a mean over the outputs, Keras a sum"
    if all(is_near(ours[name], weights[name] / sum(weights.values())) for name in weights):
        return ": it divides by their sum"
    missing = [name for name in weights if abs(ours[name]) < SAME]
    if missing:
        return f": it lacks the loss of {', '.join(missing)}"
    same = sorted(weights.values()), sorted(ours.values())
    if all(is_near(a, b) for a, b in zip(*same, strict=True)):
        return ": they are exchanged"
    return ""


def _sample_weights(evidence: Evidence) -> Match | None:
    """Recognises weights of samples that do not count, or count relative to their sum."""
    whole, keras = evidence.once(total), evidence.keras
    plain, loss = array_in(keras, "loss/confident/unweighted"), keras.facts["loss"]
    if whole is None or plain is None or (loss and loss["class_weight"]):
        return None
    if is_near(float(plain) - whole.penalty, whole.torch) or is_near(float(plain), whole.torch):
        return Match(NUMBERS, "the port's loss ignores the weights of the samples")
    found = evidence.once(confident)
    name = found.name if found is not None else ""
    weights = array_in(keras, keyed("weight/confident", name))
    weights = array_in(keras, "weight/confident") if weights is None else weights
    if found is None or weights is None or not weights.sum():
        return None
    if found.gives(found.value * weights.size / float(weights.sum())):
        text = "the port divides by the sum of the weights, Keras by the number of samples"
        return Match(NUMBERS, text)
    if found.gives(found.value * weights.size):
        return Match(NUMBERS, "the port takes a sum over the weighted samples")
    return None


def _missing_in_training(evidence: Evidence) -> Match | None:
    """Recognises a loss of one output that counts in eval mode alone."""
    keras, item = evidence.keras, evidence.item
    losses = _losses_of_outputs(keras)
    if evidence.level.id != "loss" or item.name != OF_KERAS or item.keras is None:
        return None
    beyond = float(item.torch) - float(item.keras)
    for name, each in losses.items():
        part = array_in(keras, f"loss/of/{name}")
        if part is not None and is_near(beyond, -float(each["weight"]) * float(part)):
            return Match(NUMBERS, f"in train mode, the port lacks the loss of {name}")
    return None


RULES: dict[str, Recogniser] = {
    "I7": lambda evidence: _weights(evidence) or _missing_in_training(evidence),
    "D18": lambda evidence: _sample_weights(evidence) or weights_of_another(evidence),
}


# --- Divergences of outputs: two in each other's place, and another activation at the end ---------


_KEY = "forward/eval/output"


def _swapped(evidence: Evidence) -> Match | None:
    """Recognises an output that the port returns under the name of another one."""
    parts = _columns(evidence)
    if evidence.level.id != "forward" or not parts or _KEY not in evidence.port:
        return None
    theirs, ours = evidence.keras[_KEY], evidence.port[_KEY]
    for (name, part), (other, place) in itertools.permutations(parts.items(), 2):
        given = ours[:, place]
        for made in (given, special.softmax(given, -1), special.expit(given)):
            if made.shape == theirs[:, part].shape and evidence.is_close(theirs[:, part], made):
                return Match(NUMBERS, f"Keras's output {name} is the port's output {other}")
    return None


def _columns(evidence: Evidence) -> dict[str, slice]:
    """Returns where each of several outputs stands beside the others."""
    facts = evidence.keras.facts.get("outputs") or []
    ends = np.cumsum([int(np.prod(each["shape"])) for each in facts])
    return {
        str(each["name"]): slice(int(end) - int(np.prod(each["shape"])), int(end))
        for each, end in zip(facts, ends, strict=True)
    }


def activated_again(evidence: Evidence) -> Match | None:
    """Recognises an output to which the port applies one more activation, or not Keras's last."""
    if not evidence.is_output or _KEY not in evidence.port:
        return None
    facts = {str(each["name"]): each for each in evidence.keras.facts.get("outputs") or []}
    parts = _columns(evidence) or {"": slice(None)}
    for name, part in parts.items():
        if evidence.port[_KEY].ndim != evidence.keras[_KEY].ndim:
            return None
        shape = (-1, *facts[name]["shape"]) if name else evidence.keras[_KEY].shape
        theirs = evidence.keras[_KEY][:, part].reshape(shape)
        ours = evidence.port[_KEY][:, part]
        if ours.size != theirs.size:
            return None
        ours = ours.reshape(shape) if name or ours.shape == shape else np.moveaxis(ours, 1, -1)
        if evidence.is_close(theirs, ours):
            continue
        after = facts[name]["activation"] if name else evidence.keras.facts.get("output_activation")
        where = f"output {name}" if name else "the output"
        missing = arithmetic.ACTIVATIONS.get(str(after))
        if missing is not None and evidence.is_close(missing(ours), theirs):
            return Match(NUMBERS, f"{where}: {after} in Keras, linear in the port")
        for function, apply in arithmetic.ACTIVATIONS.items():
            if name and function != "linear" and evidence.is_close(apply(theirs), ours):
                text = f"{where}: {after or 'linear'} in Keras, then {function} in the port"
                return Match(NUMBERS, text)
    return None


RULES_OF_OUTPUTS: dict[str, Recogniser] = {"A33": _swapped}


# --- Divergences of the penalties in a loss: of kernels, biases and activities --------------------


def _no_penalty(evidence: Evidence) -> Match | None:
    found = evidence.once(total)
    if found is None or found.penalty == 0:
        return None
    for part, size in _parts(evidence, found):
        if is_near(found.keras - size, found.torch):
            return Match(NUMBERS, f"the port's loss lacks Keras's {part} of {size:.4g}")
    return None


def _other_penalty(evidence: Evidence) -> Match | None:
    found = evidence.once(total)
    if found is None:
        return None
    extra = found.torch - found.value
    if found.penalty and abs(extra) > 1e-12:
        factors = (0.5, 2.0, 0.1, 10.0, -1.0, *_of_activities(evidence), *_of_sums(evidence))
        for part, size in _parts(evidence, found):
            ours = found.torch - (found.keras - size)
            for factor in factors:
                if is_near(size * factor, ours):
                    return Match(NUMBERS, f"the port's {part} is {factor:g} times Keras's")
        for text, value in _other_parts(evidence):
            if is_near(value, extra):
                return Match(NUMBERS, f"the port's penalty {text}")
    beyond = found.torch - found.keras
    for squares, name in _squares(evidence):
        for factor in _factors(evidence):
            if any(is_near(factor * share * squares, extra) for share in (1.0, 0.5)):
                return Match(NUMBERS, f"the port penalises {name}")
    for squares, name in _squares_beyond(evidence):
        if any(is_near(factor * squares, beyond) for factor in _factors(evidence)):
            return Match(NUMBERS, f"the port penalises {name}, too")
    has_same_slope = found.gradient is not None and found.slope is not None
    if has_same_slope and abs(beyond) > 1e-12 and evidence.is_close(found.slope, found.gradient):
        text = f"the losses differ by {beyond:.4g}, whatever the outputs are"
        return Match(SETTINGS, text + _of_what(evidence, found, extra))
    return None


def _of_what(evidence: Evidence, found: Total, ours: float) -> str:
    """Returns in words what is added to the loss, if that is not a penalty of weights."""
    layers = list(evidence.keras.facts.get("added_losses") or [])
    if not found.penalty or any(True for _ in _regularised(evidence)):
        return ""
    for node in evidence.keras.facts["nodes"]:
        if node["config"].get("activity_regularizer") is not None:
            layers.append(node["name"])
    if not layers:
        return ""
    names = ", ".join(dict.fromkeys(layers))
    return f": {names} adds {found.penalty:.4g} in Keras, and the port {ours:.4g}"


def _of_activities(evidence: Evidence) -> Iterator[float]:
    """Yields the factors of a mean over the outputs of a penalised layer, or a sum of samples."""
    for node in evidence.keras.facts["nodes"]:
        if node["config"].get("activity_regularizer") is not None:
            samples, *sides = node["output_shape"]
            yield from (1 / math.prod(sides), float(samples), samples / math.prod(sides))


def _of_sums(evidence: Evidence) -> Iterator[float]:
    """Yields the factors of a sum in the place of a mean, and the reverse, in an added loss.

    The mean may be over the samples, over the values of a sample that a layer makes, or over both.
    """
    if not evidence.keras.facts.get("added_losses"):
        return
    shapes = {tuple(node["output_shape"]) for node in evidence.keras.facts["nodes"]}
    for samples, *sides in sorted(shape for shape in shapes if len(shape) > 1):
        for size in (samples, math.prod(sides), samples * math.prod(sides)):
            yield from (float(size), 1 / size)


def _parts(evidence: Evidence, found: Total) -> Iterator[tuple[str, float]]:
    """Yields what is added to the loss, and how much: all of it, and what `add_loss` gets."""
    names = evidence.keras.facts.get("added_losses") or []
    part = f"add_loss of {', '.join(names)}" if names else "penalty"
    if found.added and not is_near(found.added, found.penalty):
        yield "penalty", found.penalty
        yield part, found.added
    else:
        yield part, found.penalty


def _other_parts(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Yields the penalty with a mean instead of a sum as its l1 or l2 part, or without one."""
    parts = {"l1": {"sum": 0.0, "mean": 0.0}, "l2": {"sum": 0.0, "mean": 0.0}}
    for _, factors, w in _regularised(evidence):
        for part, size in (("l1", np.abs(w)), ("l2", w * w)):
            for name, value in (("sum", size.sum()), ("mean", size.mean())):
                parts[part][name] += factors.get(part, 0.0) * float(value)
    for part, other in (("l1", "l2"), ("l2", "l1")):
        if parts[part]["sum"]:
            yield f"takes the mean of its {part} part", parts[part]["mean"] + parts[other]["sum"]
            if parts[other]["sum"]:
                yield f"has no {part} part", parts[other]["sum"]
    if parts["l1"]["sum"] and parts["l2"]["sum"]:
        yield "takes the mean of both parts", parts["l1"]["mean"] + parts["l2"]["mean"]


def _regularised(evidence: Evidence) -> Iterator[tuple[str, dict[str, float], np.ndarray]]:
    """Yields each regularised weight: name, factors, values; a shared weight occurs once."""
    visited = set()
    for node in evidence.keras.facts["nodes"]:
        for name, value in node["config"].items():
            if not name.endswith("_regularizer") or not isinstance(value, dict):
                continue
            variable = name.removesuffix("_regularizer")
            given = value.get("config", {})
            factors = {k: float(given[k]) for k in ("l1", "l2") if given.get(k)}
            for weight in node["weights"]:
                is_its = short_name(weight) in (variable, f"{variable}_kernel")
                if factors and is_its and weight not in visited:
                    visited.add(weight)
                    yield weight, factors, evidence.keras[f"weights/{weight}"]


def _factors(evidence: Evidence) -> list[float]:
    """Returns the factors of all L2 regularisers of the Keras model."""
    found = set()
    for node in evidence.keras.facts["nodes"]:
        for name, value in node["config"].items():
            if name.endswith("regularizer") and isinstance(value, dict):
                l2 = value.get("config", {}).get("l2")
                if isinstance(l2, int | float) and l2:
                    found.add(float(l2))
    return sorted(found)


def _squares(evidence: Evidence) -> Iterator[tuple[float, str]]:
    weights = {
        name: float((evidence.keras[f"weights/{name}"] ** 2).sum())
        for name, entry in evidence.keras.facts["weights"].items()
        if entry["trainable"]
    }
    yield sum(weights.values()), "all parameters, biases too"
    kernels = {n: v for n, v in weights.items() if n.endswith("kernel")}
    yield sum(kernels.values()), "all kernels"
    penalised = [
        weights.get(name, 0.0)
        for node in evidence.keras.facts["nodes"]
        if any(node["config"].get(f"{part}_regularizer") for part in ("kernel", "depthwise"))
        for name in node["weights"]
    ]
    yield sum(penalised), "the biases of penalised layers too"


def _squares_beyond(evidence: Evidence) -> Iterator[tuple[float, str]]:
    """Yields the sums of squares of weights that Keras does not penalise, beside its penalties."""
    keras = evidence.keras
    penalised = {name for name, _, _ in _regularised(evidence)}
    kept = {
        name: float((keras[f"weights/{name}"] ** 2).sum())
        for name, entry in keras.facts["weights"].items()
        if entry["trainable"] and name not in penalised
    }
    yield sum(kept.values()), "all other parameters"
    yield sum(v for n, v in kept.items() if short_name(n) == "bias"), "all biases"
    for name, squares in kept.items():
        yield squares, name


RULES_OF_PENALTIES: dict[str, Recogniser] = {
    "C9": _no_penalty,
    "C8": _other_penalty,
}

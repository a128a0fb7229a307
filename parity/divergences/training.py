"""Divergences of losses, from the loss of given outputs and of each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.groups import array_in
from parity.ladder.items import BROADCAST, output_of
from parity.traces.facts import Config, known
from parity.traces.trace import KerasTrace, PortTrace, Trace, keyed

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.traces.trace import Trace


# --- Divergences of losses, from the loss of given outputs ----------------------------------------


# Keras stores the factor of a penalty in float32, with an error of up to 6e-8.
_NEAR = 1e-6


def is_near(a: float, b: float) -> bool:
    """Whether two losses are equal, but for the rounding of a factor to float32."""
    return abs(a - b) <= _NEAR * max(abs(a), abs(b))


class Total:
    """The loss of all given outputs together, with what layers add to it."""

    def __init__(self, keras: KerasTrace, port: PortTrace) -> None:
        self._keras, self._port = keras, port
        self.keras = self._number(keras, "loss/confident/value")
        self.torch = self._number(port, "loss/confident/value")
        self.penalty = 0.0
        for key in ("loss/penalty", "loss/confident/penalty"):
            if key in keras:
                self.penalty = float(keras[key])
        added = array_in(keras, "loss/confident/added")
        self.added = 0.0 if added is None else float(added)  # by `add_loss`: a part of the penalty
        self.gradient = array_in(port, "loss/confident/gradient")
        self.slope = array_in(keras, "loss/confident/gradient")

    @staticmethod
    def _number(trace: Trace, key: str) -> float:
        return float(trace[key]) if key in trace else float("nan")

    @property
    def value(self) -> float:
        """Keras's loss without penalty."""
        return self.keras - self.penalty

    def part(self, name: str, weight: float) -> tuple[float, float]:
        """Returns the loss of one output without its weight, of both halves.

        A port with one function of all outputs does not tell it: then it is what explains the
        total, if the other losses are Keras's.
        """
        key = f"loss/confident/of/{name}"
        theirs, ours = self._number(self._keras, key), self._number(self._port, key)
        if np.isnan(ours) and weight:
            ours = theirs + (self.torch - self.keras) / weight
        return theirs, ours


class Confident:
    """The loss of given outputs, without a model: of the only output, or of one of several."""

    def __init__(self, evidence: Evidence) -> None:
        keras, port = evidence.keras, evidence.port
        self.total = Total(keras, port)
        self.name = output_of(evidence.item.name) if keras.facts.get("outputs") else ""
        ending = f"/{self.name}" if self.name else ""
        self.linear = keras[f"loss/confident/linear{ending}"]
        self.y = keras[f"loss/confident/target{ending}"]
        weight = 1.0
        if self.name:
            output = next(t for t in keras.facts["outputs"] if t["name"] == self.name)
            self.facts: Config = {
                **known(known(keras.facts["loss"])["outputs"])[self.name],
                "class_weight": None,
            }
            self.activation, self.penalty = output["activation"], 0.0
            weight = float(self.facts["weight"])
            self.keras, self.torch = self.total.part(self.name, weight)
        else:
            self.facts = {**(keras.facts["loss"] or {})}
            self.activation = keras.facts.get("output_activation")
            self.keras, self.torch = self.total.keras, self.total.torch
            self.penalty = self.total.penalty
        gradient, slope = (
            array_in(trace, f"loss/confident/gradient{ending}") for trace in (port, keras)
        )
        self.gradient = None if gradient is None or not weight else gradient / weight
        self.slope = None if slope is None or not weight else slope / weight

    @property
    def value(self) -> float:
        """Keras's loss without penalty."""
        return self.keras - self.penalty

    def gives(self, value: float) -> bool:
        """Whether a loss without penalty equals the port's, with or without Keras's penalty."""
        return any(is_near(value + extra, self.torch) for extra in (0.0, self.penalty))

    @property
    def prediction(self) -> np.ndarray | None:
        """The given outputs after the activation of the model; None if that is not known."""
        function = arithmetic.ACTIVATIONS.get(self.activation or "linear")
        return None if function is None else np.asarray(function(self.linear))

    @property
    def is_crossentropy(self) -> bool:
        """Whether it is a crossentropy of classes."""
        return "categorical_crossentropy" in self.facts.get("name", "")

    @property
    def is_binary(self) -> bool:
        """Whether it is a crossentropy of each output."""
        return bool(self.facts.get("name") == "binary_crossentropy")

    @property
    def labels(self) -> np.ndarray:
        """The class of each sample."""
        return self.y if self.y.ndim < self.linear.ndim else self.y.argmax(-1)

    @property
    def settings(self) -> dict[str, float]:
        """The arguments of Keras's loss."""
        config = self.facts.get("config", {})
        found = config.get("config", {}) if isinstance(config, dict) else {}
        return found if isinstance(found, dict) else {}


def confident(evidence: Evidence) -> Confident | None:
    """Returns the loss of given outputs; None at other levels, and if the port has none.

    Of a model with several outputs it is that of the output of which the item speaks, or None.
    """
    if total(evidence) is None:
        return None
    if evidence.keras.facts.get("outputs") and not output_of(evidence.item.name):
        return None
    found = Confident(evidence)
    return found if np.isfinite(found.torch) else None


def total(evidence: Evidence) -> Total | None:
    """Returns the loss of all given outputs together; None at other levels, and without one."""
    is_known = evidence.level.id == "loss" and evidence.keras.facts["loss"] is not None
    if not is_known or "loss/confident/value" not in evidence.keras:
        return None
    found = Total(evidence.keras, evidence.port)
    return found if np.isfinite(found.torch) else None


def crossentropies(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    """Returns the crossentropy of each sample."""
    logs = special.log_softmax(logits, axis=-1)
    picked = np.take_along_axis(logs, labels[..., None], axis=-1)[..., 0]
    return np.asarray(-(1 - smoothing) * picked - smoothing * logs.mean(-1))


def _twice(evidence: Evidence) -> Match | None:
    found = evidence.once(confident)
    if found is None:
        return None
    if found.is_crossentropy:
        probabilities = special.softmax(found.linear, axis=-1)
        smoothing = float(found.settings.get("label_smoothing") or 0.0)
        if found.gives(float(crossentropies(probabilities, found.labels, smoothing).mean())):
            classes = found.linear.shape[-1]
            floor = np.log1p((classes - 1) / np.e)
            return Match(NUMBERS, f"softmax of a softmax: the loss cannot fall below {floor:.3f}")
    if found.is_binary:
        p = special.expit(found.linear)
        if found.gives(float(binary_crossentropies(p, found.y).mean())):
            return Match(NUMBERS, "sigmoid of a sigmoid: the loss cannot fall below 0.313")
    return None


def _clipped(evidence: Evidence) -> Match | None:
    """Recognises clipped probabilities, for which Keras uses the logits."""
    found = evidence.once(confident)
    if found is not None and found.is_binary:
        return _clipped_binary(found)
    if found is None or not found.is_crossentropy:
        return None
    if found.activation is None or found.settings.get("ignore_class") is not None:
        return _unlimited(found)
    if found.activation != "softmax":
        return None
    p = special.softmax(found.linear, axis=-1)
    for added in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12, 1e-5):
        picked = np.take_along_axis(p, found.labels[..., None], axis=-1)
        if found.gives(float(-np.log(picked + added).mean())):
            return Match(NUMBERS, f"{added:.0e} added to the probabilities gives the port's loss")
    for q in (np.clip(p, 1e-7, 1 - 1e-7), np.clip(p, 1e-12, 1.0), np.clip(p, 1e-8, 1.0)):
        for share in (q, q / q.sum(-1, keepdims=True)):
            picked = np.take_along_axis(share, found.labels[..., None], axis=-1)
            if found.gives(float(-np.log(picked).mean())):
                return Match(
                    NUMBERS, f"probabilities clipped at {q.min():.0e} give the port's loss"
                )
    return None


def _unlimited(found: Confident) -> Match | None:
    """Recognises logarithms without a limit, where Keras's loss has no logits and clips at 1e-7."""
    labels, ignored = found.labels.astype(int), found.settings.get("ignore_class")
    counts = np.ones(labels.shape, bool) if ignored is None else labels != ignored
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = np.log(found.linear) if found.activation is None else found.linear
    if not counts.any() or np.isnan(linear).any() or linear.shape[:-1] != labels.shape:
        return None
    value = float(crossentropies(linear, labels)[counts].mean())
    if not is_near(value, found.value) and found.gives(value):
        return Match(NUMBERS, "logarithms without a limit give the port's loss; Keras has 1e-7")
    return None


def _clipped_binary(found: Confident) -> Match | None:
    """Recognises other limits of probabilities, or of their logarithms, than Keras's 1e-7."""
    is_plain = found.activation is None
    if not is_plain and found.gradient is not None:
        p, y = special.expit(found.linear), found.y.reshape(found.linear.shape)
        slope = p * (1 - p)
        limited = (p - y) / np.maximum(slope, 1e-12) * slope / p.size
        is_other = not np.allclose(limited, (p - y) / p.size, rtol=1e-6, atol=0)
        if is_other and np.allclose(limited, found.gradient, rtol=1e-6, atol=1e-12):
            return Match(NUMBERS, "nn.BCELoss limits p (1 - p) at 1e-12 in its gradient")
    if not is_plain and found.gives(float(binary_crossentropies(found.linear, found.y).mean())):
        return None  # nothing is limited
    p = found.linear if is_plain else special.expit(found.linear)
    y = found.y.reshape(p.shape)
    if p.min() < 0 or p.max() > 1:
        return None
    with np.errstate(divide="ignore"):
        logs = [np.maximum(np.log(q), -100) for q in (p, 1 - p)]
    if found.gives(float(-(y * logs[0] + (1 - y) * logs[1]).mean())):
        return Match(NUMBERS, "logarithms limited at -100, as in nn.BCELoss, give the port's loss")
    for limit in (1e-7, 1e-6, 1e-8, 1e-12):
        q = np.clip(p, limit, 1 - limit)
        if found.gives(float(-(y * np.log(q) + (1 - y) * np.log(1 - q)).mean())):
            return Match(NUMBERS, f"probabilities clipped at {limit:.0e} give the port's loss")
    return None


def binary_crossentropies(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the crossentropy of each output, the targets between 0 and 1."""
    return np.asarray(np.logaddexp(0, logits) - y * logits)


def _smoothing(evidence: Evidence) -> Match | None:
    found = evidence.once(confident)
    if found is None:
        return None
    said = float(found.settings.get("label_smoothing") or 0.0)
    if found.is_binary:
        for value, share in ((said, found.linear.shape[-1]), (said, 1), (0.0, 1)):
            if not said or share == 2:  # Keras's own
                continue
            y = found.y * (1 - value) + value / share
            if found.gives(float(binary_crossentropies(found.linear, y).mean())):
                text = f"y * (1 - {value:g}) + {value:g} / {share}" if value else "none"
                return Match(NUMBERS, f"{said:g} / 2 in Keras, {text} in the port")
        return None
    if not found.is_crossentropy:
        return None
    logs = special.log_softmax(found.linear, axis=-1)
    picked = np.take_along_axis(logs, found.labels[..., None], axis=-1)[..., 0]
    others = (logs.sum(-1) - picked) / max(logs.shape[-1] - 1, 1)
    if said and found.gives(float((-(1 - said) * picked - said * others).mean())):
        return Match(NUMBERS, f"{said:g} / K on all classes in Keras, / (K - 1) on the others")
    for value in (0.0, 0.1, 0.05, 0.2, 0.01):
        if value == said:
            continue
        if found.gives(float(crossentropies(found.linear, found.labels, value).mean())):
            return Match(NUMBERS, f"label_smoothing {said:g} in Keras, {value:g} in the port")
    return None


def _class_weights(evidence: Evidence) -> Match | None:
    found = evidence.once(confident)
    if found is None or not found.facts.get("class_weight"):
        return None
    weights = {int(key): float(value) for key, value in found.facts["class_weight"].items()}
    if found.is_binary and found.linear.shape[-1] == 1:
        each = binary_crossentropies(found.linear, found.y.reshape(found.linear.shape))
    elif found.is_crossentropy:
        each = crossentropies(found.linear, found.labels)
    else:
        return None
    labels = found.y if found.is_binary else found.labels
    w = np.array([weights.get(int(label), 1.0) for label in labels.reshape(-1)])
    w = w.reshape(each.shape)
    zero, one = weights.get(0, 1.0), weights.get(1, 1.0)
    if found.is_binary and zero and found.gives(float((w * each).mean() / zero)):
        ratio = one / zero
        return Match(NUMBERS, f"pos_weight={ratio:.4g} leaves label 0 a weight of 1")
    if found.gives(float((w * each).sum() / w.sum())):
        return Match(NUMBERS, "the port divides by the sum of the weights, Keras by the samples")
    if found.gives(float(each.mean())):
        return Match(NUMBERS, "the port has no class weights")
    return None


def _broadcast(evidence: Evidence) -> Match | None:
    if evidence.item.name == BROADCAST:
        return Match(NUMBERS, f"the loss takes {evidence.item.torch}")
    found = evidence.once(confident)
    if found is not None and found.is_crossentropy and found.labels.ndim == 1:
        logs = special.log_softmax(found.linear, axis=-1)
        if found.gives(-float(logs[:, found.labels].mean())):
            return Match(NUMBERS, "(N, 1) labels make N x N losses, of each row with every label")
    if found is None or found.linear.ndim != 2 or found.linear.shape[1] != 1:
        return None
    p = special.expit(found.linear) if found.activation == "sigmoid" else found.linear
    y = found.y.reshape(1, -1)
    tried = {
        "mean_squared_error": (p - y) ** 2,
        "mean_absolute_error": np.abs(p - y),
        "binary_crossentropy": np.logaddexp(0, found.linear) - y * found.linear,
    }
    name = found.facts["name"]
    if name in tried and found.gives(float(tried[name].mean())):
        return Match(NUMBERS, "(N, 1) against (N,) makes N x N differences")
    return None


RULES: dict[str, Recogniser] = {
    "D1": _twice,
    "D2": _clipped,
    "D4": _smoothing,
    "D5": _class_weights,
    "D9": _broadcast,
}


# --- The loss of each sample of given outputs, and what other targets and weights make of it ------


Array = np.ndarray


def losses_of(found: Confident, y: Array) -> Array | None:
    """Returns the loss of each sample, or step, of given outputs; None if it is not known here.

    Args:
        found: the given outputs.
        y: targets in the place of theirs, of the same shape.
    """
    x, made, name = found.linear, found.prediction, str(found.facts.get("name", ""))
    if found.is_crossentropy:
        labels = y if y.ndim < x.ndim else y.argmax(-1)
        return crossentropies(x, labels.reshape(x.shape[:-1]).astype(int))
    if made is None or y.size != x.size:
        return None
    error = y.reshape(x.shape) - made
    if name == "mean_squared_error":
        return np.asarray((error**2).mean(-1))
    if name == "mean_absolute_error":
        return np.asarray(np.abs(error).mean(-1))
    if found.is_binary:
        return np.asarray(binary_crossentropies(x, y.reshape(x.shape)).mean(-1))
    return None


def weights_of(evidence: Evidence, name: str) -> Array | None:
    """Returns the weights of the samples of an output; None if there are none."""
    weights = array_in(evidence.keras, keyed("weight/confident", name))
    return array_in(evidence.keras, "weight/confident") if weights is None else weights


def mean_of(each: Array, weights: Array | None) -> float:
    """Returns the mean of losses, each times the weight of its sample or step.

    Args:
        each: losses, (N, ...).
        weights: (N, ...) with as many axes or fewer, or with axes of length one behind; None: no
            weights.
    """
    if weights is None:
        return float(each.mean())
    sides = list(weights.shape)
    while len(sides) > each.ndim and sides[-1] == 1:
        sides.pop()
    w = weights.reshape([*sides, *[1] * (each.ndim - len(sides))])
    return float((each * w).mean())


def target_of_another(evidence: Evidence) -> Match | None:
    """Recognises a loss of one output that gets the targets of another one."""
    found = evidence.once(confident)
    for name in _others(evidence, found):
        y = array_in(evidence.keras, f"loss/confident/target/{name}")
        if found is None or y is None or y.shape != found.y.shape:
            continue
        each = losses_of(found, y)
        if each is not None and found.gives(mean_of(each, weights_of(evidence, found.name))):
            fix = f"the loss of {found.name} with its own targets, not with those of {name}"
            return Match(NUMBERS, f"the loss of {found.name} gets the targets of {name}", fix=fix)
    return None


def weights_of_another(evidence: Evidence) -> Match | None:
    """Recognises a loss of one output that gets the weights of another one, or none."""
    found = evidence.once(confident)
    if found is None or not found.name or weights_of(evidence, found.name) is None:
        return None
    each = losses_of(found, found.y)
    if each is None:
        return None
    if found.gives(mean_of(each, None)):
        return Match(NUMBERS, f"the port's loss of {found.name} ignores the weights of the samples")
    for name in _others(evidence, found):
        if found.gives(mean_of(each, weights_of(evidence, name))):
            text = f"the port's loss of {found.name} has the weights of the samples of {name}"
            return Match(NUMBERS, text)
    return None


def _others(evidence: Evidence, found: Confident | None) -> list[str]:
    if found is None or not found.name:
        return []
    names = [str(output["name"]) for output in evidence.keras.facts["outputs"]]
    return [name for name in names if name != found.name]

"""Divergences of losses and their penalties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from parity.divergences.divergence import NUMBERS, PLACE, Divergence, Match

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

# Keras stores the factor of a penalty in float32, with an error of up to 6e-8.
_NEAR = 1e-6


def _is_near(a: float, b: float) -> bool:
    return abs(a - b) <= _NEAR * max(abs(a), abs(b))


class _Confident:
    """The loss of given outputs, without a model."""

    def __init__(self, evidence: Evidence) -> None:
        bundle, port, key = evidence.bundle, evidence.port, "loss/confident"
        self.linear = bundle[f"{key}/linear"]
        self.y = bundle[f"{key}/target"]
        self.keras = float(bundle[f"{key}/value"])
        self.torch = float(port[f"{key}/value"]) if f"{key}/value" in port else np.nan
        self.penalty = float(bundle["loss/penalty"]) if "loss/penalty" in bundle else 0.0
        self.facts = bundle.facts["loss"] or {}
        self.activation = bundle.facts.get("output_activation")

    def gives(self, value: float) -> bool:
        """Whether a loss without penalty equals the port's, with or without Keras's penalty."""
        return any(_is_near(value + extra, self.torch) for extra in (0.0, self.penalty))

    @property
    def is_crossentropy(self) -> bool:
        return "categorical_crossentropy" in self.facts.get("name", "")

    @property
    def is_binary(self) -> bool:
        return bool(self.facts.get("name") == "binary_crossentropy")

    @property
    def labels(self) -> np.ndarray:
        return self.y if self.y.ndim < self.linear.ndim else self.y.argmax(-1)

    @property
    def settings(self) -> dict[str, float]:
        config = self.facts.get("config", {})
        found = config.get("config", {}) if isinstance(config, dict) else {}
        return found if isinstance(found, dict) else {}


def _confident(evidence: Evidence) -> _Confident | None:
    if evidence.level.id != "loss" or evidence.bundle.facts["loss"] is None:
        return None
    found = _Confident(evidence)
    return found if np.isfinite(found.torch) else None


def crossentropies(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    """Returns the crossentropy of each sample."""
    logs = special.log_softmax(logits, axis=-1)
    picked = np.take_along_axis(logs, labels[..., None], axis=-1)[..., 0]
    return np.asarray(-(1 - smoothing) * picked - smoothing * logs.mean(-1))


def _twice(evidence: Evidence) -> Match | None:
    found = _confident(evidence)
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
    found = _confident(evidence)
    if found is None or not found.is_crossentropy or found.activation != "softmax":
        return None
    p = special.softmax(found.linear, axis=-1)
    for q in (np.clip(p, 1e-7, 1 - 1e-7), np.clip(p, 1e-12, 1.0), np.clip(p, 1e-8, 1.0)):
        for share in (q, q / q.sum(-1, keepdims=True)):
            picked = np.take_along_axis(share, found.labels[..., None], axis=-1)
            if found.gives(float(-np.log(picked).mean())):
                return Match(
                    NUMBERS, f"probabilities clipped at {q.min():.0e} give the port's loss"
                )
    return None


def binary_crossentropies(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the crossentropy of each output, the targets between 0 and 1."""
    return np.asarray(np.logaddexp(0, logits) - y * logits)


def _smoothing(evidence: Evidence) -> Match | None:
    found = _confident(evidence)
    if found is None:
        return None
    said = float(found.settings.get("label_smoothing") or 0.0)
    if found.is_binary:
        for value, share in ((said, found.linear.shape[-1]), (said, 1), (0.0, 1)):
            if not said or share == 2:  # Keras's own
                continue
            y = found.y * (1 - value) + value / share
            if found.gives(float(binary_crossentropies(found.linear, y).mean())):
                told = f"y * (1 - {value:g}) + {value:g} / {share}" if value else "none"
                return Match(NUMBERS, f"{said:g} / 2 in Keras, {told} in the port")
        return None
    if not found.is_crossentropy:
        return None
    for value in (0.0, 0.1, 0.05, 0.2, 0.01):
        if value == said:
            continue
        if found.gives(float(crossentropies(found.linear, found.labels, value).mean())):
            return Match(NUMBERS, f"label_smoothing {said:g} in Keras, {value:g} in the port")
    return None


def _class_weights(evidence: Evidence) -> Match | None:
    found = _confident(evidence)
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
    found = _confident(evidence)
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


def _reduction(evidence: Evidence) -> Match | None:
    found = _confident(evidence)
    if found is None:
        return None
    keras = found.keras - found.penalty
    outputs = found.linear.reshape(len(found.linear), -1).shape[1]
    for number, name in (
        (len(found.linear), "the samples"),
        (outputs, "the outputs"),
        (len(found.linear) * outputs, "samples and outputs"),
    ):
        for factor, text in ((number, f"a sum over {name}"), (1 / number, f"a mean over {name}")):
            if number > 1 and found.gives(keras * factor):
                return Match(NUMBERS, f"the port takes {text}: {factor:g} times Keras's loss")
    return None


def _no_penalty(evidence: Evidence) -> Match | None:
    found = _confident(evidence)
    if found is None or found.penalty == 0:
        return None
    if _is_near(found.keras - found.penalty, found.torch):
        return Match(NUMBERS, f"the port's loss lacks Keras's penalty of {found.penalty:.4g}")
    return None


def _other_penalty(evidence: Evidence) -> Match | None:
    found = _confident(evidence)
    if found is None:
        return None
    extra = found.torch - (found.keras - found.penalty)
    if found.penalty and abs(extra) > 1e-12:
        for factor in (0.5, 2.0, 0.1, 10.0):
            if _is_near(found.penalty * factor, extra):
                return Match(NUMBERS, f"the port's penalty is {factor:g} times Keras's")
        for text, value in _other_parts(evidence):
            if _is_near(value, extra):
                return Match(NUMBERS, f"the port's penalty {text}")
    for squares, name in _squares(evidence):
        for factor in _factors(evidence):
            if any(_is_near(factor * share * squares, extra) for share in (1.0, 0.5)):
                return Match(NUMBERS, f"the port penalises {name}")
    return None


def _other_parts(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Yields the penalty with a mean instead of a sum as its l1 or l2 part, or without one."""
    parts = {"l1": {"sum": 0.0, "mean": 0.0}, "l2": {"sum": 0.0, "mean": 0.0}}
    for factors, w in _regularised(evidence):
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


def _regularised(evidence: Evidence) -> Iterator[tuple[dict[str, float], np.ndarray]]:
    """Yields the factors of each regulariser and its weight; a shared weight occurs once."""
    seen = set()
    for node in evidence.bundle.facts["nodes"]:
        for name, value in node["config"].items():
            if not name.endswith("_regularizer") or not isinstance(value, dict):
                continue
            variable = name.removesuffix("_regularizer")
            given = value.get("config", {})
            factors = {k: float(given[k]) for k in ("l1", "l2") if given.get(k)}
            for weight in node["weights"]:
                short = weight.replace("/", ".").rpartition(".")[2]  # in a cell: lstm_cell/kernel
                is_its = short in (variable, f"{variable}_kernel")
                if factors and is_its and weight not in seen:
                    seen.add(weight)
                    yield factors, evidence.bundle[f"weights/{weight}"]


def _factors(evidence: Evidence) -> list[float]:
    """Returns the factors of all L2 regularisers of the Keras model."""
    found = set()
    for node in evidence.bundle.facts["nodes"]:
        for name, value in node["config"].items():
            if name.endswith("regularizer") and isinstance(value, dict):
                l2 = value.get("config", {}).get("l2")
                if isinstance(l2, int | float) and l2:
                    found.add(float(l2))
    return sorted(found)


def _squares(evidence: Evidence) -> Iterator[tuple[float, str]]:
    weights = {
        name: float((evidence.bundle[f"weights/{name}"] ** 2).sum())
        for name, entry in evidence.bundle.facts["weights"].items()
        if entry["trainable"]
    }
    yield sum(weights.values()), "all parameters, biases too"
    kernels = {n: v for n, v in weights.items() if n.endswith("kernel")}
    yield sum(kernels.values()), "all kernels"
    penalised = [
        weights.get(name, 0.0)
        for node in evidence.bundle.facts["nodes"]
        if any(node["config"].get(f"{part}_regularizer") for part in ("kernel", "depthwise"))
        for name in node["weights"]
    ]
    yield sum(penalised), "the biases of penalised layers too"


def _other_loss(evidence: Evidence) -> Match | None:
    found = _confident(evidence)
    return None if found is None else Match(PLACE, f"{found.facts['name']} in Keras")


ENTRIES = (
    Divergence(
        "D1",
        "the output is activated twice",
        "loss",
        "Dense(n, 'softmax') with crossentropy of probabilities",
        "a softmax in the module, and CrossEntropyLoss, which expects logits (the same for BCE)",
        "torch nn/modules/loss.py",
        "return logits from the module: CrossEntropyLoss applies the softmax",
        _twice,
    ),
    Divergence(
        "D2",
        "the loss uses clipped probabilities",
        "loss",
        "Keras uses the logits of a softmax at the end of the model: confident errors count fully",
        "log(clip(p, 1e-7, 1 - 1e-7)): a loss of at most 16.1, and no gradient there",
        "keras 3.15 backend/tensorflow/nn.py (_keras_logits)",
        "return logits and use nn.CrossEntropyLoss, or torch_impl.layers.activations.softmax",
        _clipped,
    ),
    Divergence(
        "C9",
        "the loss lacks the penalty of the regularisers",
        "loss",
        "loss = crossentropy + sum of all regularisers, in fit and in evaluate",
        "weight_decay of an optimizer never appears in the loss",
        "keras 3.15 trainers/trainer.py (compute_loss)",
        "add it: torch_impl.penalty.RegularizedLoss",
        _no_penalty,
    ),
    Divergence(
        "C8",
        "the penalty has a different factor, or applies to other weights",
        "loss",
        "l2 * sum(w ** 2), for the weights of the layers that declare it",
        "half of it, or for all parameters, including biases",
        "keras 3.15 regularizers/regularizers.py",
        "torch_impl.penalty: one row per penalised weight",
        _other_penalty,
    ),
    Divergence(
        "D4",
        "label smoothing differs",
        "loss",
        "y * (1 - s) + s / classes, only for one-hot targets; s / 2 in BinaryCrossentropy",
        "CrossEntropyLoss(label_smoothing=s), 0 by default; BCEWithLogitsLoss has none",
        "keras 3.15 losses/losses.py",
        "nn.CrossEntropyLoss(label_smoothing=...) as in Keras",
        _smoothing,
    ),
    Divergence(
        "D5",
        "class weights are averaged differently",
        "loss",
        "sum(w * loss) / number of samples",
        "CrossEntropyLoss(weight=w): sum(w * loss) / sum(w); pos_weight: w[0] is 1",
        "keras 3.15 trainers/data_adapters; losses/loss.py",
        "torch_impl.losses with sample_weight=sample_weights(y, class_weight)",
        _class_weights,
    ),
    Divergence(
        "D9",
        "(N, 1) and (N,) are broadcast against each other",
        "loss",
        "squeezed to the same rank",
        "N x N differences, and a warning",
        "keras 3.15 losses/loss.py (squeeze_or_expand_to_same_rank)",
        "output.squeeze(1), or y.unsqueeze(1)",
        _broadcast,
    ),
    Divergence(
        "D12",
        "the loss is reduced differently",
        "loss",
        "'sum_over_batch_size': the mean over samples, of means over outputs",
        "reduction='sum', or a mean over a different axis",
        "keras 3.15 losses/loss.py",
        "reduction='mean'",
        _reduction,
    ),
    Divergence(
        "D13",
        "a different loss",
        "loss",
        "the compiled loss",
        "a different formula",
        "keras 3.15 losses/losses.py",
        "torch_impl.losses.from_config(keras.losses.serialize(loss))",
        _other_loss,
    ),
)

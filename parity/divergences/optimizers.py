"""Divergences of optimizers, from trials of their rules and other evidence."""

from __future__ import annotations

from parity.data import probe_inputs
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Divergence, Match
from parity.divergences.evidence import Evidence, is_close
from parity.divergences.trials import changed, changes


def _rate(evidence: Evidence) -> Match | None:
    if evidence.level.id == "optimizer" and evidence.item.name == "learning_rate":
        item = evidence.item
        return Match(
            NUMBERS, f"{item.keras:g} in Keras, {item.torch:g} in the port, step {item.step}"
        )
    return None


def _left_out(evidence: Evidence) -> Match | None:
    if evidence.level.id != "optimizer":
        return None
    names = []
    for item in evidence.failed:
        key = f"optimizer/{probe_inputs.OPTIMIZER_STEPS[-1]}/weights/{item.name}"
        start = f"weights/{item.name}"
        if key in evidence.port and start in evidence.bundle:
            w = evidence.bundle[start]
            if is_close(probe_inputs.sampled(w), evidence.port[key]) and item.name not in names:
                names.append(item.name)
    return Match(NUMBERS, f"the port does not update {', '.join(names[:3])}") if names else None


def _two_biases(evidence: Evidence) -> Match | None:
    item = evidence.item
    key = f"optimizer/{item.step}/weights/{item.name}"
    if evidence.level.id != "optimizer" or key not in evidence.bundle or key not in evidence.port:
        return None
    if evidence.kind not in ("lstm", "gru", "bidirectional", "simple_rnn"):
        return None
    start = evidence.bundle[f"weights/{item.name}"]
    theirs, ours = evidence.bundle[key] - start, evidence.port[key] - start
    if is_close(2 * theirs, ours):
        return Match(NUMBERS, f"{item.name} moves twice as far as in Keras")
    return None


def _same_class(evidence: Evidence) -> Match | None:
    """Recognises torch's own Adam, RMSprop, ... if no trial gives its numbers."""
    if evidence.level.id != "optimizer" or changes(evidence) is not None:
        return None
    if evidence.item.name == "learning_rate":
        return None
    ours = str((evidence.port.facts["optimizer"] or {}).get("class", ""))
    theirs = str(evidence.bundle.facts["optimizer"]["class"])
    sure = SETTINGS if theirs.lower() != ours.rpartition(".")[2].lower() else PLACE
    return Match(sure, f"{theirs} in Keras, {ours} in the port")


ENTRIES = (
    Divergence(
        "F6",
        "a different learning rate",
        "optimizer",
        "SGD 0.01; Adam, RMSprop, Adagrad, Adadelta 0.001",
        "SGD 0.001; Adam 0.001; RMSprop and Adagrad 0.01; Adadelta 1.0",
        "keras 3.15 optimizers",
        "lr=... as learning_rate=... in Keras",
        _rate,
    ),
    Divergence(
        "F15",
        "the optimizer does not have all parameters",
        "optimizer",
        "all trainable variables",
        "only the parameters that it was given",
        "-",
        "optimizer over module.parameters()",
        _left_out,
    ),
    Divergence(
        "A14",
        "a recurrent layer has two biases instead of one",
        "optimizer",
        "one bias",
        "bias_ih and bias_hh have the same gradient, so their sum moves twice as far",
        "keras 3.15 layers/rnn/lstm.py; torch nn/modules/rnn.py",
        "torch_impl.layers.LSTM, or lstm.bias_hh_l0.requires_grad_(False)",
        _two_biases,
    ),
    Divergence(
        "F2",
        "Adam adds epsilon at a different place",
        "optimizer",
        "w -= lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + epsilon)",
        "w -= lr / (1 - b1**t) * m / (sqrt(v / (1 - b2**t)) + eps)",
        "keras 3.15 optimizers/adam.py; torch optim/adam.py",
        "torch_impl.optim.Adam(module.parameters(), ...)",
        changed("F2"),
    ),
    Divergence(
        "F1",
        "Adam has a different epsilon",
        "optimizer",
        "epsilon = 1e-7",
        "eps = 1e-8",
        "keras 3.15 optimizers/adam.py",
        "epsilon=1e-7 (and torch_impl.optim.Adam, since torch adds it at a different place)",
        changed("F1"),
    ),
    Divergence(
        "F4",
        "RMSprop has a different formula or different constants",
        "optimizer",
        "g / sqrt(v + epsilon), rho 0.9, epsilon 1e-7; the momentum holds lr * step",
        "g / (sqrt(v) + eps), alpha 0.99, eps 1e-8; the momentum holds step",
        "keras 3.15 optimizers/rmsprop.py; torch optim/rmsprop.py",
        "torch_impl.optim.RMSprop(module.parameters(), ...)",
        changed("F4"),
    ),
    Divergence(
        "F5",
        "momentum reacts differently to a change of the learning rate",
        "optimizer",
        "v = momentum * v - lr * g; w += v: the velocity keeps the old rate",
        "b = momentum * b + g; w -= lr * b: the new rate applies at once",
        "keras 3.15 optimizers/sgd.py; torch optim/sgd.py",
        "torch_impl.optim.SGD(module.parameters(), ...)",
        changed("F5"),
    ),
    Divergence(
        "F8",
        "Adagrad or Adadelta has different constants",
        "optimizer",
        "Adagrad: accumulator 0.1, epsilon 1e-7 in the root; Adadelta: rho 0.95, epsilon 1e-7",
        "Adagrad: 0, eps 1e-10 outside the root; Adadelta: rho 0.9, eps 1e-6",
        "keras 3.15 optimizers/adagrad.py, adadelta.py",
        "torch_impl.optim.Adagrad, torch_impl.optim.Adadelta",
        changed("F8"),
    ),
    Divergence(
        "C11",
        "weight decay is coupled, or missing in one half, or applies to other weights",
        "optimizer",
        "weight_decay of every Keras optimizer: w -= lr * decay * w, without the moments",
        "weight_decay of torch's SGD and Adam is added to the gradients of a whole group",
        "keras 3.15 optimizers/base_optimizer.py",
        "torch_impl.optim.*(..., weight_decay=...), or torch's AdamW for Adam",
        changed("C11"),
    ),
    Divergence(
        "F9",
        "weight decay has a different factor",
        "optimizer",
        "AdamW: 0.004",
        "AdamW: 0.01",
        "keras 3.15 optimizers/adamw.py",
        "weight_decay=... as in Keras",
        changed("F9"),
    ),
    Divergence(
        "E1",
        "gradients are clipped together instead of one by one",
        "optimizer",
        "clipnorm: each gradient is scaled to a norm of at most c",
        "clip_grad_norm_: all gradients are scaled by one factor",
        "keras 3.15 optimizers/base_optimizer.py",
        "torch_impl.optim.*(..., clipnorm=c); global_clipnorm clips them together",
        changed("E1"),
    ),
    Divergence(
        "E2",
        "1e-6 is added to the global norm",
        "optimizer",
        "g * c * min(1 / norm, 1 / c)",
        "g * min(1, c / (norm + 1e-6))",
        "keras 3.15 optimizers/base_optimizer.py; torch nn/utils/clip_grad.py",
        "torch_impl.optim.*(..., global_clipnorm=c)",
        changed("E2"),
    ),
    Divergence(
        "E8",
        "gradients are clipped in one half only, or differently",
        "optimizer",
        "clipnorm, global_clipnorm or clipvalue of the optimizer",
        "clip_grad_norm_ or clip_grad_value_ before the step (Port(before_step=...)), or nothing",
        "keras 3.15 optimizers/base_optimizer.py",
        "torch_impl.optim.*(..., clipnorm=, global_clipnorm=, clipvalue=)",
        changed("E8"),
    ),
    Divergence(
        "F14",
        "a constant of the optimizer differs: momentum, betas, nesterov, amsgrad, centered",
        "optimizer",
        "as in the Keras optimizer; Nadam's momentum_decay, which torch sets to 0.004, is 1",
        "a different number",
        "keras 3.15 optimizers",
        "the same numbers in both",
        changed("F14"),
    ),
    Divergence(
        "F13",
        "a different optimizer",
        "optimizer",
        "the compiled optimizer",
        "a different one",
        "keras 3.15 optimizers",
        "the class of torch_impl.optim with the name of Keras's",
        lambda evidence: changed("F13")(evidence) or _same_class(evidence),
    ),
)

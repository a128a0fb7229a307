"""What a Keras model does in its steps by custom code, of which the probes know nothing."""

from __future__ import annotations

import keras

from parity.ladder.coverage import METHODS
from parity.ladder.incomplete import CUSTOM_LOOP, CUSTOM_TRAIN_STEP
from parity.traces.facts import Incomplete

_KERAS = ("keras", "tf_keras")

_STEPS = ("train_step", "test_step", "compute_loss")


def custom_step_names(model: keras.Model) -> list[str]:
    """Returns the names of the steps and losses of a model that are the user's own."""
    return [name for name in methods_of(model) if name in _STEPS]


def methods_of(model: keras.Model) -> list[str]:
    """Returns the names of the methods of training and validation that are the user's own."""
    found = []
    for name in METHODS:
        owner = next((kind for kind in type(model).__mro__ if name in vars(kind)), None)
        is_custom = owner is not None and owner.__module__.partition(".")[0] not in _KERAS
        if is_custom or name in vars(model):
            found.append(name)
    return found


def left_open(model: keras.Model, *, is_described: bool = False) -> list[Incomplete]:
    """Returns what keeps a check of such a model from an answer: its own `train_step`.

    Args:
        model: of the user.
        is_described: whether a port is written of it, whose bundle has no steps.
    """
    methods = methods_of(model)
    name = type(model).__name__
    if CUSTOM_LOOP in methods and not is_described:
        why = f"{name} defines it, and may make other steps than those that are compared"
        do = "`parity run`, which trains both halves whole"
        return [{"what": f"the model's own {CUSTOM_LOOP}", "why": why, "do": do}]
    if "train_step" not in methods:
        return []
    if is_described:
        why = f"{name} defines it, and what Keras computed for this port has no steps by it"
        do = (
            "write it, and let `parity check` compare it with the Keras program: `--keras PROGRAM "
            "--torch PACKAGE.train:build`"
        )
    else:
        why = (
            f"{name} defines it, and may use another loss than `compile`'s: loss, gradients and "
            "steps of the port are left out"
        )
        do = (
            "give the port's step, `Port(train_step=...)`; or `parity run`, which trains both "
            "halves whole"
        )
    return [{"what": CUSTOM_TRAIN_STEP, "why": why, "do": do}]

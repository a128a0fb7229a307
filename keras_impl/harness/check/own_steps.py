"""What a Keras model does in its steps by code of the user's own, of which the probes know nothing.

A model goes in. Entries for the report come out.
"""

from __future__ import annotations

import keras

from parity.ladder.incomplete import OWN_TRAIN_STEP

_STEPS = ("train_step", "test_step", "compute_loss")


def own_steps(model: keras.Model) -> list[str]:
    """Returns the names of the methods of a model that are the user's own."""
    found = []
    for name in _STEPS:
        owner = next(kind for kind in type(model).__mro__ if name in vars(kind))
        if owner.__module__.partition(".")[0] not in ("keras", "tf_keras"):
            found.append(name)
    return found


def left_open(model: keras.Model, *, is_described: bool = False) -> list[dict[str, str]]:
    """Returns what keeps a check of such a model from an answer: its own `train_step`.

    Args:
        model: of the user.
        is_described: whether a port is written of it, whose bundle has no steps.
    """
    if "train_step" not in own_steps(model):
        return []
    name = type(model).__name__
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
    return [{"what": OWN_TRAIN_STEP, "why": why, "do": do}]


def left_out(model: keras.Model) -> list[dict[str, str]]:
    """Returns what of such a model is compared in another way, or not at all."""
    reasons = {
        "test_step": "a check validates nothing; `parity run` compares what it returns",
        "compute_loss": "the probes compare what it returns, and call it without x",
    }
    name = type(model).__name__
    return [
        {"what": f"the model's own {step}", "why": f"{name} defines it: {reasons[step]}"}
        for step in own_steps(model)
        if step in reasons
    ]

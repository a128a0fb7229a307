"""What a port is told of a `train_step` of the user's own.

A reference goes in. Facts come out: the code of the step, and what it gets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from keras_impl.reference import Reference
from parity.halves.keras.check.outer_values import shown
from parity.halves.keras.check.own_steps import own_steps
from parity.halves.keras.check.quoted import quoted

Facts = dict[str, Any]


def own_step(reference: Reference, folder: Path) -> Facts | None:
    """Returns what a port is told of the `train_step` of a model; None: it is Keras's.

    Args:
        reference: the model, and what `fit` gets.
        folder: of the program.

    Returns:
        "class" of the model; "source" of the method; "values" of its plain attributes as source,
        by "self.NAME".
    """
    model = reference.model
    if "train_step" not in own_steps(model):
        return None
    kind = type(model)
    keras_own = {*vars(keras.Model()), "stop_training", "output_names", "input_names"}
    values = {
        f"self.{name}": value
        for name, value in shown(vars(model)).items()
        if name not in keras_own and not name.startswith("_")
    }
    return {"class": kind.__name__, "source": quoted(kind.train_step, folder), "values": values}

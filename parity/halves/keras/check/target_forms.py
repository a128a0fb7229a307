"""The form of the targets that a loss takes: known of Keras's losses, tried for those of a user.

A loss and outputs go in. The kind of its targets comes out, as `Samples.drawn_targets` draws them,
or why there is none: a form suits a loss if the loss is a finite number with it and depends on the
outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from parity.errors import told
from parity.halves.keras import versions
from parity.halves.keras.check.output_losses import is_kerass, name_of

DATA = "data"  # rows of the targets that `fit` gets
# Loss -> kind of its targets.
_TARGETS = {
    "sparse_categorical_crossentropy": "classes",
    "categorical_crossentropy": "one_hot",
    "categorical_focal_crossentropy": "one_hot",
    "kl_divergence": "distribution",
    "categorical_hinge": "one_hot",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "hinge": "binary",
    "squared_hinge": "binary",
    "poisson": "counts",
    "ctc": "labels",
}
# In this order: the first that suits. Values come first, as the most general form.
_TRIED = ("values", "classes", "class", "one_hot", "binary", "flag", "value", "labels")
# Of outputs from 0 to 1, such as a mask of an image: a loss of torch refuses other targets.
_TRIED_OF_SHARES = ("binary", "shares")


@dataclass(frozen=True)
class Forms:
    """What may be tried for an output.

    Attributes:
        first: kind that the name of the loss suggests.
        has_data: whether `fit` gets targets for it.
        drawn: returns the targets of a batch in a form.
    """

    first: str
    has_data: bool
    drawn: Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Found:
    """The form that suits a loss: its name, or "" and why there is none."""

    name: str
    problem: str = ""


def kind_of(loss: Any) -> tuple[str, bool]:
    """Returns the kind of targets that a loss takes, and whether that is known of it."""
    name = name_of(loss) or ""
    if is_kerass(loss):
        return _TARGETS.get(name, "values"), True
    return _TARGETS.get(name, "values"), loss is None


def found_form(loss: Any, forms: Forms, output: Any) -> Found:
    """Returns the first form of targets that suits a loss.

    Args:
        loss: of the user's own.
        forms: that may be tried. Targets of `fit` are the only ones, if there are any.
        output: of the model, of a batch.
    """
    problems: dict[str, str] = {}
    tried: list[str] = [forms.first, *_TRIED]
    if forms.first == "values" and _is_of_shares(output):
        tried = [*_TRIED_OF_SHARES, *tried]
    for form in [DATA] if forms.has_data else dict.fromkeys(tried):
        try:
            problem = _problem(loss, forms.drawn(form), output)
        except Exception as error:  # a loss of the user may raise anything
            problem = told(error)
        if not problem:
            return Found(form)
        problems[form] = problem
    if forms.has_data:
        why = f"cannot be computed for the targets of `fit` and this output ({problems[DATA]})"
        return Found("", why)
    why = f"takes targets of none of the forms {', '.join(problems)}"
    return Found("", f"{why} ({next(iter(problems.values()))})")


def _is_of_shares(output: Any) -> bool:
    """Whether each value of an output is from 0 to 1 by itself; those of a softmax add up to 1."""
    array = np.asarray(output)
    is_softmax = array.shape[-1] > 1 and np.allclose(array.sum(-1), 1)
    return bool(array.min() >= 0 and array.max() <= 1 and not is_softmax)


def _problem(loss: Any, y: np.ndarray, output: Any) -> str:
    """Returns why targets do not suit a loss; "" if they do."""
    output = tf.identity(output)  # without the logits that Keras's losses look for
    with tf.GradientTape() as tape:
        tape.watch(output)
        value = versions.loss_of_output(loss, y, output)(None)
    slope = tape.gradient(value, output)
    if not np.isfinite(np.asarray(value)).all():
        return f"the loss is {float(tf.reduce_mean(value))}"
    if slope is None or not np.isfinite(np.asarray(slope)).all():
        return "the loss has no finite gradient"
    return "" if np.any(np.asarray(slope)) else "the loss does not depend on the output"

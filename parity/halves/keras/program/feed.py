"""What `fit` feeds: arrays with their order, or batches that are written down as they come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.structure import in_order
from parity.halves.keras.factories import BATCH_SIZE, num_trained
from parity.halves.keras.program.flow import is_flow, why_written

_SETTINGS = (
    *("batch_size", "epochs", "initial_epoch", "steps_per_epoch", "validation_split"),
    *("validation_steps", "validation_batch_size", "validation_freq"),
)


def fed_arrays(reference: Reference, *, notes_flows: bool = True) -> dict[str, Any]:
    """Returns what `fit` is fed as nests of arrays, by name.

    `x`, `y` and `weight` are those of training, in the order of the first epoch; `val` are (x, y)
    or (x, y, weight), and `order` is that of the first epoch, as numbers of the samples. Where
    `fit` gets no arrays, `train_flow`, `train_batches`, `val_flow` or `val_batches` stand in their
    place, empty: they are known only when they have been fed. Of a flow, the draws are noted;
    batches are written down.
    """
    given = (in_order(reference, reference.x), reference.y, reference.sample_weight)
    is_plain = reference.shuffle in (True, False)
    found: dict[str, Any] = {}
    validation = reference.validation_data
    if is_plain and versions.are_arrays(given):
        whole = arrays_of(given)
        number = len(keras.tree.flatten(whole)[0])
        if (at := num_trained(reference, number)) < number:
            validation, number = rows_of(whole, slice(at, None)), at
        order = order_of(number) if reference.shuffle else slice(0, number)
        found |= dict(zip(("x", "y", "weight"), rows_of(whole, order), strict=True))
        found["order"] = np.arange(number)[order]
    else:
        is_noted = notes_flows and _is_noted(reference.x)
        found["train_flow" if is_noted else "train_batches"] = ()
    if validation is not None and versions.are_arrays(validation):
        x, *others = validation
        found["val"] = arrays_of((in_order(reference, x), *others))
    elif validation is not None:
        is_noted = notes_flows and _is_noted(validation, reference.validation_steps)
        found["val_flow" if is_noted else "val_batches"] = ()
    return found


def _is_noted(given: Any, steps: int | None = None) -> bool:
    return is_flow(given) and why_written(given, steps) is None


def written_flows(reference: Reference) -> dict[str, str]:
    """Returns why flows of images are written down, and not noted: what for -> why."""
    given = {
        "training": (reference.x, None),
        "validation": (reference.validation_data, reference.validation_steps),
    }
    reasons = {n: why_written(*each) for n, each in given.items() if is_flow(each[0])}
    return {name: why for name, why in reasons.items() if why is not None}


def is_whole(fed: Mapping[str, Any]) -> bool:
    """Whether all that is fed is known before the training."""
    return not any(name.endswith(("_batches", "_flow")) for name in fed)


def arrays_of(given: Any) -> Any:
    """Returns a nest of tensors or lists as one of arrays; None stays None."""
    return keras.tree.map_structure(lambda leaf: None if leaf is None else np.asarray(leaf), given)


def rows_of(nest: Any, rows: Any) -> Any:
    """Returns some rows of every array of a nest; None stays None."""
    return keras.tree.map_structure(lambda leaf: None if leaf is None else leaf[rows], nest)


def check_epochs(reference: Reference) -> None:
    """Rejects a training without an epoch, which would compare nothing.

    Raises:
        InputError: there is none to train.
    """
    if reference.initial_epoch >= reference.epochs:
        raise InputError(
            f"fit trains no epoch (epochs={reference.epochs}, "
            f"initial_epoch={reference.initial_epoch}); expected at least one; give more epochs"
        )
    for name in ("max_epochs", "max_steps_per_epoch"):
        most = getattr(getattr(keras, "config", None), name, lambda: None)()
        if most is not None:
            raise InputError(
                f"{name} of keras.config is {most}, which shortens every `fit` of Keras; expected "
                f"none: leave out KERAS_{name.upper()} and keras.config.set_{name}"
            )


def check_validations(reference: Reference) -> None:
    """Rejects a training that is not validated in every epoch, whose history cannot be compared.

    Raises:
        InputError: `validation_freq` leaves out an epoch.
    """
    frequency, epochs = reference.validation_freq, range(reference.initial_epoch, reference.epochs)
    numbers = set(range(1, 1 + reference.epochs)) if frequency == 1 else frequency
    is_every = not isinstance(numbers, int) and all(epoch + 1 in numbers for epoch in epochs)
    has_validation = reference.validation_data is not None or reference.validation_split
    if has_validation and not is_every:
        raise InputError(
            f"validation_freq={frequency!r} leaves out epochs; expected a validation in every "
            "epoch, since the history of each is compared; call fit without it"
        )


def settings_of(reference: Reference) -> dict[str, Any]:
    """Returns the arguments of `fit` that decide how samples are fed, ready for JSON."""
    found = {name: getattr(reference, name) for name in _SETTINGS}
    weights: Mapping[int, float] | None = reference.class_weight
    found["class_weight"] = (
        None if weights is None else {str(label): float(w) for label, w in weights.items()}
    )
    if not isinstance(found["validation_freq"], int):
        found["validation_freq"] = list(found["validation_freq"])
    if versions.are_arrays(reference.x) and found["batch_size"] is None:
        found["batch_size"] = _batch_size(reference)
    found["shuffle"] = reference.shuffle
    return found


def num_steps_of(reference: Reference, num_samples: int | None) -> int:
    """Returns the number of steps of all epochs, as far as it is known; else 0.

    Args:
        reference: what is trained.
        num_samples: of its arrays; None: it has none.
    """
    steps = reference.steps_per_epoch
    if steps is None and num_samples is not None:
        steps = math.ceil(num_samples / (reference.batch_size or BATCH_SIZE))
    elif steps is None and isinstance(reference.x, Sized):  # such as a flow
        with suppress(TypeError):  # a dataset of unknown length
            steps = len(reference.x)
    return (steps or 0) * (reference.epochs - reference.initial_epoch)


def _batch_size(reference: Reference) -> int:
    """Returns the batch size of `fit` where it gets none."""
    if reference.steps_per_epoch is None:
        return BATCH_SIZE
    return math.ceil(len(keras.tree.flatten(reference.x)[0]) / reference.steps_per_epoch)


def order_of(number: int) -> np.ndarray:
    """Returns the order in which `fit` takes so many samples of arrays, from the present seed.

    It is asked of the adapter that `fit` uses, which draws the same order every time.

    Args:
        number: of samples.
    """
    adapter = versions.array_adapter(np.arange(number), shuffle=True, batch_size=number)
    (batch,) = adapter.get_tf_dataset()
    return np.asarray(batch[0] if isinstance(batch, tuple) else batch)


class Written:
    """Writes down the batches of a training as they are fed.

    Args:
        most_bytes: of all batches together; those after that are counted and left out.
    """

    def __init__(self, most_bytes: int) -> None:
        self.batches: list[Any] = []
        self.num_left_out = 0
        self._most, self._size = most_bytes, 0

    def keep(self, batch: Any) -> None:
        """Keeps a batch: a nest of arrays."""
        size = sum(leaf.nbytes for leaf in keras.tree.flatten(batch) if leaf is not None)
        if self._size + size > self._most or self.num_left_out:
            self.num_left_out += 1
            return
        self._size += size
        self.batches.append(batch)

    def kept(self, most_mib: int) -> list[Any]:
        """Returns all batches.

        Raises:
            InputError: some were left out.
        """
        if self.num_left_out:
            raise InputError(
                f"`fit` was fed more than max_feed={most_mib} MiB of batches, of which "
                f"{self.num_left_out} were left out; expected arrays, fewer epochs, or a larger "
                "max_feed"
            )
        return self.batches

    def watch(self, model: keras.Model, step: str) -> None:
        """Keeps every batch that a step of a model gets.

        Args:
            model: before its first step.
            step: "train_step" or "test_step".
        """
        own = getattr(model, step)

        def watched(data: Any) -> Any:
            leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]

            def keep(*values: np.ndarray) -> None:
                found = iter([np.array(value) for value in values])
                self.keep(
                    keras.tree.map_structure(lambda x: None if x is None else next(found), data)
                )

            tf.numpy_function(keep, leaves, [])
            return own(data)

        setattr(model, step, watched)

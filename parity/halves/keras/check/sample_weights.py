"""The weights of the samples of a batch, by class or by sample, as `fit` gives them to the loss.

Source: keras 3.15 `trainers/data_adapters/array_data_adapter.py`, `data_adapter_utils.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.data.samples import Samples
from parity.errors import InputError
from parity.halves.keras.check.given import by_output


def sample_weight(reference: Reference, y: np.ndarray) -> np.ndarray | None:
    """Returns the weight of each sample, which is that of its class; None without class weights."""
    if reference.class_weight is None:
        return None
    labels = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    return np.array([float(reference.class_weight.get(int(label), 1.0)) for label in labels])


def weights_of_batch(
    reference: Reference,
    samples: Samples,
    purpose: str,
    targets: Mapping[str, np.ndarray],
    names: Sequence[str],
) -> dict[str, np.ndarray | None]:
    """Returns the weights of a batch by the name of the output; empty without any.

    Weights of classes follow from the targets. Where `fit` gets weights of samples, others of the
    same form are drawn: (N,), or (N, T) for the steps of sequences, in [0.25, 2).

    Args:
        reference: what `fit` gets.
        samples: of the probe.
        purpose: of the batch.
        targets: of the batch, by the name of the output ("" for the only one).
        names: of the outputs, in the order in which Keras flattens them.

    Raises:
        InputError: `fit` refuses such weights.
    """
    if reference.class_weight is not None:
        if list(targets) != [""]:
            raise InputError(
                "class_weight with several outputs: expected sample_weight, as `fit` does"
            )
        if reference.sample_weight is not None:
            raise InputError(
                "Reference has class_weight and sample_weight: expected one of them, as `fit` does"
            )
        return {"": sample_weight(reference, targets[""])}
    if reference.sample_weight is None:
        return {}
    given = by_output(reference.sample_weight, names)
    is_for_all = hasattr(reference.sample_weight, "shape")
    return {
        name: None
        if given.get(name) is None
        else _drawn(samples, f"{purpose}/{'' if is_for_all else name}", y, given[name])
        for name, y in targets.items()
    }


def _drawn(samples: Samples, purpose: str, y: np.ndarray, given: Any) -> np.ndarray:
    """Returns weights of the form of those that `fit` gets."""
    sides = tuple(np.shape(given))[1:]
    draw = probe_inputs.generator(samples.seed, "sample weights", purpose)
    if len(sides) < y.ndim and y.shape[1 : 1 + len(sides)] != sides:
        sides = y.shape[1 : 1 + len(sides)]  # a model that leaves its steps open has others here
    return probe_inputs.single(draw.uniform(0.25, 2.0, size=(len(y), *sides)))

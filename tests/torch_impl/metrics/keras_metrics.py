"""What Keras computes, and batches with what metrics get wrong: ties, thresholds, weights of 0."""

import keras
import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from torch_impl import metrics

WEIGHTS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 3.1])
SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.6, 0.75, 1.0])  # often on a threshold
# Between and on the steps of 8; negative and signed zeros; ties are frequent.
SCORES = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 0.125, 0.3, 1.0, 7.0])

_made = {}


def keras_metric(name, settings, dtype, num_columns=None):
    """A metric of Keras without batches. One of each kind is made; some keep their columns."""
    keras.config.set_floatx(dtype)
    key = name, repr(settings), dtype, num_columns
    if key not in _made:
        _made[key] = getattr(keras.metrics, name)(**settings)
    _made[key].reset_state()
    return _made[key]


def tensor(x):
    return None if x is None else torch.tensor(x)


def both(name, settings, batches, dtype="float64"):
    """The results of ours and of Keras's metric of a name, as arrays.

    Args:
        name: of the class.
        settings: of both.
        batches: (outputs, targets, weights or None, mask or None), the last two may be absent.
        dtype: of Keras's floatx and of the metric.
    """
    theirs = keras_metric(name, settings, dtype, batches[0][0].shape[-1:])
    ours = getattr(metrics, name)(**{"dtype": dtype, **settings})
    for y_pred, y_true, *rest in batches:
        weight, mask = (*rest, None, None)[:2]
        outputs = keras.ops.convert_to_tensor(y_pred)
        if mask is not None:
            keras.src.backend.set_keras_mask(outputs, keras.ops.convert_to_tensor(mask))
        theirs.update_state(y_true, outputs, weight)
        ours.update(tensor(y_pred), tensor(y_true), tensor(weight), tensor(mask))
    return ours.result().numpy(), np.asarray(theirs.result())


def assert_same(ours, theirs, tolerance=1e-12):
    """Equal shapes and dtypes; entries within a tolerance, relative to the larger of 1."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def assert_is_keras(name, settings, batches, dtype="float64", tolerance=1e-12):
    assert_same(*both(name, settings, batches, dtype), tolerance)


def array(shape, elements, dtype="float64"):
    return arrays(dtype, shape, elements=elements)


@st.composite
def batches(
    draw, outputs, targets, columns=(2, 4), weights=("none", "vector", "full"), max_batches=3
):
    """Batches of (rows, columns), the weights of one kind.

    Args:
        outputs: strategy of entries.
        targets: strategy of entries, or "labels", or "one_hot".
        columns: least and greatest number of columns.
        weights: kinds of weights: "none", "scalar", "vector" (N,), "column" (N, 1), "full".
        max_batches: greatest number of batches.
    """
    num_columns = draw(st.integers(*columns))
    kind = draw(st.sampled_from(weights))
    made = []
    for num_rows in draw(st.lists(st.integers(1, 5), min_size=1, max_size=max_batches)):
        shape = num_rows, num_columns
        y_pred = draw(array(shape, outputs))
        if targets in ("labels", "one_hot"):
            labels = draw(array(num_rows, st.integers(0, num_columns - 1), "int64"))
            y_true = np.eye(num_columns)[labels] if targets == "one_hot" else labels
        else:
            y_true = draw(array(shape, targets))
        made.append((y_pred, y_true, draw(weights_of(kind, shape))))
    return made


def weights_of(kind, shape):
    """Strategy of weights of a kind for outputs of a shape."""
    if kind == "none":
        return st.none()
    rows = {"scalar": (), "vector": shape[:1], "column": (*shape[:1], 1), "full": shape}
    return array(rows[kind], WEIGHTS)

"""Keys of a history are Keras's, with the same name twice, several outputs and weighted metrics."""

import keras
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.trainers.compile_utils import CompileMetrics

from torch_impl.metrics import history_names

NAMES = st.lists(st.sampled_from(["auc", "mae", "auc_1"]), max_size=4)
_KEPT = {}


def keras_keys(metrics, weighted_metrics):
    """The keys of the results; `metrics` is a list, or a dictionary of lists by output."""
    by_output = metrics if isinstance(metrics, dict) else None
    outputs = list(by_output) if by_output is not None else ["y"]
    y = [np.zeros((1, 1))] * len(outputs) if by_output is not None else np.zeros((1, 1))
    made = CompileMetrics(_made(metrics), _made(weighted_metrics), output_names=outputs)
    made.build(y, y)
    return list(made.result())


def _made(names):
    if isinstance(names, dict):
        return {output: [_mean(name) for name in own] for output, own in names.items()}
    return [_mean(name) for name in names]


def _mean(name):
    if name not in _KEPT:
        _KEPT[name] = keras.metrics.Mean(name=name)
    return _KEPT[name]


def without_the_overwritten(names):
    return list(dict.fromkeys(names))


@settings(max_examples=30)
@given(NAMES, NAMES)
def test_keys_of_one_output_are_keras(metrics, weighted):
    assert without_the_overwritten(history_names(metrics, weighted)) == keras_keys(
        metrics, weighted
    )


@settings(max_examples=30)
@given(NAMES, NAMES, NAMES, NAMES)
def test_keys_of_several_outputs_are_keras(a, b, weighted_a, weighted_b):
    metrics, weighted = {"a": a, "b": b}, {"a": weighted_a, "b": weighted_b}
    names = without_the_overwritten(history_names(metrics, weighted))
    assert names == keras_keys(metrics, weighted)

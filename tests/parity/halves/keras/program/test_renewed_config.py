"""A configuration of Keras 2 is said in the words of Keras 3, and what changed is named."""

import keras
import pytest
from rows import each_row

from parity.halves.keras.program.saved_model import changed, renewed


def layer(kind, **settings):
    return {"class_name": kind, "config": {"name": "x", "trainable": True, **settings}}


@each_row("kind, settings, left", [
        ("DepthwiseConv2D", {"kernel_size": 3, "groups": 1}, {"kernel_size"}),
        ("Conv1D", {"filters": 4, "kernel_size": 3, "groups": 1},
         {"filters", "kernel_size", "groups"}),
        ("LSTM", {"units": 3, "time_major": False, "implementation": 2}, {"units"}),
        ("Embedding", {"input_dim": 3, "output_dim": 2, "input_length": 7},
         {"input_dim", "output_dim"}),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "query_shape": [None, 4]},
         {"num_heads", "key_dim"}),
    ])  # fmt: skip
def test_a_setting_that_keras_3_has_not_is_left_out_where_it_was_off(kind, settings, left):
    found = renewed(layer(kind, **settings))
    assert set(found["config"]) == {"name", "trainable", *left}
    keras.layers.deserialize(found)


def test_a_setting_that_was_on_stays_so_that_keras_refuses_it():
    with pytest.raises(ValueError, match="time_major"):
        keras.layers.deserialize(renewed(layer("LSTM", units=3, time_major=True)))


POLICY = {"class_name": "Policy", "config": {"name": "mixed_bfloat16"}}
SPATIAL = layer("SpatialDropout2D", rate=0.2, noise_shape=None, seed=None)
SGD = {"learning_rate": 0.1, "name": "SGD"}
OLD_SGD = {**SGD, "momentum": 0.9, "is_legacy_optimizer": False, "jit_compile": True}
DECAY = {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5, "name": None}
MEAN = {"name": "accuracy", "dtype": "float32", "fn": "sparse_categorical_accuracy"}
# What is there -> a configuration of Keras 2, what is looked at of it, and what that is.
RENEWED = {
    "no arguments of all layers": (SPATIAL, lambda new: keras.layers.deserialize(new).rate, 0.2),
    "an axis": (layer("BatchNormalization", axis=[3]), lambda new: new["config"]["axis"], 3),
    "axes": (layer("LayerNormalization", axis=[1, 2]), lambda new: new["config"]["axis"], [1, 2]),
    "a policy": (
        layer("Dense", units=2, dtype=POLICY),
        lambda new: keras.layers.deserialize(new).dtype_policy.name,
        "mixed_bfloat16",
    ),
    "a slash in a name": (
        layer("Dense", units=2) | {"config": {"name": "a/b", "units": 2}},
        lambda new: new["config"]["name"],
        "a_b",
    ),
    "an optimizer": (
        {"class_name": "Custom>SGD", "config": OLD_SGD},
        lambda new: keras.optimizers.deserialize(new).momentum,
        0.9,
    ),
    # The decay of old optimizers is a schedule: lr / (1 + decay * steps).
    "a decay": (
        {"class_name": "SGD", "config": {**SGD, "decay": 0.5}},
        lambda new: [
            round(float(keras.optimizers.deserialize(new)._learning_rate(step)), 6)
            for step in (0, 1, 4)
        ],
        [0.1, 0.066667, 0.033333],
    ),
    "no decay": (
        {"class_name": "SGD", "config": {**SGD, "decay": 0.0}},
        lambda new: round(float(keras.optimizers.deserialize(new).learning_rate), 6),
        0.1,
    ),
    "a schedule without a name": (
        {"class_name": "ExponentialDecay", "config": DECAY},
        lambda new: "name" in new["config"],
        False,
    ),
    "a metric that was a function": (
        {"class_name": "MeanMetricWrapper", "config": MEAN},
        lambda new: (type(keras.metrics.deserialize(new)), keras.metrics.deserialize(new).name),
        (keras.metrics.SparseCategoricalAccuracy, "accuracy"),
    ),
}


@each_row("what", RENEWED)
def test_it_is_said_as_keras_3_says_it(what):
    config, seen, expected = RENEWED[what]
    assert seen(renewed(config)) == expected


@each_row("config, told", [
        (layer("Dense", units=2, activation="hard_sigmoid"),
         "hard_sigmoid of layer 'x', in Keras 2 clip"),
        (layer("ConvLSTM2D", recurrent_activation="hard_sigmoid"), "hard_sigmoid of layer 'x'"),
        (layer("RandomCrop", height=2, width=2), "RandomCrop, layer 'x', which in Keras 2 crops"),
        (layer("ThresholdedReLU", theta=1.0),
         "the class 'ThresholdedReLU' of layer 'x', which Keras 3 has not"),
        (layer("TFOpLambda", function="math.add"), "the operation 'math.add' of TensorFlow whose"),
    ])  # fmt: skip
def test_what_keras_3_computes_otherwise_is_named_wherever_it_is(config, told):
    inner = {"class_name": "Sequential", "config": {"name": "net", "layers": [config]}}
    (found,) = changed({"class_name": "Functional", "config": {"layers": [inner]}})
    assert found.startswith(told)
    same = [layer("Dense", units=2, activation="sigmoid"), layer("LSTM", units=3)]
    assert not list(changed(same))


@each_row("config", [None, 3, [], {"class_name": 3, "config": {}},
     {"class_name": "Dense", "config": []},
     {"class_name": "Model", "config": {"layers": [{"name": []}, 3], "output_layers": [[[], 0]]}},
     {"class_name": "SGD", "config": {"decay": "much"}}])  # fmt: skip
def test_a_configuration_of_any_form_is_renewed(config):
    renewed(config)
    list(changed(config))

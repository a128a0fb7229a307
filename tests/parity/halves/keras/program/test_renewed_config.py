"""A configuration of Keras 2 is said in the words of Keras 3, and what changed is named."""

import keras
import pytest
from rows import each_row

from parity.halves.keras.program.renewed_config import changed, renewed


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
    found = renewed(layer("LSTM", units=3, time_major=True))
    assert found["config"]["time_major"] is True
    with pytest.raises(ValueError, match="time_major"):
        keras.layers.deserialize(found)


def test_a_layer_without_the_arguments_of_all_layers_is_made():
    found = renewed(layer("SpatialDropout2D", rate=0.2, noise_shape=None, seed=None))
    assert keras.layers.deserialize(found).rate == 0.2
    assert "trainable" not in found["config"]


def test_the_axis_of_a_norm_is_a_number():
    assert renewed(layer("BatchNormalization", axis=[3]))["config"]["axis"] == 3
    assert renewed(layer("LayerNormalization", axis=[1, 2]))["config"]["axis"] == [1, 2]


def test_a_policy_is_told_by_its_name():
    policy = {"class_name": "Policy", "config": {"name": "mixed_bfloat16"}}
    found = keras.layers.deserialize(renewed(layer("Dense", units=2, dtype=policy)))
    assert (found.compute_dtype, found.variable_dtype) == ("bfloat16", "float32")


def test_a_name_has_no_slash():
    assert (
        renewed(layer("Dense", units=2) | {"config": {"name": "a/b", "units": 2}})["config"]["name"]
        == "a_b"
    )


def test_an_optimizer_is_that_of_keras_3():
    config = {"learning_rate": 0.01, "momentum": 0.9, "is_legacy_optimizer": False}
    config |= {"jit_compile": True, "name": "SGD"}
    found = keras.optimizers.deserialize(renewed({"class_name": "Custom>SGD", "config": config}))
    assert (type(found), found.momentum) == (keras.optimizers.SGD, 0.9)


def test_the_decay_of_old_optimizers_is_a_schedule():
    config = {"learning_rate": 0.1, "decay": 0.5, "name": "SGD"}
    found = keras.optimizers.deserialize(renewed({"class_name": "SGD", "config": config}))
    # lr / (1 + decay * steps)
    rates = [float(found._learning_rate(step)) for step in (0, 1, 4)]
    assert rates == pytest.approx([0.1, 0.1 / 1.5, 0.1 / 3], rel=1e-6)
    without = renewed({"class_name": "SGD", "config": config | {"decay": 0.0}})
    assert float(keras.optimizers.deserialize(without).learning_rate) == pytest.approx(0.1)


def test_a_schedule_without_a_name_has_its_own():
    config = {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5, "name": None}
    found = renewed({"class_name": "ExponentialDecay", "config": config})
    assert "name" not in found["config"]


def test_a_metric_that_was_a_function_is_a_class():
    config = {"name": "accuracy", "dtype": "float32", "fn": "sparse_categorical_accuracy"}
    found = keras.metrics.deserialize(
        renewed({"class_name": "MeanMetricWrapper", "config": config})
    )
    assert type(found) is keras.metrics.SparseCategoricalAccuracy
    assert found.name == "accuracy"


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


def test_nothing_is_named_of_what_is_the_same():
    assert not list(
        changed([layer("Dense", units=2, activation="sigmoid"), layer("LSTM", units=3)])
    )


@each_row("config", [None, 3, [], {"class_name": 3, "config": {}},
     {"class_name": "Dense", "config": []},
     {"class_name": "Model", "config": {"layers": [{"name": []}, 3], "output_layers": [[[], 0]]}},
     {"class_name": "SGD", "config": {"decay": "much"}}])  # fmt: skip
def test_a_configuration_of_any_form_is_renewed(config):
    renewed(config)
    list(changed(config))

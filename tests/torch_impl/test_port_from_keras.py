"""`Port.from_keras`: a module by hand is trained as the compiled model of Keras is."""

import json
import warnings
import zipfile

import keras
import numpy as np
import pytest
import torch
from rows import each_row
from small_nets import Net
from torch import nn
from whole_fits import BAR, CLASSES, arrays, dense_layers, trained, worst

from torch_impl import Port, losses, optim, schedule
from torch_impl.errors import PortError

X, Y = arrays()
ROWS = np.eye(CLASSES)[Y]
VAL = arrays(17, seed=4)
K, S = keras.optimizers, keras.optimizers.schedules


def by_hand(model):
    """The module that somebody has written by hand, with the weights of a model."""

    def run(net, x):
        x = torch.tanh(net.hidden(x))
        kind = losses.softmax(net.kind(x))
        return (kind, net.size(x)) if hasattr(net, "size") else kind

    return Net(run, **dense_layers(model))


@pytest.fixture(autouse=True)
def _torch_in_float64(float64):
    torch.set_default_dtype(torch.float64)


def model_of(heads=("kind",), **compiled):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8, activation="tanh", name="hidden")(inputs)
    ends = {
        "kind": keras.layers.Dense(CLASSES, activation="softmax", name="kind"),
        "size": keras.layers.Dense(CLASSES, name="size"),
    }
    made = [ends[name](x) for name in heads]
    model = keras.Model(inputs, made if len(made) > 1 else made[0])
    if compiled:
        model.compile(jit_compile=False, **compiled)
    return model


def as_file(model, folder):
    model.save(folder / "model.keras")
    return folder / "model.keras"


RULES = {
    "ReduceLROnPlateau": {"monitor": "val_accuracy", "factor": 0.3, "patience": 1},
    "EarlyStopping": {"patience": 3, "restore_best_weights": True},
}


CASES = {
    "momentum, clipping and a falling rate": (
        lambda: K.SGD(S.ExponentialDecay(0.2, 3, 0.7), 0.9, nesterov=True, clipnorm=0.5),
        lambda: keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        ROWS,
        lambda model, folder: json.dumps(model.get_compile_config()),
        lambda: {"metrics": ["accuracy", keras.metrics.AUC(name="area")], "loss_weights": 0.5},
    ),
    "decayed weights, accumulated gradients and a warm-up": (
        lambda: K.AdamW(
            S.CosineDecay(0.001, 9, warmup_target=0.03, warmup_steps=3),
            gradient_accumulation_steps=2,
        ),
        lambda: "kl_divergence",
        ROWS,
        as_file,
        lambda: {"weighted_metrics": ["mae"]},
    ),
    "a loss whose delta no file holds": (
        lambda: K.RMSprop(0.01, momentum=0.5, centered=True),
        lambda: keras.losses.Huber(0.1, reduction="sum"),
        ROWS,
        lambda model, folder: model,
        lambda: {"metrics": [keras.metrics.mean_squared_error]},
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_losses_steps_and_metrics_are_those_of_keras(case, tmp_path):
    optimizer, loss, targets, source, more = CASES[case]
    model = model_of(optimizer=optimizer(), loss=loss(), **more())
    port = Port.from_keras(by_hand(model), source(model, tmp_path))
    both(model, port, X, targets, epochs=3, batch_size=10, shuffle=False)


def both(model, port, *arguments, callbacks=(), **settings):
    """Trains both; weights and histories are the same afterwards. Returns the history."""
    theirs = model.fit(*arguments, verbose=0, callbacks=list(callbacks), **settings).history
    ours = trained(port, *arguments, **settings)
    assert worst(ours, theirs) < BAR
    assert worst(dict(port.module.state_dict()), by_hand(model).state_dict()) < BAR
    return ours


@pytest.mark.long
@pytest.mark.parametrize("as_data", [False, True])
def test_callbacks_and_class_weights_are_those_of_fit(as_data):
    model = model_of(
        optimizer=K.Adam(0.02), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    weights = {0: 0.5, 2: 3.0}
    made = [getattr(keras.callbacks, name)(**config) for name, config in RULES.items()]
    data = [{"class_name": name, "config": config} for name, config in RULES.items()]
    settings = {"callbacks": data if as_data else made, "class_weight": weights}
    port = Port.from_keras(by_hand(model), model.get_compile_config(), **settings)
    assert port.class_weight == weights
    settings = {"validation_data": VAL, "class_weight": weights, "shuffle": False}
    ours = both(model, port, X, Y, epochs=40, callbacks=made, **settings)
    assert len(set(ours["learning_rate"])) > 1
    assert len(ours["loss"]) < 40


def test_one_loss_is_that_of_every_output_and_metrics_are_in_order(tmp_path):
    model = model_of(
        ("size", "kind"),
        optimizer="sgd",
        loss="mse",
        metrics=[["mae"], ["accuracy"]],
    )
    port = Port.from_keras(by_hand(model), as_file(model, tmp_path), output_names=["kind", "size"])
    assert set(port.loss) == {"kind", "size"}
    port = Port.from_keras(by_hand(model), as_file(model, tmp_path))
    assert list(port.output_names) == ["size", "kind"]  # in the order of the model
    assert port.metrics == [["mae"], ["accuracy"]]
    net = port.module
    net.forward = lambda x: Net.forward(net, x)[::-1]
    both(model, port, X, [ROWS, ROWS], epochs=2, batch_size=10, shuffle=False)


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), -1)


def mean_squared_error(y_true, y_pred):
    """Has the name of Keras's, and computes something else."""
    return 2 * own_loss(y_true, y_pred)


class Adam(keras.optimizers.SGD):
    """Has the name of Keras's, and steps otherwise."""


def test_all_that_has_no_equal_is_told_in_one_message():
    model = model_of(optimizer=Adam(), loss=own_loss, metrics=["mse", own_loss])
    rules = [
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        keras.callbacks.LambdaCallback(),
    ]
    with pytest.raises(PortError) as error:
        Port.from_keras(by_hand(model), model, callbacks=rules)
    assert str(error.value).splitlines() == [
        "4 parts of the Keras model have none here:",
        "- the loss 'own_loss': it is none of Keras's in torch_impl.losses; give loss=...",
        "- the optimizer 'Adam': it is none of Keras's in torch_impl.optim; give optimizer=...",
        "- the callback LambdaCallback: it is code of the program; leave it out of callbacks=[...]",
        "- the metric 'own_loss': it is none of Keras's; give metrics=...",
    ]
    with pytest.raises(PortError, match="the model: there is no optimizer and no loss in it"):
        Port.from_keras(by_hand(model), model_of())


def test_a_function_with_the_name_of_keras_s_is_known_from_the_model():
    model = model_of(optimizer="sgd", loss=mean_squared_error)
    with pytest.raises(PortError, match="it is none of Keras's in"):
        Port.from_keras(by_hand(model), model)
    # As for `keras.models.load_model`, its name is all that a config has.
    port = Port.from_keras(by_hand(model), model.get_compile_config())
    assert isinstance(port.loss, losses.MeanSquaredError)


def test_what_is_given_takes_the_place_of_what_has_no_equal():
    model = model_of(optimizer=Adam(), loss=own_loss, loss_weights=0.5, metrics=[own_loss])
    net = by_hand(model)
    loss, steps = losses.MeanSquaredError(), optim.SGD(net.parameters(), 0.1)
    rules = [{"class_name": "ReduceLROnPlateau", "config": {"patience": 2}}]
    port = Port.from_keras(net, model, callbacks=rules, loss=loss, optimizer=steps, metrics=["mae"])
    assert (port.loss, port.optimizer, port.metrics) == (loss, steps, ["mae"])
    assert port.loss_weights is None
    assert isinstance(port.scheduler, schedule.ReduceLROnPlateau)
    assert (port.scheduler.optimizer, port.scheduler.patience) == (steps, 2)


@each_row(
    "source, message",
    [
        ({}, "the model is not compiled"),
        ({"config": {"layers": []}, "compile_config": None}, "the model is not compiled"),
        ("missing.keras", "missing.keras cannot be read"),
        ('{"loss": ', "no JSON that can be used"),
        (3, "an object of type int: expected a .keras file"),
        ({"loss": ["mse", "mae"]}, "the names of the outputs are not known"),
        ({"loss": "crossentropy"}, "depends on the shapes of outputs and targets"),
        ({"optimizer": {"class_name": "Adafactor", "config": {}}}, "the optimizer 'Adafactor'"),
        (
            {"optimizer": {"class_name": "SGD", "config": {"learning_rate": {"class_name": "M"}}}},
            "the schedule 'M'",
        ),
        ({"loss": "mse", "metrics": ["nothing"]}, "the metric 'nothing'"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(source, message):
    with pytest.raises(PortError, match=message) as error:
        Port.from_keras(nn.Linear(2, 2), source)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_told_in_a_sentence(tmp_path):
    def archive(**members):
        with zipfile.ZipFile(tmp_path / "model.keras", "w") as file:
            for name, text in members.items():
                file.writestr(f"{name}.json", text)
        return (tmp_path / "model.keras").read_bytes()

    damaged = {
        "its directory is damaged": archive(config="{}")[:-9],
        "no description of a model": archive(metadata="{}"),
        "no description of a model, or": archive(config="{}", bundle="{}"),
        "Expecting property name": archive(config="{,"),
        "nested too deep": b'{"a":' * 100_000,
        "its JSON is a list": b"[]",
        "expected a .keras file": b"\x89HDF",
    }
    for message, content in damaged.items():
        (tmp_path / "given").write_bytes(content)
        with pytest.raises(PortError, match=message) as error:
            Port.from_keras(nn.Linear(2, 2), tmp_path / "given")
        assert "\n" not in str(error.value)


def test_a_rule_needs_an_optimizer_whose_rate_can_be_set():
    rules = [{"class_name": "ReduceLROnPlateau", "config": {}}]
    rate = {
        "class_name": "ExponentialDecay",
        "config": S.ExponentialDecay(0.1, 2, 0.5).get_config(),
    }
    config = {"optimizer": {"class_name": "SGD", "config": {"learning_rate": rate}}}
    with pytest.raises(PortError, match="ReduceLROnPlateau: an optimizer whose learning_rate is"):
        Port.from_keras(nn.Linear(2, 2), config, callbacks=rules)
    with pytest.raises(PortError, match="ReduceLROnPlateau: there is no optimizer"):
        Port.from_keras(nn.Linear(2, 2), {"loss": "mse"}, callbacks=rules)


def test_penalties_and_constraints_of_the_layers_are_warned_of():
    inputs = keras.Input((6,))
    settings = {"kernel_regularizer": "l2", "bias_constraint": "non_neg"}
    model = keras.Model(inputs, keras.layers.Dense(2, name="end", **settings)(inputs))
    model.compile("sgd", "mse")
    whole = {**json.loads(model.to_json()), "compile_config": model.get_compile_config()}
    for source in (model, whole):
        with pytest.warns(UserWarning, match="has end.bias_constraint, end.kernel_regularizer, of"):
            Port.from_keras(nn.Linear(6, 2), source)
        with pytest.warns(UserWarning, match="has end.bias_constraint, of"):
            Port.from_keras(nn.Linear(6, 2), source, added_loss=lambda net: 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Port.from_keras(nn.Linear(6, 2), model.get_compile_config())


def test_a_gru_of_torch_is_clipped_as_the_one_of_keras():
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, keras.layers.GRU(4, name="gru")(inputs))
    model.compile(K.SGD(0.1, clipnorm=0.1), "mse")
    assert Port.from_keras(nn.GRU(3, 4), model).optimizer.param_groups[0]["joined"] == ((2, 3),)
    model.compile(K.SGD(0.1, clipvalue=0.1), "mse")
    assert Port.from_keras(nn.GRU(3, 4), model).optimizer.param_groups[0]["joined"] == ()

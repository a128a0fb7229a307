"""Every argument of Keras has its row, and what a program uses and nothing compares is told."""

import inspect

import keras
import numpy as np
from rows import each_row

from keras_impl import Reference
from parity.halves.keras.check.custom_steps import left_open
from parity.halves.keras.check.not_compared import left_out
from parity.ladder import coverage

NOT_ARGUMENTS = {"self", "args", "kwargs"}


def classes_of(module):
    return {name: kind for name, kind in vars(module).items() if inspect.isclass(kind)}


def arguments_of(function):
    return set(inspect.signature(function).parameters) - NOT_ARGUMENTS


OPTIMIZERS, CALLBACKS = classes_of(keras.optimizers), classes_of(keras.callbacks)
COMPARED_CALLBACKS = [n for n, row in coverage.CALLBACKS.items() if row.kind == coverage.COMPARED]
SETTERS = {
    name.partition("_")[2]
    for name in vars(keras.config)
    if name.startswith(("set_", "enable_", "disable_"))
}
SIGNATURES = {
    "compile": (arguments_of(keras.Model.compile), coverage.COMPILE),
    "fit": (arguments_of(keras.Model.fit), coverage.FIT),
    "layers": (arguments_of(keras.layers.Layer.__init__), coverage.LAYER),
    "optimizers": (set().union(*map(arguments_of, OPTIMIZERS.values())), coverage.OPTIMIZER),
    "callbacks": (set(CALLBACKS), coverage.CALLBACKS),
    "callback arguments": (
        set().union(*(arguments_of(CALLBACKS[name]) for name in COMPARED_CALLBACKS)),
        coverage.CALLBACK_ARGUMENTS,
    ),
    "surroundings": (SETTERS | {"distribution"}, coverage.SURROUNDINGS),
    "methods": (
        {n for n in dir(keras.Model) if n.startswith("make_") or n.endswith("_step")}
        - {"quantize_step"}
        | {"compute_loss", "compute_metrics"},
        coverage.METHODS,
    ),
}


@each_row("name", SIGNATURES)
def test_the_table_has_every_name_of_keras(name):
    theirs, table = SIGNATURES[name]
    assert theirs
    assert theirs - set(table) == set()


def test_every_row_says_why_and_names_levels_that_there_are():
    from parity.ladder.items import LEVEL_IDS

    tables = [table for _, table in SIGNATURES.values()]
    for row in (row for table in tables for row in table.values()):
        assert row.why
        if row.kind == coverage.COMPARED:
            assert row.why.partition(",")[0].partition(";")[0] in LEVEL_IDS


# --- what a program uses --------------------------------------------------------------------------


def compiled(kind=keras.Model, *, optimizer="sgd", **settings):
    x = keras.Input((2,))
    model = kind(x, keras.layers.Dense(1)(x))
    model.compile(optimizer, "mse", **settings)
    return model


def told(model=None, **fit):
    model = compiled() if model is None else model
    return {each["what"]: each["why"] for each in left_out(Reference(model, **fit), model)}


@each_row(
    "settings, fit",
    [
        ({}, {}),
        ({}, {"x": np.ones((4, 2)), "y": np.ones((4, 1)), "batch_size": 2, "epochs": 3}),
        ({}, {"class_weight": {0: 1.0}, "sample_weight": np.ones(4)}),
        ({"jit_compile": False, "run_eagerly": True}, {}),
    ],
)
def test_a_program_with_keras_s_defaults_leaves_nothing_out_and_a_compiler_is_told(settings, fit):
    assert told(compiled(**settings), **fit) == {}
    assert list(told(compiled(jit_compile=True))) == ["compile(jit_compile=True)"]


@each_row(
    "given",
    [
        {"shuffle": False},
        {"initial_epoch": 2},
        {"steps_per_epoch": 5},
        {"validation_split": 0.2},
        {"validation_freq": 2},
        {"validation_data": (np.ones((2, 2)), np.ones((2, 1)))},
    ],
)
def test_an_argument_of_fit_that_only_a_run_uses_is_told(given):
    (name,) = given
    assert told(**given) == {f"fit({name}=...)": coverage.NO_EPOCHS}


def test_callbacks_that_may_change_numbers_are_told_by_their_classes():
    callbacks = keras.callbacks
    found = told(
        callbacks=[
            type("Watcher", (callbacks.Callback,), {})(),
            type("Checkpoint", (callbacks.ModelCheckpoint,), {})("a.keras"),
            callbacks.LambdaCallback(on_epoch_end=print),
            callbacks.SwapEMAWeights(),
            callbacks.TerminateOnNaN(),
            callbacks.CSVLogger("a.csv"),
            callbacks.ModelCheckpoint("a.keras"),
            callbacks.EarlyStopping(),
        ]
    )
    names = ["Watcher", "Checkpoint", "LambdaCallback", "SwapEMAWeights", "TerminateOnNaN"]
    assert list(found) == [f"the callback {name}" for name in names]
    assert found["the callback Watcher"] == coverage.CUSTOM_CALLBACK


def test_settings_that_the_probe_of_an_optimizer_does_not_reach_are_told():
    sgd = keras.optimizers.SGD
    beyond = sgd(gradient_accumulation_steps=16, use_ema=True, ema_overwrite_frequency=100)
    assert list(told(compiled(optimizer=beyond))) == [
        "SGD(ema_overwrite_frequency=100)",
        "SGD(gradient_accumulation_steps=16)",
    ]
    within = sgd(gradient_accumulation_steps=4, use_ema=True, ema_overwrite_frequency=5)
    assert told(compiled(optimizer=within)) == {}


@each_row("name", ["test_step", "compute_metrics", "make_test_function"])
def test_a_method_of_the_users_own_is_told(name):
    kind = type("Special", (keras.Model,), {name: getattr(keras.Model, name)})
    kind.__module__ = "users"
    assert list(told(compiled(kind))) == [f"the model's own {name}"]


def test_a_loop_of_the_users_own_leaves_a_check_open():
    kind = type("Looped", (keras.Model,), {"make_train_function": keras.Model.make_train_function})
    kind.__module__ = "users"
    (entry,) = left_open(compiled(kind))
    assert entry["what"] == "the model's own make_train_function"
    assert "parity run" in entry["do"]
    assert left_open(compiled()) == []


def test_a_strategy_and_a_distribution_are_told():
    model = compiled()
    import tensorflow as tf

    model._distribute_strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert list(told(model)) == ["the strategy OneDeviceStrategy"]

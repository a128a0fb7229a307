"""The slots of Keras's optimizer get into that of the port, so that the next step is Keras's."""

import numpy as np
import pytest
import torch
import weight_ports
from conversions import assert_goes_on, converted, loaded
from rows import each_row
from weight_files import config, inputs, weight_files
from weight_ports import PORTS

from parity.conversions.optimizer import slots_of
from parity.errors import InputError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


@pytest.mark.long
@pytest.mark.parametrize("form", [".keras", ".h5"])
@pytest.mark.parametrize("name", PORTS)
def test_a_training_goes_on_as_in_keras(name, form, files, tmp_path):
    done = converted(files / f"{name}{form}", PORTS[name], tmp_path, optimizer=True)
    assert (done.problems, done.optimizer["steps"]) == ([], 1)
    shape = np.load(files / f"{name}_output.npy").shape
    y = np.random.default_rng(9).normal(size=shape).astype("float32")
    feed = channels_first if name == "images" else torch.from_numpy
    port, path = loaded(PORTS[name], tmp_path), files / f"{name}.keras"
    # A step moves weights by 1e-3 or more; without the slots by another amount.
    assert_goes_on(port, path, inputs(name), y, feed=feed, tolerance=2e-5)


def channels_first(x):
    return torch.from_numpy(x).movedim(-1, 1)


@each_row(
    "form, factory, message",
    [
        (
            *(".weights.h5", weight_ports.rows_port),
            "give the configuration of the compiled model with",
        ),
        (".keras", weight_ports.rows, "no Port with an optimizer"),
    ],
)
def test_without_an_optimizer_it_says_what_to_give(form, factory, message, files, tmp_path):
    given = {"optimizer": True}
    if form == ".weights.h5":
        given["config"] = {k: v for k, v in config(files, "rows").items() if k != "compile_config"}
    with pytest.raises(InputError, match=message):
        converted(files / f"rows{form}", factory, tmp_path, **given)


CONFIG = {"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.1}}}
OF_KERAS_2 = {
    "optimizer_config": {
        "class_name": "Custom>Adam",
        "config": {"learning_rate": 0.01, "is_legacy_optimizer": False},
    }
}
BEFORE_2_11 = {
    "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.01, "decay": 0.0}}
}


def slots(compiled, count):
    return slots_of(compiled, [{"key": str(number)} for number in range(count)], ["a", "b"])


@each_row(
    "compiled, others",
    [(CONFIG, {"iterations": "0", "rate": "1"}), (OF_KERAS_2, {"iterations": "0"})],
    ids=["of Keras 3", "of Keras 2, without a rate"],
)
def test_slots_of_a_weight_come_one_after_the_other(compiled, others):
    first = len(others)
    keys = [{"a": str(n), "b": str(n + 2)} for n in (first, first + 1)]
    found = {"momentum": keys[0], "velocity": keys[1]}
    assert slots(compiled, first + 4) == (found, others)


@each_row(
    "compiled, count, message",
    [
        (CONFIG, 0, "no state of an optimizer"),
        (None, 6, "does not say which optimizer"),
        (CONFIG, 5, "too few variables"),
        (CONFIG, 7, "1 more variables"),
        ({"optimizer": {"class_name": "Mine", "config": {}}}, 6, "whose order is not known"),
        (BEFORE_2_11, 5, "whose order is not known"),
    ],
)
def test_what_does_not_fit_is_told(compiled, count, message):
    with pytest.raises(InputError, match=message):
        slots(compiled, count)


@each_row(
    "kind, settings",
    [
        ("Adam", {"amsgrad": True}),
        ("AdamW", {}),
        ("SGD", {}),
        ("RMSprop", {}),
        ("Adagrad", {}),
        ("Adadelta", {}),
        ("Adamax", {}),
        ("Nadam", {}),
        ("Lion", {}),
        ("Ftrl", {}),
        ("Lamb", {}),
        ("Adam", {"use_ema": True}),
        ("SGD", {"gradient_accumulation_steps": 2}),
    ],
)
def test_the_groups_of_every_optimizer_are_those_that_keras_makes(kind, settings):
    import keras

    optimizer = getattr(keras.optimizers, kind)(**settings)
    optimizer.build([keras.Variable(np.zeros(2), name=name) for name in ("a", "b")])
    names = [variable.name for variable in optimizer.variables]
    compiled = {"optimizer": {"class_name": kind, "config": optimizer.get_config()}}
    found, others = slots(compiled, len(names))
    for slot, keys in found.items():
        assert [names[int(keys[weight])] for weight in keys] == [f"{each}_{slot}" for each in keys]
    assert names[int(others["iterations"])] == "iteration"

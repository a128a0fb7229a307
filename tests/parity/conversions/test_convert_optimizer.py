"""The slots of Keras's optimizer get into that of the port, so that the next step is Keras's."""

import numpy as np
import pytest
import torch
import weight_ports
from conversions import converted, default_dtype
from rows import each_row
from safetensors.torch import load_file
from weight_files import config, inputs, weight_files
from weight_ports import PORTS

from parity.conversions.optimizer import slots_of
from parity.errors import InputError
from parity.weights.copied import OPTIMIZER, STATE


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


@pytest.mark.long
@pytest.mark.parametrize("form", [".keras", ".h5"])
@pytest.mark.parametrize("name", PORTS)
def test_a_training_goes_on_as_in_keras(name, form, files, tmp_path):
    """One more step by the mean squared error, in float32; both halves begin at the file."""
    done = converted(files / f"{name}{form}", PORTS[name], tmp_path, optimizer=True)
    assert done.problems == []
    assert done.optimizer["steps"] == 1
    with default_dtype():
        torch.set_default_dtype(torch.float32)
        port = PORTS[name]()
    port.module.load_state_dict(load_file(tmp_path / "torch" / STATE))
    port.optimizer.load_state_dict(torch.load(tmp_path / "torch" / OPTIMIZER, weights_only=True))
    x, shape = inputs(name), np.load(files / f"{name}_output.npy").shape
    y = np.random.default_rng(9).normal(size=shape).astype("float32")
    given = torch.from_numpy(x).movedim(-1, 1) if name == "images" else torch.from_numpy(x)
    port.module.train()
    loss = (port.module(given) - torch.from_numpy(y)).square().mean()
    loss.backward()
    port.optimizer.step()

    import keras

    model = keras.models.load_model(files / f"{name}.keras")
    theirs = model.train_on_batch(x, y)
    assert float(loss.detach()) == pytest.approx(float(theirs), rel=1e-5)
    port.module.eval()
    with torch.no_grad():
        ours = port.module(given).numpy()
    # A step moves weights by 1e-3 or more; without the slots by another amount.
    np.testing.assert_allclose(ours, model.predict(x, verbose=0), rtol=0, atol=2e-5)


def test_without_the_optimizer_in_the_configuration_it_says_what_to_give(files, tmp_path):
    told = {k: v for k, v in config(files, "rows").items() if k != "compile_config"}
    with pytest.raises(InputError, match="give the configuration of the compiled model with"):
        converted(
            files / "rows.weights.h5", weight_ports.rows_port, tmp_path, optimizer=True, config=told
        )


CONFIG = {"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.1}}}


def told(count):
    return [{"key": str(number)} for number in range(count)]


def test_slots_of_a_weight_come_one_after_the_other():
    slots, others = slots_of(CONFIG, told(6), ["a", "b"])
    assert slots == {"momentum": {"a": "2", "b": "4"}, "velocity": {"a": "3", "b": "5"}}
    assert others == {"iterations": "0", "rate": "1"}


@each_row(
    "compiled, count, message",
    [
        (CONFIG, 0, "no state of an optimizer"),
        (None, 6, "does not say which optimizer"),
        (CONFIG, 5, "too few variables"),
        (CONFIG, 7, "1 more variables"),
        ({"optimizer": {"class_name": "Mine", "config": {}}}, 6, "whose order is not known"),
    ],
)
def test_what_does_not_fit_is_told(compiled, count, message):
    with pytest.raises(InputError, match=message):
        slots_of(compiled, told(count), ["a", "b"])


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
    weights = [keras.Variable(np.zeros(2), name=name) for name in ("a", "b")]
    optimizer.build(weights)
    names = [variable.name for variable in optimizer.variables]
    compiled = {"optimizer": {"class_name": kind, "config": optimizer.get_config()}}
    slots, others = slots_of(compiled, [{"key": str(n)} for n in range(len(names))], ["a", "b"])
    for slot, keys in slots.items():
        for weight, key in keys.items():
            assert names[int(key)] == f"{weight}_{slot}", (slot, weight)
    assert names[int(others["iterations"])] == "iteration"


def test_the_state_of_keras_2_has_no_rate():
    config = {"learning_rate": 0.01, "is_legacy_optimizer": False}
    compiled = {"optimizer_config": {"class_name": "Custom>Adam", "config": config}}
    slots, others = slots_of(compiled, told(5), ["a", "b"])
    assert others == {"iterations": "0"}
    assert slots == {"momentum": {"a": "1", "b": "3"}, "velocity": {"a": "2", "b": "4"}}


def test_the_order_of_optimizers_before_keras_2_11_is_not_known():
    config = {"learning_rate": 0.01, "decay": 0.0}
    with pytest.raises(InputError, match="whose order is not known"):
        slots_of(
            {"optimizer_config": {"class_name": "Adam", "config": config}}, told(5), ["a", "b"]
        )


def test_a_port_without_an_optimizer_is_told_so(files, tmp_path):
    with pytest.raises(InputError, match="no Port with an optimizer"):
        converted(files / "rows.keras", weight_ports.rows, tmp_path, optimizer=True)

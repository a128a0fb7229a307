"""A port may leave out the last activation if a loss that takes logits makes up for it."""

import keras
from both_halves import levels, recorded
from rows import each_row
from torch import nn

from parity.halves.torch.port.outputs import may_return
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl import Port

ANY = {"linear", "log"}
CASES = [
    ("softmax", "sparse_categorical_crossentropy", {}, ANY),
    ("softmax", "categorical_focal_crossentropy", {}, ANY),
    ("softmax", "kl_divergence", {}, {"log"}),
    ("softmax", "mean_squared_error", {}, set()),
    ("sigmoid", "binary_crossentropy", {}, {"linear"}),
    ("sigmoid", "binary_crossentropy", {"from_logits": True}, set()),  # its sigmoid is one more
    ("sigmoid", "mean_squared_error", {}, set()),
    ("sigmoid", "dice", {}, set()),
    ("relu", "mean_squared_error", {}, set()),
    ("tanh", "binary_crossentropy", {}, set()),
    (None, "binary_crossentropy", {}, set()),
]


@each_row("activation, name, config, forms", CASES)
def test_without_a_loss_of_its_own_keras_loss_decides(activation, name, config, forms):
    assert may_return(activation, {"name": name, "config": config}) == forms


def test_without_any_loss_nothing_may_lack():
    assert may_return("softmax", None) == set()


def model(loss):
    def make():
        keras.utils.set_random_seed(1)
        given = keras.Input((5,))
        made = keras.Model(given, keras.layers.Dense(3, activation="sigmoid")(given))
        made.compile("sgd", loss)
        return made

    return make


def linear(loss=None):
    return lambda: Port(nn.Sequential(nn.Linear(5, 3)), loss=loss)


def test_a_missing_sigmoid_is_a_fault_under_a_squared_error_and_told_under_a_crossentropy(tmp_path):
    squared = recorded(model("mse"), tmp_path / "squared", steps=1)
    assert levels(squared, linear(), tmp_path / "a")["forward"].status == "fail"
    found = levels(squared, linear(nn.MSELoss()), tmp_path / "b")
    assert [found[level].status for level in ("forward", "loss")] == ["pass", "fail"]
    binary = recorded(model("binary_crossentropy"), tmp_path / "binary", steps=1)
    assert levels(binary, linear(), tmp_path / "c")["forward"].status == "pass"
    (told,) = PortUnderTest(linear(), 0, binary).outputs.not_compared("linear")
    assert told["what"] == "the last activation"
    given = PortUnderTest(linear(nn.BCEWithLogitsLoss()), 0, binary)
    assert list(given.outputs.not_compared("linear")) == []

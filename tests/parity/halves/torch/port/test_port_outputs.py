"""A port may leave out the last activation if a loss that takes logits makes up for it."""

from rows import each_row
from torch import nn

from parity.halves.torch.port.outputs import may_return
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


def linear(loss=None):
    return lambda: Port(nn.Sequential(nn.Linear(5, 3)), loss=loss)

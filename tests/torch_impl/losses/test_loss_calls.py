"""Losses are made from Keras's configurations, and refuse what they cannot mean."""

import keras
import pytest
import torch
import torch.nn.functional as F
from covering import one_test
from keras.src.losses import ALL_OBJECTS_DICT
from rows import each_row

from torch_impl import losses

NOT_HERE = {"CTC", "ctc", "Circle", "circle", "Loss", "LossFunctionWrapper"}


def test_every_name_of_keras_but_two_losses_gives_a_loss():
    assert set(ALL_OBJECTS_DICT) - set(losses.LOSSES) == NOT_HERE
    for name in losses.LOSSES:
        assert isinstance(losses.from_config(name), losses.Loss)
        if name in ALL_OBJECTS_DICT:
            of_function = losses.LOSSES.get(getattr(ALL_OBJECTS_DICT[name], "__name__", ""))
            assert of_function is losses.LOSSES[name]


@one_test
@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=3),
            {"from_logits": True, "ignore_class": 3, "reduction": "sum_over_batch_size"},
        ),
        (
            keras.losses.CategoricalCrossentropy(label_smoothing=0.1, axis=1, reduction="sum"),
            {"label_smoothing": 0.1, "axis": 1, "reduction": "sum", "from_logits": False},
        ),
        (keras.losses.BinaryFocalCrossentropy(gamma=3.0), {"gamma": 3.0, "alpha": 0.25}),
        (keras.losses.Tversky(alpha=0.2, beta=0.9, axis=1), {"alpha": 0.2, "beta": 0.9, "axis": 1}),
        (keras.losses.MeanSquaredError(reduction="none"), {"reduction": "none"}),
        (keras.losses.Huber(delta=2.0), {"delta": 1.0}),  # which Keras forgets as well
        (keras.losses.mean_absolute_error, {"reduction": "sum_over_batch_size"}),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", None)),
)
def test_a_configuration_of_keras_gives_the_same_settings(theirs, expected):
    config = keras.losses.serialize(theirs)
    ours = losses.from_config(config)
    name = config["config"] if config["class_name"] == "function" else config["class_name"]
    assert type(ours) is losses.LOSSES[name]
    assert {key: getattr(ours, key) for key in expected} == expected


UNKNOWN = r"expected one of torch_impl\.losses\.LOSSES"
NO_FIT = r"y_true has shape .*, y_pred \(5, 3\): expected"


@each_row(
    "call, message",
    [
        (lambda: losses.from_config("ctc"), UNKNOWN),
        (lambda: losses.from_config({"class_name": "Circle", "config": {}}), UNKNOWN),
        (
            lambda: losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")(
                torch.tensor([0, 1]), torch.zeros(2, 3)
            ),
            r"y_pred is torch.int64: expected floating point",
        ),
        *(
            (lambda loss=loss, shape=shape: loss(torch.rand(5, 3), torch.zeros(shape)), NO_FIT)
            for loss, shape in (
                (losses.SparseCategoricalCrossentropy(), 4),
                (losses.CategoricalCrossentropy(), (5, 4)),
                (losses.BinaryCrossentropy(), (1, 3)),
            )
        ),
        (
            lambda: losses.CategoricalGeneralizedCrossEntropy(q=1),
            r"q=1: expected a number in \(0, 1\)",
        ),
    ],
)
def test_no_loss_swapped_arguments_and_shapes_that_do_not_fit_are_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@one_test
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_common_case_is_torchs_crossentropy_to_the_bit(dtype):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(33, 10, generator=generator, dtype=dtype).requires_grad_()
    y = torch.arange(33) % 10
    ours = losses.SparseCategoricalCrossentropy(from_logits=True)(logits, y)
    plain = F.cross_entropy(logits, y)
    assert torch.equal(ours, plain)
    (mine,), (other,) = (torch.autograd.grad(value, logits) for value in (ours, plain))
    assert torch.equal(mine, other)


def test_logits_that_are_said_twice_are_a_warning():
    output = losses.softmax(torch.tensor([[1.0, -2.0, 3.0]]))
    criterion = losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.warns(UserWarning, match="from_logits=True, but the output is that of a softmax"):
        loss = criterion(output, torch.tensor([1]))
    assert loss.item() == F.cross_entropy(torch.tensor([[1.0, -2.0, 3.0]]), torch.tensor([1]))


def test_an_operation_in_between_loses_the_logits():
    logits, y = torch.tensor([[40.0, -40.0]], dtype=torch.float64), torch.tensor([1])
    criterion = losses.SparseCategoricalCrossentropy()
    assert criterion(losses.softmax(logits), y).item() == 80
    # -log(1e-7 / (1e-7 + 1 - 1e-7)) = 16.118
    assert criterion(losses.softmax(logits) * 1, y).item() == pytest.approx(16.11809565, abs=1e-8)

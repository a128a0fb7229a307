"""The program as people write it: stock torch, and the same work as the others."""

import pytest
import torch
from helpers import small_data
from rows import each_row
from torch import nn

from parity.errors import InputError
from parity.halves.torch.bench import prepare_eager
from parity.programs.run_spec import MODELS, RunSpec
from torch_impl.layers import Dropout, Flatten
from torch_impl.models import build_model

DATA = small_data()


def prepared(**settings):
    return prepare_eager(RunSpec(**{"model": "capacity", **settings}), DATA)


@each_row("model", MODELS)
def test_the_network_is_the_same_one_of_stock_layers(model):
    training = prepared(model=model)
    ours, _ = build_model(RunSpec(model=model), DATA.input_shape, DATA.num_classes)
    shapes = [tuple(weight.shape) for weight in training.model.parameters()]
    assert shapes == [tuple(weight.shape) for weight in ours.parameters()]
    assert not any(isinstance(layer, Dropout | Flatten) for layer in training.model)
    rates = [layer.p for layer in training.model if isinstance(layer, nn.Dropout)]
    assert rates == [layer.rate for layer in ours if isinstance(layer, Dropout)]


def test_an_epoch_takes_every_sample_once_in_a_new_order():
    training = prepared()
    orders = []
    for _ in range(2):
        x, y = map(torch.cat, zip(*training.batches(), strict=True))
        images = [image.permute(1, 2, 0).contiguous().numpy().tobytes() for image in x]
        where = {image.tobytes(): number for number, image in enumerate(DATA.x_train)}
        orders.append([where[image] for image in images])
        assert [DATA.y_train[number] for number in orders[-1]] == y.tolist()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(70))
    assert orders[0] != orders[1]
    assert [len(y) for _, y in training.batches()] == [32, 32, 6]


def test_the_accuracy_is_that_of_all_validation_samples_in_eval_mode():
    training = prepared(model="dropout")
    training.epoch()
    found = training.accuracy()
    training.model.eval()
    with torch.no_grad():
        answers = training.model(torch.tensor(DATA.x_val).permute(0, 3, 1, 2)).argmax(1)
    assert found == pytest.approx((answers.numpy() == DATA.y_val).mean())


def stepped(loss_of, decay=0.0, **settings):
    """Weights after one step, here and by hand: stock Adam on a loss of one's own."""
    training, other = prepared(**settings), prepared(**settings)
    x, y = next(iter(training.batches()))
    training.step(x, y)
    model = other.model
    adam = torch.optim.Adam(model.parameters(), lr=0.001)
    (nn.functional.cross_entropy(model(x), y) + loss_of(model)).backward()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1 - 0.001 * decay)
    adam.step()
    return training.model.state_dict(), model.state_dict()


PENALTIES = {
    "none": (lambda model: 0.0, {}),
    "l2": (
        lambda model: 0.05 * sum((w**2).sum() for w in model.parameters() if w.ndim > 1),
        {"l2": 0.05},
    ),
    "weight_decay": (lambda model: 0.0, {"decay": 3.0, "weight_decay": 3.0}),
}


@each_row("name", PENALTIES)
def test_a_step_takes_off_the_weights_what_the_run_asks_for(name):
    """Or it would be less work than the others do, and another training."""
    loss_of, settings = PENALTIES[name]
    ours, expected = stepped(loss_of, **settings)
    for key in expected:
        torch.testing.assert_close(ours[key], expected[key], rtol=0, atol=2e-6)
    if settings:  # the test above would see it
        plain, _ = stepped(lambda model: 0.0)
        assert max(float((plain[key] - ours[key]).abs().max()) for key in plain) > 1e-4


def test_two_penalties_at_once_are_refused():
    with pytest.raises(InputError, match=r"l2=0.1 and weight_decay=0.2: torch's own optimizers"):
        prepared(l2=0.1, weight_decay=0.2)

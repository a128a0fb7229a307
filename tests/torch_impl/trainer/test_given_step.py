"""A Trainer makes its steps by the `train_step` of a port, and needs no loss for that."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from covering import one_test
from torch import nn

from torch_impl import KerasSeeds, Port, optim
from torch_impl.losses import MeanSquaredError
from torch_impl.trainer import Batch, GivenStepper, Trainer

RNG = np.random.default_rng(5)
X, Y, W = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2)), RNG.uniform(size=20)


def port(**given):
    """One that trains by its loss, from the same weights at each call."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2, dtype=torch.float64)
    optimizer = optim.Adam(module.parameters(), learning_rate=0.1)
    return dataclasses.replace(
        Port(module, MeanSquaredError(), optimizer, seeds=KerasSeeds(7)), **given
    )


def stepping(factor=1.0, **given):
    """The same by a step of its own."""

    def step(data):
        x, y = data
        loss = factor * MeanSquaredError()(built.module(x), y)
        built.optimizer.zero_grad()
        loss.backward()
        built.optimizer.step()
        return {"loss": loss, "number": 2}

    built = port()
    return dataclasses.replace(built, loss=None, train_step=step, **given)


def weights(built, **given):
    history = Trainer(built).fit(X, Y, batch_size=5, epochs=3, **given).history
    return built.module.weight.detach().numpy(), history


def test_it_is_the_training_by_a_loss_if_the_step_computes_that_loss():
    expected, by_loss = weights(port())
    found, history = weights(stepping())
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(history["loss"], by_loss["loss"], rtol=1e-12)
    assert not np.array_equal(weights(stepping(-1.0))[0], expected)


def test_the_numbers_of_an_epoch_are_means_over_its_steps():
    told = iter([1.0, 2.0, 6.0, 10.0])
    built = port(train_step=lambda data: {"loss": next(told)})
    assert Trainer(built).fit(X, Y, batch_size=10, epochs=2).history == {"loss": [1.5, 8.0]}


@one_test
@pytest.mark.parametrize(
    ("given", "number"),
    [({}, 1), ({"y": Y}, 2), ({"y": Y, "sample_weight": W}, 3)],
    ids=["x", "targets", "weights"],
)
def test_a_step_gets_what_that_of_keras_gets(given, number):
    seen = []

    def step(data):
        seen.append((data,) if isinstance(data, torch.Tensor) else data)
        return {"loss": 0.0}

    built = port(train_step=step)
    Trainer(built).fit(X, **given)
    GivenStepper(built).step(Batch(*seen[0]))
    assert [[type(part) for part in data] for data in seen] == [[torch.Tensor] * number] * 2


def test_a_validation_needs_a_loop_of_its_own():
    with pytest.raises(ValueError, match=re.escape("expected Port(evaluate=...)")):
        weights(stepping(), validation_data=(X, Y))
    built = stepping(evaluate=lambda batches: {"loss": 3.0})
    assert weights(built, validation_data=(X, Y))[1]["val_loss"] == [3.0] * 3


def test_optimizers_inside_of_a_step_have_no_state_that_could_be_kept():
    trainer = Trainer(dataclasses.replace(stepping(), optimizer=None))
    trainer.fit(X, Y)
    with pytest.raises(ValueError, match="a port without an optimizer has no state"):
        trainer.state_dict()

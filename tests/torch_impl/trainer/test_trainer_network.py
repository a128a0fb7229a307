"""Another network over the same parameters is trained in the place of the module of a port."""

import pytest
import torch
from torch import nn

from torch_impl import Port
from torch_impl.losses import MeanSquaredError
from torch_impl.trainer import Trainer

X, Y = torch.linspace(-1, 1, 20).reshape(10, 2), torch.linspace(0, 1, 10).reshape(10, 1)


class Network(nn.Module):
    """Computes twice what the layer of a module computes, and notes the mode of every call."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.modes = layer, []

    def forward(self, x):
        self.modes.append(self.training)
        return 2 * self.layer(x)


class Module(nn.Module):
    """A module whose own calls are counted."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.num_calls = nn.Linear(2, 1), 0

    def forward(self, x):
        self.num_calls += 1
        return self.layer(x)


def port_of(*, has_network):
    module = Module()
    network = Network(module.layer) if has_network else None
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    return Port(module, MeanSquaredError(), optimizer, network=network)


def test_it_is_called_in_training_evaluation_and_prediction_in_their_modes():
    port = port_of(has_network=True)
    trainer = Trainer(port)
    trainer.fit(X, Y, batch_size=5, epochs=1, validation_data=(X[:4], Y[:4]))
    assert port.network.modes == [True, True, False]
    port.network.modes.clear()
    trainer.evaluate(X, Y, batch_size=10)
    assert port.network.modes == [False]
    port.network.train()
    predicted = trainer.predict(X)
    assert port.network.modes == [False, False]
    assert port.module.num_calls == 0
    torch.testing.assert_close(predicted, 2 * port.module.layer(X).detach())
    assert port.called is port.network


def test_its_parameters_are_those_of_the_module_which_is_trained_with_it():
    port = port_of(has_network=True)
    before = port.module.layer.weight.detach().clone()
    layer = nn.Linear(2, 1)
    layer.load_state_dict(port.module.layer.state_dict())
    Trainer(port).fit(X, Y, batch_size=10, epochs=1, shuffle=False)
    # A step by hand, of a loss of twice the layer.
    ((2 * layer(X) - Y) ** 2).mean().backward()
    assert not torch.equal(port.module.layer.weight, before)
    torch.testing.assert_close(port.module.layer.weight, layer.weight - 0.1 * layer.weight.grad)


def test_without_one_the_module_itself_is_called():
    port = port_of(has_network=False)
    trainer = Trainer(port)
    trainer.fit(X, Y, batch_size=5, epochs=1)
    assert port.module.num_calls == 2
    torch.testing.assert_close(trainer.predict(X), port.module.layer(X).detach())
    assert port.called is port.module


@pytest.mark.parametrize("has_network", [True, False])
def test_evaluation_is_of_what_is_called(has_network):
    port = port_of(has_network=has_network)
    output = (2 if has_network else 1) * port.module.layer(X)
    expected = ((output - Y) ** 2).mean().item()
    assert Trainer(port).evaluate(X, Y)["loss"] == pytest.approx(expected, rel=1e-6)

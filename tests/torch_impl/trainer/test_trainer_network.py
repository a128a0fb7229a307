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
    """Its parameters are those of the module, which is trained with it."""
    port = port_of(has_network=True)
    trainer, layer = Trainer(port), nn.Linear(2, 1)
    layer.load_state_dict(port.module.layer.state_dict())
    trainer.fit(X, Y, batch_size=10, epochs=1, shuffle=False, validation_data=(X[:4], Y[:4]))
    # A step by hand, of a loss of twice the layer.
    ((2 * layer(X) - Y) ** 2).mean().backward()
    torch.testing.assert_close(port.module.layer.weight, layer.weight - 0.1 * layer.weight.grad)
    port.network.train()
    predicted = trainer.predict(X)
    torch.testing.assert_close(predicted, 2 * port.module.layer(X).detach())
    expected = ((predicted - Y) ** 2).mean().item()
    assert trainer.evaluate(X, Y, batch_size=10)["loss"] == pytest.approx(expected, rel=1e-6)
    assert port.network.modes == [True, False, False, False]
    assert port.module.num_calls == 0
    assert port.called is port.network

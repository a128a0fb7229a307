"""Another network over the same parameters is trained in the place of the module of a port."""

import pytest
import torch
from torch import nn

from torch_impl import Port
from torch_impl.losses import MeanSquaredError
from torch_impl.trainer import Trainer

X, Y = torch.linspace(-1, 1, 20).reshape(10, 2), torch.linspace(0, 1, 10).reshape(10, 1)


class Module(nn.Module):
    """Computes a multiple of what a layer computes, and notes the mode of every call."""

    def __init__(self, layer, factor):
        super().__init__()
        self.layer, self.factor, self.modes = layer, factor, []

    def forward(self, x):
        self.modes.append(self.training)
        return self.factor * self.layer(x)


def test_it_is_called_in_training_evaluation_and_prediction_in_their_modes():
    """Its parameters are those of the module, which is trained with it."""
    trained, by_hand = nn.Linear(2, 1), nn.Linear(2, 1)
    by_hand.load_state_dict(trained.state_dict())
    module, network = Module(trained, 1), Module(trained, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    port = Port(module, MeanSquaredError(), optimizer, network=network)
    assert port.called is network
    trainer = Trainer(port)
    trainer.fit(X, Y, batch_size=10, epochs=1, shuffle=False, validation_data=(X[:4], Y[:4]))
    # A step by hand, of a loss of twice the layer.
    ((2 * by_hand(X) - Y) ** 2).mean().backward()
    torch.testing.assert_close(trained.weight, by_hand.weight - 0.1 * by_hand.weight.grad)
    network.train()
    predicted = trainer.predict(X)
    torch.testing.assert_close(predicted, 2 * trained(X).detach())
    expected = ((predicted - Y) ** 2).mean().item()
    assert trainer.evaluate(X, Y, batch_size=10)["loss"] == pytest.approx(expected, rel=1e-6)
    assert (network.modes, module.modes) == ([True, False, False, False], [])

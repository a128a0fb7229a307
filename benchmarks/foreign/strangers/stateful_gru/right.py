"""A long series in windows: GRUs that go on where the last batch ended."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import glorot_, lstm_

BATCH, FEATURES = 4, 3


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.GRU(FEATURES, 8, batch_first=True)
        self.second = nn.GRU(8, 5, batch_first=True)
        self.hidden = nn.Linear(5, 6)
        self.forecast = nn.Linear(6, 2)
        self.register_buffer("state1", torch.zeros(1, BATCH, 8))
        self.register_buffer("state2", torch.zeros(1, BATCH, 5))

    def forward(self, x):
        x, state1 = self.first(x, self.state1)
        _, state2 = self.second(x, self.state2)
        self.state1, self.state2 = state1.detach(), state2.detach()
        return self.forecast(torch.tanh(self.hidden(state2[0])))


def log_cosh(outputs, targets):
    error = outputs - targets
    return (error + F.softplus(-2 * error) - math.log(2)).mean()


def gates(kernel):
    """Keras has the gates z, r, h; torch has r, z, n."""
    z, r, h = torch.as_tensor(kernel).chunk(3, dim=-1)
    return torch.cat([r, z, h], dim=-1)


def build():
    net = glorot_(Forecaster())
    lstm_(net.first)
    lstm_(net.second)

    @torch.no_grad()
    def load(*given):
        # The weights come by name; a module beside them is `net`.
        weights = next(each for each in given if not isinstance(each, nn.Module))
        for name in ("first", "second"):
            layer = getattr(net, name)
            bias = gates(weights[f"{name}.bias"])
            layer.weight_ih_l0.copy_(gates(weights[f"{name}.kernel"]).T)
            layer.weight_hh_l0.copy_(gates(weights[f"{name}.recurrent_kernel"]).T)
            layer.bias_ih_l0.copy_(bias[0])
            layer.bias_hh_l0.copy_(bias[1])
        for name in ("hidden", "forecast"):
            layer = getattr(net, name)
            layer.weight.copy_(torch.as_tensor(weights[f"{name}.kernel"]).T)
            layer.bias.copy_(torch.as_tensor(weights[f"{name}.bias"]))

    return Port(
        net,
        loss=log_cosh,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, nesterov=True),
        load=load,
    )

"""An AveragedModel of torch as the average of a port: the same as `use_ema` of torch_impl.optim."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from torch_impl import Port, Trainer, optim

X = np.linspace(-1, 1, 24).reshape(6, 4)
Y = np.linspace(2, -1, 12).reshape(6, 2)


def port_of(*, averages, **settings):
    torch.manual_seed(1)
    net = nn.Linear(4, 2).double()
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9)) if averages else None
    made = optim.SGD(net.parameters(), 0.1, **settings)
    return Port(net, loss=nn.MSELoss(), optimizer=made, average=average)


def trained(port):
    Trainer(port).fit(X, Y, batch_size=2, epochs=2, shuffle=False)
    return port.module.weight.detach()


def test_a_training_ends_with_the_average():
    expected = trained(port_of(averages=False, use_ema=True, ema_momentum=0.9))
    assert not torch.allclose(trained(port_of(averages=False)), expected)
    torch.testing.assert_close(trained(port_of(averages=True)), expected, rtol=1e-12, atol=0)


def test_a_port_with_one_more_setting_does_not_update_twice():
    port = dataclasses.replace(port_of(averages=True), class_weight=None)
    port.module(torch.ones(1, 4).double()).sum().backward()
    port.optimizer.step()
    assert int(port.average.n_averaged) == 1


def test_an_average_needs_an_optimizer_and_the_same_parameters():
    net = nn.Linear(4, 2)
    with pytest.raises(ValueError, match="average without an optimizer"):
        Port(net, average=AveragedModel(net))
    other = AveragedModel(nn.Linear(3, 2))
    with pytest.raises(ValueError, match="an AveragedModel of the port's module"):
        Port(net, optimizer=torch.optim.SGD(net.parameters()), average=other)

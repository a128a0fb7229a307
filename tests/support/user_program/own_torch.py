"""Ports of `own_keras.py`: those of the tests of single steps."""

import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import torch
from steps_torch import (  # noqa: F401
    Holder,
    _initialised,
    autoencoder,
    autoencoder__weighted_wrong,
    gan,
    gan__beta_wrong,
    gan__dropping_wrong,
    plain,
    plain__summed_wrong,
)
from torch import nn

from torch_impl import Port, layers, optim


def small_gan(rate=0.05, label=1.0):
    critic = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, 1))
    norm = layers.BatchNormalization(6)
    maker = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), norm, nn.Linear(6, 4))
    net = _initialised(Holder(critic=critic, maker=maker))
    c_optimizer = optim.SGD(critic.parameters(), learning_rate=rate, momentum=0.5)
    m_optimizer = optim.SGD(maker.parameters(), learning_rate=0.1)

    def step(real):
        made = maker(torch.randn(len(real), 3)).detach()
        c_loss = (critic(made) + 1).square().mean() + (critic(real) - 1).square().mean()
        c_optimizer.zero_grad()
        c_loss.backward()
        c_optimizer.step()
        m_loss = (critic(maker(torch.randn(len(real), 3))) - label).square().mean()
        m_optimizer.zero_grad()
        m_loss.backward()
        m_optimizer.step()
        return {"critic_loss": c_loss, "maker_loss": m_loss}

    return Port(net, train_step=step)


small_gan__rate_wrong = partial(small_gan, rate=0.06)


def small_gan__late_wrong():
    """It makes another step from the seventh on, which no probe reaches."""
    port, made = small_gan(), []
    own = port.train_step

    def step(real):
        made.append(1)
        return own(real * 1.5 if len(made) == 7 else real)

    return Port(port.module, train_step=step)

"""The twin of a quasi-SVM, with random Fourier features of torch.

The mistake: nn.MultiMarginLoss, whose margins are averaged over the classes.
Others: the features are not divided by the root of half their number; they are sines.
"""

import math

import torch
from blocks_by_hand import config_of
from torch import nn

from torch_impl import Port, from_keras_config, losses, optim

FACTOR = math.sqrt(2.0 / 20)


class Fourier(nn.Module):
    def __init__(self, given, made, scale, function, factor):
        super().__init__()
        self.scale, self.function, self.factor = scale, function, factor
        self.register_buffer("unscaled_kernel", torch.randn(given, made))
        self.register_buffer("bias", 2 * math.pi * torch.rand(made))

    def forward(self, x):
        x = x @ (self.unscaled_kernel / self.scale) + self.bias
        return self.factor * self.function(x)


class MultiMargin(nn.MultiMarginLoss):
    def forward(self, scores, onehot):
        return super().forward(scores, onehot.argmax(-1))


def port(loss, function=torch.cos, factor=FACTOR):
    def fourier(entry):
        c = entry.config
        return Fourier(entry.shape[-1], c["output_dim"], c["scale"], function, factor)

    twin = from_keras_config(config_of("quasi_svm"), custom={"svm>RandomFourierFeatures": fourier})
    trained = [weight for weight in twin.parameters() if weight.requires_grad]
    return Port(twin, loss, optim.Adam(trained, learning_rate=1e-3), metrics=[accuracy])


def accuracy(scores, onehot):
    return (scores.argmax(-1) == onehot.argmax(-1)).double()


accuracy.__name__ = "acc"


def right():
    return port(losses.CategoricalHinge())


def wrong():
    return port(MultiMargin())


def wrong_factor():
    return port(losses.CategoricalHinge(), factor=1.0)


def wrong_function():
    return port(losses.CategoricalHinge(), function=torch.sin)

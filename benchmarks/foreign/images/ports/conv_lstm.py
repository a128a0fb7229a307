"""Convolutional LSTMs as a twin. Mistake: a loss of logits, though the model ends in a sigmoid."""

from common import config_of
from torch import nn

from torch_impl import Port, from_keras_config
from torch_impl.losses import BinaryCrossentropy
from torch_impl.optim import Adam


def build(mistake=False):
    twin = from_keras_config(config_of("conv_lstm"))
    return Port(
        twin,
        loss=nn.BCEWithLogitsLoss() if mistake else BinaryCrossentropy(),
        optimizer=Adam(twin.parameters()),
    )


def right():
    return build()


def wrong():
    return build(mistake=True)

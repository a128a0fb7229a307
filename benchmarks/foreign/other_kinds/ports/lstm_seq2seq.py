"""The twin of an encoder and a decoder for characters.

The mistake: torch's RMSprop, with its own alpha and epsilon.
"""

import torch
from blocks_by_hand import config_of

from torch_impl import Port, from_keras_config, losses, optim


def port(optimizer, **settings):
    twin = from_keras_config(config_of("lstm_seq2seq"))
    return Port(
        twin,
        losses.CategoricalCrossentropy(),
        optimizer(twin.parameters(), **settings),
        metrics=["accuracy"],
    )


def right():
    return port(optim.RMSprop, learning_rate=0.001)


def wrong():
    return port(torch.optim.RMSprop, lr=0.001)

"""The twin of a Q-network. Keras's `clipnorm` clips the gradient of every weight by itself.

The mistake: `clip_grad_norm_` of all parameters, which clips them together.
"""

from blocks_by_hand import config_of
from torch import nn

from torch_impl import Port, from_keras_config, optim


def clip_each(net):
    for weight in net.parameters():
        norm = weight.grad.norm()
        if norm > 1.0:
            weight.grad.mul_(1.0 / norm)


def clip_all(net):
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)


def port(clip):
    twin = from_keras_config(config_of("dqn_atari"))
    return Port(
        twin,
        loss=nn.SmoothL1Loss(),
        optimizer=optim.Adam(twin.parameters(), learning_rate=0.00025),
        before_step=clip,
    )


def right():
    return port(clip_each)


def wrong():
    return port(clip_all)

"""Keras's initial weights for the ports of the training cases."""

from torch import nn


def keras_init(net: nn.Module) -> nn.Module:
    """Draws Keras's default kernels and sets biases to zero; returns the network."""
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net

"""Initial weights of Keras for torch's layers."""

import math

import torch
from torch import nn


def begin(net: nn.Module) -> nn.Module:
    """Glorot and orthogonal kernels; one bias, zero but for the forget gate, in LSTM and RNN."""
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
            nn.init.uniform_(module.weight, -0.05, 0.05)
        elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
            recurrent(module)
    return net


def recurrent(module: nn.Module) -> None:
    units = module.hidden_size
    lstm = isinstance(module, nn.LSTM | nn.LSTMCell)
    gru = isinstance(module, nn.GRU | nn.GRUCell)
    for name, value in module.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(value)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(value)
        else:
            nn.init.zeros_(value)
            if lstm and name.startswith("bias_ih"):
                with torch.no_grad():
                    value[units : 2 * units] = 1.0
            if name.startswith("bias_hh") and not gru:
                value.requires_grad_(False)  # Keras has one bias


def glorot(weight: torch.Tensor, fan_in: int, fan_out: int) -> None:
    """For a parameter that holds several kernels, or one of three axes."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    nn.init.uniform_(weight, -bound, bound)

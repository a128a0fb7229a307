"""What the ports share: initial weights and clipping."""

import torch
from torch import nn


def initialised(net):
    """Keras's initial weights: Glorot's uniform kernels and biases of zero."""
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def clip_by_norm(parameters, max_norm):
    """Clips as TensorFlow does: clip_grad_norm_ of torch adds 1e-6 to the norm."""
    norm = torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in parameters]))
    for parameter in parameters:
        parameter.grad.mul_(max_norm / torch.clamp(norm, min=max_norm))

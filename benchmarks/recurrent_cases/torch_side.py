"""What the ports are made of: modules with Keras's initial weights, loss and optimizer."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.torch_side import F, Port, nn, optim, torch


def as_keras(net: Any) -> Any:
    """Draws what Keras draws by default; returns the network."""
    for module in net.modules():
        for name, weight in module.named_parameters(recurse=False):
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(weight)
            elif weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
            else:
                nn.init.zeros_(weight)
                if _has_forget_gate(module) and name.startswith("bias_ih"):
                    weight.data[len(weight) // 4 : len(weight) // 2] = 1
            is_second = isinstance(module, nn.LSTM | nn.LSTMCell | nn.RNN | nn.RNNCell)
            if is_second and name.startswith("bias_hh"):
                weight.requires_grad_(False)  # its gradient would count the bias twice
    for module in net.modules():
        if hasattr(module, "begin_as_keras"):
            module.begin_as_keras()
    return net


def _has_forget_gate(module: Any) -> bool:
    return "LSTM" in type(module).__name__


def port(net: Any, **more: Any) -> Any:
    """Returns the port of a network, with Keras's initial weights."""
    as_keras(net)
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    optimizer = optim.Adam(trained, learning_rate=2e-3)
    return Port(net, loss=F.mse_loss, optimizer=optimizer, **more)


def locked(x: Any, rate: float, training: bool) -> Any:
    """Drops features of (N, T, C), the same ones in all time steps."""
    return x * F.dropout(torch.ones_like(x[:, :1]), rate, training)

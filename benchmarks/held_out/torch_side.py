"""What the ports of the cases are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.held_out.late import Late

torch, nn, F = Late("torch"), Late("torch.nn"), Late("torch.nn.functional")
optim, schedule = Late("torch_impl.optim"), Late("torch_impl.schedule")
Port = Late("torch_impl", "Port")


def ports(make: Callable[..., Any], right: Any, faulty: Any) -> tuple[Callable[[], Any], ...]:
    """Returns the right port and the faulty one, which differ in what `make` is called with.

    Args:
        make: builds a port.
        right: its argument; a mapping is its arguments by name.
        faulty: the same of the faulty port.
    """
    return tuple(
        partial(make, **given) if isinstance(given, dict) else partial(make, given)
        for given in (right, faulty)
    )


def keras_init(net: Any) -> Any:
    """Draws what Keras draws by default, zeros for biases; returns the network."""
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def torch_sequential(*parts: Any) -> Any:
    """Returns the `nn.Sequential` of the modules, with Keras's initial weights."""
    return keras_init(nn.Sequential(*parts))


def cross_entropy(logits: Any, y: Any) -> Any:
    """Returns the loss of labels that come as a column of any number type."""
    return F.cross_entropy(logits, y.long().flatten())


def biased_norm(kind: Any) -> Any:
    """Returns the subclass of `nn.BatchNorm1d` or 2d that keeps the biased variance, as Keras 3."""

    class BiasedNorm(kind):
        def forward(self, x: Any) -> Any:
            if not self.training:
                return super().forward(x)
            with torch.no_grad():
                dims = (0, *range(2, x.dim()))
                var, mean = torch.var_mean(x, dim=dims, unbiased=False)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var, self.momentum)
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)

    return BiasedNorm

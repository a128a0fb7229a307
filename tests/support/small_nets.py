"""What ports of the tests share: a net of given modules, and initial weights of Keras's form."""

from torch import nn

_WITH_KERNELS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Net(nn.Module):
    """Modules by name, and what is computed with them."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def initialised(net):
    """Draws the weights of a net from the distributions of Keras's defaults; returns the net."""
    for module in net.modules():
        if isinstance(module, _WITH_KERNELS):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -0.05, 0.05)
    return net

"""What ports of the tests share: a net of given modules."""

from torch import nn


class Net(nn.Module):
    """Modules by name, and what is computed with them."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs):
        return self.run(self, *inputs)

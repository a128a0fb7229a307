"""The convolutions are F.conv2d with kernels that are nn.Parameters of the network itself.

The faulty twin forgets the dilation of the second one, and pads for a kernel without dilation.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import F, Port, nn, ports, torch


def keras_model():
    """A filter that maps an image to an image."""
    model = keras_sequential(
        keras.Input((13, 11, 2)),
        layers.Conv2D(7, 3, padding="same", activation="relu", name="c1"),
        layers.Conv2D(9, 3, padding="same", dilation_rate=2, activation="relu", name="c2"),
        layers.Conv2D(2, 1, name="c3"),
    )
    model.compile(keras.optimizers.SGD(0.2), "mse")
    return model


def _filter(dilation):
    class RawFilter(nn.Module):
        def __init__(self):
            super().__init__()
            self.w1 = nn.Parameter(torch.empty(7, 2, 3, 3))
            self.b1 = nn.Parameter(torch.zeros(7))
            self.w2 = nn.Parameter(torch.empty(9, 7, 3, 3))
            self.b2 = nn.Parameter(torch.zeros(9))
            self.w3 = nn.Parameter(torch.empty(2, 9, 1, 1))
            self.b3 = nn.Parameter(torch.zeros(2))
            for w in (self.w1, self.w2, self.w3):
                nn.init.xavier_uniform_(w)

        def forward(self, x):
            x = F.conv2d(x, self.w1, self.b1, padding=1).relu()
            x = F.conv2d(x, self.w2, self.b2, padding=dilation, dilation=dilation).relu()
            return F.conv2d(x, self.w3, self.b3)

    net = RawFilter()

    def loss(output, target):  # the target is an image of Keras
        return F.mse_loss(output.permute(0, 2, 3, 1), target)

    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=0.2))


right_port, faulty_port = ports(_filter, 2, 1)

"""The skips of a WaveNet are added up in a loop, total = total + skip, where Keras has one Add.

The faulty twin scales the sum by the root of the number of blocks, as Parallel WaveGAN does.
"""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, ports, torch


def keras_model():
    """Four blocks with dilations 1, 2, 4 and 8."""
    inputs = keras.Input((26, 3))
    x = layers.Conv1D(10, 1, name="front")(inputs)
    skips = []
    for i in range(4):
        h = layers.Conv1D(
            10, 2, padding="causal", dilation_rate=2**i, activation="tanh", name=f"dilated_{i}"
        )(x)
        skips.append(layers.Conv1D(6, 1, name=f"skip_{i}")(h))
        if i < 3:
            x = layers.Add(name=f"residual_{i}")([x, layers.Conv1D(10, 1, name=f"back_{i}")(h)])
    x = layers.Add(name="total")(skips)
    x = layers.Activation("relu", name="total_relu")(x)
    model = keras.Model(inputs, layers.Conv1D(2, 1, name="out")(x))
    model.compile(keras.optimizers.SGD(0.02), "mse")
    return model


def _wavenet(finish):
    class WaveNet(nn.Module):
        def __init__(self, dilations=(1, 2, 4, 8)):
            super().__init__()
            self.dilations = dilations
            self.front = nn.Conv1d(3, 10, 1)
            self.dilated = nn.ModuleList([nn.Conv1d(10, 10, 2, dilation=d) for d in dilations])
            self.skip = nn.ModuleList([nn.Conv1d(10, 6, 1) for _ in dilations])
            self.back = nn.ModuleList([nn.Conv1d(10, 10, 1) for _ in dilations[:-1]])
            self.out = nn.Conv1d(6, 2, 1)
            keras_init(self)

        def forward(self, x):
            x = self.front(x)
            total = None
            for i, d in enumerate(self.dilations):
                h = torch.tanh(self.dilated[i](F.pad(x, (d, 0))))
                skip = self.skip[i](h)
                total = skip if total is None else total + skip
                if i < len(self.back):
                    x = x + self.back[i](h)
            return self.out(F.relu(finish(total, len(self.dilations))))

    net = WaveNet()
    return Port(
        net,
        loss=F.mse_loss,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.02),
        feed=lambda x: torch.from_numpy(x).transpose(1, 2),
        target=lambda y: torch.from_numpy(y).transpose(1, 2),
    )


right_port, faulty_port = ports(
    _wavenet, lambda total, blocks: total, lambda total, blocks: total * blocks**-0.5
)

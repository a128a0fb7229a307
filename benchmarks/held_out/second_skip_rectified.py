"""Pre-activation residual block.

nn.ReLU(inplace=True) on the block's input rectifies the skip too.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import nn, ports


def keras_model():
    inputs = keras.Input((18, 22, 3))
    x = layers.Conv2D(14, 3, padding="same")(inputs)
    for _ in range(2):
        y = layers.ReLU()(x)
        y = layers.Conv2D(14, 3, padding="same")(y)
        y = layers.ReLU()(y)
        y = layers.Conv2D(14, 3, padding="same")(y)
        x = layers.Add()([x, y])
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(4)(x))
    model.compile(optimizers.SGD(0.05), "mse")
    return model


def _net(inplace):
    class PreActBlock(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.relu1 = nn.ReLU(inplace=inplace)
            self.conv1 = nn.Conv2d(channels, channels, 3, padding="same")
            self.relu2 = nn.ReLU()
            self.conv2 = nn.Conv2d(channels, channels, 3, padding="same")

        def forward(self, x):
            out = self.relu1(x)
            out = self.conv1(out)
            out = self.conv2(self.relu2(out))
            return x + out

    class PreActNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 14, 3, padding="same")
            self.blocks = nn.ModuleList([PreActBlock(14), PreActBlock(14)])
            self.last = nn.ReLU()
            self.head = nn.Linear(14, 4)
            self.apply(self._init)

        @staticmethod
        def _init(m):
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.head(self.last(x).mean(dim=(2, 3)))

    return PreActNet()


right_port, faulty_port = ports(_net, False, True)

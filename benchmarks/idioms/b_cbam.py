"""Channel and spatial attention by hand, from means and maxima (CBAM).

The faulty twin stacks (max, mean) for the spatial convolution; Keras stacks (mean, max).
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, torch


def keras_model():
    ops = keras.ops

    def cbam(x, reduction, kernel):
        channels = x.shape[-1]
        hidden = layers.Dense(channels // reduction, activation="relu", use_bias=False)
        back = layers.Dense(channels, use_bias=False)
        avg = back(hidden(layers.GlobalAveragePooling2D()(x)))
        top = back(hidden(layers.GlobalMaxPooling2D()(x)))
        scale = layers.Activation("sigmoid")(layers.Add()([avg, top]))
        x = layers.Multiply()([x, layers.Reshape((1, 1, channels))(scale)])
        mean = ops.mean(x, axis=-1, keepdims=True)
        maximum = ops.max(x, axis=-1, keepdims=True)
        s = layers.Concatenate()([mean, maximum])
        s = layers.Conv2D(1, kernel, padding="same", activation="sigmoid", use_bias=False)(s)
        return layers.Multiply()([x, s])

    inputs = keras.Input((14, 18, 3))
    x = layers.Conv2D(12, 3, activation="relu")(inputs)
    x = cbam(x, 3, 5)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(5)(x), name="cbam")
    model.compile(optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(stack):
    class ChannelAttention(nn.Module):
        def __init__(self, c, reduction):
            super().__init__()
            self.mlp = nn.Sequential(
                nn.Linear(c, c // reduction, bias=False),
                nn.ReLU(),
                nn.Linear(c // reduction, c, bias=False),
            )

        def forward(self, x):
            avg, top = self.mlp(x.mean(dim=(2, 3))), self.mlp(x.amax(dim=(2, 3)))
            return x * torch.sigmoid(avg + top)[:, :, None, None]

    class SpatialAttention(nn.Module):
        def __init__(self, kernel):
            super().__init__()
            self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

        def forward(self, x):
            mean = torch.mean(x, dim=1, keepdim=True)
            top, _ = torch.max(x, dim=1, keepdim=True)
            s = self.conv(torch.cat(stack(mean, top), dim=1))
            return x * torch.sigmoid(s)

    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(
                nn.Conv2d(3, 12, 3),
                nn.ReLU(),
                ChannelAttention(12, 3),
                SpatialAttention(5),
                nn.MaxPool2d(2),
                nn.Conv2d(12, 16, 3),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(16, 5),
            )

    net = keras_init(Net())
    return Port(net, loss=cross_entropy, optimizer=torch.optim.SGD(net.parameters(), lr=0.1))


def right_port():
    return _port(lambda mean, top: [mean, top])


def faulty_port():
    return _port(lambda mean, top: [top, mean])

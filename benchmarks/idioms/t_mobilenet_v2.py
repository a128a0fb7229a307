"""Inverted residuals of MobileNetV2, trained with RMSprop.

The faulty twin has a ReLU6 behind the linear bottleneck, torch's momentum of 0.1 in the batch
norms, and torch.optim.RMSprop as it comes (alpha 0.99, epsilon outside of the root).
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import (
    Port,
    biased_norm,
    cross_entropy,
    keras_init,
    nn,
    optim,
    ports,
    torch,
)


def keras_model():
    def bn(x):
        return layers.BatchNormalization(epsilon=1e-3, momentum=0.999)(x)

    inputs = keras.Input((14, 10, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU(max_value=6)(bn(x))
    for _ in range(2):
        y = layers.Conv2D(20, 1, use_bias=False)(x)
        y = layers.ReLU(max_value=6)(bn(y))
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = layers.ReLU(max_value=6)(bn(y))
        y = layers.Conv2D(8, 1, use_bias=False)(y)
        x = layers.Add()([x, bn(y)])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(4)(x))
    model.compile(optimizers.RMSprop(1e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(bottleneck, momentum, make_optimizer):
    def bn(channels):
        return biased_norm(nn.BatchNorm2d)(channels, eps=1e-3, momentum=momentum)

    class InvertedResidual(nn.Module):
        def __init__(self, inp, hidden):
            super().__init__()
            self.conv = nn.Sequential(
                nn.Conv2d(inp, hidden, 1, bias=False),
                bn(hidden),
                nn.ReLU6(),
                nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False),
                bn(hidden),
                nn.ReLU6(),
                nn.Conv2d(hidden, inp, 1, bias=False),
                bn(inp),
                *bottleneck(),
            )

        def forward(self, x):
            return x + self.conv(x)

    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        bn(8),
        nn.ReLU6(),
        InvertedResidual(8, 20),
        InvertedResidual(8, 20),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )
    keras_init(net)
    return Port(net, loss=cross_entropy, optimizer=make_optimizer(net.parameters()))


right_port, faulty_port = ports(
    _port,
    {
        "bottleneck": lambda: [],
        "momentum": 0.001,
        "make_optimizer": lambda w: optim.RMSprop(w, learning_rate=1e-3),
    },
    {
        "bottleneck": lambda: [nn.ReLU6()],
        "momentum": 0.1,
        "make_optimizer": lambda w: torch.optim.RMSprop(w, lr=1e-3),
    },
)

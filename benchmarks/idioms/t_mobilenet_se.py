"""MobileNetV3-like inverted residual with squeeze-excite, hard swish, SGD with decoupled decay.

Style: functools.partial norm layer, nn.Hardswish, squeeze-excite with 1x1 convolutions. Three
mistakes of the twin: the gate is Keras 2's hard sigmoid (0.2 x + 0.5); batch norm gets Keras's
momentum 0.99 as torch's momentum; weight decay is passed to torch.optim.SGD, where it goes through
gradient and momentum.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((20, 16, 3))
    x = layers.Conv2D(12, 3, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = trunk = layers.Activation("hard_swish")(x)
    x = layers.Conv2D(36, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("hard_swish")(x)
    x = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("hard_swish")(x)
    se = layers.GlobalAveragePooling2D(keepdims=True)(x)
    se = layers.Conv2D(9, 1, activation="relu")(se)
    se = layers.Conv2D(36, 1, activation="hard_sigmoid")(se)
    x = layers.Multiply()([x, se])
    x = layers.Conv2D(12, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([trunk, x])
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(8, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True, weight_decay=5e-3),
        loss="sparse_categorical_crossentropy",
    )
    return model


def _port(faulty):
    from functools import partial

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class BatchNorm2d(nn.BatchNorm2d):
        """Moving variance without Bessel's correction."""

        def forward(self, x):
            if self.training:
                with torch.no_grad():
                    self.running_mean += self.momentum * (x.mean((0, 2, 3)) - self.running_mean)
                    var = x.var((0, 2, 3), unbiased=False)
                    self.running_var += self.momentum * (var - self.running_var)
                return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
            return super().forward(x)

    norm = partial(BatchNorm2d, eps=1e-3, momentum=0.99 if faulty else 0.01)

    class Gate(nn.Module):
        def forward(self, x):
            if faulty:
                return (0.2 * x + 0.5).clamp(0, 1)
            return F.relu6(x + 3) / 6

    class SqueezeExcite(nn.Module):
        def __init__(self, c, mid):
            super().__init__()
            self.reduce = nn.Conv2d(c, mid, 1)
            self.expand = nn.Conv2d(mid, c, 1)
            self.gate = Gate()

        def forward(self, x):
            s = x.mean((2, 3), keepdim=True)
            return x * self.gate(self.expand(F.relu(self.reduce(s))))

    class InvertedResidual(nn.Module):
        def __init__(self, c, hidden):
            super().__init__()
            self.conv = nn.Sequential(
                nn.Conv2d(c, hidden, 1, bias=False),
                norm(hidden),
                nn.Hardswish(),
                nn.Conv2d(hidden, hidden, 5, padding=2, groups=hidden, bias=False),
                norm(hidden),
                nn.Hardswish(),
                SqueezeExcite(hidden, 9),
                nn.Conv2d(hidden, c, 1, bias=False),
                norm(c),
            )

        def forward(self, x):
            return x + self.conv(x)

    net = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1, bias=False),
        norm(12),
        nn.Hardswish(),
        InvertedResidual(12, 36),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(12, 8),
    )
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    if faulty:
        optimizer = torch.optim.SGD(
            net.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=5e-3
        )
    else:
        optimizer = optim.SGD(
            net.parameters(), learning_rate=0.02, momentum=0.9, nesterov=True, weight_decay=5e-3
        )
    criterion = nn.CrossEntropyLoss()
    return Port(net, loss=lambda out, y: criterion(out, y.reshape(-1).long()), optimizer=optimizer)


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)

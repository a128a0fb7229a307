"""MobileNet blocks with RMSprop; the rate falls by a fifth once in 25 steps (StepLR).

The faulty twin forgets the staircase: ExponentialLR with the 25th root.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, biased_norm, cross_entropy, nn, optim, torch


def keras_model():
    def conv_bn(x, layer, name):
        x = layer(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x)

    image = keras.Input((16, 20, 3))
    x = conv_bn(image, layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False), "conv1")
    for i, filters in enumerate((12, 16)):
        depthwise = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"dw_{i}")
        x = conv_bn(x, depthwise, f"dw_{i}")
        x = conv_bn(x, layers.Conv2D(filters, 1, use_bias=False, name=f"pw_{i}"), f"pw_{i}")
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    model = keras.Model(image, layers.Dense(5)(x))
    rate = optimizers.schedules.ExponentialDecay(4e-3, 25, 0.8, staircase=True)
    model.compile(
        optimizers.RMSprop(rate, momentum=0.5),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(make_scheduler):
    def conv_bn(inp, oup, **conv):
        return nn.Sequential(
            nn.Conv2d(inp, oup, bias=False, **conv),
            biased_norm(nn.BatchNorm2d)(oup, eps=1e-3, momentum=0.01),
            nn.ReLU6(),
        )

    class MobileNet(nn.Module):
        def __init__(self):
            super().__init__()
            # "same" with stride 2 on even sides: one row below and one column on the right
            self.pad = nn.ZeroPad2d((0, 1, 0, 1))
            self.conv1 = conv_bn(3, 8, kernel_size=3, stride=2)
            blocks = []
            for inp, oup in ((8, 12), (12, 16)):
                blocks += [conv_bn(inp, inp, kernel_size=3, padding=1, groups=inp)]
                blocks += [conv_bn(inp, oup, kernel_size=1)]
            self.blocks = nn.Sequential(*blocks)
            self.drop = nn.Dropout(0.2)
            self.fc = nn.Linear(16, 5)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.xavier_uniform_(m.weight)
            nn.init.xavier_uniform_(self.fc.weight)
            nn.init.zeros_(self.fc.bias)

        def forward(self, x):
            x = self.blocks(self.conv1(self.pad(x)))
            return self.fc(self.drop(F.adaptive_avg_pool2d(x, 1).flatten(1)))

    net = MobileNet()
    optimizer = optim.RMSprop(net.parameters(), learning_rate=4e-3, momentum=0.5)
    return Port(
        net,
        loss=cross_entropy,
        optimizer=optimizer,
        scheduler=make_scheduler(optimizer),
        scheduler_interval="step",
    )


def right_port():
    return _port(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=25, gamma=0.8))


def faulty_port():
    return _port(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.8 ** (1 / 25)))

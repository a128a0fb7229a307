"""A DenseNet-BC with one dense block and one transition, trained by Nesterov's SGD with.

A stepwise rate.

Style: kuangliu's Bottleneck / Transition modules, layers in nn.Sequential(*list), functional
pooling, rate by torch's MultiStepLR that is stepped after every batch. The twin's mistake: the
milestones are Keras's boundaries as they are, so that each cut comes one step too early.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    for _ in range(3):
        y = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.1e-5)(x))
        y = layers.Conv2D(16, 1, use_bias=False)(y)
        y = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.1e-5)(y))
        y = layers.Conv2D(4, 3, padding="same", use_bias=False)(y)
        x = layers.Concatenate()([x, y])
    x = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.1e-5)(x))
    x = layers.Conv2D(10, 1, use_bias=False)(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.1e-5)(x))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(5)(x))
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([30, 60], [0.125, 0.0625, 0.03125])
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(milestones):
    from functools import partial

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, layers, optim

    norm = partial(layers.BatchNormalization, epsilon=1.1e-5)

    class Bottleneck(nn.Module):
        def __init__(self, in_planes, growth_rate):
            super().__init__()
            self.bn1 = norm(in_planes)
            self.conv1 = nn.Conv2d(in_planes, 4 * growth_rate, kernel_size=1, bias=False)
            self.bn2 = norm(4 * growth_rate)
            self.conv2 = nn.Conv2d(
                4 * growth_rate, growth_rate, kernel_size=3, padding=1, bias=False
            )

        def forward(self, x):
            out = self.conv1(F.relu(self.bn1(x)))
            out = self.conv2(F.relu(self.bn2(out)))
            return torch.cat([x, out], 1)

    class Transition(nn.Module):
        def __init__(self, in_planes, out_planes):
            super().__init__()
            self.bn = norm(in_planes)
            self.conv = nn.Conv2d(in_planes, out_planes, kernel_size=1, bias=False)

        def forward(self, x):
            return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)

    class DenseNet(nn.Module):
        def __init__(self, growth_rate=4, nblocks=3, num_classes=5):
            super().__init__()
            planes = 2 * growth_rate
            self.conv1 = nn.Conv2d(3, planes, kernel_size=3, padding=1, bias=False)
            blocks = []
            for _ in range(nblocks):
                blocks.append(Bottleneck(planes, growth_rate))
                planes += growth_rate
            self.dense1 = nn.Sequential(*blocks)
            self.trans1 = Transition(planes, planes // 2)
            self.bn = norm(planes // 2)
            self.linear = nn.Linear(planes // 2, num_classes)

        def forward(self, x):
            out = self.trans1(self.dense1(self.conv1(x)))
            out = F.adaptive_avg_pool2d(F.relu(self.bn(out)), 1)
            return self.linear(out.view(out.size(0), -1))

    net = DenseNet()
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)
    net.linear.bias.data.zero_()
    optimizer = optim.SGD(net.parameters(), learning_rate=0.125, momentum=0.9, nesterov=True)
    criterion = nn.CrossEntropyLoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.flatten().long()),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.5),
        scheduler_interval="step",
    )


def right_port():
    return _port([31, 61])


def faulty_port():
    return _port([30, 60])

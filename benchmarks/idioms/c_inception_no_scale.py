"""Inception block with BatchNormalization(scale=False), as in Keras's InceptionV3.

The faulty twin has an ordinary nn.BatchNorm2d, which learns a scale as well.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, biased_norm, keras_init, nn, optim, ports, torch


def keras_model():
    def conv2d_bn(x, filters, kernel, padding="same", strides=1):
        x = layers.Conv2D(filters, kernel, strides=strides, padding=padding, use_bias=False)(x)
        x = layers.BatchNormalization(scale=False)(x)
        return layers.Activation("relu")(x)

    image = keras.Input((19, 17, 2))
    x = conv2d_bn(image, 9, (3, 3), padding="valid", strides=2)
    branch1x1 = conv2d_bn(x, 5, (1, 1))
    branch7x7 = conv2d_bn(x, 4, (1, 1))
    branch7x7 = conv2d_bn(branch7x7, 6, (1, 5))
    branch7x7 = conv2d_bn(branch7x7, 7, (5, 1))
    x = layers.Concatenate()([branch1x1, branch7x7])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(7)(x))
    model.compile(optimizers.Adam(2e-3), losses.BinaryCrossentropy(from_logits=True))
    return model


def _port(scale):
    class BasicConv2d(nn.Module):
        def __init__(self, in_channels, out_channels, **kwargs):
            super().__init__()
            self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
            self.bn = biased_norm(nn.BatchNorm2d)(out_channels, eps=0.001, momentum=0.01)
            self.bn.weight.requires_grad_(scale)

        def forward(self, x):
            return F.relu(self.bn(self.conv(x)))

    class InceptionNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = BasicConv2d(2, 9, kernel_size=3, stride=2)
            self.branch1x1 = BasicConv2d(9, 5, kernel_size=1)
            self.branch7x7_1 = BasicConv2d(9, 4, kernel_size=1)
            self.branch7x7_2 = BasicConv2d(4, 6, kernel_size=(1, 5), padding=(0, 2))
            self.branch7x7_3 = BasicConv2d(6, 7, kernel_size=(5, 1), padding=(2, 0))
            self.fc = nn.Linear(12, 7)

        def forward(self, x):
            x = self.stem(x)
            y = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
            x = torch.cat([self.branch1x1(x), y], 1)
            return self.fc(x.mean([2, 3]))

    net = keras_init(InceptionNet())
    trained = filter(lambda p: p.requires_grad, net.parameters())
    return Port(
        net,
        loss=lambda logits, y: F.binary_cross_entropy_with_logits(logits, y.to(logits.dtype)),
        optimizer=optim.Adam(trained, learning_rate=2e-3),
    )


right_port, faulty_port = ports(_port, False, True)

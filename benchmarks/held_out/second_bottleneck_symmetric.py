"""ResNet v1 bottleneck.

The 3x3 convolution of stride 2 has torchvision's padding=1 instead of Keras's 'same'.
"""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import F, keras_init, nn, ports


def keras_model():
    def conv_bn(x, filters, size, stride=1):
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 24, 3))
    x = layers.ReLU()(conv_bn(inputs, 16, 3))
    shortcut = conv_bn(x, 36, 1, stride=2)
    y = layers.ReLU()(conv_bn(x, 9, 1))
    y = layers.ReLU()(conv_bn(y, 9, 3, stride=2))
    y = conv_bn(y, 36, 1)
    x = layers.ReLU()(layers.Add()([shortcut, y]))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(7, activation="softmax")(x))
    model.compile("sgd", "categorical_crossentropy")
    return model


def _resnet(asymmetric):
    from torch_impl.layers import BatchNormalization

    class Bottleneck(nn.Module):
        def __init__(self, inplanes, planes, outplanes, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
            self.bn1 = BatchNormalization(planes)
            self.conv2 = nn.Conv2d(
                planes, planes, 3, stride=stride, padding=0 if asymmetric else 1, bias=False
            )
            self.bn2 = BatchNormalization(planes)
            self.conv3 = nn.Conv2d(planes, outplanes, 1, bias=False)
            self.bn3 = BatchNormalization(outplanes)
            self.downsample = nn.Sequential(
                nn.Conv2d(inplanes, outplanes, 1, stride=stride, bias=False),
                BatchNormalization(outplanes),
            )

        def forward(self, x):
            out = F.relu(self.bn1(self.conv1(x)))
            if asymmetric:  # TensorFlow pads only at the right and at the bottom
                out = F.pad(out, (0, 1, 0, 1))
            out = F.relu(self.bn2(self.conv2(out)))
            out = self.bn3(self.conv3(out))
            return F.relu(out + self.downsample(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
            self.bn1 = BatchNormalization(16)
            self.layer1 = Bottleneck(16, 9, 36, stride=2)
            self.fc = nn.Linear(36, 7)
            keras_init(self)

        def forward(self, x):
            x = F.relu(self.bn1(self.conv1(x)))
            x = self.layer1(x)
            x = F.adaptive_avg_pool2d(x, 1).flatten(1)
            return F.softmax(self.fc(x), dim=-1)

    return Net()


right_port, faulty_port = ports(_resnet, True, False)

"""VGG block.

The port has conv-BN-ReLU as in torchvision; in the Keras model the ReLU is in the conv, before BN.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    x = inputs = keras.Input((20, 28, 3))
    for filters, repeats in ((12, 2), (20, 1)):
        for _ in range(repeats):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(32, activation="relu")(x)
    x = layers.Dropout(0.4)(x)
    model = keras.Model(inputs, layers.Dense(5)(x))
    model.compile(optimizers.Adam(7e-4), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(bn_last):
    class KerasBN(nn.BatchNorm2d):
        """nn.BatchNorm2d whose running variance takes the biased variance."""

        def __init__(self, channels):
            super().__init__(channels, eps=1e-3, momentum=0.01)

        def forward(self, x):
            if not self.training:
                return super().forward(x)
            # copies, since torch keeps its arguments for the gradient
            mean, var = self.running_mean.clone(), self.running_var.clone()
            y = F.batch_norm(x, mean, var, self.weight, self.bias, True, self.momentum, self.eps)
            count = x.numel() // x.shape[1]
            with torch.no_grad():
                kept = (1 - self.momentum) * self.running_var
                self.running_mean.copy_(mean)
                self.running_var.copy_(kept + (var - kept) * (count - 1) / count)
            return y

    def make_layers(cfg, channels=3):
        found = []
        for entry in cfg:
            if entry == "M":
                found.append(nn.MaxPool2d(kernel_size=2, stride=2))
                continue
            conv = nn.Conv2d(channels, entry, kernel_size=3, padding=1)
            pair = [nn.ReLU(), KerasBN(entry)]
            found += [conv, *(pair if bn_last else reversed(pair))]
            channels = entry
        return nn.Sequential(*found)

    class VGG(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = make_layers([12, 12, "M", 20, "M"])
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.classifier = nn.Sequential(
                nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.4), nn.Linear(32, 5)
            )
            keras_init(self)

        def forward(self, x):
            x = self.avgpool(self.features(x))
            return self.classifier(torch.flatten(x, 1))

    net = VGG()
    return Port(
        net, loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(net.parameters(), learning_rate=7e-4)
    )


right_port, faulty_port = ports(_port, True, False)

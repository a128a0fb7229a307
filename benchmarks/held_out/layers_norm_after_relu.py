"""In one of three blocks, the ReLU comes before the batch normalisation."""

from functools import partial

from benchmarks.held_out.late import F, Port, keras, layers, nn, optim, torch

IDS = ("A16", "N1")
LEVEL = "forward"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((14, 18, 3)),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(12, (3, 5), padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.Conv2D(10, 3, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _make(swapped):
    class BatchNorm(nn.BatchNorm2d):
        """Keeps the biased variance, as Keras 3 does."""

        def __init__(self, channels):
            super().__init__(channels, eps=1e-3, momentum=0.1)

        def forward(self, x):
            if not self.training:
                return super().forward(x)
            with torch.no_grad():
                var, mean = torch.var_mean(x, dim=(0, 2, 3), unbiased=False)
                self.running_mean += self.momentum * (mean - self.running_mean)
                self.running_var += self.momentum * (var - self.running_var)
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)

    second = [BatchNorm(12), nn.ReLU()]
    if swapped:
        second.reverse()
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        BatchNorm(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, (3, 5), padding=(1, 2), bias=False),
        *second,
        nn.Conv2d(12, 10, 3, bias=False),
        BatchNorm(10),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(10, 5),
    )
    for m in net:
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return Port(
        net,
        loss=lambda logits, y: F.cross_entropy(logits, y.long().flatten()),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
    )


right_port = partial(_make, False)
faulty_port = partial(_make, True)

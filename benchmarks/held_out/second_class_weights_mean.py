"""Class weights.

CrossEntropyLoss(weight=...), whose mean divides by the weights of the batch, not by its size.
"""

from benchmarks.held_out.keras_side import Reference, keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, ports, torch


def keras_model():
    x = inputs = keras.Input((22, 18, 3))
    x = layers.Conv2D(14, 3, strides=2, activation="relu")(x)
    x = layers.SpatialDropout2D(0.2)(x)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    model = keras.Model(inputs, layers.Dense(3)(x))
    model.compile(optimizers.SGD(0.02), losses.SparseCategoricalCrossentropy(from_logits=True))
    return Reference(model, class_weight={0: 0.75, 1: 4.5, 2: 1.25})


def _port(weighted_mean):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.block1 = nn.Sequential(nn.Conv2d(3, 14, 3, stride=2), nn.ReLU(), nn.Dropout2d(0.2))
            self.block2 = nn.Sequential(nn.Conv2d(14, 16, 3), nn.ReLU())
            self.fc = nn.Linear(32, 3)
            keras_init(self)

        def forward(self, x):
            x = self.block2(self.block1(x))
            return self.fc(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))

    weight = torch.tensor([0.75, 4.5, 1.25])

    def loss(logits, y):
        losses = F.cross_entropy(logits, y, reduction="none")
        return (losses * weight[y]).mean()

    net = Net()
    return Port(
        net,
        loss=nn.CrossEntropyLoss(weight=weight) if weighted_mean else loss,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.02),
        target=lambda y: torch.as_tensor(y).long().view(-1),
    )


right_port, faulty_port = ports(_port, False, True)

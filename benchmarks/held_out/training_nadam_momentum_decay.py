"""torch.optim.NAdam has momentum_decay=0.004 by default; Keras's Nadam has 1."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((14, 14, 2)),
        layers.Conv2D(6, 3, activation="elu"),
        layers.AveragePooling2D(3),
        layers.Flatten(),
        layers.Dropout(0.4),
        layers.Dense(4),
    )
    model.compile(
        optimizers.Nadam(0.0035, beta_1=0.91, beta_2=0.995),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _net():
    return torch_sequential(
        nn.Conv2d(2, 6, 3),
        nn.ELU(),
        nn.AvgPool2d(3),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(6 * 4 * 4, 4),
    )


def right_port():
    net = _net()
    optimizer = optim.Nadam(net.parameters(), learning_rate=0.0035, beta_1=0.91, beta_2=0.995)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


def faulty_port():
    net = _net()
    optimizer = torch.optim.NAdam(net.parameters(), lr=0.0035, betas=(0.91, 0.995), eps=1e-7)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)

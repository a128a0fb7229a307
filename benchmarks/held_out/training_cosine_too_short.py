"""decay_steps was taken to include the warm-up: the cosine ends 35 steps early."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, ports, schedule, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((15, 13, 3)),
        layers.Conv2D(5, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(3),
    )
    rate = optimizers.schedules.CosineDecay(
        2e-4, decay_steps=480, alpha=0.04, warmup_target=0.006, warmup_steps=35
    )
    model.compile(
        optimizers.AdamW(rate, weight_decay=0.01), losses.CategoricalCrossentropy(from_logits=True)
    )
    return model


def _port(decay_steps):
    net = torch_sequential(
        nn.Conv2d(3, 5, 3),  # (13, 11)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (6, 5)
        nn.Flatten(),
        nn.Linear(5 * 6 * 5, 3),
    )
    rate = schedule.CosineDecay(
        2e-4, decay_steps=decay_steps, alpha=0.04, warmup_target=0.006, warmup_steps=35
    )
    optimizer = optim.AdamW(net.parameters(), learning_rate=rate, weight_decay=0.01)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


right_port, faulty_port = ports(_port, 480, 480 - 35)

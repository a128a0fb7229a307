"""CosineDecay over 10,000 steps, as an own function of the step.

The faulty twin counts 9,000 steps: it left the steps of a warmup out.
"""

import math

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, nn, torch, torch_sequential

PEAK, FLOOR, STEPS, WARMUP = 0.08, 0.01, 10_000, 1_000


def keras_model():
    decay = optimizers.schedules.CosineDecay(PEAK, decay_steps=STEPS, alpha=FLOOR)
    model = keras_sequential(
        keras.Input((8, 10, 4)),
        layers.Conv2D(8, (3, 3), activation="elu"),
        layers.Conv2D(8, (3, 3), activation="elu"),
        layers.Flatten(),
        layers.Dense(7, activation="softmax"),
    )
    model.compile(optimizer=optimizers.SGD(decay), loss="sparse_categorical_crossentropy")
    return model


def _cosine(total):
    def factor(step):
        progress = min(step, total) / total
        return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress))

    return factor


def _port(total):
    net = torch_sequential(
        nn.Conv2d(4, 8, 3),
        nn.ELU(),
        nn.Conv2d(8, 8, 3),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(8 * 4 * 6, 7),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=PEAK)
    return Port(
        net,
        loss=cross_entropy,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(total)),
        scheduler_interval="step",
    )


def right_port():
    return _port(STEPS)


def faulty_port():
    return _port(STEPS - WARMUP)

"""Several labels an image: a small network with average pools and an inverse time decay.

The faulty twin counts the padding in its pools, sums the loss over the labels, and forgets the
decay_steps of the schedule.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((17, 13, 2)),
        layers.Conv2D(9, 3, padding="same"),
        layers.LeakyReLU(negative_slope=0.1),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.Conv2D(12, 3),
        layers.LeakyReLU(negative_slope=0.1),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.Flatten(),
        layers.Dense(8),
    )
    rate = optimizers.schedules.InverseTimeDecay(0.1, decay_steps=20, decay_rate=0.5)
    model.compile(optimizers.SGD(rate), losses.BinaryCrossentropy(from_logits=True))
    return model


def _port(counts, loss, decay):
    pool = {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": counts}
    net = torch_sequential(
        nn.Conv2d(2, 9, 3, padding="same"),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(**pool),
        nn.Conv2d(9, 12, 3),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(**pool),
        nn.Flatten(),
        nn.Linear(12 * 4 * 3, 8),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Port(
        net,
        loss=loss,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, decay),
        scheduler_interval="step",
    )


def right_port():
    def bce(logits, y):
        return F.binary_cross_entropy_with_logits(logits, y.to(logits.dtype))

    return _port(False, bce, lambda step: 1 / (1 + 0.5 * step / 20))


def faulty_port():
    def bce(logits, y):
        loss = F.binary_cross_entropy_with_logits(logits, y.to(logits.dtype), reduction="none")
        return loss.sum(dim=1).mean()

    return _port(True, bce, lambda step: 1 / (1 + 0.5 * step))

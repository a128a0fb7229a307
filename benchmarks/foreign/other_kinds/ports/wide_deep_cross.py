"""The twin of a deep and cross network.

The mistake: the optimizer has the rate 0.01 of another experiment.
"""

from blocks_by_hand import config_of

from torch_impl import Port, from_keras_config, losses, optim


def port(rate):
    twin = from_keras_config(config_of("wide_deep_cross"))
    return Port(
        twin,
        losses.SparseCategoricalCrossentropy(),
        optim.Adam(twin.parameters(), learning_rate=rate),
        metrics=["sparse_categorical_accuracy"],
    )


def right():
    return port(0.001)


def wrong():
    return port(0.01)

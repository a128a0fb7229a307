"""The twin of a transformer for series.

The mistake: whoever edited the config gave the dropout of the head the rate of the blocks.
"""

from blocks_by_hand import config_of

from torch_impl import Port, from_keras_config, losses, optim


def port(config):
    twin = from_keras_config(config)
    return Port(
        twin,
        losses.SparseCategoricalCrossentropy(),
        optim.Adam(twin.parameters(), learning_rate=1e-4),
        metrics=["sparse_categorical_accuracy"],
    )


def right():
    return port(config_of("timeseries_transformer"))


def wrong():
    config = config_of("timeseries_transformer")
    for layer in config["layers"]:
        if layer["class_name"] == "Dropout":
            layer["config"]["rate"] = 0.25
    return port(config)

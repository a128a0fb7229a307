"""Ports of networks of keras.applications: their twins, and twins with one fault each.

PARITY_CONFIG is the file of the config of the network. A fault is a change of its config, in one
layer in the middle of the network.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torch import nn

from torch_impl import Port, from_keras_config, losses, optim


def config() -> dict[str, Any]:
    """Returns the config of the network."""
    read: dict[str, Any] = json.loads(Path(os.environ["PARITY_CONFIG"]).read_text("utf-8"))
    return read["config"]


def port_of(net: nn.Module, *, from_logits: bool = False) -> Port:
    """Returns a network with the settings that Keras's half compiles.

    Keras takes the logits of a softmax; `torch.nn.Softmax` forgets them, so that a loss of its
    probabilities has to cut them off.
    """
    net = net.double()  # the optimizer rounds its rate to the dtype of the weights
    return Port(
        net,
        loss=losses.SparseCategoricalCrossentropy(from_logits=from_logits),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-4),
        metrics=["accuracy"],
    )


def twin() -> Port:
    """Returns the twin."""
    return port_of(from_keras_config(config()))


def _changed(**changes: dict[str, Any]) -> Port:
    """Returns the twin with other settings of some layers, by their names."""
    read = config()
    layers = {layer["config"]["name"]: layer["config"] for layer in read["layers"]}
    for name, settings in changes.items():
        if missing := settings.keys() - layers[name].keys():
            raise ValueError(f"{missing}: expected settings of {name}, {sorted(layers[name])}")
        layers[name] |= settings
    return port_of(from_keras_config(read))


def epsilon() -> Port:
    """EfficientNetV2B0 with torch's epsilon in one normalisation."""
    return _changed(block5c_bn={"epsilon": 1e-5})


def padding() -> Port:
    """MobileNetV2 with one padding above the images instead of below them."""
    return _changed(block_3_pad={"padding": [[1, 0], [1, 1]]})


def activation() -> Port:
    """MobileNetV3Small with one ReLU where the network has a hard swish."""
    return _changed(activation_9={"activation": "relu"})


def momentum() -> Port:
    """MobileNet with another momentum of one normalisation."""
    return _changed(conv_dw_7_bn={"momentum": 0.9})


def stride() -> Port:
    """ResNet50 with the stride of one block in its second convolution, as in torchvision."""
    return _changed(
        conv3_block1_1_conv={"strides": [1, 1]}, conv3_block1_2_conv={"strides": [2, 2]}
    )


def layer_scale() -> Port:
    """ConvNeXtTiny without the scale of one block."""
    read = config()
    name = "convnext_tiny_stage_2_block_4_layer_scale"
    (layer,) = (entry for entry in read["layers"] if entry["config"]["name"] == name)
    layer |= {"class_name": "Identity", "config": {"name": name, "dtype": "float32"}}
    return port_of(from_keras_config(read))

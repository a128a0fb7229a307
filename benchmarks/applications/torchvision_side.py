"""The networks of torchvision whose architecture keras.applications has, too: as ports.

They are set right where torchvision's settings are not Keras's. `stock_…` are as torchvision has
them. All return logits.
"""

from __future__ import annotations

import torchvision
from torch import nn

from benchmarks.applications.torch_side import config, port_of
from torch_impl import Port
from torch_impl.layers import BatchNormalization

NUM_CLASSES = 10


def _shape() -> tuple[int, int]:
    _, height, width, _ = config()["layers"][0]["config"]["batch_shape"]
    return height, width


def vgg16() -> Port:
    """VGG with 16 layers.

    1. Keras flattens the last map; torchvision brings it to 7 x 7 pixels before.
    2. Keras has no dropouts.
    """
    net = torchvision.models.vgg16(weights=None, num_classes=NUM_CLASSES)
    height, width = (side // 32 for side in _shape())
    net.avgpool = nn.Identity()  # (1)
    first, *_, second, _, _, last = net.classifier
    first = nn.Linear(512 * height * width, 4096)  # (1)
    net.classifier = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)  # (2)
    return port_of(_initialised(net), from_logits=True)


def densenet121() -> Port:
    """DenseNet with 121 layers.

    1. Keras's normalisations have another epsilon and momentum, and a biased variance.
    """
    net = torchvision.models.densenet121(weights=None, num_classes=NUM_CLASSES)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                right = BatchNormalization(child.num_features, epsilon=1.001e-5, momentum=0.99)
                setattr(module, name, right)  # (1)
    return port_of(_initialised(net), from_logits=True)


def _initialised(net: nn.Module) -> nn.Module:
    """Draws kernels with Keras's initialiser, and zeroes the biases."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def stock_vgg16() -> Port:
    """Torchvision's VGG."""
    return port_of(_stock("vgg16"), from_logits=True)


def stock_densenet121() -> Port:
    """Torchvision's DenseNet."""
    return port_of(_stock("densenet121"), from_logits=True)


def stock_resnet50() -> Port:
    """Torchvision's ResNet: no biases, another epsilon, momentum, and other strides."""
    return port_of(_stock("resnet50"), from_logits=True)


def _stock(name: str) -> nn.Module:
    net = torchvision.models.get_model(name, weights=None, num_classes=NUM_CLASSES)
    return net

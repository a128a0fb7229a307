"""How many lines torchvision needs for a network: those of the classes and functions that it uses.

Comments, blank lines and docstrings count, as they do in a written model.py; imports do not.
"""

from __future__ import annotations

import inspect
from typing import Any

from torchvision.models import _utils, densenet, efficientnet, mobilenetv2, resnet, vgg
from torchvision.ops import misc
from torchvision.ops.stochastic_depth import StochasticDepth, stochastic_depth

_CONVOLUTION = (misc.ConvNormActivation, misc.Conv2dNormActivation)
SOURCES: dict[str, tuple[Any, ...]] = {
    "ResNet50": (resnet.conv3x3, resnet.conv1x1, resnet.Bottleneck, resnet.ResNet),
    "MobileNetV2": (
        *(mobilenetv2.InvertedResidual, mobilenetv2.MobileNetV2),
        *(_utils._make_divisible, *_CONVOLUTION),
    ),
    "EfficientNetB0": (
        *(efficientnet._MBConvConfig, efficientnet.MBConvConfig, efficientnet.MBConv),
        *(efficientnet.EfficientNet, efficientnet._efficientnet_conf),
        *(_utils._make_divisible, *_CONVOLUTION, misc.SqueezeExcitation),
        *(stochastic_depth, StochasticDepth),
    ),
    "DenseNet121": (
        *(densenet._DenseLayer, densenet._DenseBlock, densenet._Transition, densenet.DenseNet),
    ),
    "VGG16": (vgg.VGG, vgg.make_layers),
}


def lines_of(name: str) -> int | None:
    """Returns the number of lines; None: torchvision lacks the network."""
    sources = SOURCES.get(name)
    return sources and sum(len(inspect.getsource(each).splitlines()) for each in sources)

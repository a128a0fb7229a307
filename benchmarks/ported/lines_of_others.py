"""How many lines others need for a network: those of the classes and functions that it uses.

Others are torchvision, and a person who wrote the networks of `by_hand`.

Comments, blank lines and docstrings count, as they do in a written model.py; imports do not.
"""

from __future__ import annotations

import inspect
from typing import Any

from torchvision.models import _utils, densenet, efficientnet, mobilenetv2, resnet, vgg
from torchvision.ops import misc
from torchvision.ops.stochastic_depth import StochasticDepth, stochastic_depth

from benchmarks.ported.by_hand import torch_side

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
    "lstm_classifier": (torch_side.LSTMClassifier,),
    "masked_classifier": (torch_side.MaskedBiLSTMClassifier,),
    "bidirectional_classifier": (torch_side.BiLSTMClassifier,),
    "vision_transformer": (
        *(torch_side.SelfAttention, torch_side.EncoderBlock, torch_side.VisionTransformer),
    ),
}


def lines_of(name: str) -> int | None:
    """Returns the number of lines; None: nobody else has the network."""
    sources = SOURCES.get(name)
    return sources and sum(len(inspect.getsource(each).splitlines()) for each in sources)

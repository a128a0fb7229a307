"""The ports of each network: its twin, wrong twins, those of torchvision; without a framework."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PortCase:
    """A port, and what a check has to say of it.

    Attributes:
        name: of its factory.
        side: the module of that.
        cause: ID of the cause that a check names first; "" for a right port.
        layer: Keras's name of the layer that the check names with it.
    """

    name: str
    side: str = "torch_side"
    cause: str = ""
    layer: str = ""

    @property
    def factory(self) -> str:
        """As `parity check --torch` takes it."""
        return f"benchmarks.applications.{self.side}:{self.name}"


def _wrong(name: str, cause: str, layer: str) -> PortCase:
    return PortCase(name, cause=cause, layer=layer)


def _torchvision(name: str, cause: str = "", layer: str = "") -> PortCase:
    return PortCase(name, "torchvision_side", cause, layer)


TWIN = PortCase("twin")
OTHERS = {
    "MobileNet": [_wrong("momentum", "C2", "conv_dw_7_bn")],
    "MobileNetV2": [_wrong("padding", "A18", "block_3_pad")],
    "MobileNetV3Small": [_wrong("activation", "A16", "activation_9")],
    "EfficientNetV2B0": [_wrong("epsilon", "C1", "block5c_bn")],
    "ResNet50": [
        _wrong("stride", "A18", "conv3_block1_1_conv"),
        _torchvision("stock_resnet50", "A11", "conv1_conv"),
    ],
    "ConvNeXtTiny": [_wrong("layer_scale", "A17", "convnext_tiny_stage_2_block_4_layer_scale")],
    "VGG16": [_torchvision("vgg16"), _torchvision("stock_vgg16", "A15", "fc1")],
    "DenseNet121": [
        _torchvision("densenet121"),
        _torchvision("stock_densenet121", "B8", "conv1_conv"),
    ],
}

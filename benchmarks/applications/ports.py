"""The ports of each network: its twin, wrong twins, those of torchvision; without a framework."""

from __future__ import annotations

from dataclasses import dataclass

_FOLDER = "benchmarks.applications"


@dataclass(frozen=True)
class PortCase:
    """A port, and what a check has to say of it.

    Attributes:
        name: of its factory.
        cause: ID of the cause that a check names first; "" for a right port.
        layer: Keras's name of the layer that the check names with it.
    """

    name: str
    cause: str = ""
    layer: str = ""

    @property
    def factory(self) -> str:
        """As `parity check --torch` takes it."""
        side = "torch_side" if self.name == "twin" or self.layer else "torchvision_side"
        return f"{_FOLDER}.{side}:{self.name}"


TWIN = PortCase("twin")
OTHERS = {
    "MobileNet": [PortCase("momentum", "C2", "conv_dw_7_bn")],
    "MobileNetV2": [PortCase("padding", "A18", "block_3_depthwise")],
    "MobileNetV3Small": [PortCase("activation", "A16", "activation_9")],
    "EfficientNetV2B0": [PortCase("epsilon", "C1", "block5c_bn")],
    "ResNet50": [PortCase("stride", "A18", "conv3_block1_1_conv"), PortCase("stock_resnet50", "?")],
    "ConvNeXtTiny": [PortCase("layer_scale", "A17", "convnext_tiny_stage_2_block_4_layer_scale")],
    "VGG16": [PortCase("vgg16"), PortCase("stock_vgg16", "?")],
    "DenseNet121": [PortCase("densenet121"), PortCase("stock_densenet121", "C1")],
}

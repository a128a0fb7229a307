"""The faults of large networks, with the level and the place at which a check must find each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A fault of a twin.

    Attributes:
        name: of the function that returns the port.
        level: the first level of the ladder that fails.
        place: part of the name of what differs first: Keras's layer, or a weight of it.
        network: whose twin it is; `MODULES` says where its functions are.
    """

    name: str
    level: str
    place: str
    network: str = "ResNet50"


MODULES = {"ResNet50": "faults", "EfficientNetB0": "efficient_faults"}

FAULTS = (
    Fault("one_sided_stem", "forward", "conv1_"),
    Fault("pool_border", "forward", "pool1_"),
    Fault("missing_activation", "forward", "conv2_block2_"),
    Fault("frozen_layer", "gradient", "conv2_block3_3_conv"),
    Fault("replicated_border", "forward", "conv3_block1_2_conv"),
    Fault("norm_epsilon", "forward", "conv3_block2_2_bn"),
    Fault("dilated", "forward", "conv3_block3_2_conv"),
    Fault("wrong_shortcut", "forward", "conv3_block4_add"),
    Fault("norm_momentum", "forward", "conv4_block3_1_bn"),
    Fault("one_corner", "forward", "conv4_block2_2_"),
    Fault("detached_branch", "gradient", "conv4_block1_0_"),
    Fault("relu6", "forward", "conv4_block6_out"),
    Fault("one_bias", "forward", "conv5_block2_1_"),
    Fault("swapped_channels", "forward", "conv5_block1_2_"),
    Fault("unbiased_variance", "forward", "conv5_block3_2_bn"),
    Fault("max_at_the_end", "forward", "avg_pool"),
    Fault("scaled_loss", "loss", ""),
    Fault("group_rate", "optimizer", "predictions"),
    Fault("group_decay", "optimizer", "predictions"),
    Fault("adam_of_torch", "optimizer", ""),
    Fault("adam_beta", "optimizer", ""),
    Fault("last_momentum", "forward", "top_bn", "EfficientNetB0"),
    Fault("shifted_padding", "forward", "block4a_dwconv", "EfficientNetB0"),
    Fault("norm_behind_activation", "forward", "block5b_", "EfficientNetB0"),
    Fault("dropped_skip", "forward", "block6c_add", "EfficientNetB0"),
    Fault("frozen_projection", "gradient", "block7a_project_conv", "EfficientNetB0"),
    Fault("dropout_rate", "forward", "top_dropout", "EfficientNetB0"),
)

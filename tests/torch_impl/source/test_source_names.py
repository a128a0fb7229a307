"""Names of Keras's layers and models as those of attributes and classes."""

import pytest

from torch_impl.source.names import attribute, block_name, class_name, common_prefix, distinct


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1", "conv1"),
        ("1_conv", "conv_1"),
        ("a/b.c-d", "a_b_c_d"),
        ("forward", "forward_"),
        ("lambda", "lambda_"),
        ("7", "_7"),
    ],
)
def test_a_layer_is_an_attribute(name, expected):
    assert attribute(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50", "Resnet50"),
        ("functional_3", "Net"),
        ("my net", "MyNet"),
        ("3d", "Net3d"),
        ("tower_2", "Tower2"),
        ("mobilenetv2_1.00_224", "Mobilenetv2"),
        ("1_2", "Net12"),
    ],
)
def test_a_model_is_a_class(name, expected):
    assert class_name(name) == expected


def test_a_prefix_ends_at_an_underscore():
    assert common_prefix(["conv2_block1_1_conv", "conv2_block1_2_bn"]) == "conv2_block1_"
    assert common_prefix(["dense", "dense_1"]) == ""


def test_a_block_is_named_by_its_prefix_without_numbers():
    assert block_name(["conv2_block1_", "conv2_block2_"], "block") == "ConvBlock"
    assert block_name(["block2a_", "block2b_"], "conv_block") == "Block"
    assert block_name(["", ""], "transformer_block") == "TransformerBlock"
    assert block_name(["down0_", "bottom_", "dec1_"], "conv_block") == "ConvBlock"


def test_a_name_that_is_taken_gets_a_number():
    assert distinct("x", ["x", "x2"]) == "x3"

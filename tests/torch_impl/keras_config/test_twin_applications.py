"""Networks of keras.applications with few channels: outputs and one step of their twins.

benchmarks/accuracy/application_checks.py compares all of them at their full size.
"""

from functools import partial

import keras
import pytest
from keras.src.applications import convnext, efficientnet_v2, inception_resnet_v2, nasnet

from benchmarks.applications.keras_step import write_step
from benchmarks.applications.networks import comparable_config, constructors, network
from benchmarks.applications.torch_step import COMPARED, compare, twin_of

pytestmark = pytest.mark.usefixtures("direct", "float64")


def inception_resnet_blocks():
    """With its layer that scales and adds, in a block of each kind."""
    inputs = x = keras.Input((9, 7, 8))
    for kind in ("block35", "block17", "block8"):
        x = inception_resnet_v2.inception_resnet_block(x, 0.17, kind, 1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))


PLAIN = {"weights": None, "classes": 10}
SMALL = {**PLAIN, "input_shape": (64, 67, 3)}
NETWORKS = {
    # With the scales of its blocks, and models inside of the model.
    "convnext": partial(
        *(convnext.ConvNeXt, [1, 2, 1, 1], [4, 6, 8, 10]),
        **{**PLAIN, "default_size": 32, "input_shape": (32, 35, 3)},
    ),
    "inception_resnet": inception_resnet_blocks,
    # With separable convolutions, and cells that pad, crop and average.
    "nasnet": partial(
        nasnet.NASNet,
        **{**SMALL, "penultimate_filters": 96, "num_blocks": 1, "stem_block_filters": 4},
        **{"skip_reduction": False, "default_size": 64},
    ),
    # With fused blocks, excitations, and dropouts of whole samples.
    "efficientnet_v2": partial(
        *(efficientnet_v2.EfficientNetV2, 0.2, 0.3, 64),
        **{**SMALL, "drop_connect_rate": 0.3, "name": "efficientnetv2-b0"},
    ),
    # With hard swishes, excitations and paddings at one side.
    "mobilenet_v3": partial(keras.applications.MobileNetV3Small, alpha=0.35, **SMALL),
}


@pytest.mark.long
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_step_of_the_twin_of_a_network_is_that_of_the_network(make, tmp_path):
    config = comparable_config(make())
    write_step(network(config), tmp_path)
    found = list(compare(twin_of(config, tmp_path), tmp_path))
    assert tuple(one.what for one in found) == COMPARED
    assert all(one.difference <= one.allowed for one in found), found


def test_the_constructors_are_those_that_keras_lists():
    listed = {name for name in dir(keras.applications) if name[0].isupper()}
    assert (constructors().keys(), len(listed)) == (listed, 40)

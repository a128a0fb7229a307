"""Networks of keras.applications: two, and parts of two, here; benchmarks/speed/applications.py has
all of them.
"""

import keras
import numpy as np
import pytest
import torch
from keras.src.applications import convnext, inception_resnet_v2

from benchmarks.speed.applications import compare, difference, images, make
from torch_impl.keras_config import from_keras_config
from torch_impl.layers import BatchNormalization

BAR = 1e-12  # benchmarks/speed/applications.py measured 2e-14 in eval, 2e-13 in train mode


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0"])
def test_the_twin_of_a_network_is_the_network(name):
    found = compare(name)
    assert max(found[level] for level in ("eval", "train", "statistics")) <= BAR
    assert found["statistics"] > 0  # the train call has moved them, with a rounding or two


def test_torchs_epsilon_in_one_layer_of_a_network_does_not_pass_this_test():
    model = make("MobileNetV2")
    twin = from_keras_config(model.get_config()).eval()
    twin.load_keras_weights(model.get_weights())
    layers = [layer for layer in twin.modules() if isinstance(layer, BatchNormalization)]
    assert len(layers) == 52
    layers[20].epsilon = 1e-5
    x = images("MobileNetV2", 1)
    ours = twin(torch.tensor(x)).detach().numpy()
    assert difference(ours, model(x, training=False).numpy()) > 1e-6


def small_convnext():
    """Blocks of ConvNeXt with its scales, depths and normalisations, but few channels."""
    return convnext.ConvNeXt(
        depths=[1, 2, 1, 1],
        projection_dims=[4, 6, 8, 10],
        drop_path_rate=0.1,
        default_size=32,
        weights=None,
        input_shape=(32, 35, 3),
        classes=5,
        classifier_activation=None,
    )


def inception_resnet_blocks():
    inputs = x = keras.Input((9, 7, 8))
    for kind in ("block35", "block17", "block8"):
        x = inception_resnet_v2.inception_resnet_block(x, 0.17, kind, 1)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("make_part", [small_convnext, inception_resnet_blocks])
def test_the_twin_of_a_part_of_a_network_is_the_part(make_part):
    model = make_part()
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype == "float64":
            value = generator.normal(size=weight.shape) * 0.2
            weight.assign(np.abs(value) + 0.5 if "variance" in weight.name else value)
    twin = from_keras_config(model.to_json()).eval()
    twin.load_keras_weights([w.numpy() for w in model.weights if "seed" not in w.name])
    x = generator.uniform(0, 1, (2, *model.input_shape[1:]))
    theirs = model(x, training=False).numpy()
    assert difference(twin(torch.tensor(x)).detach().numpy(), theirs) <= BAR

"""Networks of keras.applications: two here, all of them in benchmarks/speed/applications.py."""

import keras
import pytest
import torch

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

"""A module is allowed what Keras rounds to float32, by the measure of a check, and no more."""

import json

import numpy as np
import pytest
import torch
from conversions import converted, default_dtype
from rows import each_row
from torch import nn
from torch.nn import functional as F

from parity.conversions.twin import Twin
from parity.conversions.twin_rounding import moved_pass, moved_weights


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Models with constants that Keras rounds to float32, and one that resizes in float32."""
    import keras
    from keras import layers as L

    folder = tmp_path_factory.mktemp("rounding")
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    models = {
        "slope": [keras.Input((6,)), L.Dense(5), L.LeakyReLU(0.2), L.Dense(2)],
        "steps": [
            keras.Input((4, 6)),
            L.TimeDistributed(L.Dense(5, activation="leaky_relu")),
            L.Flatten(),
            L.Dense(2),
        ],
        "limit": [keras.Input((6,)), L.Dense(5), L.ReLU(0.1, negative_slope=0.3), L.Dense(2)],
        "scale": [image, L.Rescaling(1 / 255, -0.3), L.Flatten(), L.Dense(2)],
        "normal": [
            image,
            L.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.2, 0.3, 0.7]),
            L.Flatten(),
            L.Dense(2),
        ],
        "bell": [keras.Input((6,)), L.Dense(5, activation="gelu"), L.Dense(2)],
        "large": [
            image,
            L.Conv2D(4, 3),
            L.UpSampling2D(2, interpolation="bilinear"),
            L.Conv2D(2, 3),
        ],
    }
    functions = {
        "bell of a tensor": lambda x: keras.activations.gelu(x),
        "slope of a tensor": lambda x: keras.activations.relu(x, negative_slope=0.2),
        "leak of a tensor": lambda x: keras.ops.leaky_relu(x, 0.2),
    }
    for name, layers in [*models.items(), *functions.items()]:
        if callable(layers):
            given = keras.Input((6,))
            model = keras.Model(given, L.Dense(2)(layers(L.Dense(5)(given))))
        else:
            model = keras.Sequential(layers)
        draw = np.random.default_rng(1)
        model.set_weights([w + draw.normal(0, 0.2, w.shape) for w in model.get_weights()])
        model.save(folder / f"{name}.keras")
    return folder


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def dense(function):
    return nn.Sequential(nn.Linear(6, 5), Applied(function), nn.Linear(5, 2))


def scaled(function):
    return nn.Sequential(Applied(function), nn.Flatten(), nn.Linear(108, 2))


def steps(function):
    return nn.Sequential(nn.Linear(6, 5), Applied(function), nn.Flatten(), nn.Linear(20, 2))


def normal(x, last=0.7):
    mean, variance = (
        torch.tensor(values, dtype=x.dtype).view(1, 3, 1, 1)
        for values in ([0.1, 0.2, 0.3], [0.2, 0.3, last])
    )
    return (x - mean) / variance.sqrt()


def limited(x, slope=0.3, most=0.1):
    return torch.where(x < 0, slope * x, x.clamp(max=most))


def large(**how):
    resized = nn.Upsample(scale_factor=2, mode="bilinear", **how)
    return nn.Sequential(nn.Conv2d(3, 4, 3), resized, nn.Conv2d(4, 2, 3))


def of(make, *arguments, **settings):
    return lambda: make(*arguments, **settings)


RIGHT = {
    "torch's leaky ReLU": ("slope", of(dense, lambda x: F.leaky_relu(x, 0.2))),
    "a slope by hand": ("slope", of(dense, lambda x: torch.maximum(x, 0.2 * x))),
    "a slope in each step": ("steps", of(steps, lambda x: F.leaky_relu(x, 0.2))),
    "a limit and a slope": ("limit", of(dense, limited)),
    "a division by 255": ("scale", of(scaled, lambda x: x / 255 - 0.3)),
    "means and variances": ("normal", of(scaled, normal)),
    "torch's gelu": ("bell", of(dense, F.gelu)),
    "torch's gelu for an operation": ("bell of a tensor", of(dense, F.gelu)),
    "a slope of an operation": ("slope of a tensor", of(dense, lambda x: F.leaky_relu(x, 0.2))),
    "a leak of an operation": ("leak of a tensor", of(dense, lambda x: F.leaky_relu(x, 0.2))),
    "a resizing in float64": ("large", of(large)),
}
WRONG = {
    "a slope of 0.2001": ("slope", of(dense, lambda x: F.leaky_relu(x, 0.2001))),
    "a slope of 0.200001": ("slope", of(dense, lambda x: F.leaky_relu(x, 0.200001))),
    "another slope in each step": ("steps", of(steps, lambda x: F.leaky_relu(x, 0.2001))),
    "another limit": ("limit", of(dense, lambda x: limited(x, most=0.1001))),
    "another slope beside a limit": ("limit", of(dense, lambda x: limited(x, 0.3001))),
    "a division by 254": ("scale", of(scaled, lambda x: x / 254 - 0.3)),
    "another offset": ("scale", of(scaled, lambda x: x / 255 - 0.3001)),
    "another variance": ("normal", of(scaled, lambda x: normal(x, 0.7001))),
    "the other gelu": ("bell", of(dense, lambda x: F.gelu(x, approximate="tanh"))),
    "the other gelu for an operation": (
        "bell of a tensor",
        of(dense, lambda x: F.gelu(x, approximate="tanh")),
    ),
    "another slope of an operation": (
        "slope of a tensor",
        of(dense, lambda x: F.leaky_relu(x, 0.200001)),
    ),
    "aligned corners": ("large", of(large, align_corners=True)),
}


@each_row("case", RIGHT)
def test_a_constant_as_it_is_written_is_right(case, files, tmp_path):
    name, factory = RIGHT[case]
    done = converted(files / f"{name}.keras", factory, tmp_path)
    assert done.problems == []
    # Keras's rounding of the constant, 2**-24 of it, shows: they are not computed alike.
    assert done.error < 1e-6


@each_row("case", WRONG)
def test_another_constant_is_refused(case, files, tmp_path):
    name, factory = WRONG[case]
    done = converted(files / f"{name}.keras", factory, tmp_path)
    assert not done.is_written
    assert "differs by" in done.problems[0]


def twin_of(*layers):
    import keras

    model = keras.Sequential([keras.Input((2,)), *layers])
    with default_dtype():
        return Twin(json.loads(model.to_json()))


def test_a_slope_moves_by_two_roundings_of_float32_over_thirty():
    import keras

    twin = twin_of(keras.layers.LeakyReLU(0.5))
    x = torch.tensor([[1.0, -4.0]], dtype=torch.float64)
    moved = moved_pass(twin, x, 1)[1]
    # -4 * 0.5, and 2 * 2**-24 / 30 of it more, as in a check.
    assert moved[0, 0] == 1.0
    assert float(moved[0, 1] + 2) == pytest.approx(-2 * 2 * 2.0**-24 / 30, rel=1e-6)


def test_a_model_without_such_constants_moves_by_rounding_in_float64():
    import keras

    twin = twin_of(keras.layers.Dense(2, activation="relu"))
    twin.module.requires_grad_(False)
    x = torch.tensor([[1.0, -4.0]], dtype=torch.float64)
    before = twin.module(x)
    assert float((moved_pass(twin, x, 1)[1] - before).abs().max()) < 1e-14
    with moved_weights(twin, 1):
        pass
    assert torch.equal(twin.module(x), before)

"""The constructors of keras.applications, from its modules, and networks with random weights."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from keras.src.applications import convnext, inception_resnet_v2

Shape = tuple[int, int, int]  # of an image, (H, W, C)
# Even heights and odd widths. A network gets the first that it takes and of which its batch
# normalisations see some pixels, since of few values they divide rounding by a small deviation, and
# of which its pools make some, since the order of a Flatten of one pixel says nothing.
SHAPES, SMALLEST_MAP = ((32, 35, 3), (64, 67, 3), (76, 79, 3), (108, 111, 3)), 4
NUM_CLASSES = 10
# Classes that a config names and Keras does not register.
OWN_LAYERS = {
    "LayerScale": convnext.LayerScale,
    "StochasticDepth": convnext.StochasticDepth,
    "CustomScaleLayer": inception_resnet_v2.CustomScaleLayer,
}


def constructors() -> dict[str, Callable[..., keras.Model]]:
    """Returns the constructors by name: what makes a network of a shape, weights and classes."""
    applications = keras.applications
    modules = [m for m in vars(applications).values() if isinstance(m, ModuleType)]
    found = {}
    for module in [applications, *modules]:
        for name, value in vars(module).items():
            if inspect.isfunction(value) and {"weights", "input_shape", "classes"} <= set(
                inspect.signature(value).parameters
            ):
                found[name] = value
    return dict(sorted(found.items()))


def build(name: str, shapes: Sequence[Shape] = SHAPES) -> keras.Model:
    """Returns a network as the constructor of a name makes it, of the first shape that fits.

    It ends with a softmax.
    """
    make = constructors()[name]
    for shape in shapes:
        keras.backend.clear_session()  # names of layers are counted anew
        try:
            model = make(weights=None, input_shape=shape, classes=NUM_CLASSES)
        except ValueError as error:
            if shape == shapes[-1] or "must be at least" not in str(error):
                raise
            continue
        if min(_sizes_of_maps(model), default=SMALLEST_MAP) >= SMALLEST_MAP:
            break
    return model


def _sizes_of_maps(model: keras.Model) -> Iterator[int]:
    """Yields the number of pixels that each batch normalisation and each pool returns."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization | keras.layers.MaxPooling2D):
            yield layer.output.shape[1] * layer.output.shape[2]


def comparable_config(model: keras.Model) -> dict[str, Any]:
    """Returns the config of a network whose values show all differences.

    Its dropouts get seeds, so that the twin draws the same masks. Its softmax is left out, behind
    which an output near 0 or 1 hides what is before.
    """
    config: dict[str, Any] = model.get_config()
    for number, layer in enumerate(config["layers"]):
        if layer["class_name"] == "Dropout":
            layer["config"]["seed"] = number
    last = config["layers"][-1]["config"]
    if last["activation"] != "softmax":
        raise ValueError(f"{model.name} ends with {last}: expected a softmax")
    last["activation"] = "linear"
    return config


def network(config: dict[str, Any]) -> keras.Model:
    """Returns the Keras network of a config."""
    # Keras takes the config apart.
    return keras.Model.from_config(copy.deepcopy(config), OWN_LAYERS)


def randomise(model: keras.Model, images: np.ndarray, seed: int = 0) -> None:
    """Gives every weight random values, so that none is 0 or 1 and every layer has an effect.

    Statistics of batch normalisations are near those of the images, as in a trained network, and
    variances are not below them: else the values grow from layer to layer until units saturate.

    Args:
        model: a network.
        images: a batch, (N, H, W, C).
        seed: of the values.
    """
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name.endswith("kernel"):
            # He et al. 2015: the spread of activations stays.
            is_depthwise = "depthwise" in weight.path or "dwconv" in weight.path
            fan_in = np.prod(weight.shape[:2] if is_depthwise else weight.shape[:-1])
            weight.assign(generator.standard_normal(weight.shape) * (2 / fan_in) ** 0.5)
        elif weight.name in ("beta", "bias", "mean"):
            weight.assign(0.1 * generator.standard_normal(weight.shape))
        elif weight.name in ("gamma", "variance", "variable"):  # a variable: the scale of a layer
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    layers = {type(layer): [] for layer in model.layers}
    for layer in model.layers:
        layers[type(layer)].append(layer)
    for layer in layers.get(keras.layers.Normalization, []):
        layer.finalize_state()
    normalisations = layers.get(keras.layers.BatchNormalization, [])
    seeds = [v for v in model.variables if "seed_generator" in v.path]
    kept = [layer.momentum for layer in normalisations], [seed.numpy() for seed in seeds]
    for layer in normalisations:
        layer.momentum = 0.0
    if normalisations:
        model(images, training=True)
    for layer, momentum in zip(normalisations, kept[0], strict=True):
        layer.momentum = momentum
        deviation = layer.moving_variance.numpy() ** 0.5
        moved = 0.1 * deviation * generator.standard_normal(deviation.shape)
        layer.moving_mean.assign_add(moved)
        layer.moving_variance.assign(
            layer.moving_variance * generator.uniform(1, 2, deviation.shape)
        )
    for seed_state, value in zip(seeds, kept[1], strict=True):
        seed_state.assign(value)


def batch(model: keras.Model, num_images: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Returns random images in the range of a network, (N, H, W, C), and their classes, (N,)."""
    generator = np.random.default_rng(1)
    x = generator.uniform(-1, 1, (num_images, *model.input_shape[1:]))
    rescaling = keras.layers.Rescaling, keras.layers.Normalization
    if any(isinstance(layer, rescaling) for layer in model.layers):  # of pixels
        x = 127.5 * (x + 1)
    return x, generator.integers(0, NUM_CLASSES, num_images)


if __name__ == "__main__":
    print("\n".join(constructors()))

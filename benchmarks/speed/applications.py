"""Networks of keras.applications and their torch twins: python benchmarks/speed/applications.py

For each network, in float64, it prints the greatest difference of the output in eval and in train
mode (dropout off), relative to the greatest entry, and that of the moving statistics after the call
in train mode. "noise" is the change of Keras's own train output if each pixel moves by its last
bit: at the end of a deep network, BatchNormalization divides by the deviation of NUM_IMAGES values,
which amplifies rounding. Weights are random, the input is small. `--names` chooses networks.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[2]))

# Torch comes before TensorFlow, since the other order can crash.
import torch  # noqa: I001
import keras
import numpy as np
from keras.src.applications import convnext, inception_resnet_v2

from torch_impl.keras_config import from_keras_config

NAMES = {
    "VGG16": {},
    "ResNet50": {},
    "MobileNetV2": {},
    "EfficientNetB0": {},
    "DenseNet121": {},
    "InceptionResNetV2": {"input_shape": (75, 79, 3)},  # the smallest side that it takes is 75
    "ConvNeXtTiny": {},
}
# Classes that a config names and Keras does not register.
OWN_LAYERS = {
    "LayerScale": convnext.LayerScale,
    "StochasticDepth": convnext.StochasticDepth,
    "CustomScaleLayer": inception_resnet_v2.CustomScaleLayer,
}
SHAPE, NUM_IMAGES, NUM_CLASSES = (32, 35, 3), 3, 5  # not square, an odd side


def without_dropout(config: dict) -> dict:
    """Returns the config of a model with rate 0 in every Dropout, and in stochastic depth."""
    for layer in config["layers"]:
        for name in ("rate", "drop_path_rate"):
            if name in layer["config"]:
                layer["config"][name] = 0.0
    return config


def make(name: str, seed: int = 0) -> keras.Model:
    """Returns a network with random weights, without dropout and without softmax."""
    build = getattr(keras.applications, name)
    options = {"input_shape": SHAPE, "classes": NUM_CLASSES, "classifier_activation": None}
    model = build(weights=None, **{**options, **NAMES.get(name, {})})
    model = keras.Model.from_config(without_dropout(model.get_config()), OWN_LAYERS)
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name == "kernel":
            # He et al. 2015: the spread of activations stays, so that every layer has an effect.
            depthwise = "depthwise" in weight.path or "dwconv" in weight.path
            fan_in = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            weight.assign(generator.normal(size=weight.shape) * (2 / fan_in) ** 0.5)
        elif weight.name in ("gamma", "moving_variance", "variance", "variable"):
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "bias", "moving_mean", "mean"):
            weight.assign(0.1 * generator.normal(size=weight.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return model


def images(name: str, num_images: int) -> np.ndarray:
    """Returns random images in the range of a network, so that few of its units saturate."""
    shape = NAMES[name].get("input_shape", SHAPE)
    x = np.random.default_rng(1).uniform(-1, 1, (num_images, *shape))
    return 127.5 * (x + 1) if name.startswith(("EfficientNet", "ConvNeXt")) else x


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns the greatest difference, relative to the greatest entry."""
    return float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))


def compare(name: str) -> dict[str, float]:
    """Returns the differences of one network."""
    model = make(name)
    twin = from_keras_config(model.get_config())
    twin.load_keras_weights(model.get_weights())
    x = images(name, NUM_IMAGES)
    found = {}
    for mode in ("eval", "train"):
        twin.train(mode == "train")
        with torch.no_grad():
            ours = twin(torch.tensor(x)).numpy()
        found[mode] = difference(ours, model(x, training=mode == "train").numpy())
    pairs = zip(twin.keras_weights().values(), model.weights, strict=True)
    moved = [difference(a, w.numpy()) for a, w in pairs if w.name.startswith("moving")]
    found["statistics"] = max(moved, default=0.0)
    outputs = [model(image, training=True).numpy() for image in (x, np.nextafter(x, np.inf))]
    return {**found, "noise": difference(*outputs)}


def main() -> None:
    """Prints one line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="+", choices=list(NAMES), default=list(NAMES))
    names = parser.parse_args().names
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    print(f"keras {keras.__version__}, torch {torch.__version__}, images of {SHAPE}")
    print(f"{'network':<16}{'eval':>10}{'train':>10}{'statistics':>12}{'noise':>10}{'seconds':>9}")
    for name in names:
        start = time.perf_counter()
        found = compare(name)
        cells = f"{found['eval']:>10.1e}{found['train']:>10.1e}{found['statistics']:>12.1e}"
        cells += f"{found['noise']:>10.1e}"
        print(f"{name:<16}{cells}{time.perf_counter() - start:>9.1f}")


if __name__ == "__main__":
    main()

"""Networks of keras.applications with drawn values, in all files in which their weights come."""

from pathlib import Path

import h5py
import numpy as np

SIDE, CLASSES = 32, 5
# Of each kind: plain, residual, dense, depthwise, squeeze and excitation, branches, two versions.
NAMES = (
    *("VGG16", "ResNet50", "ResNet50V2", "DenseNet121"),
    *("MobileNet", "MobileNetV2", "EfficientNetB0", "NASNetMobile"),
)
FORMS = (".keras", ".weights.h5", ".h5", "_keras2.h5", "_by_order.h5")


def network(name: str):
    """A network without its top, and a small one in its place."""
    import keras

    keras.backend.clear_session()
    base = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), pooling="avg"
    )
    end = keras.layers.Dense(CLASSES, activation="softmax", name="predictions")(base.output)
    model = keras.Model(base.input, end, name=name.lower())
    draw_values(model)
    return model


def draw_values(model) -> None:
    """Gives all weights drawn values."""
    draw = np.random.default_rng(len(model.name))
    for weight in model.weights:
        if weight.dtype == "float32":
            kind = weight.path.rpartition("/")[2]
            low, high = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 1.5)}.get(kind, (-0.2, 0.2))
            weight.assign(draw.uniform(low, high, weight.shape) * _scale(kind, weight.shape))


def _scale(kind: str, shape) -> float:
    """So that outputs neither vanish nor explode: a kernel has the spread of He's."""
    if not kind.endswith("kernel"):
        return 1.0
    inputs = np.prod(shape[:-1]) if kind != "depthwise_kernel" else np.prod(shape[:2])
    return float(5 * np.sqrt(6 / inputs))


def write(model, folder: Path, forms=FORMS) -> dict[str, Path]:
    """Writes all forms; returns their paths."""
    paths = {form: folder / f"{model.name}{form}" for form in forms}
    for form, path in paths.items():
        if form == ".weights.h5":
            model.save_weights(path)
        elif form in (".keras", ".h5"):
            model.save(path)
        else:
            _write_older(model, path, form == "_by_order.h5")
    (folder / f"{model.name}.json").write_text(model.to_json())
    return paths


def _write_older(model, path: Path, is_oldest: bool) -> None:
    """As `save_weights("x.h5")` of Keras 2 writes it; or of Keras 1, whose names Keras ignores.

    Files of keras.applications are of that kind: "block1_conv1_W_1:0" in VGG16, and layers with a
    slash in their name, "conv1/conv", in DenseNet121.
    """
    with h5py.File(path, "w") as file:
        names = [layer.name for layer in model.layers]
        if is_oldest and model.name.startswith("densenet"):
            names = [name.replace("conv1_", "conv1/") for name in names]
        file.attrs["layer_names"] = [name.encode() for name in names]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for layer, name in zip(model.layers, names, strict=True):
            group = file.create_group(name)
            own = [*layer.trainable_weights, *layer.non_trainable_weights]
            told = [
                f"{layer.name}_{weight.name[0].upper()}_{number}:0"
                if is_oldest
                else f"{layer.name}/{weight.name}:0"
                for number, weight in enumerate(own, start=1)
            ]
            group.attrs["weight_names"] = [each.encode() for each in told]
            for each, weight in zip(told, own, strict=True):
                group.create_dataset(each, data=np.asarray(weight))


def values(model) -> dict[str, np.ndarray]:
    """The weights by layer and name. Paths in Keras may have more, such as NASNet's blocks."""
    return {
        f"{layer.name}/{weight.name}": np.asarray(weight)
        for layer in model.layers
        for weight in layer.weights
    }


def whole_network(name: str, side: int = 64):
    """A network with its own top, for images of a side."""
    import keras

    keras.backend.clear_session()
    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
    draw_values(model)
    return model


def torchvision_vgg16():
    """torchvision's, for images of 64 pixels: 2 x 2 are left of them, which Keras does not pool."""
    from torch import nn
    from torchvision.models import vgg16

    net = vgg16(weights=None)
    net.avgpool, net.classifier[0] = nn.Identity(), nn.Linear(512 * 4, 4096)
    return net


def torchvision_densenet121():
    """torchvision's, with Keras's epsilon."""
    from torch import nn
    from torchvision.models import densenet121

    net = densenet121(weights=None)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1.001e-5
    return net


TORCHVISION = {"VGG16": torchvision_vgg16, "DenseNet121": torchvision_densenet121}

"""What of train.py in plain torch augments images, as the Keras program does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from parity.ports.feed import Facts, Feed, Told
from parity.ports.flow_text import about_images, function_text, name_left
from parity.ports.form import Parameter, arguments
from parity.ports.own.stub_text import place_of

# Settings of the generator -> those of `Augmentation`.
_NAMES = {
    "rotation_range": "rotation",
    "height_shift_range": "row_shift",
    "width_shift_range": "column_shift",
    "shear_range": "shear",
    "zoom_range": "zoom",
    "channel_shift_range": "channel_shift",
    "horizontal_flip": "horizontal_flip",
    "vertical_flip": "vertical_flip",
    "rescale": "rescale",
    "samplewise_center": "own_mean",
    "samplewise_std_normalization": "own_std",
}
_CHOICES: Mapping[str, tuple[str, Mapping[Any, str]]] = {
    "fill_mode": ("fill", {"nearest": "border", "reflect": "reflection", "constant": "zeros"}),
    "interpolation_order": ("mode", {0: "nearest", 1: "bilinear"}),
}
_WHY = "it has no plain form"
_LAW = "the images of {}: the law by which they are changed is Keras's, the numbers are torch's"
_ORDER = (
    "the order of samples: torch draws it for each epoch, as a flow does, which makes its batches "
    "of one order and lets `fit` shuffle them"
)


def plain_feed_of(fit: Facts) -> Feed:
    """Returns how a training in plain torch is fed: its images are changed batch by batch.

    Args:
        fit: what the Keras half tells of `fit`, with "feed".
    """
    told, found = fit.get("feed") or {}, Feed()
    for name, prefix, argument in (("x", "", "augment"), ("validation", "validation_", "prepare")):
        given = told.get(name)
        if given is not None and given["kind"] == "flow":
            _flow(given, prefix, argument, found)
        elif given is not None:
            _maps(given, prefix, argument, found)
    return found


def _flow(told: Facts, prefix: str, argument: str, found: Feed) -> None:
    what = f"the ImageDataGenerator of {'the validation' if prefix else '`fit`'}"
    if told["num_more"]:
        found.left_out.append(f"{what}: images beside other inputs have no plain form")
        return
    generator, flow = Told(told["generator"]), Told(told["flow"])
    settings = {own: generator.take(name) for name, own in _NAMES.items() if generator.has(name)}
    for name, (own, choices) in _CHOICES.items():
        if generator.has(name) and told["generator"][name] in choices:
            settings[own] = choices[generator.take(name)]
    if settings.get("fill") == "zeros" or not generator.has("fill_mode"):
        outside = generator.take("cval")  # no other mode needs it
        settings |= {"outside": outside} if settings.get("fill") == "zeros" and outside else {}
    for name, own in (("featurewise_center", "mean"), ("featurewise_std_normalization", "std")):
        if generator.take(name):
            settings[own] = (told["statistics"] or {})[own]
    if told["function"] is not None and generator.take("preprocessing_function"):
        function = f"{prefix}preprocessing_function"
        found.functions.append(function_text(function, told["function"], what))
        settings["function"] = Parameter(function)
    about_images(told, prefix, (generator, flow), found)
    flow.take("batch_size")
    flow.take("seed")  # numbers are torch's
    is_shuffled = flow.take("shuffle")
    name_left(what, (generator, flow), _WHY, found)
    if not prefix:
        found.training = ["data"]
        found.is_shuffled = bool(is_shuffled)
        found.differs.append(_ORDER)
    found.given[argument] = f"rules.Augmentation({arguments(**settings)})"
    found.differs.append(_LAW.format(what))


def _maps(told: Facts, prefix: str, argument: str, found: Feed) -> None:
    """Writes a map of layers that flip and rescale; names the others."""
    settings: dict[str, Any] = {}
    for step in told["steps"]:
        if step["name"] != "map" or not (step["model"] or step["is_own"]):
            continue
        place = place_of(step["source"]) if step["source"] else ""
        what = f"what Dataset.map applies to {'the validation' if prefix else 'the samples'}{place}"
        if step["model"] is None:
            found.left_out.append(f"{what}: code of your own, which is to be written")
            continue
        layers = list(_layers(step["model"]))
        made = [_of_layer(layer) for layer in layers]
        changed = {key for each in made for key in each or {}}
        if None in made or len(changed) != len(made) or changed & set(settings):
            names = ", ".join(dict.fromkeys(layer["class_name"] for layer in layers))
            found.left_out.append(f"{what}: {names} in this order: {_WHY}")
            continue
        for each in made:
            settings |= each or {}
    if settings:
        found.given[argument] = f"rules.Augmentation({arguments(**settings)})"
        found.differs.append(_LAW.format("Dataset.map"))
        array = "x_val" if prefix else "x"
        found.data.append(f"{array} has the images as the dataset gives them before its map.")


def _layers(model: Facts) -> Iterator[Facts]:
    """Yields the layers of a config that change what they get, those of models inside of it too."""
    for layer in model["config"]["layers"]:
        if "layers" in layer["config"]:
            yield from _layers(layer)
        elif layer["class_name"] != "InputLayer":
            yield layer


def _of_layer(layer: Facts) -> dict[str, Any] | None:
    """Returns what a layer is of `Augmentation`; None: nothing of it."""
    kind, settings = layer["class_name"], layer["config"]
    if kind == "RandomFlip" and settings["mode"] in ("horizontal", "vertical"):
        return {f"{settings['mode']}_flip": True}
    if kind == "Rescaling" and not settings["offset"] and isinstance(settings["scale"], float):
        return {"rescale": settings["scale"]}
    return None

"""What of train.py feeds images as the Keras program does: generators, flows, and `Dataset.map`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.ports.custom.stubs import PLACE, place_of, quoted, raised
from parity.ports.form import Parameter, arguments, literal, short_number
from parity.ports.wrapping import commented, docstring, head, wrapped

# --- Feed: what of train.py feeds images as the Keras program does --------------------------------


Facts = Mapping[str, Any]
# Of a map of layers and a name: the class, its file, statements, and sentences on what lacks.
Model = Callable[[Facts, str], tuple[str, str, list[str], list[str]] | None]
NAMES = (
    *("augmentation", "validation_augmentation", "flow", "fitted", "batches"),
    *("validation_batches", "preprocessing_function", "validation_preprocessing_function"),
)


@dataclass
class Feed:
    """How train.py feeds a training.

    Attributes:
        functions: sources of functions.
        given: arguments of `Port`.
        training: arguments of `Trainer.fit` for the samples; none: they are arrays.
        validation: that for the validation; "": arrays.
        files: further files of the package.
        imports: name -> module of `torch_impl`.
        classes: class of a file of the package -> name of that file.
        is_shuffled: whether each epoch has an order of its own.
        left_out: a sentence for each part that is missing.
        differs: one for each that cannot be Keras's.
        data: one for each thing that the file of data holds.
    """

    functions: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    training: list[str] = field(default_factory=list)
    validation: str = ""
    files: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    is_shuffled: bool = True
    left_out: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)

    @property
    def is_written(self) -> bool:
        """Whether the samples of the training are no arrays."""
        return bool(self.training)


class Told:
    """Settings that a reader takes, one by one; those that nobody takes are left.

    Args:
        settings: by name.
    """

    def __init__(self, settings: Facts) -> None:
        self._left = dict(settings)

    def take(self, name: str, default: Any = None) -> Any:
        """Returns a setting, which is then written."""
        return self._left.pop(name, default)

    def has(self, name: str) -> bool:
        """Whether a setting is still there."""
        return name in self._left

    @property
    def left(self) -> list[str]:
        """The settings that nobody has taken."""
        return [f"{name}={literal(value)}" for name, value in self._left.items()]


def stub(lines: list[str], comment: str, source: Facts, text: str) -> str:
    """Returns the source of a function that is to be written.

    Args:
        lines: its head and docstring.
        comment: what is to be written.
        source: of Keras's function, as the Keras half quotes it.
        text: of the error that it raises.
    """
    lines += commented(comment, "    ")
    lines += [line.removeprefix("    ") for line in [*quoted(source), *raised(text)]]
    return "\n".join(lines)


# --- An ImageDataGenerator of a Keras program, and its flow, as source of train.py ----------------


_GENERATOR = (
    *("featurewise_center", "samplewise_center", "featurewise_std_normalization"),
    *("samplewise_std_normalization", "zca_whitening", "zca_epsilon", "rotation_range"),
    *("width_shift_range", "height_shift_range", "brightness_range", "shear_range", "zoom_range"),
    *("channel_shift_range", "cval", "horizontal_flip", "vertical_flip", "rescale"),
)
_CHOICES = {
    "interpolation_order": (0, 1, 3),
    "fill_mode": ("nearest", "constant", "reflect", "wrap"),
}
# Of a flow from files: the file of data holds what they make.
_OF_FILES = (
    *("directory", "target_size", "color_mode", "classes", "class_mode", "data_format"),
    *("follow_links", "interpolation", "keep_aspect_ratio", "x_col", "y_col", "weight_col"),
    *("validate_filenames", "subset"),
)


def write_flow(facts: Facts, prefix: str, fit: Facts, found: Feed) -> None:
    """Writes a flow of an ImageDataGenerator."""
    what = f"the ImageDataGenerator of {'the validation' if prefix else '`fit`'}"
    generator, flow = Told(facts["generator"]), Told(facts["flow"])
    settings = {name: generator.take(name) for name in _GENERATOR if generator.has(name)}
    for name, choices in _CHOICES.items():
        if generator.has(name) and facts["generator"][name] in choices:
            settings[name] = generator.take(name)
    settings = {name: _short(name, value) for name, value in settings.items()}
    if facts["dtype"]:
        settings["dtype"] = facts["dtype"]
    name = f"{prefix}augmentation"
    if facts["function"] is not None and generator.take("preprocessing_function"):
        function = f"{prefix}preprocessing_function"
        found.functions.append(function_text(function, facts["function"], what))
        settings["preprocessing_function"] = Parameter(function)
    statistics = facts["statistics"] or {"is_fitted_to_x": False, "mean": None, "std": None}
    if settings.get("zca_whitening") and not statistics["is_fitted_to_x"]:
        del settings["zca_whitening"]
        found.left_out.append(
            f"zca_whitening of {what}: its matrix is not that of the images of the training"
        )
    shares = bool(facts.get("same_generator"))
    if not shares:
        found.functions.append(_generator_text(name, settings, statistics, what))
    if "def flow(" not in "".join(found.functions):
        found.functions.append(_flow_text(facts["num_more"]))
    about_images(facts, prefix, (generator, flow), found)
    flow.take("batch_size")
    options = {"shuffle": None if flow.take("shuffle") else False, "seed": flow.take("seed")}
    name_left(what, (generator, flow), "torch_impl.augment has nothing that does it", found)
    if not fit.get("is_numpy_fresh", True) and not prefix:
        found.differs.append(
            "the order and the images that the flow draws: the program draws by NumPy before "
            "`fit`, so that they are not those of --seed"
        )
    found.imports["ImageDataGenerator"] = "torch_impl.augment"
    source = "port.augment" if shares or not prefix else f"{name}(port.seeds)"
    if statistics["is_fitted_to_x"] and not shares:
        source = f"fitted({source}, x)"
        if "def fitted(" not in "".join(found.functions):
            found.functions.append(_FITTED if not facts["num_more"] else _FITTED_OF_SEVERAL)
    if prefix:
        batches = facts["flow"].get("batch_size", 32)
        given = arguments(Parameter(source), Parameter('read(file, "_val")'), batches, **options)
        found.validation = f"flow({given})"
        return
    found.given["augment"] = "augmentation(seeds)"
    given = arguments(
        Parameter(source), Parameter("(x, y, weight)"), Parameter("given.batch_size"), **options
    )
    found.training = [f"flow({given})"]


def about_images(facts: Facts, prefix: str, settings: tuple[Told, Told], found: Feed) -> None:
    """Tells what of a file of data are the images of a flow, and how its workers draw.

    Args:
        facts: of the flow.
        prefix: "validation_" of a validation.
        settings: of its generator and its own, of which those are taken that are written.
        found: gets the sentences.
    """
    generator, flow = settings
    if (split := generator.take("validation_split")) is not None:
        found.data.append(
            f"The generator has validation_split={literal(split)}: x has the images of the "
            "training alone, and x_val those of the validation."
        )
        if facts["has_weights"]:
            found.data.append(
                "Keras cuts no weights for a subset: weight has as many of the first ones of all."
            )
    if facts["images"]:
        read = ", ".join(f"{n}={literal(facts['flow'][n])}" for n in _OF_FILES if flow.has(n))
        for each in _OF_FILES:
            flow.take(each)
        array = "x_val" if prefix else "x"
        found.data.append(
            f"{array} has the images that {facts['class']} reads from {facts['images']}, before "
            f"they are augmented, in the order of its files{f' ({read})' if read else ''}."
        )
    for each in ("workers", "use_multiprocessing"):
        if flow.has(each):
            value = flow.take(each)
            found.differs.append(
                f"the images of a flow with {each}={literal(value)}: its workers draw at the same "
                "time, in an order that is not fixed"
            )


def name_left(what: str, settings: tuple[Told, Told], why: str, found: Feed) -> None:
    """Names all settings of a generator and a flow that nobody has taken."""
    found.left_out += [f"{each} of {what}: {why}" for part in settings for each in part.left]


def _short(name: str, value: Any) -> Any:
    """Returns an argument as a person writes it: zoom_range=0.1 for [0.9, 1.1]."""
    if name == "zoom_range":
        share = float(short_number(round(1 - value[0], 12)))
        return share if [1 - share, 1 + share] == value else value
    return value


def _generator_text(name: str, settings: Facts, statistics: Facts, what: str) -> str:
    given = arguments(
        **settings, data_format="channels_first", random_state=Parameter("seeds.numpy")
    )
    lines = [
        *head(f"def {name}(seeds: KerasSeeds) -> ImageDataGenerator:"),
        *docstring(f"Returns {what}, with channels first, which draws Keras's numbers.", "    "),
        *wrapped(f"    generator = ImageDataGenerator({given})"),
    ]
    if not statistics["is_fitted_to_x"]:
        for each in ("mean", "std"):
            if (numbers := statistics[each]) is not None:
                lines += wrapped(
                    f"    generator.{each} = torch.tensor({literal(list(numbers))})[:, None, None]"
                )
    return "\n".join([*lines, "    return generator"])


def _flow_text(num_more: int) -> str:
    x = "np.moveaxis(x, -1, 1)"
    lines = [
        "def flow(",
        "    generator: ImageDataGenerator, data: Any, batch_size: int, **settings: Any",
        ") -> Any:",
        '    """Returns the batches of arrays in Keras\'s layout, whose images are augmented."""',
        "    x, y, weight = data",
    ]
    if num_more:
        lines.append("    first, *others = x.values()")
        x = "(np.moveaxis(first, -1, 1), others)"
    call = f"generator.flow({x}, y, batch_size, sample_weight=weight, **settings)"
    return "\n".join([*lines, *wrapped(f"    return {call}")])


_FITTED = '''def fitted(generator: ImageDataGenerator, x: Any) -> ImageDataGenerator:
    """Gives a generator the statistics of the images of the training."""
    generator.fit(np.moveaxis(x, -1, 1))
    return generator'''
_FITTED_OF_SEVERAL = _FITTED.replace("moveaxis(x,", "moveaxis(next(iter(x.values())),")


def function_text(name: str, source: Facts, what: str) -> str:
    """Returns the stub of a function that changes one image."""
    place = place_of(source)
    lines = head(f"def {name}(image: torch.Tensor) -> torch.Tensor:")
    lines += docstring(f"Keras's preprocessing_function{place}; it is to be written.", "    ")
    comment = f"{PLACE}: image has (C, H, W), and comes from {what}; returns one of this shape"
    return stub(lines, comment, source, f"{name} is to be written: as Keras computes it{place}")


# --------------------------------------------------------------------------------------------------
#
# The maps of a tf.data.Dataset as source of train.py: Keras's layers, and stubs for other code.


_SILENT = ("prefetch", "options", "model", "assert_cardinality", "finalize")  # change no sample


def write_maps(facts: Facts, prefix: str, model: Model, found: Feed) -> None:
    """Writes the maps of a tf.data.Dataset: layers of Keras, and stubs for other code."""
    steps = facts["steps"]
    maps = [n for n, step in enumerate(steps) if step["name"] == "map" and _is_written(step)]
    if not maps:
        return
    by_sample: list[str] = []
    by_batch: list[str] = []
    settings: dict[str, Any] = {}
    what = "the dataset of the validation" if prefix else "the dataset of `fit`"
    is_shuffled = any(step["name"] == "shuffle" for step in steps)
    for number, step in enumerate(steps):
        name = step["name"]
        if number in maps:
            made = _map(step, f"{prefix}augmentation", len(by_sample) + len(by_batch), model, found)
            (by_sample if step["is_each"] else by_batch).append(made)
            if step["is_parallel"] and step["model"] is not None:
                found.differs.append(
                    f"the numbers that the layers of {what} draw: num_parallel_calls maps in an "
                    "order that is not fixed"
                )
        elif name == "batch":
            settings["drop_remainder"] = step["drop_remainder"] or None
        elif number > maps[0] and name not in (*_SILENT, "shuffle"):
            why = _WHY.get(name, "train.py does not do it")
            count = f"({step['count']})" if "count" in step else ""
            found.left_out.append(f"{name}{count} of {what}, behind a map: {why}")
    array = "x_val" if prefix else "x"
    found.data.append(
        f"{array} has the images as {what} gives them before its first map, and "
        f"{array.replace('x', 'y')} the targets as the loss takes them."
    )
    if by_sample:
        settings["sample_maps"] = Parameter(f"[{', '.join(by_sample)}]")
    if is_shuffled and not prefix:
        settings["shuffle"] = True
        found.differs.append(
            f"the order of samples: torch draws it for each epoch, and {what} by a generator of "
            "its own"
        )
    found.imports["MappedBatches"] = "torch_impl.augment"
    data = 'read(file, "_val")' if prefix else "(x, y, weight)"
    size = Parameter("given.batch_size")
    function = f"{prefix}batches"
    text = arguments(
        Parameter("(np.moveaxis(x, -1, 1), y, weight)"),
        Parameter(f"[{', '.join(by_batch)}]"),
        Parameter("batch_size"),
        **settings,
    )
    found.functions.append(
        "\n".join(
            [
                *head(f"def {function}(data: Any, batch_size: int, seeds: Any) -> MappedBatches:"),
                *docstring(f"Returns the batches of {what}, of arrays in Keras's layout.", "    "),
                "    x, y, weight = data",
                *wrapped(f"    return MappedBatches({text})"),
            ]
        )
    )
    call = f"{function}({arguments(Parameter(data), size, Parameter('port.seeds'))})"
    if prefix:
        found.validation = call
    else:
        found.training = [call]


_WHY = {
    "cache": "Keras keeps the images of the first epoch, and train.py makes new ones in each",
    "repeat": "an epoch of train.py is one pass",
}


def _is_written(step: Facts) -> bool:
    return step["model"] is not None or (step["is_own"] and step["source"] is not None)


def _map(step: Facts, name: str, number: int, model: Model, found: Feed) -> str:
    """Returns the expression of what a map applies; writes what it calls."""
    name = f"{name}_{number + 1}" if number else name
    made = None if step["model"] is None else model(step, name)
    if made is not None:
        class_name, found.files[f"{name}.py"], drawn, lacks = made
        found.left_out += lacks
        found.classes[class_name] = name
        lines = [
            f"def {name}(seeds: KerasSeeds) -> {class_name}:",
            '    """Returns the layers of `Dataset.map`, with the seeds that Keras draws."""',
            f"    model, seeds = {class_name}(), KerasSeeds(seeds.seed)",
            *(line for text in drawn for line in wrapped(f"    {text}")),
            "    return model",
        ]
        found.functions.append("\n".join(lines))
        return f"{name}(seeds)"
    source = step["source"]
    place = place_of(source)
    lines = head(f"def {name}(*sample: torch.Tensor) -> tuple[torch.Tensor, ...]:")
    lines += docstring(f"Keras's function of Dataset.map{place}; it is to be written.", "    ")
    part = "one sample, with a batch axis of 1" if step["is_each"] else "a batch"
    comment = (
        f"{PLACE}: sample is {part}: images (N, C, H, W), labels as the loss takes them, and "
        "weights if there are any; returns the same parts"
    )
    why = f"{name} is to be written: what Dataset.map applies{place}; no test compares it"
    found.functions.append(stub(lines, comment, source, why))
    return name


# --------------------------------------------------------------------------------------------------
#
# What of train.py feeds images as the Keras program does: its generators, and its `Dataset.map`.
#
# The description of a feed goes in, as the Keras half tells it. Source comes out, and a sentence
# for all that is described and was not written: a part that no rule here takes cannot be silent.


UNSPLIT = """    if given.validation_split:
        raise SystemExit("--validation-split: fit gets batches; put x_val and y_val into the file")
"""


def feed_of(fit: Facts, model: Model) -> Feed:
    """Returns how a training is fed.

    Args:
        fit: what the Keras half tells of `fit`, with "feed".
        model: of a map of layers and the name of a file, returns the name of its class, the source
            of the file, the statements that draw its seeds from `seeds`, and sentences on what it
            lacks; None if it cannot be written.
    """
    feed, found = fit.get("feed") or {}, Feed()
    for name, prefix in (("x", ""), ("validation", "validation_")):
        given = feed.get(name)
        if given is not None and given["kind"] == "flow":
            write_flow(given, prefix, fit, found)
        elif given is not None:
            write_maps(given, prefix, model, found)
    return found


def fed_text(fit: Facts, feed: Feed) -> str:
    """Returns the arguments of `Trainer.fit`, in lines.

    Args:
        fit: what the Keras half tells of `fit`.
        feed: of the program.
    """
    validation = feed.validation or 'read(file, "_val")'
    texts = ["x", "y", "sample_weight=weight", "batch_size=given.batch_size"]
    texts += ["validation_split=validation_share(file, given.validation_split)"]
    if feed.is_written:
        texts = [*feed.training, "class_weight=port.class_weight"]
    texts += ["epochs=given.epochs", f"shuffle={fit.get('shuffle') is not False}"]
    texts += [f"validation_data={validation} if is_validated(file) else None"]
    lines = []
    for text in texts:
        made = wrapped(f"        {text}", behind=1)
        lines += [*made[:-1], f"{made[-1]},"]
    return "\n".join(lines)


# --- What of train.py in plain torch augments images, as the Keras program does -------------------


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
_CHOICES_OF_PLAIN_FEED: Mapping[str, tuple[str, Mapping[Any, str]]] = {
    "fill_mode": ("fill", {"nearest": "border", "reflect": "reflection", "constant": "zeros"}),
    "interpolation_order": ("mode", {0: "nearest", 1: "bilinear"}),
}
_WHY_OF_PLAIN_FEED = "it has no plain form"
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
    feed, found = fit.get("feed") or {}, Feed()
    for name, prefix, argument in (("x", "", "augment"), ("validation", "validation_", "prepare")):
        given = feed.get(name)
        if given is not None and given["kind"] == "flow":
            _flow(given, prefix, argument, found)
        elif given is not None:
            _maps(given, prefix, argument, found)
    return found


def _flow(facts: Facts, prefix: str, argument: str, found: Feed) -> None:
    what = f"the ImageDataGenerator of {'the validation' if prefix else '`fit`'}"
    if facts["num_more"]:
        found.left_out.append(f"{what}: images beside other inputs have no plain form")
        return
    generator, flow = Told(facts["generator"]), Told(facts["flow"])
    settings = {
        setting: generator.take(name) for name, setting in _NAMES.items() if generator.has(name)
    }
    for name, (setting, choices) in _CHOICES_OF_PLAIN_FEED.items():
        if generator.has(name) and facts["generator"][name] in choices:
            settings[setting] = choices[generator.take(name)]
    if settings.get("fill") == "zeros" or not generator.has("fill_mode"):
        outside = generator.take("cval")  # no other mode needs it
        settings |= {"outside": outside} if settings.get("fill") == "zeros" and outside else {}
    for name, setting in (("featurewise_center", "mean"), ("featurewise_std_normalization", "std")):
        if generator.take(name):
            settings[setting] = (facts["statistics"] or {})[setting]
    if facts["function"] is not None and generator.take("preprocessing_function"):
        function = f"{prefix}preprocessing_function"
        found.functions.append(function_text(function, facts["function"], what))
        settings["function"] = Parameter(function)
    about_images(facts, prefix, (generator, flow), found)
    flow.take("batch_size")
    flow.take("seed")  # numbers are torch's
    is_shuffled = flow.take("shuffle")
    name_left(what, (generator, flow), _WHY_OF_PLAIN_FEED, found)
    if not prefix:
        found.training = ["data"]
        found.is_shuffled = bool(is_shuffled)
        found.differs.append(_ORDER)
    found.given[argument] = f"rules.Augmentation({arguments(**settings)})"
    found.differs.append(_LAW.format(what))


def _maps(facts: Facts, prefix: str, argument: str, found: Feed) -> None:
    """Writes a map of layers that flip and rescale; names the others."""
    settings: dict[str, Any] = {}
    for step in facts["steps"]:
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
            found.left_out.append(f"{what}: {names} in this order: {_WHY_OF_PLAIN_FEED}")
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

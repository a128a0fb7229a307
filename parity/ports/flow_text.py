"""An ImageDataGenerator of a Keras program, and its flow, as source of train.py."""

from __future__ import annotations

from typing import Any

from parity.ports.feed import Facts, Feed, Told, stub
from parity.ports.form import Parameter, arguments, literal, short_number
from parity.ports.own.stub_text import PLACE, place_of
from parity.ports.wrapping import docstring, head, wrapped

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


def write_flow(told: Facts, prefix: str, fit: Facts, found: Feed) -> None:
    """Writes a flow of an ImageDataGenerator."""
    what = f"the ImageDataGenerator of {'the validation' if prefix else '`fit`'}"
    generator, flow = Told(told["generator"]), Told(told["flow"])
    settings = {name: generator.take(name) for name in _GENERATOR if generator.has(name)}
    for name, choices in _CHOICES.items():
        if generator.has(name) and told["generator"][name] in choices:
            settings[name] = generator.take(name)
    settings = {name: _short(name, value) for name, value in settings.items()}
    if told["dtype"]:
        settings["dtype"] = told["dtype"]
    name = f"{prefix}augmentation"
    if told["function"] is not None and generator.take("preprocessing_function"):
        function = f"{prefix}preprocessing_function"
        found.functions.append(function_text(function, told["function"], what))
        settings["preprocessing_function"] = Parameter(function)
    statistics = told["statistics"] or {"is_fitted_to_x": False, "mean": None, "std": None}
    if settings.get("zca_whitening") and not statistics["is_fitted_to_x"]:
        del settings["zca_whitening"]
        found.left_out.append(
            f"zca_whitening of {what}: its matrix is not that of the images of the training"
        )
    shares = bool(told.get("same_generator"))
    if not shares:
        found.functions.append(_generator_text(name, settings, statistics, what))
    if "def flow(" not in "".join(found.functions):
        found.functions.append(_flow_text(told["num_more"]))
    about_images(told, prefix, (generator, flow), found)
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
            found.functions.append(_FITTED if not told["num_more"] else _FITTED_OF_SEVERAL)
    if prefix:
        batches = told["flow"].get("batch_size", 32)
        given = arguments(Parameter(source), Parameter('read(file, "_val")'), batches, **options)
        found.validation = f"flow({given})"
        return
    found.given["augment"] = "augmentation(seeds)"
    given = arguments(
        Parameter(source), Parameter("(x, y, weight)"), Parameter("given.batch_size"), **options
    )
    found.training = [f"flow({given})"]


def about_images(told: Facts, prefix: str, settings: tuple[Told, Told], found: Feed) -> None:
    """Tells what of a file of data are the images of a flow, and how its workers draw.

    Args:
        told: of the flow.
        prefix: "validation_" of a validation.
        settings: of its generator and its own, of which those are taken that are told.
        found: gets the sentences.
    """
    generator, flow = settings
    if (split := generator.take("validation_split")) is not None:
        found.data.append(
            f"The generator has validation_split={literal(split)}: x has the images of the "
            "training alone, and x_val those of the validation."
        )
        if told["has_weights"]:
            found.data.append(
                "Keras cuts no weights for a subset: weight has as many of the first ones of all."
            )
    if told["images"]:
        read = ", ".join(f"{n}={literal(told['flow'][n])}" for n in _OF_FILES if flow.has(n))
        for each in _OF_FILES:
            flow.take(each)
        array = "x_val" if prefix else "x"
        found.data.append(
            f"{array} has the images that {told['class']} reads from {told['images']}, before they "
            f"are augmented, in the order of its files{f' ({read})' if read else ''}."
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
    told = f"{PLACE}: image has (C, H, W), and comes from {what}; returns one of this shape"
    return stub(lines, told, source, f"{name} is to be written: as Keras computes it{place}")

"""What a port is told of how images are fed to `fit`: flows of ImageDataGenerator, `Dataset.map`.

A reference goes in, facts come out. All that a flow or its generator has otherwise than one with
defaults is in them, and all steps of a dataset: what a port does not write of it, it can name.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.check.facts import plain_nested
from parity.halves.keras.check.quoted import quoted
from parity.halves.keras.versions import image_module
from parity.programs.user_modules import INSTALLED

Facts = dict[str, Any]
_FRESH = 624  # the place in the state of NumPy's generator that has drawn nothing

# Attributes that hold samples, that follow from others, or that a flow counts with.
_DERIVED = frozenset(
    ("channel_axis", "row_axis", "col_axis", "mean", "std", "zca_whitening_matrix", "dtype")
)
_SAMPLES = (
    *("self", "x", "y", "image_data_generator", "sample_weight", "dtype", "dataframe"),
    *("n", "max_queue_size"),
)


def draws_nothing_yet() -> bool:
    """Whether NumPy's global generator is as its seed has made it."""
    state = np.random.get_state(legacy=False)
    return bool(state["state"]["pos"] == _FRESH and not state["has_gauss"])


def feed_facts(
    reference: Reference, folder: Path, draws: Callable[[keras.Model], list[Any]]
) -> dict[str, Facts]:
    """Returns what is told of the images of a training, "x", and of its validation, "validation".

    One that is fed otherwise has no entry.

    Args:
        reference: what `fit` gets.
        folder: of the program; files are named relative to it.
        draws: returns the draws of the seeds of a model's layers, as `described` has them.

    Returns:
        Of a flow "kind": "flow"; "class" of it; "images": where they are from, "" for arrays;
        "generator" and "flow": what each has otherwise than its defaults, by the names of the
        arguments; "dtype" of the images, None for that of the program; "statistics" of
        `_statistics`; "function", the `preprocessing_function` as `quoted` has it; "has_labels",
        "has_weights", "num_more": of its batches; "same_generator": of a validation, whether it
        has that of the training. Of a tf.data.Dataset "kind": "dataset", "steps" of `_steps`.
    """
    found = {}
    given = {"x": reference.x, "validation": reference.validation_data}
    for name, feed in given.items():
        if _is_flow(feed):
            images = getattr(reference.x if _is_flow(reference.x) else feed, "x", None)
            found[name] = _flow(feed, images, folder)
        elif isinstance(feed, tf.data.Dataset):
            found[name] = {"kind": "dataset", "steps": _steps(feed, folder, draws)}
    if len(found) == 2 and found["validation"]["kind"] == found["x"]["kind"] == "flow":
        own = reference.x.image_data_generator
        found["validation"]["same_generator"] = feed.image_data_generator is own
    return found


def _is_flow(given: Any) -> bool:
    return image_module() is not None and isinstance(given, image_module().Iterator)


def _flow(flow: Any, images: Any, folder: Path) -> Facts:
    generator = flow.image_data_generator
    function = generator.preprocessing_function
    has_weights = getattr(flow, "sample_weight", None) is not None
    usual = image_module().ImageDataGenerator()
    changed = {
        name.lstrip("_"): plain_nested(_plain(value))
        for name, value in vars(generator).items()
        if name not in _DERIVED and not _is_same(vars(usual).get(name), value)
    }
    if type(generator) is not type(usual):
        changed["class"] = type(generator).__name__
    if function is not None:
        changed["preprocessing_function"] = getattr(function, "__name__", type(function).__name__)
    return {
        "kind": "flow",
        "class": type(flow).__name__,
        "images": _place(flow),
        "generator": changed,
        "flow": _arguments(flow),
        "dtype": None if generator.dtype == keras.config.floatx() else str(generator.dtype),
        "statistics": _statistics(generator, images),
        "function": None if function is None else quoted(function, folder),
        "has_labels": getattr(flow, "y", None) is not None or not hasattr(flow, "x"),
        "has_weights": has_weights,
        "num_more": len(getattr(flow, "x_misc", None) or []),
    }


def _place(flow: Any) -> str:
    """Returns from where a flow reads its images; "": it has them in memory."""
    if hasattr(flow, "x"):
        return ""
    folder = getattr(flow, "directory", None)
    return "files" if folder is None else f"the folder {Path(str(folder)).name}"


def _arguments(flow: Any) -> Facts:
    """Returns the arguments of a flow that are not their defaults, as far as it keeps them."""
    found: Facts = {name: getattr(flow, name) for name in ("batch_size", "shuffle", "seed")}
    known = {*_SAMPLES, *found}
    for kind in type(flow).__mro__:
        if not issubclass(kind, keras.utils.PyDataset):
            break
        for name, parameter in inspect.signature(kind).parameters.items():
            if name in known or not hasattr(flow, name):
                continue
            known.add(name)
            value = getattr(flow, name)
            if not _is_same(parameter.default, value):
                found[name] = plain_nested(_plain(value))
    if found["seed"] is None:
        del found["seed"]
    if found.get("data_format") == "channels_last":
        del found["data_format"]
    return found


def _statistics(generator: Any, images: Any) -> Facts | None:
    """Returns what the `fit` of a generator has computed; None: it needs nothing.

    Returns:
        "is_fitted_to_x": whether it is that of the images of the training; "mean" and "std" of
        each channel, None where they are not used.
    """
    names = {
        "mean": generator.featurewise_center,
        "std": generator.featurewise_std_normalization,
        "zca_whitening_matrix": generator.zca_whitening,
    }
    wanted = [name for name, is_used in names.items() if is_used]
    if not wanted:
        return None
    again = copy.copy(generator)
    is_fitted = False
    with suppress(Exception):  # code of the user's may stand in the place of Keras's
        again.fit(images)
        is_fitted = all(np.allclose(getattr(again, n), getattr(generator, n)) for n in wanted)
    found: Facts = {"is_fitted_to_x": is_fitted}
    for name in ("mean", "std"):
        value = getattr(generator, name) if names[name] else None
        found[name] = None if value is None else np.ravel(value).astype(float).tolist()
    return found


def _is_same(usual: Any, value: Any) -> bool:
    if usual is value:
        return True
    with suppress(Exception):  # values of any kinds
        return type(usual) is type(value) and bool(np.all(np.asarray(usual) == np.asarray(value)))
    return False


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


# --- tf.data -------------------------------------------------------------------------------------


def _steps(
    dataset: tf.data.Dataset, folder: Path, draws: Callable[[keras.Model], list[Any]]
) -> list[Facts]:
    """Returns what a dataset does, from its source on.

    Returns:
        Of each "name" of the method, such as "shuffle", or of the class; "map" has "model", the
        config of what Keras's layers do to the images, None for other code; "draws" of their
        seeds; "source" of the function, as `quoted` has it; "is_own", whether that is the user's;
        "is_each", whether it gets one sample and not a batch; "is_parallel". "batch" has its size
        and "drop_remainder", "shuffle" its "buffer_size".
    """
    found: list[Facts] = []
    current: Any = dataset
    while current is not None:
        found.append(_step(current, folder, draws))
        before = current._inputs()
        current = before[0] if len(before) == 1 else None
    return found[::-1]


def _step(dataset: Any, folder: Path, draws: Callable[[keras.Model], list[Any]]) -> Facts:
    kind = type(dataset).__name__.strip("_").removesuffix("Dataset")
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).strip("_")
    name = name.removeprefix("parallel_") or "dataset"
    found: Facts = {"name": name, "is_parallel": kind.startswith("Parallel")}
    settings = {
        "batch": ("batch_size", "drop_remainder"),
        "shuffle": ("buffer_size", "reshuffle_each_iteration"),
        "repeat": ("count",),
    }
    for each in settings.get(name, ()):
        found[each] = plain_nested(np.asarray(getattr(dataset, f"_{each}")).item())
    function = getattr(getattr(dataset, "_map_func", None), "_func", None)
    if function is not None:
        found |= _function(function, dataset._inputs()[0].element_spec, folder, draws)
    return found


def _function(
    function: Any, spec: Any, folder: Path, draws: Callable[[keras.Model], list[Any]]
) -> Facts:
    parts = spec if isinstance(spec, tuple) else (spec,)
    shape = getattr(parts[0], "shape", None)
    is_image = shape is not None and shape.rank in (3, 4)
    model = None
    if is_image:
        with suppress(Exception):  # code that does anything else than call Keras's layers
            model = _model(function, parts)
    path = getattr(getattr(function, "__code__", None), "co_filename", "")
    is_layer = isinstance(function, keras.layers.Layer)
    return {
        "model": None if model is None else json.loads(model.to_json()),
        "draws": [] if model is None else sorted(draws(model), key=lambda draw: draw[1]),
        "source": quoted(function, folder) if isinstance(function, FunctionType) else None,
        "is_own": is_layer or not set(INSTALLED) & set(Path(path).parts),
        "is_each": shape is not None and shape.rank == 3,
    }


def _model(function: Any, parts: tuple[Any, ...]) -> keras.Model | None:
    """Returns what a function does to images by Keras's layers; None if it does anything else."""

    def tensor(part: Any) -> keras.KerasTensor:
        sides = part.shape.as_list()
        rest = sides[1:] if parts[0].shape.rank == 4 else sides
        return keras.KerasTensor((None, *rest), part.dtype.name)

    x = keras.Input(tensor(parts[0]).shape[1:], dtype=parts[0].dtype.name, name="image")
    others = [tensor(part) for part in parts[1:]]
    made = function(x, *others)
    first, *rest = made if isinstance(made, tuple | list) else (made,)
    is_through = len(rest) == len(others) and all(a is b for a, b in zip(rest, others, strict=True))
    if not is_through or not isinstance(first, keras.KerasTensor) or first is x:
        return None
    model = keras.Model(x, first, name="augmentation")
    held = [weight for weight in model.weights if not _is_seed(weight)]
    return None if held or list(_others(model)) else model


def _is_seed(weight: Any) -> bool:
    return "seed_generator" in weight.path


def _others(model: keras.Model) -> Iterator[Any]:
    """Yields the calls in a model that a map of layers may not have: own code, or eval mode."""
    for operation in model.operations:
        modes = [node.arguments.kwargs.get("training") for node in operation._inbound_nodes]
        for layer in [operation, *_inside(operation)]:
            known = inspect.signature(layer.call).parameters.get("training")
            is_model, is_own = isinstance(layer, keras.Model), not versions.is_kerass_own(layer)
            idle = [
                mode
                for mode in modes
                if known is not None and not (known.default if mode is None else mode)
            ]
            if is_own or isinstance(layer, keras.layers.Lambda) or (idle and not is_model):
                yield layer


def _inside(operation: Any) -> list[Any]:
    is_layer = isinstance(operation, keras.layers.Layer)
    return list(operation._flatten_layers(include_self=False)) if is_layer else []

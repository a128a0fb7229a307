"""What `parity port` needs of a program beside its numbers: config, draws, inputs of `fit`."""

from __future__ import annotations

import copy
import inspect
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.batches import batches_given, gives_batches, with_first_batch
from parity.halves.keras.check.custom_layers import custom_code_facts, error_line, seeds_of
from parity.halves.keras.check.custom_steps import custom_step_names
from parity.halves.keras.check.facts import plain_nested
from parity.halves.keras.check.inlined import as_graph, inlined
from parity.halves.keras.check.quoted_code import custom_step_facts, quoted
from parity.halves.keras.check.structure import slots_of
from parity.halves.keras.check.symbolic import is_graph, with_plain_configs
from parity.halves.keras.check.weights import (
    Weights,
    all_initializers,
    leaves,
    paths_apart,
    paths_on_top,
    weights_of,
)
from parity.halves.keras.factories import called_anew
from parity.halves.keras.versions import IS_KERAS_2, image_module, path_of
from parity.programs.check_spec import CheckSpec
from parity.programs.user_modules import INSTALLED

# --------------------------------------------------------------------------------------------------
#
# What a port is told of how images are fed to `fit`: flows of ImageDataGenerator, `Dataset.map`.
#
# A reference goes in, facts come out. All that a flow or its generator has otherwise than one with
# defaults is in them, and all steps of a dataset: what a port does not write of it, it can name.


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
        generator = reference.x.image_data_generator
        found["validation"]["same_generator"] = feed.image_data_generator is generator
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
    weights = [weight for weight in model.weights if not _is_seed(weight)]
    return None if weights or list(_others(model)) else model


def _is_seed(weight: Any) -> bool:
    return "seed_generator" in weight.path


def _others(model: keras.Model) -> Iterator[Any]:
    """Yields the calls in a model that a map of layers may not have: own code, or eval mode."""
    for operation in model.operations:
        modes = [node.arguments.kwargs.get("training") for node in operation._inbound_nodes]
        for layer in [operation, *_inside(operation)]:
            known = inspect.signature(layer.call).parameters.get("training")
            is_model, is_custom = isinstance(layer, keras.Model), not versions.is_from_keras(layer)
            idle = [
                mode
                for mode in modes
                if known is not None and not (known.default if mode is None else mode)
            ]
            if is_custom or isinstance(layer, keras.layers.Lambda) or (idle and not is_model):
                yield layer


def _inside(operation: Any) -> list[Any]:
    is_layer = isinstance(operation, keras.layers.Layer)
    return list(operation._flatten_layers(include_self=False)) if is_layer else []


# --------------------------------------------------------------------------------------------------
#
# What `parity port` needs of a Keras program beside its numbers: config, draws, what `fit` gets.
#
# A factory goes in. The reference that it returns right after `keras.utils.set_random_seed` comes
# out, and facts, ready for JSON.


_MOST_DRAWS = 100_000  # of one program; a model with more layers has none that are found
_FIT = ("batch_size", "epochs", "shuffle", "validation_split", "class_weight")
# Arguments of `fit` that a port has in another way, or that are told beside them.
_DESCRIBED_ELSEWHERE = ("x", "y", "sample_weight", "validation_data", "callbacks")


def described(
    factory: Callable[[], Any], spec: CheckSpec
) -> tuple[Reference, dict[str, Any], dict[str, Any]]:
    """Calls a factory, and returns what it returns and what a port is written of.

    Args:
        factory: returns a compiled model or a Reference.
        spec: has the seed and the folder of the program.

    Returns:
        The reference; "model": the config as `to_json` writes it, or None with the reason as
        "problem"; "draws": [path of a weight, or of a layer with "/seed", number of the draw from
        Python's `random`]; "shared": names of layers that several models have, or a model and a
        TimeDistributed, since the config does not say that they are one; "fit": its arguments, with
        "others" that no port has, "batches" of `batches_given`, "feed" of `feed_facts`,
        "is_numpy_fresh", whether the program has drawn nothing by NumPy, "later" of `later_fits`,
        "is_seeded", "has_targets", which only arrays x without y lack, and "step" of
        `custom_step_facts`; "own_steps": methods of its training that are the user's own; and what
        `custom_code_facts` returns.

    Raises:
        InputError: this is Keras 2, whose graphs a port is not written of.
    """
    if IS_KERAS_2:
        raise InputError(
            f"a port is written of a model of Keras 3, and this is Keras {keras.__version__}: "
            "write model.save('model.h5') here, and port that file without --keras-python"
        )
    reference = called_anew(factory, spec.seed)
    is_fresh = draws_nothing_yet()
    known, _ = with_first_batch(reference, factory, spec.seed)
    _build(known)
    found, custom_code = _facts(known, spec)
    arguments = reference.fit_arguments()
    found["fit"] = {name: plain_nested(arguments[name]) for name in _FIT}
    usual = Reference(reference.model).fit_arguments()
    rare = {
        name: value
        for name, value in arguments.items()
        if name not in (*_FIT, *_DESCRIBED_ELSEWHERE)
        and value != usual[name]
        and not _is_idle(reference, name)
    }
    found["fit"]["batches"] = batches_given(reference)
    found["fit"]["feed"] = feed_facts(
        reference, Path(spec.folder), partial(_draws_alone, spec.seed)
    )
    found["fit"]["is_numpy_fresh"] = is_fresh
    found["fit"]["later"] = getattr(factory, "later", None)  # of a script
    found["fit"]["is_seeded"] = getattr(factory, "sets_seed", False)  # likewise
    has_no_arrays = known.x is None or gives_batches(known)
    found["fit"]["has_targets"] = known.y is not None or has_no_arrays
    found["fit"]["step"] = custom_step_facts(reference, Path(spec.folder))
    found["fit"]["others"] = {name: plain_nested(value) for name, value in rare.items()}
    found["own_steps"] = custom_step_names(reference.model)
    return reference, found, custom_code


def _facts(reference: Reference, spec: CheckSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns config, draws and own code of a model, with as much of it written out as possible.

    "stubbed" has both without that, for a port that lacks an operation of what is written out.
    """
    model = graph = reference.model
    problem = ""
    try:
        graph = as_graph(reference, spec.batch_size)
    except Exception as error:  # of a class of the user, which may raise anything
        problem = error_line(error)
    numbers, weights = _numbers(spec.seed), weights_of(model)
    initial = all_initializers(model)

    def facts_of(
        graph: keras.Model, paths: Mapping[int, str], problem: str = ""
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        found: dict[str, Any] = {"model": None, "problem": problem, "stubbed": []}
        if not problem:
            try:
                with with_plain_configs(graph), _seeds_of_generators(graph, numbers):
                    found["model"] = json.loads(graph.to_json())
            except Exception as error:  # likewise
                found["problem"] = error_line(error)
        found["shared"] = sorted(_shared(graph))
        custom_code, described_ids = custom_code_facts(
            model, graph, weights, numbers, Path(spec.folder)
        )
        custom_code["inlined"] = paths_on_top(graph, weights)
        draws = _draws(model, weights, numbers, described_ids, paths)
        found["draws"] = sorted(draws, key=lambda draw: draw[1])
        return found, custom_code

    found, custom_code = facts_of(graph, paths_apart(graph), problem)
    is_whole = not is_graph(model)  # all of it is code of the user's
    written = None
    if not problem:
        written = inlined(model if is_whole else graph, graph.input if is_whole else None)
    if written is None:
        return found, custom_code
    try:
        paths = written.paths()
        drawn = {id(weight.variable) for weight in written.weights}
        weight_names = [name for name, each in weights.variables.items() if id(each) in drawn]
        noted = {name: initial[name] for name in weight_names}
        weights = Weights(weights.variables, {**weights.initial, **noted})
        other, other_code = facts_of(written.model, paths)
        if other["model"] is None:
            return found, custom_code
        names = {name: path for name, v in weights.variables.items() if (path := paths.get(id(v)))}
        names = other_code["inlined"] | names
        return other | {"stubbed": [found, custom_code]}, other_code | {"inlined": names}
    finally:
        written.restore()


@contextmanager
def _seeds_of_generators(model: keras.Model, numbers: Mapping[int, int]) -> Iterator[None]:
    """Lets layers tell the seed of their generator, and none that Keras draws for it.

    A RandomCrop without a seed draws two, tells the first one, and uses the second.

    Args:
        model: whose config is written in the block.
        numbers: seeds that Keras draws.
    """
    changed: list[tuple[Any, int]] = []
    for layer in model._flatten_layers():
        used, seed = list(seeds_of(layer)), getattr(layer, "seed", None)
        if isinstance(seed, int) and len(used) == 1 and used[0] != seed:
            changed.append((layer, seed))
            layer.seed = None if used[0] in numbers else used[0]
    try:
        yield
    finally:
        for layer, seed in changed:
            layer.seed = seed


def _is_idle(reference: Reference, name: str) -> bool:
    """Whether an argument of `fit` changes nothing: it says how many batches there are anyway."""
    batches = {"steps_per_epoch": "x", "validation_steps": "validation_data"}
    if name not in batches:
        return False
    given = getattr(reference, batches[name])
    is_known = isinstance(given, keras.utils.PyDataset) and given.num_batches is not None
    return is_known and getattr(reference, name) == given.num_batches


def _build(reference: Reference) -> None:
    """Builds a Sequential without an Input for the samples that `fit` gets.

    Its config would not say what it takes. That is left to whom it concerns, if there are none.
    """
    model = reference.model
    if isinstance(model, keras.Sequential) and not model.built:
        with suppress(InputError):
            _, (slot,) = slots_of(reference)
            model.build((None, *slot.shape))


def _shared(model: keras.Model) -> set[str]:
    """Returns the names of layers that several models in a model hold, or a TimeDistributed too.

    A name that stands for several such layers is left out: nothing could tell them apart. An Input
    computes nothing: an encoder and the model around it may begin with the same one.
    """
    holders: dict[int, set[int]] = {}
    names: dict[str, set[int]] = {}
    waiting, visited = [model], set()
    while waiting:
        holder = waiting.pop()
        if id(holder) in visited:
            continue
        visited.add(id(holder))
        if not isinstance(holder, keras.Model | keras.layers.TimeDistributed):
            continue
        for inner in holder._flatten_layers(include_self=False, recursive=False):
            if isinstance(inner, keras.layers.InputLayer):
                continue
            holders.setdefault(id(inner), set()).add(id(holder))
            names.setdefault(inner.name, set()).add(id(inner))
            waiting.append(inner)
    return {
        name
        for name, layers in names.items()
        if len(layers) == 1 and len(holders[next(iter(layers))]) > 1
    }


def _numbers(seed: int) -> dict[int, int]:
    """Returns what Python's `random` draws from a seed -> the number of that draw."""
    python = random.Random(seed)
    numbers: dict[int, int] = {}
    for number in range(_MOST_DRAWS):
        numbers.setdefault(python.randint(1, 10**9), number)
    return numbers


def _draws(
    model: keras.Model,
    weights: Weights,
    numbers: Mapping[int, int],
    described_ids: set[int],
    paths: Mapping[int, str],
) -> Iterator[tuple[str, int]]:
    """Yields which draw gave the seed of each initialiser, and of each layer that draws.

    Args:
        model: of the program.
        weights: of it.
        numbers: seed -> number of its draw.
        described_ids: IDs of variables and layers that `custom_code_facts` describes.
        paths: of variables and layers with other names than Keras's, by ID.
    """
    variables = weights.variables
    for name, found in weights.initial.items():
        seed: Any = getattr(found.call, "seed", None)
        is_drawn = isinstance(seed, int) and seed in numbers and found.config.get("seed") is None
        if is_drawn and id(variables[name]) not in described_ids:
            variable = variables[name]
            yield paths.get(id(variable), path_of(variable)), numbers[seed]
    for layer in leaves(model):
        if id(layer) in described_ids:
            continue
        at = paths.get(id(layer)) or getattr(layer, "path", None) or layer.name
        for path, generator in _generators(layer, at):
            if generator in numbers:
                yield f"{path}/seed", numbers[generator]


def _draws_alone(seed: int, model: keras.Model) -> list[tuple[str, int]]:
    """Returns the draws of a model whose layers are Keras's."""
    return list(_draws(model, weights_of(model), _numbers(seed), set(), {}))


def _generators(layer: keras.Layer, path: str) -> Iterator[tuple[str, int]]:
    """Yields (path of its layer, seed) of the generators of a layer and of its inner layers."""
    yield from ((path, seed) for seed in seeds_of(layer))
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        yield from _generators(inner, f"{path}/{inner.name}")

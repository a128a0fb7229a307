"""What `parity port` needs of a Keras program beside its numbers: config, draws, what `fit` gets.

A factory goes in. The reference that it returns right after `keras.utils.set_random_seed` comes
out, and facts, ready for JSON.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras.check.begun_anew import called_anew
from parity.halves.keras.check.facts import plain_nested
from parity.halves.keras.check.feed_facts import draws_nothing_yet, feed_facts
from parity.halves.keras.check.given_batches import batches_given
from parity.halves.keras.check.initializers import all_initializers
from parity.halves.keras.check.inlined import inlined
from parity.halves.keras.check.model import leaves
from parity.halves.keras.check.named_weights import Weights, paths_apart, paths_on_top, weights_of
from parity.halves.keras.check.own_code import own_code, seeds_of, told_of
from parity.halves.keras.check.own_layers import is_graph, told_simply
from parity.halves.keras.check.own_steps import own_steps
from parity.halves.keras.check.step_code import own_step
from parity.halves.keras.check.structure import slots_of
from parity.halves.keras.check.subclassed import as_graph
from parity.halves.keras.versions import IS_KERAS_2, are_arrays, path_of
from parity.programs.check_spec import CheckSpec

_MOST_DRAWS = 100_000  # of one program; a model with more layers has none that are found
_FIT = ("batch_size", "epochs", "shuffle", "validation_split", "class_weight")
# Arguments of `fit` that a port has in another way, or that are told beside them.
_TOLD = ("x", "y", "sample_weight", "validation_data", "callbacks")


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
        "is_seeded", "has_targets", which only arrays x without y lack, and "step" of `own_step`;
        "own_steps": methods of its training that are the user's own; and what `own_code` returns.

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
    _build(reference)
    found, own = _facts(reference, spec)
    arguments = reference.fit_arguments()
    found["fit"] = {name: plain_nested(arguments[name]) for name in _FIT}
    usual = Reference(reference.model).fit_arguments()
    rare = {
        name: value
        for name, value in arguments.items()
        if name not in (*_FIT, *_TOLD) and value != usual[name] and not _is_idle(reference, name)
    }
    found["fit"]["batches"] = batches_given(reference)
    found["fit"]["feed"] = feed_facts(
        reference, Path(spec.folder), partial(_draws_alone, spec.seed)
    )
    found["fit"]["is_numpy_fresh"] = is_fresh
    found["fit"]["later"] = getattr(factory, "later", None)  # of a script
    found["fit"]["is_seeded"] = getattr(factory, "sets_seed", False)  # likewise
    found["fit"]["has_targets"] = _has_targets(reference)
    found["fit"]["step"] = own_step(reference, Path(spec.folder))
    found["fit"]["others"] = {name: plain_nested(value) for name, value in rare.items()}
    found["own_steps"] = own_steps(reference.model)
    return reference, found, own


def _facts(reference: Reference, spec: CheckSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns config, draws and own code of a model, with as much of it written out as possible.

    "stubbed" has both without that, for a port that lacks an operation of what is written out.
    """
    model = graph = reference.model
    problem = ""
    try:
        graph = as_graph(reference, spec.batch_size)
    except Exception as error:  # of a class of the user, which may raise anything
        problem = told_of(error)
    numbers, weights = _numbers(spec.seed), weights_of(model)
    initial = all_initializers(model)

    def facts_of(
        graph: keras.Model, paths: Mapping[int, str], problem: str = ""
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        found: dict[str, Any] = {"model": None, "problem": problem, "stubbed": []}
        if not problem:
            try:
                with told_simply(graph), _seeds_of_generators(graph, numbers):
                    found["model"] = json.loads(graph.to_json())
            except Exception as error:  # likewise
                found["problem"] = told_of(error)
        found["shared"] = sorted(_shared(graph))
        own, told = own_code(model, graph, weights, numbers, Path(spec.folder))
        own["inlined"] = paths_on_top(graph, weights)
        draws = _draws(model, weights, numbers, told, paths)
        found["draws"] = sorted(draws, key=lambda draw: draw[1])
        return found, own

    found, own = facts_of(graph, paths_apart(graph), problem)
    is_whole = not is_graph(model)  # all of it is code of the user's
    written = None
    if not problem:
        written = inlined(model if is_whole else graph, graph.input if is_whole else None)
    if written is None:
        return found, own
    try:
        paths = written.paths()
        drawn = {id(held.variable) for held in written.weights}
        own_names = [name for name, each in weights.variables.items() if id(each) in drawn]
        noted = {name: initial[name] for name in own_names}
        weights = Weights(weights.variables, {**weights.initial, **noted})
        other, own_other = facts_of(written.model, paths)
        if other["model"] is None:
            return found, own
        names = {name: path for name, v in weights.variables.items() if (path := paths.get(id(v)))}
        names = own_other["inlined"] | names
        return other | {"stubbed": [found, own]}, own_other | {"inlined": names}
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
    told: list[tuple[Any, int]] = []
    for layer in model._flatten_layers():
        used, seed = list(seeds_of(layer)), getattr(layer, "seed", None)
        if isinstance(seed, int) and len(used) == 1 and used[0] != seed:
            told.append((layer, seed))
            layer.seed = None if used[0] in numbers else used[0]
    try:
        yield
    finally:
        for layer, seed in told:
            layer.seed = seed


def _is_idle(reference: Reference, name: str) -> bool:
    """Whether an argument of `fit` changes nothing: it says how many batches there are anyway."""
    batches = {"steps_per_epoch": "x", "validation_steps": "validation_data"}
    if name not in batches:
        return False
    given = getattr(reference, batches[name])
    is_known = isinstance(given, keras.utils.PyDataset) and given.num_batches is not None
    return is_known and getattr(reference, name) == given.num_batches


def _has_targets(reference: Reference) -> bool:
    """Whether `fit` gets targets, as far as that is known."""
    x = reference.x
    return x is None or reference.y is not None or not are_arrays(x)


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
    waiting, seen = [model], set()
    while waiting:
        holder = waiting.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
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
    told: set[int],
    paths: Mapping[int, str],
) -> Iterator[tuple[str, int]]:
    """Yields which draw gave the seed of each initialiser, and of each layer that draws.

    Args:
        model: of the program.
        weights: of it.
        numbers: seed -> number of its draw.
        told: IDs of variables and layers that `own_code` has told.
        paths: of variables and layers with other names than Keras's, by ID.
    """
    variables = weights.variables
    for name, found in weights.initial.items():
        own: Any = getattr(found.call, "seed", None)
        is_drawn = isinstance(own, int) and own in numbers and found.config.get("seed") is None
        if is_drawn and id(variables[name]) not in told:
            variable = variables[name]
            yield paths.get(id(variable), path_of(variable)), numbers[own]
    for layer in leaves(model):
        if id(layer) in told:
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

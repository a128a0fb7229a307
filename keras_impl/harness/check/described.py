"""What `parity port` needs of a Keras program beside its numbers: config, draws, what `fit` gets.

A reference goes in, built right after `keras.utils.set_random_seed`. Facts come out, ready for
JSON.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_impl.harness.check.facts import plain_nested
from keras_impl.harness.check.initializers import initializers
from keras_impl.harness.check.model import leaves, named_variables
from keras_impl.harness.factories import Reference
from keras_impl.harness.versions import path_of

_MOST_DRAWS = 100_000  # of one program; a model with more layers has none that are found
_FIT = ("batch_size", "epochs", "shuffle", "validation_split", "class_weight")


def description(reference: Reference, seed: int) -> dict[str, Any]:
    """Returns what a port is written of.

    Args:
        reference: the program; no layer was built since `set_random_seed(seed)` but its own.
        seed: the number given to it.

    Returns:
        "model": the config as `to_json` writes it, or None with the reason as "problem"; "draws":
        [path of a weight, or of a layer with a seed, number of the draw from Python's `random`];
        "fit": its arguments.
    """
    found: dict[str, Any] = {"model": None, "problem": ""}
    try:
        found["model"] = json.loads(reference.model.to_json())
    except Exception as error:  # of a class of the user, which may raise anything
        found["problem"] = f"{type(error).__name__}: {error}".splitlines()[0]
    arguments = reference.fit_arguments()
    found["fit"] = {name: plain_nested(arguments[name]) for name in _FIT}
    found["draws"] = sorted(_draws(reference.model, seed), key=lambda draw: draw[1])
    return found


def _draws(model: keras.Model, seed: int) -> Iterator[tuple[str, int]]:
    """Yields which draw gave the seed of each initialiser, and of each layer that draws."""
    python = random.Random(seed)
    numbers: dict[int, int] = {}
    for number in range(_MOST_DRAWS):
        numbers.setdefault(python.randint(1, 10**9), number)
    variables = named_variables(model)
    for name, found in initializers(model).items():
        own = getattr(found.call, "seed", None)
        if isinstance(own, int) and own in numbers and found.config.get("seed") is None:
            yield path_of(variables[name]), numbers[own]
    for layer in leaves(model):
        for generator in _generators(layer):
            if generator in numbers:
                yield f"{getattr(layer, 'path', None) or layer.name}/seed", numbers[generator]


def _generators(layer: keras.Layer) -> Iterator[int]:
    """Yields the seeds of the generators of a layer, those of its inner layers too."""
    for each in [layer, *layer._flatten_layers(include_self=False)]:
        for value in vars(each).values():
            if isinstance(value, keras.random.SeedGenerator):
                yield int(np.asarray(value.state)[0])

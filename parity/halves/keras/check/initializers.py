"""The initialisers of a Keras model: which object drew a weight, and how to draw it again.

A model goes in; weight name -> Initializer comes out. A layer of Keras has the initialiser of each
weight as an attribute. A layer of the user may create a weight without one; its weights can only be
drawn again by building the model again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from parity.halves.keras.check.model import leaves, named_variables
from parity.halves.keras.noted_initializers import noted_initializer
from parity.halves.keras.versions import is_kerass_own, own_weights, path_of

# Name of a variable -> beginnings of the argument with its initialiser, if the names differ.
_DRAWN_BY = {
    "kernel": ("kernel", "depthwise"),
    "recurrent_kernel": ("recurrent",),
    "depthwise_kernel": ("depthwise",),
    "pointwise_kernel": ("pointwise",),
    "reverse_embeddings": ("embeddings",),
}


@dataclass(frozen=True)
class Initializer:
    """What drew a weight.

    Attributes:
        call: the initialiser, called with a shape and a dtype.
        config: its configuration with its "class"; a class of the user has its module before the
            name. Empty for a function.
    """

    call: Callable[..., Any]
    config: Mapping[str, Any]

    def draw(self, shape: Sequence[int], seed: int) -> np.ndarray:
        """Draws anew, also if the initialiser has a seed of its own."""
        call: Any = self.call
        config = {}
        if hasattr(call, "get_config") and hasattr(type(call), "from_config"):
            config = call.get_config()
            if "seed" in config:
                config = {**config, "seed": seed}
            call = type(call).from_config(config)
        # TensorFlow forgets its compiled kernels with every new seed, so that the next operations
        # take ten times as long. Keras's own initialisers draw from their seed alone.
        if "seed" not in config or not is_kerass_own(call):
            keras.utils.set_random_seed(seed)
        return np.asarray(call(tuple(shape), dtype=keras.backend.floatx()))


def initializers(model: keras.Model) -> dict[str, Initializer]:
    """Returns weight name -> initialiser, for the weights whose layer tells it."""
    owners = {  # of a weight that two layers hold, the inner one
        id(variable): layer
        for leaf in reversed(leaves(model))
        for layer in [leaf, *leaf._flatten_layers(include_self=False)]
        for variable in own_weights(layer)
    }
    found = {}
    for name, variable in named_variables(model).items():
        short = path_of(variable).rpartition("/")[2]
        owner = owners.get(id(variable))
        for stem in _DRAWN_BY.get(short, (short,)):
            call = getattr(owner, f"{stem}_initializer", None)
            if callable(call):
                found[name] = Initializer(call, _config(call))
                break
    return found


def all_initializers(model: keras.Model) -> dict[str, Initializer]:
    """Returns the same with those of layers of the user, which keep none as an attribute."""
    found = {
        name: Initializer(call, _config(call))
        for name, variable in named_variables(model).items()
        if (call := noted_initializer(variable)) is not None
    }
    return found | initializers(model)


def _config(call: Any) -> dict[str, Any]:
    if not hasattr(call, "get_config"):
        return {}
    try:
        config = dict(call.get_config())
    except (NotImplementedError, TypeError, ValueError):  # of a class of the user
        config = {}
    kind = type(call)
    name = kind.__name__ if is_kerass_own(call) else f"{kind.__module__}.{kind.__name__}"
    return {"class": name, **config}

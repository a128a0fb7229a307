"""from_config: the initialiser that a Keras configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from torch_impl.configured import named
from torch_impl.initializers import scaling
from torch_impl.initializers.base import Initializer
from torch_impl.initializers.constants import STFT, Constant, Identity, Ones, Zeros
from torch_impl.initializers.draws import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from torch_impl.philox import seed_pair

# By Keras's names: that of the class, in snake case, and older names.
_NAMES: dict[type[Initializer], str] = {
    Constant: "constant",
    scaling.GlorotNormal: "glorot_normal",
    scaling.GlorotUniform: "glorot_uniform",
    scaling.HeNormal: "he_normal",
    scaling.HeUniform: "he_uniform",
    Identity: "identity IdentityInitializer",
    scaling.LecunNormal: "lecun_normal",
    scaling.LecunUniform: "lecun_uniform",
    Ones: "ones one",
    Orthogonal: "orthogonal OrthogonalInitializer",
    RandomNormal: "random_normal normal",
    RandomUniform: "random_uniform uniform",
    STFT: "stft STFTInitializer",
    TruncatedNormal: "truncated_normal",
    scaling.VarianceScaling: "variance_scaling",
    Zeros: "zeros zero",
}
INITIALIZERS = {n: kind for kind, names in _NAMES.items() for n in (kind.__name__, *names.split())}


def from_config(config: str | Mapping[str, Any]) -> Initializer:
    """Returns the initialiser that Keras's configuration describes.

    Args:
        config: a name such as "he_normal", or a dictionary of `keras.initializers.serialize`, with
            "class_name" and "config".

    Raises:
        ValueError: there is no initialiser of that name here; or its seed is a SeedGenerator, whose
            numbers depend on how often it was called; or its value is no number or array.
    """
    kind, settings = named(config, INITIALIZERS, "initializer")
    if settings.get("seed") is not None:
        seed_pair(settings["seed"])
    if not isinstance(value := settings.get("value", 0.0), float | int):
        settings["value"] = _array(value)
    return kind(**settings)


def _array(value: Any) -> tuple[Any, ...]:
    """Returns the array of a configuration; TensorFlow rounds the numbers of a list to float32.

    Raises:
        ValueError: it is none.
    """
    is_list = isinstance(value, list | tuple)
    is_array = isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__")
    if not is_list and not is_array:
        raise ValueError(f"value={value!r}: expected a number or an array")
    numbers = np.asarray(value if is_list else value["config"]["value"])
    if numbers.dtype.kind not in "biuf" or not numbers.ndim:
        raise ValueError(f"value of dtype {numbers.dtype}: expected an array of numbers")
    made: tuple[Any, ...] = _nested((numbers.astype(np.float32) if is_list else numbers).tolist())
    return made


def _nested(numbers: Any) -> Any:
    return tuple(map(_nested, numbers)) if isinstance(numbers, list) else float(numbers)

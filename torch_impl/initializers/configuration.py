"""from_config: the initialiser that a Keras configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch_impl.initializers.base import Initializer, seed_pair
from torch_impl.initializers.constants import STFT, Constant, Identity, Ones, Zeros
from torch_impl.initializers.draws import (
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)
from torch_impl.initializers.scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)

# By Keras's names: of the class, in snake case, and the older ones.
INITIALIZERS: dict[str, type[Initializer]] = {
    "Constant": Constant,
    "constant": Constant,
    "GlorotNormal": GlorotNormal,
    "glorot_normal": GlorotNormal,
    "GlorotUniform": GlorotUniform,
    "glorot_uniform": GlorotUniform,
    "HeNormal": HeNormal,
    "he_normal": HeNormal,
    "HeUniform": HeUniform,
    "he_uniform": HeUniform,
    "Identity": Identity,
    "identity": Identity,
    "IdentityInitializer": Identity,
    "LecunNormal": LecunNormal,
    "lecun_normal": LecunNormal,
    "LecunUniform": LecunUniform,
    "lecun_uniform": LecunUniform,
    "Ones": Ones,
    "ones": Ones,
    "one": Ones,
    "Orthogonal": Orthogonal,
    "orthogonal": Orthogonal,
    "OrthogonalInitializer": Orthogonal,
    "RandomNormal": RandomNormal,
    "random_normal": RandomNormal,
    "normal": RandomNormal,
    "RandomUniform": RandomUniform,
    "random_uniform": RandomUniform,
    "uniform": RandomUniform,
    "STFT": STFT,
    "stft": STFT,
    "STFTInitializer": STFT,
    "TruncatedNormal": TruncatedNormal,
    "truncated_normal": TruncatedNormal,
    "VarianceScaling": VarianceScaling,
    "variance_scaling": VarianceScaling,
    "Zeros": Zeros,
    "zeros": Zeros,
    "zero": Zeros,
}


def from_config(config: str | Mapping[str, Any]) -> Initializer:
    """Returns the initialiser that Keras's configuration describes.

    Args:
        config: a name such as "he_normal", or a dictionary of `keras.initializers.serialize`, with
            "class_name" and "config".

    Raises:
        ValueError: no initialiser of that name is here; or its seed is a SeedGenerator, whose
            numbers depend on how often it was called, or its value an array.
    """
    name = config if isinstance(config, str) else config["class_name"]
    settings = {} if isinstance(config, str) else dict(config.get("config") or {})
    if name not in INITIALIZERS:
        raise ValueError(f"initializer {name!r}: expected one of {sorted(INITIALIZERS)}")
    if settings.get("seed") is not None:
        seed_pair(settings["seed"])
    if not isinstance(settings.get("value", 0.0), float | int):
        raise ValueError(f"value={settings['value']!r}: expected a number")
    return INITIALIZERS[name](**settings)

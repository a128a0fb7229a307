"""Keras's initialisers from an integer seed, bit for bit: `HeNormal()((3, 3, 2, 5), seed=7)`.

`base` has the base classes, `scaling` the initialisers whose spread follows from the shape, `draws`
the other random ones, and `constants` those that draw nothing.
"""

from torch_impl.initializers.draws import (
    INITIALIZERS,
    STFT,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    Initializer,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    UnitForgetBias,
    VarianceScaling,
    Zeros,
    compute_fans,
    from_config,
)
from torch_impl.torch_names import explain_torch_names

__all__ = [
    "INITIALIZERS",
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "UnitForgetBias",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "from_config",
]

explain_torch_names(__name__)

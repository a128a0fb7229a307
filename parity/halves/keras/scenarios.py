"""The built-in scenarios as programs: a factory for each, named as the scenario is.

parity.halves.keras.scenarios:dropout      as a user's own factory, "module:function"
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import keras

from keras_impl.data import training_data, validation_data
from keras_impl.models import build_network
from keras_impl.reference import Reference
from keras_impl.train import callbacks_of
from parity.data.load import run_data
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import SCENARIOS, scenario

# A run builds its program several times: for probes, for its training, for recorded states.
_data = lru_cache(maxsize=1)(run_data)


def program(spec: RunSpec) -> Reference:
    """Returns what a scenario trains: its compiled network, and what `fit` gets.

    Seed and dtype are those that the process has.
    """
    data = _data(spec)
    model = build_network(spec, data.input_shape, data.num_classes)
    dtype = keras.config.floatx()
    return Reference(
        model=model,
        callbacks=callbacks_of(spec),
        epochs=spec.epochs,
        validation_data=validation_data(spec.replace(dtype=dtype), data),
        **training_data(spec.replace(dtype=dtype), data),
    )


def __getattr__(name: str) -> Callable[[], Reference]:
    if name not in SCENARIOS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(program, scenario(name))


def __dir__() -> list[str]:
    return sorted(SCENARIOS)

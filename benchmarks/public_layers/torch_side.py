"""Factories of the twins of the table, by the names of the settings.

The environment variable PARITY_CONFIGS names the folder of the configs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.public_layers.functions import CUSTOM
from torch_impl import Port, from_keras_config, losses, optim
from torch_impl.penalty import RegularizedLoss


def __getattr__(name: str) -> Any:
    """Returns the factory of a setting.

    Raises:
        AttributeError: there is no config of it.
    """
    path = Path(os.environ["PARITY_CONFIGS"], f"{name}.json")
    if not path.is_file():
        raise AttributeError(name)
    return lambda: _port(path.read_text(encoding="utf-8"))


def _port(config: str) -> Port:
    # The optimizer rounds its rate to the dtype of the weights, so they become float64 first.
    twin = from_keras_config(config, CUSTOM).double()
    optimizer = optim.SGD(twin.parameters(), learning_rate=0.05)
    twin.constrain(optimizer)
    return Port(twin, RegularizedLoss(losses.MeanSquaredError(), twin.penalty), optimizer)

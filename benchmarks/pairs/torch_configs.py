"""Ports that `torch_impl.from_keras_config` makes from the configs of some Keras models.

`python benchmarks/pairs/write_configs.py` writes configs.json again.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.pairs.torch_base import trained
from torch_impl import Port
from torch_impl.keras_config import from_keras_config

CONFIGS = Path(__file__).with_name("configs.json")


def _twin(name: str) -> Port:
    configs = json.loads(CONFIGS.read_text())
    return trained(from_keras_config(configs[name]))


globals().update(
    residual_twin=lambda: _twin("residual"),  # Branches.
    flatten_twin=lambda: _twin("flatten"),  # A flatten in Keras's order.
    batch_norm_twin=lambda: _twin("batch_norm"),  # Moving statistics.
    embedding_conv_twin=lambda: _twin("embedding_conv"),  # Tokens.
)

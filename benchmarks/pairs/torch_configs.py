"""Ports that `torch_impl.from_keras_config` makes of what Keras writes about some of the models.

python benchmarks/pairs/write_configs.py        writes configs.json anew
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


def residual_twin() -> Port:
    """Branches."""
    return _twin("residual")


def flatten_twin() -> Port:
    """A flatten in Keras's order."""
    return _twin("flatten")


def batch_norm_twin() -> Port:
    """Moving statistics."""
    return _twin("batch_norm")


def embedding_conv_twin() -> Port:
    """Tokens."""
    return _twin("embedding_conv")

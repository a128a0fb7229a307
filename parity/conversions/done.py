"""Done: weights that were carried into a module, before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import nn

from parity.conversions.coverage import Coverage
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl.port import Port


@dataclasses.dataclass
class Done:
    """Weights that were carried into a module.

    Attributes:
        factory: builds the port anew.
        built: the port.
        module: that holds them, in float64.
        items: the weights with a place.
        arrays: all weights by name, as they are in the file.
        keys: where each is in the file.
        coverage: what has no place.
        problems: why the places are not proved; empty: they are.
        proof: how they are, in words.
        error: of the output, relative; None: it was not compared.
        under_test: the port as it was paired; None: without a graph.
        trainable: names of the weights that Keras trains, in Keras's order.
    """

    factory: Callable[[], Any]
    built: Port
    module: nn.Module
    items: list[Carried]
    arrays: Mapping[str, np.ndarray]
    keys: Mapping[str, str]
    coverage: Coverage
    problems: list[str]
    proof: str
    error: float | None = None
    under_test: PortUnderTest | None = None
    trainable: list[str] = dataclasses.field(default_factory=list)

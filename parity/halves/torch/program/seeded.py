"""What a port with seeds of its own draws: initial weights, masks, order of the samples.

seeded/init/NAME      initial weights, in Keras's layout
seeded/masks/LAYER    (2,) seed and number of masks drawn so far, by the layer of Keras
seeded/order          (N,) numbers of the samples in an epoch
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.program.masks import layer_of
from parity.traces.trace import TraceWriter


def write_draws(port: PortUnderTest, nests: Mapping[str, Any], writer: TraceWriter) -> None:
    """Writes what a port has drawn before its first step.

    Args:
        port: as its factory returned it, with `seeds`.
        nests: what Keras's `fit` is fed.
        writer: receives `seeded/…`.
    """
    seeds = port.built.seeds
    assert seeds is not None
    writer.put_all("seeded/init", port.weights())
    writer.put_all("seeded/masks", mask_states(port))
    if "order" in nests and port.keras.facts["fit"]["shuffle"]:
        writer.put("seeded/order", seeds.fit_order(len(nests["order"])).numpy())


def mask_states(port: PortUnderTest) -> dict[str, np.ndarray]:
    """Returns the states of the layers that draw masks as Keras's do, by the layer of Keras."""
    found = {}
    for pair in port.all_pairs:
        module: Any = pair.call.module
        if pair.call.kind == "dropout" and hasattr(module, "num_calls"):
            found[layer_of(pair)] = np.array([int(module.seed), int(module.num_calls)])
    return found

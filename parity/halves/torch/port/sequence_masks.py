"""Keras's masks of sequences, for the outputs of a port that has no loss: Keras's takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from parity.traces.trace import keyed
from torch_impl.masks import with_mask

if TYPE_CHECKING:
    from parity.halves.torch.port.port_under_test import PortUnderTest


def masked(port: PortUnderTest, mode: str, output: torch.Tensor) -> torch.Tensor:
    """Returns an output with Keras's mask if the port has no loss; else as it is.

    Of several outputs, those that the port returned last get the masks.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "eval", "train", "step1", ...
        output: of the port, as the trace has it.
    """
    if port.built.loss is not None:
        return output
    parts = port.outputs.raw(port.nest) if port.outputs.names else {"": output}
    for name, part in parts.items():
        key = keyed(f"counted/{mode}/output", name)
        if key in port.keras:
            with_mask(part, torch.from_numpy(port.keras[key].copy()).to(port.device))
    return output

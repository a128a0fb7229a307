"""Keras's mask of sequences for the output of a port that has no loss: Keras's loss takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from torch_impl.masks import with_mask

if TYPE_CHECKING:
    from torch_impl.harness.port.port_under_test import PortUnderTest


def masked(port: PortUnderTest, mode: str, output: Any) -> Any:
    """Returns an output with Keras's mask if the port has no loss; else as it is.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "eval", "train", "step1", ...
        output: of the port.
    """
    key = f"counted/{mode}/output"
    if port.built.loss is None and key in port.keras and not port.outputs.names:
        return with_mask(output, torch.from_numpy(port.keras[key].copy()).to(port.device))
    return output

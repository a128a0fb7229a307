"""Saves final weights under the names and in the layout of the port.

model.load_state_dict(safetensors.torch.load_file("RUN/keras.safetensors"))
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from parity.files.atomic import write_bytes


def save_state(path: Path, module: nn.Module) -> None:
    """Writes the tensors of a module's state_dict, with all their values, as a safetensors file.

    Args:
        path: of the file.
        module: what is no tensor in its state, such as counters, is left out.
    """
    from safetensors.torch import save

    state = module.state_dict()
    tensors = {
        name: value.detach().cpu().clone().contiguous()  # tied weights share their memory
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    write_bytes(path, save(tensors))

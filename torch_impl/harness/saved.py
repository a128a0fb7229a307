"""Saves the final weights of both halves, under the names and in the layout of the port.

model.load_state_dict(safetensors.torch.load_file("RUN/keras.safetensors"))
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from parity.data.dataset import Data
from parity.files.atomic import write_bytes
from parity.programs.run_spec import RunSpec
from parity.traces.folder import RunFolder
from parity.traces.trace import Weights
from torch_impl.models import build_model
from torch_impl.weights import set_weights


def save_weights(
    spec: RunSpec, data: Data, weights: Weights, run: RunFolder, pause: Callable[[], None]
) -> None:
    """Saves the weights of both halves; only its own if the Keras half has failed.

    Args:
        spec: the run.
        data: its arrays.
        weights: final ones, in the portable layout.
        run: folder of the run.
        pause: called while the Keras half is waited for.
    """
    from safetensors.numpy import load_file

    model, _ = build_model(spec, data.input_shape, data.num_classes)
    set_weights(model, weights)
    save_state(run.weights("torch"), model)
    keras = run.half("keras")
    while not keras.final.exists():
        if keras.has_ended:
            return
        pause()
    set_weights(model, load_file(keras.final))
    save_state(run.weights("keras"), model)
    keras.final.unlink()


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

"""What was carried into a module, and its state_dict, which is read without code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.conversions.proof import Coverage
from parity.errors import InputError
from parity.files.atomic import write_bytes
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl.port import Port

# --- Done: weights that were carried into a module, before anything is written --------------------


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


# --- The state_dict of a module: written as the factory has it, read without running code ---------


def write_state(path: Path, factory: Callable[[], Any], module: nn.Module) -> None:
    """Writes the tensors of a module, each in the dtype in which the factory makes it.

    Args:
        path: of the safetensors file.
        factory: builds the module anew, in torch's default dtype.
        module: in float64.
    """
    from safetensors.torch import save

    native = call_factory(factory, 0, "float32").module.state_dict()
    tensors = {}
    for name, value in module.state_dict().items():
        if isinstance(value, torch.Tensor):
            built = native.get(name)
            dtype = built.dtype if isinstance(built, torch.Tensor) else value.dtype
            tensors[name] = value.detach().cpu().to(dtype).clone().contiguous()
    write_bytes(path, save(tensors))


def read_state(module: nn.Module, path: Path) -> None:
    """Loads a state_dict into a module.

    Args:
        module: receives it.
        path: of a safetensors file, or of one of `torch.save`, which is read with
            `weights_only=True`: it can hold tensors, and no code.

    Raises:
        InputError: it is none, or that of another module.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip:
            state: Any = torch.load(path, map_location="cpu", weights_only=True)
        else:
            state = load_file(path)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no state_dict ({_line(error)})") from None
    except Exception as error:  # of pickle, which refuses what is no tensor in many ways
        raise InputError(f"{path}: no state_dict of tensors alone ({_line(error)})") from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise InputError(f"{path}: expected a state_dict: a mapping of names to tensors")
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path}: the state_dict of another module ({_line(error)})") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

"""Sets torch up for a parity run, records how, and saves final weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from parity.errors import InputError
from parity.files.atomic import write_bytes
from parity.halves.environment import common_environment

if TYPE_CHECKING:
    from parity.programs.check_spec import CheckSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.run_spec import RunSpec


# --- Sets torch up for a parity run, and records how ----------------------------------------------


def configure(spec: RunSpec | CheckSpec | ProgramSpec) -> None:
    """Sets threads and precision. Call it before anything imports torch.

    Raises:
        InputError: the device does not exist.
    """
    os.environ["OMP_NUM_THREADS"] = str(spec.threads)
    import torch

    torch.set_num_threads(spec.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    _skip_dynamo()
    number = int(spec.device.partition(":")[2] or 0)
    if spec.device != "cpu" and number >= torch.cuda.device_count():
        raise InputError(
            f"device={spec.device!r}: torch sees {torch.cuda.device_count()} CUDA devices; use "
            "--device cpu, or a CUDA build of torch in the interpreter of this half "
            "(--torch-python)"
        )


def _skip_dynamo() -> None:
    """Keeps torch's optimizers from importing the compiler, which takes up to a second.

    They do so at their first call, to tell the compiler that it must not look into four of their
    methods. It never does: nobody compiles an optimizer here.
    """
    from torch.optim import Optimizer

    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        inner = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if inner is not None:
            inner.__dict__.setdefault("__dynamo_disable", inner)  # what the wrapper looks for


def describe_environment(spec: RunSpec | CheckSpec | ProgramSpec) -> dict[str, Any]:
    """Returns what a run depends on besides its spec: versions, threads, device."""
    import torch

    count = torch.cuda.device_count()
    return {
        **common_environment(("torch", "torchvision")),
        "framework": "torch",
        "device": spec.device,
        "devices": [torch.cuda.get_device_name(number) for number in range(count)],
        "threads": torch.get_num_threads(),
        "compile": False,
        "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
    }


# --- Saves final weights under the names and in the layout of the port ----------------------------
#
# model.load_state_dict(safetensors.torch.load_file("RUN/keras.safetensors"))


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

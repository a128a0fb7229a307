"""Sets torch up for a parity run, and records how."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from parity.errors import InputError
from parity.halves.environment import common_environment

if TYPE_CHECKING:
    from parity.programs.check_spec import CheckSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.run_spec import RunSpec


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
        own = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if own is not None:
            own.__dict__.setdefault("__dynamo_disable", own)  # what the wrapper looks for


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

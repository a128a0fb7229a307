"""The built-in scenarios as programs: a factory for each, named as the scenario is.

parity.halves.torch.scenarios:dropout      as a user's own factory, "module:function"
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import torch

from parity.data.load import run_data
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import SCENARIOS, scenario
from torch_impl.fast import fused
from torch_impl.models import build_model
from torch_impl.port import Port
from torch_impl.train import (
    criterion_of,
    early_stopping,
    image_data_generator,
    optimizer_of,
    reduce_lr,
)

# A run builds its program several times: for probes, for its training, for recorded states.
_data = lru_cache(maxsize=1)(run_data)


def program(spec: RunSpec) -> Port:
    """Returns the port of what a scenario trains; its seed and its dtype are torch's own."""
    data = _data(spec)
    dtype = str(torch.get_default_dtype()).removeprefix("torch.")
    spec = spec.replace(seed=torch.initial_seed(), dtype=dtype)
    model, seeds = build_model(spec, data.input_shape, data.num_classes)
    optimizer, augmentation = optimizer_of(spec, model), spec.augmentation
    return Port(
        module=model,
        network=fused(model),
        loss=criterion_of(spec, model),
        optimizer=optimizer,
        scheduler=reduce_lr(spec, optimizer),
        early_stopping=early_stopping(spec, model),
        metrics=["accuracy"],
        augment=augmentation and image_data_generator(augmentation, spec.dtype, seeds),
        seeds=seeds,
    )


def __getattr__(name: str) -> Callable[[], Port]:
    if name not in SCENARIOS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(program, scenario(name))


def __dir__() -> list[str]:
    return sorted(SCENARIOS)

"""The parameters of a port with only the entries that the level `optimizer` compares.

A dozen steps of all entries of a large network take longer than its training. An optimizer that
treats each number by itself moves an entry in the same way whatever is beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from parity.data import probe_inputs
from parity.halves.torch.port.carried import LOAD, Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl import optim

# Of torch and of this project, by class and not by subclass: those take norms of no weight.
_NAMES = (
    *("SGD", "Adam", "AdamW", "Adamax", "NAdam", "Nadam", "RMSprop", "Adagrad", "Adadelta"),
    *("Ftrl", "Lion"),
)
_ONE_BY_ONE = {
    getattr(module, name)
    for module in (torch.optim, optim)
    for name in _NAMES
    if hasattr(module, name)
}
# Settings of this project's by which an optimizer looks at whole weights, or keeps more than slots.
_BY_WEIGHT = ("clipnorm", "global_clipnorm", "use_ema", "gradient_accumulation_steps")


@contextmanager
def compared_entries(port: PortUnderTest, names: Collection[str]) -> Iterator[PortUnderTest]:
    """Yields the port with parameters that have only the compared entries of Keras's weights.

    In the block, each of them is a vector of `probe_inputs.of_step`. A port whose optimizer, or a
    weight of which, does not allow this is yielded as it is.

    Args:
        port: before the first step of its optimizer.
        names: of Keras's weights that are trained.
    """
    items = [item for item in port.carried if item.name in names]
    places = _places(items) if is_one_by_one(port) else None
    if places is None:
        yield port
        return
    whole = []
    port.module.zero_grad(set_to_none=True)
    try:
        for item, entries in places:
            (parameter,) = item.variable.tensors
            whole.append((parameter, parameter.data))
            parameter.data = parameter.data.reshape(-1)[entries]
        other, cut = copy.copy(port), {item.name for item, _ in places}
        carried = [_as_it_is(item) if item.name in cut else item for item in port.carried]
        other.cargo = replace(port.cargo, carried=carried)
        yield other
    finally:
        for parameter, data in whole:
            parameter.grad, parameter.data = None, data


def is_one_by_one(port: PortUnderTest) -> bool:
    """Whether the steps of a port treat every number by itself, before the first of them."""
    optimizer: Any = port.built.optimizer
    common = getattr(optimizer, "common", {})
    return (
        type(optimizer) in _ONE_BY_ONE
        and port.built.before_step is None
        and not optimizer.state
        and "step" not in vars(optimizer)  # one that somebody has put in the place of its own
        and not optimizer._optimizer_step_pre_hooks
        and not optimizer._optimizer_step_post_hooks
        and not any(common.get(name) for name in _BY_WEIGHT)
    )


def _places(items: list[Carried]) -> list[tuple[Carried, torch.Tensor]] | None:
    """Returns the long weights, and which entries of their tensors are compared.

    None: one is not a parameter of its own whose entries have only another order in Keras.
    """
    found, seen = [], set[int]()
    for item in items:
        variable = item.variable
        is_plain = item.how != LOAD and not variable.is_computed and variable.part is None
        if not is_plain or len(variable.tensors) != 1 or id(variable.tensors[0]) in seen:
            return None
        (parameter,) = variable.tensors
        seen.add(id(parameter))
        if parameter.numel() <= probe_inputs.MAX_STEP_ENTRIES:
            continue
        numbers = torch.arange(parameter.numel(), device=parameter.device).view(parameter.shape)
        places = torch.from_numpy(probe_inputs.places_of_step(parameter.numel()))
        try:
            entries = variable.to_keras((numbers,)).reshape(-1)[places]
            kept = variable.to_keras((parameter.detach(),)).reshape(-1)[places]
            if not torch.equal(parameter.detach().reshape(-1)[entries], kept):
                return None
        except (IndexError, RuntimeError, TypeError):  # more than an order
            return None
        found.append((item, entries))
    return found


def _as_it_is(item: Carried) -> Carried:
    variable = replace(
        item.variable, to_keras=lambda tensors: tensors[0], to_torch=lambda array: (array,)
    )
    return replace(item, variable=variable)

"""Whether each weight is used once, and the module computes what the twin does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import InputError
from parity.halves.torch.port.agreement import allowed_of
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.carrying import WeightsByName, load_by, source_tensors
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import KerasTrace

# --- Sets weights in a module whose places are known ----------------------------------------------


def place(port: PortUnderTest, items: Sequence[Carried], arrays: Mapping[str, np.ndarray]) -> None:
    """Sets all weights of a port, which begins as it was built; by its `load` if it has one.

    Args:
        port: the port.
        items: the weights with a place.
        arrays: all weights in Keras's layout, by name.

    Raises:
        InputError: one does not fit, or `load` raises.
    """
    port.begin_as_built()
    if port.built.load is not None:
        given = {name: port.cast(array) for name, array in arrays.items()}
        load_by(port.built.load, port.built.module, WeightsByName(given))
        return
    for item in items:
        try:
            item.set(_in_float64(item, arrays[item.name]))
        except ValueError as error:
            raise InputError(f"{item.name}: {error}") from None


def _in_float64(item: Carried, array: np.ndarray) -> np.ndarray:
    is_real = item.variable.tensors[0].is_floating_point() and array.dtype.kind == "f"
    return array.astype(np.float64) if is_real else array


# --- Whether every weight is used exactly once, and every parameter filled exactly once -----------


@dataclass
class Coverage:
    """What has no place, or more than one.

    Attributes:
        unused: weights of Keras without a place in the module.
        unfilled: parameters of the module that no weight fills.
        constants: buffers and frozen parameters that no weight fills; they keep their values.
        twice: parameters that two weights fill.
        changed: weights that the module does not hold bit by bit, such as one that it computes.
        untied: layers that Keras calls several times, in a sentence each, where the module has
            parameters of their shapes that no weight fills.
    """

    unused: list[str] = field(default_factory=list)
    unfilled: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    untied: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """One sentence for each kind of what is wrong."""
        kinds = (
            ("has no place in the module", "have no place in the module", self.unused),
            ("is filled by no weight", "are filled by no weight", self.unfilled),
            ("is filled by two weights", "are filled by two weights each", self.twice),
            ("is held with other values", "are held with other values", self.changed),
        )
        return [
            f"{listed(names)} {one if len(names) == 1 else many}"
            for one, many, names in kinds
            if names
        ] + self.untied


def listed(names: Sequence[str], most: int = 6) -> str:
    """Returns names in a row, the first of many."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def coverage_of(
    module: nn.Module,
    items: Sequence[Carried],
    arrays: Mapping[str, np.ndarray],
    spread: Mapping[str, Sequence[str]] = {},
) -> Coverage:
    """Returns what is wrong with the places of the weights, all of which are set.

    Args:
        module: that holds them.
        items: the weights with a place.
        arrays: all weights, by the same names.
        spread: weights in several parameters, with the names of these.
    """
    found = Coverage()
    names = {id(p): name for name, p in [*module.named_parameters(), *module.named_buffers()]}
    filled: dict[int, int] = {}
    for item in items:
        whole = item.variable.part is None
        for tensor in source_tensors(item.variable):
            filled[id(tensor)] = filled.get(id(tensor), 0) + whole
        if not _has_value(item, arrays[item.name]):
            found.changed.append(item.name)
    parts = {name for each in spread.values() for name in each}
    found.twice = [names.get(key, "?") for key, count in filled.items() if count > 1]
    placed = {item.name for item in items} | set(spread)
    found.unused = [name for name in arrays if name not in placed]
    kept = set(module.state_dict())
    for name, tensor in module.named_parameters():
        if id(tensor) not in filled and name not in parts:
            (found.unfilled if tensor.requires_grad else found.constants).append(name)
    for name, tensor in module.named_buffers():
        is_number = tensor.is_floating_point() and name in kept
        if is_number and id(tensor) not in filled and name not in parts:
            found.constants.append(name)
    return found


def unfilled_parameters(module: nn.Module, items: Sequence[Carried]) -> list[str]:
    """Returns the names of the parameters of a module in which no weight is held."""
    filled = {id(tensor) for item in items for tensor in source_tensors(item.variable)}
    return [name for name, tensor in module.named_parameters() if id(tensor) not in filled]


def untied(
    facts: Mapping[str, Any], module: nn.Module, unfilled: Sequence[str], shapes: Mapping[str, Any]
) -> list[str]:
    """Returns a sentence for each shared layer of Keras that a module has several times, untied.

    Args:
        facts: of the trace, with the calls of the layers.
        module: that has the parameters.
        unfilled: names of those that no weight fills.
        shapes: of the weights of Keras, by name.
    """
    calls = Counter(tuple(node["weights"]) for node in facts.get("nodes", []))
    sizes = {
        name: sorted(module.get_parameter(name).shape)
        for name in unfilled
        if not _is_beside_filled(module, name, unfilled)
    }
    found = []
    for weights, count in calls.items():
        wanted = [sorted(shapes[name]) for name in weights if name in shapes]
        same_shape = [name for name, size in sizes.items() if size in wanted]
        if weights and count > 1 and same_shape:
            layer = weights[0].rpartition(".")[0]
            found.append(
                f"Keras calls the layer {layer!r} {count} times, with the same weights each time; "
                f"the module has other parameters of these shapes ({listed(same_shape)}): call one "
                f"module {count} times"
            )
    return found


def _is_beside_filled(root: nn.Module, name: str, unfilled: Sequence[str]) -> bool:
    """Whether a layer of torch has another parameter that is filled: then it is no second one."""
    path = name.rpartition(".")[0]
    owner = root.get_submodule(path)
    if not type(owner).__module__.startswith("torch.nn."):
        return False
    names = (f"{path}.{other}" for other, _ in owner.named_parameters(recurse=False))
    return any(each not in unfilled for each in names)


def _has_value(item: Carried, array: np.ndarray) -> bool:
    value = item.value()
    if item.variable.is_computed:  # a product of two tensors is right up to its rounding
        return value.shape == array.shape and bool(np.allclose(value, array, rtol=1e-6, atol=0))
    exact = torch.from_numpy(np.array(array)).to(item.variable.tensors[0].dtype).numpy()
    return bool(np.array_equal(value, exact, equal_nan=exact.dtype.kind == "f"))


# --------------------------------------------------------------------------------------------------
#
# Whether a module computes what the twin does, and whether its output depends on each weight.
#
# Two weights of one shape are told apart by the output of the module, if the output depends on
# both. So a place is proved by two things: the output with all weights is Keras's, and it changes
# with this weight.


# Relative to the largest number of the output. Rounding in float64 leaves 1e-15 to 1e-13
# (benchmarks/accuracy/converted_weights.py), and an exchange of two weights 1e-3 or more.
MOST = 1e-10
# Keras keeps the factor of attention in float32, and resizes in it: 6e-8 of what a layer computes.
MOST_WITH_FLOAT32 = 1e-6
# What a trained network makes of that may be more: a U-Net with three resizings, 1.3e-6. The twin
# shows by how much float32 moves its output, with more roundings than there are; so twice that is
# allowed, up to a limit from which on the output says little.
_TIMES_MEASURED, _MOST_MEASURED = 2.0, 1e-5
_OUTPUT = "forward/eval/output"


def most_of(trace: KerasTrace, *, has_float32: bool) -> float:
    """Returns how far an output may be off: what rounding explains, by the measure of a check.

    Args:
        trace: of Keras or of a twin, which has measured the effect of rounding.
        has_float32: whether layers of the twin compute in float32 in part.
    """
    most = max(MOST, allowed_of(trace, _OUTPUT))
    if not has_float32:
        return most
    measured = float((trace.facts.get("noise") or {}).get(_OUTPUT, 0.0))
    return max(most, MOST_WITH_FLOAT32, min(_TIMES_MEASURED * measured, _MOST_MEASURED))


def error_of(port: PortUnderTest) -> float:
    """Returns how far the output of a port is from that in its trace, relative to the largest."""
    return port.distance() * allowed_of(port.keras, _OUTPUT)


def error_with(port: PortUnderTest, trace: KerasTrace) -> float:
    """Returns the same with other weights, of which there is another trace; 0 if it is not finite.

    Args:
        port: which holds the other weights.
        trace: what they give for the same batch.
    """
    if not np.isfinite(trace[_OUTPUT]).all():
        return 0.0  # the places are proved already
    before, port.keras = port.keras, trace
    try:
        # Whether an output lacks its last activation is told by the same values.
        with port.outputs.of_others(trace):
            return error_of(port)
    finally:
        port.keras = before


def without_effect(port: PortUnderTest, items: Sequence[Carried]) -> list[str]:
    """Returns the names of weights on which the output of a port does not depend.

    Args:
        port: whose output is that of its trace.
        items: the weights.
    """
    left = _without_gradient(port, items)
    return [item.name for item in left if not _changes(port, item)]


def constants_in(port: PortUnderTest, names: Sequence[str]) -> list[str]:
    """Returns which parameters are a constant of what Keras computes: all ones, or all zeros.

    Such as the scale of a normalisation that has none in Keras. The output of the port is Keras's
    with these values, and another one with others: so no weight is missing there.

    Args:
        port: whose output is that of its trace.
        names: of parameters that no weight fills.
    """
    found = []
    for name in names:
        tensor = port.module.get_parameter(name)
        if bool((tensor == 1).all()) or bool((tensor == 0).all()):
            with torch.no_grad():
                before, value = output_of(port), tensor.clone()
                draw = torch.Generator().manual_seed(0)
                other = torch.rand(tensor.shape, generator=draw, dtype=torch.float64)
                tensor.add_(0.1 * other.to(tensor))
                after = output_of(port)
                tensor.copy_(value)
            if not torch.equal(before, after):
                found.append(name)
    return found


def output_of(port: PortUnderTest) -> torch.Tensor:
    """Returns the output of a port in eval mode, as a part of the graph."""
    port.module.eval()
    port.forget_states()
    return port.outputs.of(port.returned_for(port.arguments("probe")))


def _without_gradient(port: PortUnderTest, items: Sequence[Carried]) -> list[Carried]:
    """Returns the weights of which the output has no gradient, or only zeros."""
    for parameter in port.module.parameters():
        parameter.grad = None
    try:
        output = output_of(port)
        draw = torch.Generator().manual_seed(0)
        factors = torch.randn(output.shape, generator=draw, dtype=output.dtype)
        (output * factors.to(output.device)).sum().backward()
    except RuntimeError:  # an operation without a gradient
        return list(items)
    found = []
    for item in items:
        tensors = () if item.variable.is_computed else item.variable.tensors
        gradients = [tensor.grad for tensor in tensors]
        if not any(gradient is not None and bool(gradient.any()) for gradient in gradients):
            found.append(item)
    for parameter in port.module.parameters():
        parameter.grad = None
    return found


def _changes(port: PortUnderTest, item: Carried) -> bool:
    """Whether the output changes if a weight does."""
    if not item.variable.tensors[0].is_floating_point():
        return True  # a count, which no output depends on
    with torch.no_grad():
        before, value = output_of(port), item.value()
        draw = np.random.default_rng(0)
        item.set(value * (1 + 0.1 * draw.random(value.shape)) + 0.01 * draw.random(value.shape))
        after = output_of(port)
        item.set(value)
    return not torch.equal(before, after)

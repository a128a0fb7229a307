"""Whether a module computes what the twin does, and whether its output depends on each weight.

Two weights of one shape are told apart by the output of the module, if the output depends on both.
So a place is proved by two things: the output with all weights is Keras's, and it changes with this
weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from parity.halves.torch.port.agreement import allowed_of
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import Trace

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


def most_of(trace: Trace, *, has_float32: bool) -> float:
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


def error_with(port: PortUnderTest, trace: Trace) -> float:
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

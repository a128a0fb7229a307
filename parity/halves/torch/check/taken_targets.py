"""The form of targets that a port's loss takes: `fit` takes more than one, and a loss has one.

Labels are (N,) or (N, 1). Targets that are like an output, such as images, are in Keras's layout,
or in that of the port's output if the loss refuses Keras's. A loss that takes these and broadcasts
does so in the training of the port, too, unless `Port(target=...)` says what that feeds it.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from parity.halves.torch.check.port_loss import Arrays, Loss
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import as_returned

Shapes = dict[str, tuple[int, ...]]  # of a sample, by the name of the output; of the only one by ""


def see_targets(port: PortUnderTest, loss: Loss) -> None:
    """Finds the form that the loss takes, in which targets are fed from then on.

    Args:
        port: has been called with the probe.
        loss: of the port.
    """
    port.has_columns, port.turned_targets = False, {}
    if port.built.loss is None or port.built.target is not None:
        return
    with torch.no_grad():
        port.has_columns = _takes_columns(port, loss)
        if port.built.output is None:
            port.turned_targets = _turned(port, loss)


def _takes_columns(port: PortUnderTest, loss: Loss) -> bool:
    """Whether the loss needs labels as a column.

    A loss that squeezes a column fails for the one label of the last batch, not for many.
    """
    if port.outputs.names:
        return False
    labels = port.keras["target/probe"]
    if labels.ndim != 1 or not isinstance(port.nest, torch.Tensor):
        return False
    works = []
    for port.has_columns in (False, True):
        try:
            for rows in (slice(0, 1), slice(None)):
                loss.for_targets(port.output[rows], {"": labels[rows]})
            works.append(True)
        except Exception:  # the user's code may raise anything
            works.append(False)
    port.has_columns = False
    return works == [False, True]


def _turned(port: PortUnderTest, loss: Loss) -> Shapes:
    """Returns which targets the loss needs as the port returns its outputs, and their shapes.

    Both layouts of a cube have one shape, and nothing broadcasts: the nearer loss decides.
    """
    targets = loss.arrays("target/probe")
    weights = loss.weights("weight/probe")
    shapes = _shapes(port, targets)
    if not shapes or "loss/value" not in port.keras:
        return {}
    errors = []
    for port.turned_targets in ({}, shapes):
        try:
            value = float(loss.for_targets(port.nest, targets, weights))
            error = abs(value - float(port.keras["loss/value"]))
            errors.append(math.inf if math.isnan(error) else error)
        except Exception:  # the user's code may raise anything
            errors.append(math.inf)
    is_cube = all(targets[name].shape[1:] == shape for name, shape in shapes.items())
    return shapes if errors[1] < errors[0] and (is_cube or errors[0] == math.inf) else {}


def _shapes(port: PortUnderTest, targets: Arrays) -> Shapes:
    """Returns the shapes of the outputs whose targets would have their axes in another order.

    No axis is left out: a target (N, 1) beside an output (N,) broadcasts in training, too.
    """
    found: Shapes = {}
    for name, own in port.outputs.raw(port.nest).items():
        target = targets.get(name)
        if target is None or target.ndim < 3 or own.ndim != target.ndim:
            continue
        turned = as_returned(target, own.shape, None if name else port.returned)
        if turned.shape != target.shape or not np.array_equal(turned, target):
            found[name] = tuple(own.shape[1:])
    return found

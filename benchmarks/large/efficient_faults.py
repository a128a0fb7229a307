"""Twins of EfficientNetB0 with one fault each, in the middle and late; `fault_table` says where.

Each function returns a port. Layers have Keras's names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from benchmarks.large.changes import layer, put, reroute
from benchmarks.large.torch_models import port, twin
from torch_impl import Port
from torch_impl.keras_config import KerasModel


class _First(nn.Module):
    """The first of several tensors, where Keras adds them."""

    def forward(self, tensors: Sequence[torch.Tensor], **_: Any) -> torch.Tensor:
        """Returns it."""
        return tensors[0]


def _net() -> KerasModel:
    return twin("EfficientNetB0")


def last_momentum() -> Port:
    """The last normalisation has the momentum 0.9."""
    net = _net()
    layer(net, "top_bn").momentum = 0.9
    return port(net)


def shifted_padding() -> Port:
    """The padding of a convolution with stride 2 in the middle is at the other two sides."""
    net = _net()
    pad = layer(net, "block4a_dwconv_pad")
    pad.padding = tuple(tuple(reversed(sides)) for sides in pad.padding)
    return port(net)


def norm_behind_activation() -> Port:
    """One block normalises behind its activation."""
    net, calls = _net(), []
    before, behind = "block5b_bn", "block5b_activation"
    for call in net.graph.calls:
        if call.layer != before:
            calls.append(call)
        else:
            norm = call
        if call.layer == behind:
            calls.append(norm)
    net.graph = replace(net.graph, calls=tuple(calls))
    for taker in ("block5b_se_squeeze", "block5b_se_excite"):
        reroute(net, taker, behind, before)
    reroute(net, behind, before, "block5b_dwconv")
    reroute(net, before, "block5b_dwconv", behind)
    return port(net)


def dropped_skip() -> Port:
    """One block of stage 6 is not added to what it is given."""
    return put(_net(), "block6c_add", _First())


def frozen_projection() -> Port:
    """The last projection does not train."""
    net = _net()
    layer(net, "block7a_project_conv").weight.requires_grad_(False)
    return port(net)


def dropout_rate() -> Port:
    """The last dropout drops a quarter, and Keras's a fifth."""
    net = _net()
    layer(net, "top_dropout").rate = 0.25
    return port(net)

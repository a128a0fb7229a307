"""Finds the order of the parts of a port's fused layers by trials."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from parity.halves.torch.port.carrying import AGREES, MOST_TRIALS
from parity.halves.torch.port.fused_projections import Fused, fused_orders

if TYPE_CHECKING:
    from parity.halves.torch.port.port_under_test import PortUnderTest

__all__ = ["Fused", "take_apart"]


def take_apart(port: PortUnderTest) -> None:
    """Runs fused layers of a port part by part: in the order that is nearest to Keras's output.

    A port that loads the weights itself has an order if its loaded weights are Keras's there.
    """
    tried: list[tuple[float, int, Fused]] = []
    orders = islice(fused_orders(port.keras.facts, port.module, port.calls), MOST_TRIALS)
    for number, fused in enumerate(orders):
        port.pair_again(fused)
        tried.append((_distance(port), number, fused))
        if tried[-1][0] < AGREES:
            return
    if tried:
        port.pair_again(min(tried, key=lambda each: each[:2])[2])


def _distance(port: PortUnderTest) -> float:
    if port.built.load is not None:
        return AGREES * sum(item.node == "" for item in port.carried)
    return port.distance()

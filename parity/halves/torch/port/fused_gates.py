"""Activations that a program writes as a product: x * sigmoid(x) is SiLU.

A product goes in. If one factor is an activation of the other, the product becomes one call, of the
kind of the whole, and the activation in it is no call of its own any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from parity.halves.torch.call import Call

# Kinds of the activations on the way to the second factor, from x -> kind of the product.
_PRODUCTS = {
    ("activation:sigmoid",): "activation:silu",
    ("activation:hard_sigmoid",): "activation:hard_silu",
    ("activation:softplus", "activation:tanh"): "activation:mish",
}
PART = "part of "  # before the kind of an activation that belongs to a product


def fuse_gate(product: Call, calls: Sequence[Call]) -> None:
    """Makes an activation of a product with an activation of the same tensor.

    Args:
        product: the call of a multiplication; changed if it is one.
        calls: the calls before it; those that belong to the product change their kind.
    """
    if len(product.inputs) != 2:
        return
    for number in (1, 0):
        x, source = product.inputs[1 - number], product.sources[number]
        chain = _chain(x, source, calls)
        kind = _PRODUCTS.get(tuple(call.kind for call in chain))
        if kind is None:
            continue
        product.run = _product(product.run, chain, number)
        product.kind, product.inputs = kind, [x]
        product.sources, product.origins = [chain[0].sources[0]], [chain[0].origins[0]]
        for call in chain:
            call.kind = PART + call.kind
        return


def _chain(x: torch.Tensor, source: int | None, calls: Sequence[Call]) -> list[Call]:
    """Returns the activations from a tensor to the output of a call; empty if there are others."""
    chain: list[Call] = []
    while source is not None and source >= 0 and len(chain) < 2:
        call = calls[source]
        if not call.kind.startswith("activation:") or len(call.inputs) != 1:
            break
        chain.insert(0, call)
        if call.inputs[0].shape == x.shape and torch.equal(call.inputs[0], x):
            return chain
        source = call.sources[0]
    return []


def _product(
    run: Callable[..., Any], chain: Sequence[Call], number: int
) -> Callable[[torch.Tensor], Any]:
    def whole(x: torch.Tensor) -> Any:
        y = x
        for call in chain:
            y = call.run(y)
        return run(x, y) if number else run(y, x)

    return whole

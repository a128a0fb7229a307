"""The optimizers of steps by the code of both halves: how often each moves which weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from parity.ladder.compare import compare_exact
from parity.ladder.own_steps import MOVED, STEPS, optimizers_of, pairs, told_weights

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.ladder.own_steps import Optimizer
    from parity.traces.trace import Trace


def optimizer_items(keras: Trace, port: Trace) -> Iterator[Item]:
    """Yields how often each optimizer moves which weights in one step."""
    if not optimizers_of(port):
        return
    for theirs, ours in pairs(keras, port):
        name = theirs.name if theirs is not None else "another optimizer of the port"
        numbers = [0 if each is None else each.num_steps for each in (theirs, ours)]
        yield compare_exact(f"{name}{STEPS}", *numbers)
        if theirs is not None and ours is not None:
            yield compare_exact(f"{name}{MOVED}", *_moved(theirs, ours, set(port.facts["weights"])))


def _moved(theirs: Optimizer, ours: Optimizer, known: set[str]) -> tuple[str, str]:
    """Returns which weights two optimizers move, in words that are equal if these are the same."""
    some = f"{len(theirs.weights)} weights"
    lacking = sorted(theirs.weights & known - ours.weights)
    added = sorted(ours.weights - theirs.weights)
    told = [f"not {told_weights(lacking)}"] if lacking else []
    told += [f"also {told_weights(added)}"] if added else []
    return some, "; ".join(told) or some

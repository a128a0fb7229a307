"""Steps that both halves make by code of their own: which optimizers move which weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace, PortTrace, Trace


FACT: Final = "own_training"
# Keys of what optimizers get first for a weight, and in the next of the first steps in which they
# move it: with accumulated gradients, that is not every step.
GRADIENTS = ("gradient", "second_gradient")
STEPS_WITH_GRADIENTS = 4
STEPS, MOVED = ": steps in one train_step", ": weights that it moves"


def mode_of_step(number: int) -> str:
    """Returns what a step of a whole training, from 1, is called in the keys of what it draws."""
    return f"train{number}"


def counts_key(name: str) -> str:
    """Returns the key of how much a mean, by its name, has seen after each step of a training."""
    return f"training/counts/{name}"


@dataclass(frozen=True)
class Optimizer:
    """An optimizer in one step of training.

    Attributes:
        name: of the attribute of Keras's model that holds it; a number in the port.
        settings: what the half tells of it.
        num_steps: how often it moves its weights.
        weights: that it moves, by Keras's names.
    """

    name: str
    settings: Mapping[str, Any]
    num_steps: int
    weights: frozenset[str]


def is_compared(keras: KerasTrace, port: PortTrace) -> bool:
    """Whether both halves made steps of their own."""
    return FACT in keras.facts and bool(port.facts["given"].get("train_step"))


def has_all_draws(keras: KerasTrace, port: PortTrace) -> bool:
    """Whether a port drew as many random tensors in its first step as Keras, and got Keras's."""
    ours = port.facts.get(FACT)
    if ours is None:
        return False
    return keras.facts[FACT]["num_drawn"] == ours["num_replaced"] == ours["num_drawn"]


def optimizers_of(trace: Trace) -> list[Optimizer]:
    """Returns the optimizers of a step, in the order of their first calls."""
    calls: dict[str, list[Mapping[str, Any]]] = {}
    for call in trace.facts.get(FACT, {}).get("applied", []):
        calls.setdefault(str(call["optimizer"]), []).append(call)
    return [
        Optimizer(
            name,
            applied[0],
            len(applied),
            frozenset(weight for call in applied for weight in call["weights"]),
        )
        for name, applied in calls.items()
    ]


def weights_of_compiled(trace: Trace) -> frozenset[str]:
    """Returns the weights that the optimizer of `compile` moves in a step of Keras's own."""
    found = (each.weights for each in optimizers_of(trace) if each.name == "optimizer")
    return next(found, frozenset())


def pairs(
    keras: KerasTrace, port: PortTrace
) -> Iterator[tuple[Optimizer | None, Optimizer | None]]:
    """Yields the optimizers of both halves that move the same weights; None: there is none."""
    left = optimizers_of(port)
    for theirs in optimizers_of(keras):
        ours = max(left, key=lambda each: _likeness(theirs.weights, each.weights), default=None)
        if ours is not None and _likeness(theirs.weights, ours.weights) > 0:
            left.remove(ours)
        else:
            ours = None
        yield theirs, ours
    yield from ((None, ours) for ours in left)


def _likeness(some: frozenset[str], others: frozenset[str]) -> float:
    return len(some & others) / max(1, len(some | others))


def weights_text(names: Sequence[str]) -> str:
    """Returns the names of some weights, the first of many."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more

"""What the layers behind random layers of images get in a step of training.

The calls of a pass in train mode go in; `augmented/…` and `image_state/…` come out. A port gets
these inputs in the place of its own, since it cannot draw what Keras drew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from parity.halves.keras.call import Call
from parity.halves.keras.random_images import RANDOM_IMAGE
from parity.traces.trace import TraceWriter


def write_augmented(mode: str, calls: Sequence[Call], writer: TraceWriter) -> None:
    """Writes the inputs of all calls that get augmented images, up to the first with weights.

    What the random layers make is written, too.

    Args:
        mode: "step1", ...; the arrays of the mode "train" are `forward/train/…`.
        calls: of the pass.
        writer: receives them.
    """
    for call in calls:
        if call.state is not None:
            writer.put(f"image_state/{mode}/{call.name}", call.state)
            writer.put(f"augmented/{mode}/{call.name}/output", call.output)
    for name, place, tensor in receivers(calls):
        writer.put(f"augmented/{mode}/{name}/{place}", tensor)


def receivers(calls: Sequence[Call]) -> Iterator[tuple[str, int, Any]]:
    """Yields (name of a call, place of its input, the input) of all that get augmented images."""
    augmented: set[int] = set()  # numbers of calls
    for number, call in enumerate(calls):
        if call.kind.startswith(RANDOM_IMAGE):
            augmented.add(number)
            continue
        found = [place for place, source in enumerate(call.sources) if source in augmented]
        yield from ((call.name, p, call.inputs[p]) for p in found if p < len(call.inputs))
        if found and not call.weights:
            augmented.add(number)

"""Data: the data and batches of both halves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import measured
from parity.ladder.comparers.run import compare_facts
from parity.ladder.items import STYLE
from parity.ladder.outcome import Outcome, judged, skipped
from parity.ladder.recorded import MODES, close, outputs_agree
from parity.ladder.tolerance import EXACT, FLOAT64, IMAGES_FLOAT32

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace) -> Outcome:
    """Compares the SHA-256 of arrays, and the batches: order, labels, images, parameters."""
    dtype = keras.spec["dtype"]
    is_augmented = keras.spec["augmentation"] is not None
    allowed = 0.0 if not is_augmented else FLOAT64 if dtype == "float64" else IMAGES_FLOAT32

    def items() -> Iterator[Item]:
        digests = {f"{name}.sha256": value for name, value in keras.facts["sha256"].items()}
        others = {f"{name}.sha256": value for name, value in torch.facts["sha256"].items()}
        yield from compare_facts("", digests, others)
        for epoch in sorted({0, *keras.numbers("feed"), *torch.numbers("feed")}):
            for name in ("index", "labels", "images"):
                key = f"feed/{epoch}/{name}"
                if name == "images" and allowed:
                    yield compare_close(name, keras[key], torch[key], allowed=allowed, epoch=epoch)
                else:
                    yield compare_exact(name, keras[key], torch[key], epoch=epoch)
            drawn = set(keras.names(f"feed/{epoch}")) | set(torch.names(f"feed/{epoch}"))
            for name in sorted(drawn - {"index", "labels", "images"}):
                key = f"feed/{epoch}/{name}"
                yield compare_exact(name, keras[key], torch[key], epoch=epoch)

    source = EXACT if not allowed else f"{EXACT}; augmented images within {allowed:g}"
    return judged(source, _in_feeding_order(list(items())))


def _in_feeding_order(items: list[Item]) -> list[Item]:
    """Sorts causes before effects within an epoch: order, labels, parameters, then images."""
    return sorted(items, key=lambda i: (-1 if i.epoch is None else i.epoch, i.name == "images"))


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares the input of the first layer, after the port's own input handling.

    A port may prepare its input itself; then its outputs agree.
    """
    excused = outputs_agree(keras, port, *MODES)
    for keras_name, _ in port.facts["pairs"]:
        key = f"forward/eval/{port.facts['ends'][keras_name][0]}/input/0"
        if key in keras and key in port:
            item = close(keras, port, key, f"input of {keras_name}")
            if item.num_compared == 0:  # such as steps that are folded into the batch
                return skipped("the input reaches the first layer in another form", applies=False)
            form = f"the same batch, as it reaches the first layer ({port.facts['fed']})"
            return judged(
                f"{form}; {measured(keras)}",
                [item if item.agrees or not excused else replace(item, role=STYLE)],
            )
    return skipped("no layer of the port could be paired by its input")

"""A step with one sample, which torch's BatchNorm refuses where Keras's does not.

A program that makes no such step is not harmed by that: then the step is left out, and told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import Trace, TraceWriter

_REFUSED = "Expected more than 1 value per channel when training"
_WHY = (
    "torch's BatchNorm refuses a batch of one sample, and Keras's does not. The data that the "
    "check knows makes no such batch; torch_impl.layers.BatchNormalization takes one"
)


@contextmanager
def left_out_if_refused(port: PortUnderTest, step: int, writer: TraceWriter) -> Iterator[None]:
    """Leaves a step out if torch refuses its one sample, and the program makes no such step.

    Args:
        port: the port that makes the step.
        step: its number, from 1.
        writer: receives what was left out, in the fact `not_compared`.

    Raises:
        ValueError: the program makes such a step, or something else is refused.
    """
    try:
        yield
    except ValueError as error:
        is_met = port.keras.facts.get("batch_of_one", False)
        if _REFUSED not in str(error) or is_met or _num_samples(port.keras, step) != 1:
            raise
        told = {"what": f"step {step} of the training, with one sample", "why": _WHY}
        writer.facts["not_compared"] = [*writer.facts.get("not_compared", []), told]


def _num_samples(keras: Trace, step: int) -> int:
    """Returns how many samples a step has, one of the probe or one of the model's own."""
    prefixes = (f"input/step{step}", f"input/data/{step}")
    keys = [f"{prefix}/{name}" for prefix in prefixes for name in keras.below(prefix)]
    return len(keras[keys[0]]) if keys else 0

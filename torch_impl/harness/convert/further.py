"""Further batches of a twin: what a module has to compute as well, once its places are proved.

The first batch tells which weight is where. It shows little of what a module does with padding, so
each further batch shows one such thing by itself. Its difference is told with what it may come of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from parity.traces.trace import Trace
from torch_impl.harness.convert.coverage import listed
from torch_impl.harness.convert.proof import error_with, most_of
from torch_impl.harness.convert.twin import Twin
from torch_impl.harness.convert.twin_inputs import TwinInputs
from torch_impl.harness.convert.twin_trace import write_trace
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.layers import Masking


@dataclass(frozen=True)
class Further:
    """A further batch.

    Attributes:
        where: what is special about it, in words.
        advice: what a difference may come of, in words.
        make: returns the trace of the twin, with the drawn weights, and how far an output may be
            off.
    """

    where: str
    advice: str
    make: Callable[[], tuple[Trace, float]]


def further_of(
    twin: Twin, inputs: TwinInputs, folder: Path, seed: int, draw: Callable[[], None]
) -> Iterator[Further]:
    """Yields the further batches of a twin.

    Args:
        twin: the model.
        inputs: its inputs.
        folder: of the first trace; others are made beside it.
        seed: of the batches.
        draw: gives the twin the weights of the first trace.
    """
    padded = inputs.padded(seed)
    if padded is not None:

        def make(batch: Sequence[np.ndarray] = padded) -> tuple[Trace, float]:
            draw()
            made = write_trace(twin, inputs, folder.with_name(f"{folder.name}-padded"), batch)
            return made, most_of(made, has_float32=twin.has_float32)

        yield Further("where sequences end with padding", _of_padding(twin), make)


def _of_padding(twin: Twin) -> str:
    tables = [leaf.name for leaf in twin.leaves if getattr(leaf.module, "mask_zero", False)]
    masking = [leaf.name for leaf in twin.leaves if _has_masking(leaf.module)]
    told = [f"token 0 ({listed(tables)} with mask_zero=True)"] if tables else []
    told += [f"padded steps ({listed(masking)} of the class Masking)"] if masking else []
    if not told:
        return "Keras masks no token here, so the module may leave none out"
    return (
        f"Keras masks {' and '.join(told)}; the module has to leave the same steps out, such as "
        "with nn.utils.rnn.pack_padded_sequence, a key_padding_mask, or a mean over the others"
    )


def _has_masking(module: nn.Module) -> bool:
    return any(isinstance(each, Masking) for each in module.modules())


def compared_further(
    port: PortUnderTest, further: Sequence[Further], told: str
) -> tuple[list[str], float]:
    """Returns a sentence for each further batch that a module does not take as the twin does.

    Args:
        port: which holds the drawn weights, and whose output is that of its trace.
        further: the batches.
        told: what the traces are of, in words.

    Returns:
        The sentences, and the greatest difference.
    """
    problems, most_seen = [], 0.0
    for each in further:
        trace, most = each.make()
        error = error_with(port, trace)
        most_seen = max(most_seen, error)
        if not error <= most:
            far = f"differs by {error:.1e}" if np.isfinite(error) else "has another shape, or fails"
            problems.append(
                f"{each.where}, the output of the module {far} from {told}: {each.advice}; see "
                "`parity check`"
            )
    return problems, most_seen

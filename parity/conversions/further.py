"""Further batches of a twin: what a module has to compute as well, once its places are proved.

The first batch tells which weight is where. It shows little of what a module does with padding, and
nothing of what it does with numbers beyond the limits of activations. So each further batch shows
one such thing by itself. Its difference is told with what it may come of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from parity.conversions.coverage import listed
from parity.conversions.placing import place
from parity.conversions.proof import error_with, most_of
from parity.conversions.twin import Twin
from parity.conversions.twin_inputs import TwinInputs
from parity.conversions.twin_trace import set_weights, write_trace
from parity.conversions.twin_widening import Widened, widened
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import Trace
from torch_impl.layers import Masking

_MOST_LIMITS = 40  # activations that are named


@dataclass(frozen=True)
class Further:
    """A further batch.

    Attributes:
        where: what is special about it, in words.
        advice: what a difference may come of, in words.
        make: returns the trace of the twin, and how far an output may be off.
        weights: of the twin in that trace.
        left: what no batch shows, in words.
    """

    where: str
    advice: str
    make: Callable[[], tuple[Trace, float]]
    weights: Mapping[str, np.ndarray]
    left: tuple[str, ...] = ()


def further_of(
    twin: Twin, inputs: TwinInputs, folder: Path, seed: int, drawn: Mapping[str, np.ndarray]
) -> Iterator[Further]:
    """Yields the further batches of a twin.

    Args:
        twin: the model, whose weights are changed.
        inputs: its inputs.
        folder: of the first trace; others are made beside it.
        seed: of the batches.
        drawn: the weights of the first trace.
    """

    def made(
        name: str, batch: Sequence[np.ndarray], weights: Mapping[str, np.ndarray]
    ) -> tuple[Trace, float]:
        set_weights(twin, weights)
        beside = folder.with_name(f"{folder.name}-{name}")
        trace = write_trace(twin, inputs, beside, batch, has_layers=False)
        return trace, most_of(trace, has_float32=twin.has_float32)

    if (padded := inputs.padded(seed)) is not None:
        make = partial(made, "padded", padded, drawn)
        yield Further("where sequences end with padding", _of_padding(twin), make, drawn)
    batch = inputs.drawn(seed)
    if (found := widened(twin, inputs, batch, drawn)) is not None:
        make = partial(made, "widened", batch, found.weights)
        left = tuple(_beyond(found.left))
        where = "where numbers are beyond the limits of activations"
        yield Further(where, _of_limits(found), make, found.weights, left)


def _of_limits(found: Widened) -> str:
    beyond = listed(list(_beyond(found.reached)), _MOST_LIMITS)
    has = f"in Keras, there are numbers {beyond}" if beyond else "in Keras, there are none"
    return f"{has}; a module with another limit, such as nn.ReLU for ReLU6 or the reverse, differs"


def _beyond(pieces: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, each in pieces.items():
        yield f"{' and '.join(each)} in {name}"


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
    port: PortUnderTest, items: Sequence[Carried], further: Sequence[Further], told: str
) -> tuple[list[str], float]:
    """Returns a sentence for each further batch that a module does not take as the twin does.

    Args:
        port: which holds the weights of its trace, whose output it has; it does afterwards.
        items: the weights with a place.
        further: the batches.
        told: what the traces are of, in words.

    Returns:
        The sentences, and the greatest difference.
    """
    problems, most_seen = [], 0.0
    for each in further:
        trace, most = each.make()
        place(port, items, each.weights)
        error = error_with(port, trace)
        most_seen = max(most_seen, error)
        if not error <= most:
            far = f"differs by {error:.1e}" if np.isfinite(error) else "has another shape, or fails"
            problems.append(
                f"{each.where}, the output of the module {far} from {told}: {each.advice}; see "
                "`parity check`"
            )
    if further:
        names = port.keras.facts["weights"]
        place(port, items, {name: port.keras[f"weights/{name}"] for name in names})
    return problems, most_seen

"""Further batches of a twin, under weights that reach all pieces of its activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.conversions.proof import error_with, listed, most_of, place
from parity.conversions.twin import Twin
from parity.conversions.twin_inputs import TwinInputs
from parity.conversions.twin_trace import Node, passed, set_weights, write_trace
from parity.data.pieces import MAX_ROWS, ROUNDS, Function, Step, factors_for, limits_of
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import KerasTrace
from torch_impl.keras_config.operations import Operation
from torch_impl.layers import Masking
from torch_impl.layers.recurrent import Bidirectional
from torch_impl.weights import to_array

# --- Weights under which the activations of a twin get numbers beyond their limits ----------------
#
# A module with a ReLU for a ReLU6 computes what the twin does as long as no number is above 6. The
# twin with its drawn weights goes in. Weights come out under which such numbers are there, and
# which activations get some only with these.


# So far the numbers of an activation without an upper limit go, since a module may have one there:
# that of nn.ReLU6 is 6.
_LEAST = 8.0
_LARGE = 1_000.0  # from which an activation without an upper limit makes at least half


@dataclass(frozen=True)
class Widened:
    """Weights under which activations get more numbers.

    Attributes:
        weights: all of them, by name.
        reached: activations -> pieces in which they get numbers with these weights alone.
        left: the same, of pieces in which they get none.
    """

    weights: Mapping[str, np.ndarray]
    reached: Mapping[str, Sequence[str]]
    left: Mapping[str, Sequence[str]]


def widened(
    twin: Twin, inputs: TwinInputs, arrays: Sequence[np.ndarray], drawn: Mapping[str, np.ndarray]
) -> Widened | None:
    """Returns weights under which activations get numbers beyond their limits.

    Args:
        twin: the model, whose weights are changed.
        inputs: its inputs.
        arrays: the batch.
        drawn: the weights to begin with.

    Returns:
        None if nothing is to be changed, or the twin makes no numbers of it.
    """
    weights = dict(drawn)
    # Attention with a factor in float32 makes of large numbers what rounding decides.
    least = 0.0 if twin.has_float32 else _LEAST
    limits: dict[str, list[float]] = {}
    first: dict[str, list[str]] | None = None
    is_changed = False
    for number in range(ROUNDS + 1):
        set_weights(twin, weights)
        nodes, _ = passed(twin, inputs, arrays)
        if not all(bool(torch.isfinite(x).all()) for node in nodes for x in node.inputs):
            return None
        steps = {node.facts["name"]: _step_of(node, least, limits) for node in nodes}
        now = {name: step.missing() for name, step in steps.items()}
        first = now if first is None else first
        factors = factors_for(list(steps.values())) if number < ROUNDS else {}
        if not factors:
            break
        is_changed = True
        weights |= {name: weights[name] * factor for name, factor in factors.items()}
    assert first is not None
    left = {name: missing for name, missing in now.items() if missing}
    if not is_changed and not left:
        return None
    reached = {
        name: found
        for name, missing in first.items()
        if (found := [piece for piece in missing if piece not in left.get(name, [])])
    }
    return Widened(weights, reached, left)


def _step_of(node: Node, least: float, known: dict[str, list[float]]) -> Step:
    """Returns what is asked of a node; `known` has the limits of those that were asked before."""
    facts, name = node.facts, node.facts["name"]
    step = Step(facts["kind"], facts["sources"], facts["weights"])
    call = node.call
    if call is None or not node.inputs or not node.inputs[0].is_floating_point():
        return step
    if call.kind.startswith("activation:") or isinstance(call.module, Operation):
        function = _function_of(node)
        if name not in known:
            # Its inputs are drawn, and not moved: 0 is met, or nothing helps.
            known[name] = [limit for limit in limits_of(function) if limit]
        step.limits = known[name]
        if step.limits or call.kind.startswith("activation:"):
            step.function, step.given = function, to_array(node.inputs[0])
            step.least = least if _is_open(function) else 0.0
        return step
    parts = [_gates_of(part, node.inputs[0]) for part in _directions(call.module)]
    step.limits = [limit for limits, _ in parts for limit in limits]
    if step.limits:
        step.given = np.concatenate([given.ravel() for _, given in parts])
    return step


def _function_of(node: Node) -> Function:
    """Returns an activation as a function of numbers, along the batch."""
    call, given = node.call, node.inputs[0]
    assert call is not None

    def function(numbers: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(numbers.reshape(-1, *[1] * (given.ndim - 1))).to(given)
        with torch.no_grad():
            made = call.run(rows, *node.inputs[1:])
        return to_array(made).reshape(numbers.shape)

    return function


def _is_open(function: Function) -> bool:
    """Whether an activation of single numbers has no upper limit."""
    try:
        made = function(np.array([_LARGE, 2 * _LARGE]))
    except Exception:  # no function of single numbers
        return False
    return bool(np.isfinite(made).all() and made[0] >= _LARGE / 2 and made[1] >= _LARGE)


def _directions(module: Any) -> list[Any]:
    if isinstance(module, Bidirectional):
        return [module.get_submodule(name) for name in module.names]
    return [module]


def _gates_of(module: Any, x: torch.Tensor) -> tuple[list[float], np.ndarray]:
    """Returns the limits of the gates of a recurrent layer, and what its input gives them."""
    functions = [getattr(module, name, None) for name in ("function", "gate_function")]
    kernel = getattr(module, "weight_ih_l0", None)
    if kernel is None or kernel.ndim != 2 or x.shape[-1] != kernel.shape[1]:
        return [], np.zeros(0)
    limits = [limit for f in functions if f is not None for limit in limits_of(_of_numbers(f))]
    rows = x.reshape(-1, x.shape[-1])[:MAX_ROWS]
    return limits, to_array(rows @ kernel.detach().T.to(rows))


def _of_numbers(function: Any) -> Function:
    return lambda numbers: to_array(function(torch.from_numpy(np.asarray(numbers))))


# --------------------------------------------------------------------------------------------------
#
# Further batches of a twin: what a module has to compute as well, once its places are proved.
#
# The first batch tells which weight is where. It shows little of what a module does with padding,
# and nothing of what it does with numbers beyond the limits of activations. So each further batch
# shows one such thing by itself. Its difference is told with what it may come of.


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
    make: Callable[[], tuple[KerasTrace, float]]
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
    ) -> tuple[KerasTrace, float]:
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
    kinds = [f"token 0 ({listed(tables)} with mask_zero=True)"] if tables else []
    kinds += [f"padded steps ({listed(masking)} of the class Masking)"] if masking else []
    if not kinds:
        return "Keras masks no token here, so the module may leave none out"
    return (
        f"Keras masks {' and '.join(kinds)}; the module has to leave the same steps out, such as "
        "with nn.utils.rnn.pack_padded_sequence, a key_padding_mask, or a mean over the others"
    )


def _has_masking(module: nn.Module) -> bool:
    return any(isinstance(each, Masking) for each in module.modules())


def compared_further(
    port: PortUnderTest, items: Sequence[Carried], further: Sequence[Further], description: str
) -> tuple[list[str], float]:
    """Returns a sentence for each further batch that a module does not take as the twin does.

    Args:
        port: which holds the weights of its trace, whose output it has; it does afterwards.
        items: the weights with a place.
        further: the batches.
        description: what the traces are of, in words.

    Returns:
        The sentences, and the greatest difference.
    """
    problems, greatest = [], 0.0
    for each in further:
        trace, most = each.make()
        place(port, items, each.weights)
        error = error_with(port, trace)
        greatest = max(greatest, error)
        if not error <= most:
            far = f"differs by {error:.1e}" if np.isfinite(error) else "has another shape, or fails"
            problems.append(
                f"{each.where}, the output of the module {far} from {description}: {each.advice}; "
                "see `parity check`"
            )
    if further:
        names = port.keras.facts["weights"]
        place(port, items, {name: port.keras[f"weights/{name}"] for name in names})
    return problems, greatest

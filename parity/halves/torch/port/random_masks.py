"""Keras's masks and noise for what a port draws, in layers and by functions."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from parity.data.draws import shared_axes
from parity.halves.torch.call import Call
from parity.halves.torch.kinds import MASK, NORMAL, REPLAYED, UNIFORM, UNIFORMS, uniform_of
from parity.halves.torch.port.agreement import output_error
from parity.halves.torch.port.portable import Axes, traced_channels_first
from parity.traces.trace import KerasTrace, keyed
from torch_impl.layers import RecurrentDropout
from torch_impl.layers.recurrent_cells import Masks
from torch_impl.masks import with_mask

if TYPE_CHECKING:
    from parity.halves.torch.port.paired_layer import PairedLayer
    from parity.halves.torch.port.port_under_test import PortUnderTest


# --------------------------------------------------------------------------------------------------
#
# Dropouts inside of the recurrent layers of a port: those of `torch_impl.layers`, or of a twin.
#
# Keras's half tells each of its masks as a dropout in front of the layer ("memory.dropout",
# "memory.recurrent_dropout.f"). A layer of the port that draws them itself is given them here. One
# inside of a TimeDistributed draws for each step ("memory.dropout#2").


Nodes = Sequence[Mapping[str, Any]]
_PARTS = ("dropout", "recurrent_dropout")


def _dropouts_of(module: nn.Module | None) -> list[RecurrentDropout]:
    if module is None:
        return []
    return [part for part in module.modules() if isinstance(part, RecurrentDropout)]


def _names(nodes: Nodes, layer: str) -> list[str]:
    """Returns the names of the dropouts of a layer, below its own."""
    names = [str(n["name"]) for n in nodes if n["kind"] == "dropout"]
    return [name.removeprefix(f"{layer}.") for name in names if name.startswith(f"{layer}.")]


def _ways(names: Sequence[str], number_of: int) -> list[list[list[str]]]:
    """Returns the names of the masks of inputs and of states, for each of the port's dropouts."""
    ways = list(dict.fromkeys(_way(name) for name in names if _way(name)))
    found = []
    for number in range(number_of):
        way = ways[number] if number < len(ways) else ""
        of_way = [name for name in names if _way(name) in ("", way)]
        bare = {
            name: _base(name).removeprefix(f"{way}.") if way else _base(name) for name in of_way
        }
        found.append([[n for n in of_way if bare[n].split(".")[0] == part] for part in _PARTS])
    return found


def _base(name: str) -> str:
    """Returns the name of a call, or of the dropout of a step, without its number."""
    return name.partition("#")[0]


def _way(name: str) -> str:
    """Returns the direction in a name, "" if it has none."""
    first = _base(name).partition(".")[0]
    return "" if first in _PARTS else first


def inner_dropouts(port: PortUnderTest) -> dict[str, float]:
    """Returns the dropouts of Keras that layers of the port have inside, with the port's rate.

    A dropout that only the port has is among them, under the name that it would have in Keras.
    """
    found: dict[str, float] = {}
    nodes = port.keras.facts["nodes"]
    for pair in port.all_pairs:
        layer, dropouts = str(pair.node["name"]), _dropouts_of(pair.call.module)
        ways = _ways(_names(nodes, layer), len(dropouts))
        for each, parts in zip(dropouts, ways, strict=True):
            rates = (each.rate, each.recurrent_rate)
            for part, names, rate in zip(_PARTS, parts, rates, strict=True):
                if rate:
                    found |= {f"{layer}.{name}": rate for name in names or [part]}
    return found


def with_inner(pair: PairedLayer, nodes: Nodes) -> PairedLayer:
    """Returns a pair that begins with Keras's dropout in front of it, if the port's is inside.

    Args:
        pair: of two layers.
        nodes: of the Keras model.
    """
    name = f"{pair.node['name']}.dropout"
    sources = [n for n in pair.node["sources"] if n is not None and n >= 0]
    first = next((n for n in sources if nodes[n]["name"] == name), None)
    if first is None or not any(each.rate for each in _dropouts_of(pair.call.module)):
        return pair
    return replace(pair, ends=replace(pair.ends, keras_first=first))


@contextmanager
def given_masks(port: PortUnderTest, mode: str) -> Iterator[None]:
    """Gives the recurrent layers of the port Keras's masks in the block.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...
    """
    nodes = port.keras.facts["nodes"]
    with ExitStack() as stack:
        for pair in port.all_pairs:
            layer, dropouts = str(pair.node["name"]), _dropouts_of(pair.call.module)
            ways = _ways(_names(nodes, layer), len(dropouts))
            for each, parts in zip(dropouts, ways, strict=True):
                keys = [[f"mask/{mode}/{layer}.{name}" for name in names] for names in parts]
                if all(key in port.keras for names in keys for key in names):
                    stack.enter_context(_drawing(each, [_by_step(port.keras, n) for n in keys]))
        yield


def _by_step(keras: KerasTrace, keys: Sequence[str]) -> list[list[np.ndarray]]:
    """Returns for each gate the masks of all steps."""
    found: dict[str, list[np.ndarray]] = {}
    for key in keys:
        found.setdefault(_base(key), []).append(keras[key])
    return list(found.values())


@contextmanager
def _drawing(
    dropout: RecurrentDropout, masks: Sequence[Sequence[Sequence[np.ndarray]]]
) -> Iterator[None]:
    """Makes a dropout draw masks of Keras in train mode, times the factor of its own rate.

    Args:
        dropout: of a layer.
        masks: of inputs and of states, for each gate, of each step.
    """
    rates = (dropout.rate, dropout.recurrent_rate)
    step_number = count()

    def draw(step: torch.Tensor, state: torch.Tensor) -> Masks:
        if not dropout.training:
            return Masks()
        if any(bool(rate) != bool(kept) for rate, kept in zip(rates, masks, strict=True)):
            return RecurrentDropout.draw(dropout, step, state)  # Keras drops something else
        number = next(step_number)
        parts = zip(masks, (step, state), rates, strict=True)
        return Masks(*(_factors(kept, number, like, rate) for kept, like, rate in parts))

    dropout.draw = draw  # type: ignore[method-assign]
    try:
        yield
    finally:
        del dropout.draw


def _factors(
    kept: Sequence[Sequence[np.ndarray]], number: int, like: torch.Tensor, rate: float
) -> tuple[torch.Tensor, ...]:
    arrays = [_of_draw(steps, number, like) for steps in kept]
    factor = 1 / (1 - rate) if rate < 1 else 0.0
    return tuple(torch.from_numpy(array.copy()).to(like) * factor for array in arrays)


def _of_draw(steps: Sequence[np.ndarray], number: int, like: torch.Tensor) -> np.ndarray:
    """Returns the mask of a draw; a port may make all steps one batch, and draw once."""
    arrays = [array[:, 0] if array.ndim > like.ndim else array for array in steps]
    if len(arrays) > 1 and len(like) == len(arrays) * len(arrays[0]):
        return np.stack(arrays, axis=1).reshape(-1, *arrays[0].shape[1:])
    return arrays[number % len(arrays)]


# --------------------------------------------------------------------------------------------------
#
# What a port draws by itself, as stochastic depth does: `x.new_empty(shape).bernoulli_(p)`.
#
# The layers of Keras that draw and have no partner in the port are taken in their order, dropouts
# one for each mask that the port draws, layers of noise one for each tensor of standard normal
# numbers. What the user's own code drew in Keras is taken in its order, too, by its distribution.
# What Keras drew comes out, in the shape of what the port draws.


# Kinds of Keras's layers that draw masks, and standard normal numbers.
_OF_MASKS = ("dropout", "alpha_dropout")
_OF_NORMALS = ("gaussian_dropout", "gaussian_noise")


def drawn_masks(
    port: PortUnderTest, mode: str
) -> Callable[[torch.Tensor, str], torch.Tensor | None]:
    """Returns the function that replaces a mask, or other numbers, that the port draws.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...

    Returns:
        A function of the drawn tensor and of its kind: what Keras drew, like it, or None if there
        is nothing that fits.
    """
    given = port.given_axes()
    left = _drawn_by_keras(port, mode)

    def drawn(tensor: torch.Tensor, kind: str) -> torch.Tensor | None:
        if left.get(kind):
            return mask_like(left[kind].pop(0), tensor, given)
        if kind != UNIFORM or not left.get(MASK):
            return None
        mask = mask_like(left[MASK].pop(0), tensor, given)
        return None if mask is None else uniform_of(mask, keeps_low=port.keeps_low)

    return drawn


def nothing_drawn(tensor: torch.Tensor, kind: str) -> torch.Tensor:
    """Returns what drops nothing, or adds no noise; whole numbers stay."""
    if kind == UNIFORM:  # above a rate, and below the share that is kept
        return torch.full_like(tensor, 0.5)
    if kind == MASK:
        return torch.ones_like(tensor)
    return torch.zeros_like(tensor) if kind == NORMAL else tensor


def replayed(port: PortUnderTest) -> list[str]:
    """Returns the layers of Keras that draw, if all that they draw was given to the port."""
    names, layers = _unpaired(port), _layers_of_draws(port)
    is_all = len(port.replaced) == len(names) + len(layers)
    if not (names or layers) or port.draws or not is_all:
        return []
    known = port.keras.facts.get("replayable") or {}
    idle = (name for name, factor in known.items() if factor == 1)
    return [*names, *dict.fromkeys(layers), *idle]


def find_side_that_keeps(port: PortUnderTest) -> None:
    """Finds out whether the uniform numbers of a port keep where they are low: see `uniform_of`.

    The port is run in train mode in both ways. The one whose output is nearer to Keras's stays.
    """
    if not any(place.startswith(f"{name}(") for place in port.replaced for name in UNIFORMS):
        return
    errors = {}
    for port.keeps_low in (True, False):
        with torch.no_grad(), port.kept(), suppress(Exception):  # a later stage tells an error
            output = port.forward("train", "probe", training=True)[1]
            errors[port.keeps_low] = output_error(port.keras, output, "train")
    port.keeps_low = errors.get(True, np.inf) < errors.get(False, np.inf)


def _unpaired(port: PortUnderTest) -> list[str]:
    """Returns the layers of Keras without a partner that draw a mask or noise, one each."""
    paired = {pair.node["name"] for pair in port.all_pairs} | inner_dropouts(port).keys()
    facts = port.keras.facts
    known = facts.get("replayable") or {}  # other layers that drop whole samples
    kinds = _OF_MASKS + _OF_NORMALS
    names = [
        node["name"]
        for node in facts["nodes"]
        if (node["kind"] in kinds or node["name"] in known) and node["name"] not in paired
    ]
    # Keras draws for a rate of 0, too; a port may leave that out.
    kept = [name for name in names if known.get(name) != 1]
    return kept if len(port.replaced) == len(kept) + len(_layers_of_draws(port)) else names


def _drawn_by_keras(port: PortUnderTest, mode: str) -> dict[str, list[np.ndarray]]:
    """Returns what layers without a partner, and code of the user's, drew in a pass, by kind."""
    by_name = {node["name"]: node["kind"] for node in port.keras.facts["nodes"]}
    found: dict[str, list[np.ndarray]] = {}
    for name in _unpaired(port):
        kind = NORMAL if by_name[name] in _OF_NORMALS else MASK
        if (key := f"mask/{mode}/{name}") in port.keras:
            found.setdefault(kind, []).append(port.keras[key])
    for kind, _, key in _draws_of(port, mode):
        found.setdefault(kind, []).append(port.keras[key])
    return found


def _layers_of_draws(port: PortUnderTest) -> list[str]:
    """Returns the layer of each draw of the user's own code, in train mode if that is known."""
    mode = "train" if any(port.keras.below("draw/train")) else "eval"
    return [layer for _, layer, _ in _draws_of(port, mode)]


def _draws_of(port: PortUnderTest, mode: str) -> list[tuple[str, str, str]]:
    """Returns (kind, layer, key) of what the user's own code drew, in order."""
    paired = {pair.node["name"] for pair in port.all_pairs}
    masks = port.keras.facts.get("replayable") or {}  # they are told by what they keep
    found = []
    for key in sorted(port.keras.below(f"draw/{mode}"), key=lambda k: int(k.partition("/")[0])):
        _, kind, layer = [*key.split("/", 2), ""][:3]
        if layer not in paired and layer not in masks:
            found.append((kind, layer, f"draw/{mode}/{key}"))
    return found


def mask_like(
    mask: np.ndarray, tensor: torch.Tensor, given: Sequence[Axes | None] = ()
) -> torch.Tensor | None:
    """Returns what was drawn for whole samples or channels, or in the same shape, like a tensor.

    Of a cube, the channels are first if they are in an input of the port.
    """
    kept = _kept_like(mask, tuple(tensor.shape), given)
    return None if kept is None else torch.from_numpy(kept.copy()).to(tensor).reshape(tensor.shape)


def _kept_like(
    mask: np.ndarray, shape: tuple[int, ...], given: Sequence[Axes | None]
) -> np.ndarray | None:
    """Returns what a mask of Keras keeps in the form in which a port draws it; None if it has none.

    Args:
        mask: bool, in Keras's layout.
        shape: of the port's mask: that of Keras's, or one without the axes along which Keras's mask
            is the same, such as the steps of a sequence; as it is, or with channels first.
        given: order of the axes of each input of the port.
    """
    flat = mask.reshape(len(mask), -1)
    if math.prod(shape) == len(mask) and shape[:1] == mask.shape[:1]:
        return flat[:, 0] if (flat == flat[:, :1]).all() else None
    is_first = mask.ndim > 2 and traced_channels_first(mask.ndim) in given
    forms = [mask, np.moveaxis(mask, -1, 1)] if mask.ndim > 2 else [mask]
    fits = [form for form in forms if form.shape == shape]
    return fits[-1 if is_first else 0] if fits else _of_one_step(mask, shape)


def _of_one_step(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns a mask that is the same in all steps, (N, T, ...), in the shape of a single step."""
    if mask.ndim > 2 and (mask == mask[:, :1]).all():
        mask = mask[:, 0]
    sides = [side for side in shape if side != 1]
    return mask.reshape(shape) if sides == [side for side in mask.shape if side != 1] else None


# --- Keras's masks and noise for the layers of a port that draw -----------------------------------
#
# The pairs of a port go in. What an active dropout, or layer of noise, returns comes out: its input
# with what Keras's layer drew, in the order of the port's axes, and at the rate of the port.


_ALPHA = -1.6732632423543772 * 1.0507009873554805  # what a value becomes that AlphaDropout drops


def dropout_masks(
    port: PortUnderTest, mode: str
) -> Callable[[int, torch.Tensor, float], torch.Tensor]:
    """Returns the function of an active dropout: (its number, its input, its rate) -> its output.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...; without masks nothing is dropped.
    """
    dropouts = [n for n, call in enumerate(port.calls) if call.kind in REPLAYED]
    numbers = {id(port.calls[column]): n for n, column in enumerate(dropouts)}
    pairs = {numbers[id(pair.call)]: pair for pair in port.all_pairs if id(pair.call) in numbers}

    def dropped(number: int, x: torch.Tensor, rate: float) -> torch.Tensor:
        pair = pairs.get(number)
        key = f"mask/{mode}/{pair.node['name']}" if pair else ""
        if pair is None or key not in port.keras or rate >= 1:
            return x
        drawn = pair.native(port.keras[key], x)
        if drawn is None:  # ones of a single step, by which all steps are multiplied
            drawn = mask_like(port.keras[key], x)
        return x if drawn is None else _applied(pair.call.kind, x, drawn, rate)

    return dropped


def masks_of_step(
    port: PortUnderTest, mode: str, order: Sequence[str]
) -> Callable[[Call, torch.Tensor], torch.Tensor]:
    """Returns the function of an active dropout in a step that calls layers in its own order.

    A layer may be called several times: its calls have the numbers of Keras's. A dropout that is no
    module takes the next mask of those that have no module.

    Args:
        port: the port.
        mode: of the step in Keras's trace.
        order: names of Keras's dropouts as they are called.

    Returns:
        A function of the call and of the input of a dropout: its output.
    """
    pairs = {
        _base(pair.call.name): pair
        for pair in port.all_pairs
        if pair.call.kind in REPLAYED and pair.call.module is not None
    }
    with_module = {_base(pair.node["name"]) for pair in pairs.values()}
    left = [name for name in order if _base(name) not in with_module]
    generator = np.random.default_rng(0)

    def dropped(call: Call, x: torch.Tensor) -> torch.Tensor:
        pair = pairs.get(_base(call.name))
        if pair is not None:
            name = _base(pair.node["name"]) + call.name[len(_base(call.name)) :]
        else:
            name = left.pop(0) if left else ""
        key = f"mask/{mode}/{name}"
        if call.rate is None or call.rate >= 1:
            return x
        if key not in port.keras:  # Keras drops nothing here
            kept = generator.random(tuple(x.shape)) >= call.rate
            return _applied(call.kind, x, torch.from_numpy(kept).to(x), call.rate)
        drawn = None if pair is None else pair.native(port.keras[key], x)
        if drawn is None:
            drawn = mask_like(port.keras[key], x, port.given_axes())
        return x if drawn is None else _applied(call.kind, x, drawn, call.rate)

    return dropped


def _applied(kind: str, x: torch.Tensor, drawn: torch.Tensor, rate: float) -> torch.Tensor:
    """Returns what a layer makes of its input by what was drawn.

    Sources: keras 3.15 `layers/regularization`, torch `nn/modules/dropout.py`.
    """
    if kind == "gaussian_noise":
        return x + rate * drawn
    if kind == "gaussian_dropout":
        return x * (1 + math.sqrt(rate / (1 - rate)) * drawn)
    if kind == "alpha_dropout":
        scale: float = ((1 - rate) * (1 + rate * _ALPHA**2)) ** -0.5
        kept = torch.where(drawn != 0, x, torch.full_like(x, _ALPHA))
        return scale * kept - scale * _ALPHA * rate
    return torch.where(drawn != 0, x * (1 / (1 - rate)), torch.zeros_like(x))


# --------------------------------------------------------------------------------------------------
#
# Along which axes the dropouts of a port drop the same, by masks that they draw themselves.
#
# In a check they get Keras's masks, which would hide it. A port goes in; for each dropout that is
# paired, the axes come out in Keras's order: torch's `Dropout2d` drops along the second axis of
# what it is given, whatever its meaning.


DROPPING = ("dropout", "alpha_dropout")
_MOST_DRAWS = 32


def dropped_axes(port: PortUnderTest) -> dict[str, list[int]]:
    """Returns the axes along which a dropout drops the same, by the name of Keras's.

    Args:
        port: the port.

    Returns:
        Axes of Keras's mask, rising; without the dropouts for which masks do not tell it.
    """
    found = {}
    for pair in port.all_pairs:
        if pair.call.kind in DROPPING and pair.node["kind"] == pair.call.kind:
            # The code of a user may raise anything, and its masks may fit nowhere.
            with suppress(Exception), torch.random.fork_rng(), torch.no_grad():
                axes = _of_pair(pair)
                if axes is not None:
                    found[str(pair.node["name"])] = axes
    return found


def _of_pair(pair: PairedLayer) -> list[int] | None:
    draw = _drawing_calls(pair.call)
    if draw is None:  # between the layers of a recurrent module, where torch drops single values
        return []
    ones = torch.ones_like(pair.call.inputs[0])
    expected, masks = pair.node["output_shape"], []
    for _ in range(_MOST_DRAWS):
        masks.append(_as_keras(pair, draw(ones), expected))
        axes = shared_axes(masks)
        if axes is not None:
            lengths = zip(masks[0].shape, expected, strict=True)
            broadcast = {n for n, (size, side) in enumerate(lengths) if size == 1 < side}
            return sorted({*axes, *broadcast})
    return None


def _drawing_calls(call: Call) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Returns what a dropout makes of an input in train mode."""
    if call.module is not None:
        module = copy.deepcopy(call.module).train()  # it may count what it has drawn
        return lambda x: module(x)
    if call.given is None:
        return None
    function, arguments, keywords, _ = call.given
    named = dict(zip(("input", "p", "training"), arguments, strict=False)) | keywords
    return lambda x: function(x, p=named.get("p", 0.5), training=True)


def _as_keras(pair: PairedLayer, mask: torch.Tensor, expected: list[int]) -> np.ndarray:
    """Returns a mask of a port in Keras's order; one of a single step has 1 step, or 1 place."""
    fits = zip(mask.shape, expected, strict=False)
    if mask.ndim < len(expected) or all(size in (1, side) for size, side in fits):
        array = mask.cpu().numpy()
        if list(mask.shape) != expected:
            missing = [1] * (len(expected) - array.ndim)
            return array.reshape(array.shape[0], *missing, *array.shape[1:])
    return pair.portable(pair.node, pair.call, mask, None, is_input=True)


# --------------------------------------------------------------------------------------------------
#
# Keras's masks of sequences, for the outputs of a port that has no loss: Keras's takes them.


def masked(port: PortUnderTest, mode: str, output: torch.Tensor) -> torch.Tensor:
    """Returns an output with Keras's mask if the port has no loss; else as it is.

    Of several outputs, those that the port returned last get the masks.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "eval", "train", "step1", ...
        output: of the port, as the trace has it.
    """
    if port.built.loss is not None:
        return output
    parts = port.outputs.raw(port.nest) if port.outputs.names else {"": output}
    for name, part in parts.items():
        key = keyed(f"counted/{mode}/output", name)
        if key in port.keras:
            with_mask(part, torch.from_numpy(port.keras[key].copy()).to(port.device))
    return output

"""Recurrent layers that a port computes by hand, fused layers, and the states that modules keep."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import (
    Call,
    final_states,
    first_tensor,
    flat_tensors,
    output_of,
    states_beside,
)
from parity.halves.torch.kinds import RECURRENT, REPLAYED, is_leaf
from parity.halves.torch.port.carried import NAMES, Carried, Need, Source, assignments, variable_of
from parity.halves.torch.port.carrying import (
    AGREES,
    MOST_TRIALS,
    needs_of,
    set_all,
    source_tensors,
    sources_of,
    ways_of_cells,
)
from parity.halves.torch.port.inner_calls import Fused, fused_orders
from parity.ladder.items import PASS
from parity.ladder.recorded import compare_recorded

if TYPE_CHECKING:
    from parity.halves.torch.port.paired_layer import PairedLayer
    from parity.halves.torch.port.port_under_test import PortUnderTest

__all__ = [
    "CarriedState",
    "Fused",
    "called_once",
    "modules_by_hand",
    "order_gates",
    "states_of_steps",
    "take_apart",
]


# --- Recurrent layers that a port computes by hand, in a module of their own ----------------------
#
# A port whose output is not Keras's goes in. Of each recurrent layer of Keras without a partner,
# the module comes out that holds its weights and no others. It is compared as a whole, so that a
# wrong cell is told at its place and not behind it. What it makes of Keras's input also says in
# which order its gates are, whatever is wrong elsewhere.


_MOST_STEPS = 16  # a wrong formula shows in the first ones
_KINDS = (*RECURRENT, "bidirectional", "conv_lstm")


def modules_by_hand(port: PortUnderTest) -> dict[str, list[str]]:
    """Returns recurrent layers of Keras without a partner -> paths of modules that may be each.

    The outermost of these modules comes first, since an inner one may be a step of the layer.

    Args:
        port: with Keras's weights.
    """
    ids_by_name = {
        item.name: {id(tensor) for tensor in source_tensors(item.variable)}
        for item in port.cargo.carried
    }
    paired = {row for row, _ in port.pairing.pairs}
    modules = {
        path: {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
        for path, module in port.module.named_modules()
        if path and not is_leaf(module)
    }
    found: dict[str, list[str]] = {}
    for row, node in enumerate(port.keras.facts["nodes"]):
        names = node["weights"]
        if (
            row in paired
            or node["kind"] not in _KINDS
            or not names
            or not set(names) <= ids_by_name.keys()
        ):
            continue
        wanted = set[int]().union(*(ids_by_name[name] for name in names))
        others = set[int]().union(*(ids for name, ids in ids_by_name.items() if name not in names))
        fitting = [
            path for path, ids in modules.items() if wanted <= ids and not ids & (others - wanted)
        ]
        if fitting:
            found[node["name"]] = sorted(fitting, key=lambda path: path.count("."))
    return found


def called_once(
    port: PortUnderTest,
    by_hand: Mapping[str, Sequence[str]],
    called: Callable[[Mapping[str, str]], Sequence[Call]],
) -> dict[str, str]:
    """Returns the modules that take and make what Keras's layer does, in one call.

    None is taken in which dropouts are called: their masks would not be Keras's any more.

    Args:
        port: with the calls of its modules without these.
        by_hand: of `modules_by_hand`.
        called: returns the calls of the port with some of these modules.
    """
    found: dict[str, str] = {}
    left = {layer: list(paths) for layer, paths in by_hand.items()}
    num_dropouts = _num_dropouts(port.calls)
    while left:
        tried = {layer: paths[0] for layer, paths in left.items()}
        calls = called({**found, **tried})
        if _num_dropouts(calls) == num_dropouts:
            found |= _fitting(port, tried, calls)
        left = {layer: p[1:] for layer, p in left.items() if layer not in found and p[1:]}
    return found


def states_of_steps(port: PortUnderTest, run_pass: Callable[[], Any]) -> dict[str, np.ndarray]:
    """Returns the states of layers by hand after each of their first steps, from Keras's input.

    Each module is called anew with the beginnings of what it gets, batch and steps first.

    Args:
        port: in eval mode.
        run_pass: runs it so that Keras's values go on from each layer.

    Returns:
        Layer of Keras -> (N, steps, ...) of at most 16 steps. Layers whose input is not Keras's, or
        whose module raises, have none.
    """
    given: dict[str, tuple[nn.Module, Any]] = {}
    nodes = {node["name"]: node for node in port.keras.facts["nodes"]}
    inputs = {name: f"forward/eval/{name}/input/0" for name in nodes}

    def noted(layer: str, module: nn.Module, arguments: Any, _: Any) -> None:
        key = inputs[layer]
        x = next(iter(flat_tensors(list(arguments[:1]))), torch.empty(0)).numpy(force=True)
        is_shaped = x.shape == port.keras[key].shape
        if is_shaped and compare_recorded(port.keras, key, x, "").status == PASS:
            given.setdefault(layer, (module, arguments))

    paths = {**modules_by_hand(port), **{layer: [path] for layer, path in port.by_hand.items()}}
    hooks = [
        port.module.get_submodule(path).register_forward_hook(partial(noted, layer))
        for layer, found in paths.items()
        for path in found
        if nodes[layer]["kind"] != "bidirectional" and inputs[layer] in port.keras
    ]
    if not hooks:
        return {}
    try:
        run_pass()
    finally:
        for hook in hooks:
            hook.remove()
    states = {}
    for layer, (module, arguments) in given.items():
        with torch.no_grad(), port.kept(), suppress(Exception):  # the port may raise anything
            is_back = bool(nodes[layer]["config"].get("go_backwards"))
            made = _states(port, module, arguments, is_back)
            states[layer] = torch.stack(made, 1).numpy(force=True)
    return states


def _states(
    port: PortUnderTest, module: nn.Module, arguments: Any, is_back: bool
) -> list[torch.Tensor]:
    """Returns the state of a module after each of its first steps."""
    (x, *more), found = arguments, []
    for number in range(1, min(x.shape[1], _MOST_STEPS) + 1):
        port.forget_states()
        output = module(x[:, -number:] if is_back else x[:, :number], *more)
        first, beside = first_tensor(output), states_beside(output)
        whole = first[:, -1] if first.ndim == x.ndim else first
        found.append(whole if beside is None else beside)
    return found


def _num_dropouts(calls: Sequence[Call]) -> int:
    return sum(call.kind in REPLAYED for call in calls)


def _fitting(
    port: PortUnderTest, by_hand: Mapping[str, str], calls: Sequence[Call]
) -> dict[str, str]:
    nodes = {node["name"]: node for node in port.keras.facts["nodes"]}
    names = {call.name for call in calls}
    found = {}
    for layer, path in by_hand.items():
        call = next((call for call in calls if call.name == path), None)
        if call is None or f"{path}#2" in names:
            continue
        shapes = nodes[layer]["input_shapes"]
        # One that comes as a keyword is not seen, and would be missing if the call is repeated.
        is_given = sum(x.is_floating_point() for x in call.inputs) >= len(shapes)
        made = [call.output, *([] if call.final is None else [call.final])]
        if is_given and any(sorted(x.shape) == sorted(nodes[layer]["output_shape"]) for x in made):
            found[layer] = path
    return found


def order_gates(port: PortUnderTest, by_hand: Mapping[str, str]) -> None:
    """Puts the weights of each module there as its output for Keras's input says.

    Args:
        port: with these modules as calls.
        by_hand: of `called_once`.
    """
    needs = needs_of(port.keras.facts, port.pairing)
    sources = sources_of(port.module, port.calls, port.pairing)
    for pair in port.all_pairs:
        path = by_hand.get(pair.node["name"])
        if path is None or _is_right(port, pair):
            continue
        wanted = [needs[name] for name in pair.node["weights"]]
        carried = [item for item in port.cargo.carried if item.name in pair.node["weights"]]
        free = [source for source in sources if source.name.startswith(f"{path}.")]
        for items in _ways(wanted, free):
            set_all(port.keras, items)
            if {item.name for item in items} == {item.name for item in carried} and _is_right(
                port, pair
            ):
                others = [item for item in port.cargo.carried if item not in carried]
                port.cargo.carried[:] = [*others, *items]
                break
        else:
            set_all(port.keras, carried)


def _ways(wanted: Sequence[Need], free: Sequence[Source]) -> Iterator[list[Carried]]:
    yield from ways_of_cells(wanted, free, MOST_TRIALS)
    for chosen in itertools.islice(assignments(wanted, free), MOST_TRIALS):
        yield [
            Carried(wanted[n].name, variable_of(wanted[n], free[option.source], option), NAMES)
            for n, option in chosen
        ]


def _is_right(port: PortUnderTest, pair: PairedLayer) -> bool:
    """Whether a module makes of Keras's input what Keras's layer does."""
    prefix = f"forward/eval/{pair.node['name']}"
    keys = [f"{prefix}/input/{n}" for n in range(len(pair.node["input_shapes"]))]
    if f"{prefix}/output" not in port.keras or any(key not in port.keras for key in keys):
        return False
    with torch.no_grad(), suppress(Exception):  # the code of the port may raise anything
        port.module.eval()
        given = list(pair.call.inputs)
        for number, key in enumerate(keys):
            tensor = pair.native(port.keras[key], given[number])
            if tensor is None:
                return False
            given[number] = tensor
        output = pair.call.run(*given)
        shape = pair.node["output_shape"]
        made = output_of(first_tensor(output), final_states(pair.call.module, output), shape)
        theirs = port.keras[f"{prefix}/output"]
        ours = pair.portable(pair.node, pair.call, made, theirs)
        return compare_recorded(port.keras, f"{prefix}/output", ours, "").status == PASS
    return False


# --- Finds the order of the parts of a port's fused layers by trials ------------------------------


def take_apart(port: PortUnderTest) -> None:
    """Runs fused layers of a port part by part: in the order that is nearest to Keras's output.

    A port that loads the weights itself has an order if its loaded weights are Keras's there.
    """
    tried: list[tuple[float, int, Fused]] = []
    orders = islice(fused_orders(port.keras.facts, port.module, port.calls), MOST_TRIALS)
    for number, fused in enumerate(orders):
        port.pair_again(fused)
        tried.append((_distance(port), number, fused))
        if tried[-1][0] < AGREES:
            return
    if tried:
        port.pair_again(min(tried, key=lambda each: each[:2])[2])


def _distance(port: PortUnderTest) -> float:
    if port.built.load is not None:
        return AGREES * sum(item.node == "" for item in port.carried)
    return port.distance()


# --- What the modules of a port keep from batch to batch, beside their parameters and buffers -----
#
# A port of a stateful recurrent layer keeps the last states, often as a plain attribute. A probe
# begins where the factory left them, as Keras's begins from zeros.


_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


class CarriedState:
    """The plain attributes of modules, and the buffers that no `state_dict` has, as they are now.

    Args:
        module: with all modules in it.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._before = [(each, _copied(_state_of(each))) for each in module.modules()]
        self._buffers: dict[str, torch.Tensor] = {}

    def note_buffers(self) -> None:
        """Notes the other buffers as well, now that Keras's weights are in some of them."""
        persistent = self._module.state_dict()
        named = self._module.named_buffers()
        self._buffers = _copied({name: buffer for name, buffer in named if name in persistent})

    def restore(self) -> None:
        """Sets them to what they were."""
        for module, (attributes, buffers) in self._before:
            for name in [n for n in vars(module) if n not in _OF_EVERY_MODULE]:
                if name not in attributes:
                    delattr(module, name)
            vars(module).update(_copied(attributes))
            module._buffers.update(_copied(buffers))
        for name, buffer in self._module.named_buffers():
            if name in self._buffers and buffer.shape == self._buffers[name].shape:
                buffer.data.copy_(self._buffers[name])


def _state_of(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    attributes = {n: value for n, value in vars(module).items() if n not in _OF_EVERY_MODULE}
    buffers = {name: module._buffers[name] for name in module._non_persistent_buffers_set}
    return attributes, buffers


def _copied(value: Any) -> Any:
    """Returns a nest with copies of its tensors, and other values as they are."""
    if isinstance(value, torch.Tensor):
        return value if isinstance(value, nn.Parameter) else value.detach().clone()
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    if type(value) is dict:
        return {name: _copied(part) for name, part in value.items()}
    return value

"""Places for the weights of a part that is a copy of another, such as a target network.

No pass calls such a part, so that no layers of it are paired. Its weights have the places that
those of the other part have, in the module of the port that has the same parameters and buffers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from parity.halves.torch.port.assignments import Need, Source
from parity.halves.torch.port.carried import NAMES, Carried
from parity.halves.torch.port.carrying import Cargo, by_number, carry, paired_weights
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.traces.trace import Trace


def carry_with_copies(
    module: nn.Module,
    keras: Trace,
    pairs: Sequence[PairedLayer],
    found: Sequence[Source],
    needs: Mapping[str, Need],
    output: Callable[[], torch.Tensor],
    **settings: Any,
) -> Cargo:
    """Sets Keras's weights in a module, those of copies behind all others.

    Args:
        module: root of the port.
        keras: what Keras computed.
        pairs: see `carry`, as all that follow.
        found: parameters and buffers of the module.
        needs: weights of Keras by name.
        output: computes the port's output in eval mode.
        **settings: the others of `carry`.
    """
    copies = copies_in(keras.facts)
    if not copies:
        return carry(keras, pairs, found, needs, output, **settings)
    originals = {name for each in copies for name in each.values()}
    paired = [item for item in paired_weights(pairs) if item.name in originals]
    _, likely = modules_like(module, paired)
    inside = {id(each) for path in likely for each in module.get_submodule(path).modules()}
    own = {name for each in copies for name in each}
    first_needs = {name: need for name, need in needs.items() if name not in own}
    first_found = [source for source in found if id(source.module) not in inside]
    cargo = carry(keras, pairs, first_found, first_needs, output, **settings)
    copied = list(copied_weights(module, copies, cargo.carried))
    if {item.name for item in copied} != own.intersection(needs):
        return carry(keras, pairs, found, needs, output, **settings)
    for item in copied:
        item.set(keras[f"weights/{item.name}"])
    cargo.carried += copied
    return cargo


def copies_in(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns for each part that is a copy the weight of which each of its weights is one.

    Weights that no pass uses are those of a copy if there are as many of them as another part has,
    of the same shapes in the order of their names. Of a second layer "dense", it is "dense#2".

    Args:
        facts: of what Keras computed.
    """
    parts, shapes = facts.get("own_training", {}).get("parts", {}), facts["weights"]
    called = {name for node in facts["nodes"] for name in node["weights"]}
    unused: dict[str, list[str]] = {}
    for name in sorted(shapes.keys() - called, key=by_number):
        unused.setdefault(name.partition(".")[0].partition("#")[2], []).append(name)
    found = []
    for own in unused.values():
        like = [
            names
            for names in (sorted(part["weights"], key=by_number) for part in parts.values())
            if [shapes[n]["shape"] for n in names] == [shapes[n]["shape"] for n in own]
            and called.issuperset(names)
        ]
        if len(like) == 1:
            found.append(dict(zip(own, like[0], strict=True)))
    return found


def modules_like(module: nn.Module, carried: Sequence[Carried]) -> tuple[str, list[str]]:
    """Returns the path of the module that holds some weights, and of those that could be copies.

    Args:
        module: root of the port.
        carried: weights of one part.
    """
    paths = {id(each): path for path, each in module.named_modules()}
    held = [paths[id(item.variable.module)].split(".") for item in carried]
    shared = itertools.takewhile(lambda steps: len(set(steps)) == 1, zip(*held, strict=False))
    common = ".".join(steps[0] for steps in shared)
    own = _signature(module.get_submodule(common))
    return common, [
        path
        for path, each in module.named_modules()
        if path and path != common and _signature(each) == own and not _is_below(path, common)
    ]


def copied_weights(
    module: nn.Module, copies: Sequence[Mapping[str, str]], carried: Sequence[Carried]
) -> Iterator[Carried]:
    """Yields the weights of copies in the modules that are the only ones for them.

    Args:
        module: root of the port.
        copies: see `copies_in`.
        carried: weights that have a place.
    """
    items = {item.name: item for item in carried}
    for originals in copies:
        if any(name not in items for name in originals.values()):
            continue
        of = [items[name] for name in originals.values()]
        common, paths = modules_like(module, of)
        if len(paths) != 1:
            continue
        own = module.get_submodule(paths[0])
        ways = {id(each): way for way, each in module.get_submodule(common).named_modules()}
        for name, item in zip(originals, of, strict=True):
            place = own.get_submodule(ways[id(item.variable.module)])
            yield Carried(name, replace(item.variable, module=place), NAMES)


def _signature(module: nn.Module) -> dict[str, tuple[int, ...]]:
    named = (*module.named_parameters(), *module.named_buffers())
    return {name: tuple(tensor.shape) for name, tensor in named}


def _is_below(path: str, other: str) -> bool:
    return path.startswith(f"{other}.") or other.startswith(f"{path}.")

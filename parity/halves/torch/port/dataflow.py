"""The neighbourhood of a layer: the layers with weights that feed it, and those that it feeds.

A list of calls goes in, each with the numbers of the calls that made its inputs. A signature of the
neighbourhood, near and far, comes out for every layer with weights. It is the same in two programs
that run the branches of one network in different orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

ROUNDS = 3  # how many layers with weights a signature reaches, in both directions

Nodes = Sequence[Mapping[str, Any]]
Signature = Any  # nested tuples of plain values


def origins(node: Mapping[str, Any]) -> Sequence[int | None]:
    """Returns the calls that the inputs of a call come from, -1 for an input of the network.

    For a torch call they are traced through functions that are not watched, such as `squeeze`.
    """
    found: Sequence[int | None] = node.get("origins", node["sources"])
    return found


def takers(nodes: Nodes) -> list[list[int]]:
    """Returns, for every call, the calls that take its output."""
    found: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for origin in origins(node):
            if origin is not None and origin >= 0 and number not in found[origin]:
                found[origin].append(number)
    return found


def places_joined(nodes: Nodes, numbers: Sequence[int]) -> list[int] | None:
    """Returns at which place a `concatenate` takes what comes of each call.

    Args:
        nodes: all calls.
        numbers: of the calls that are asked for.

    Returns:
        A number for each; None if one of them reaches none first where calls are merged, or two
        reach the same place.
    """
    after = takers(nodes)
    found = []
    for number in numbers:
        seen = {number}
        while len(after[number]) == 1 and (taker := after[number][0]) not in seen:
            if len(sources := origins(nodes[taker])) > 1:
                if nodes[taker]["kind"] == "concatenate":
                    found.append(list(sources).index(number))
                break
            number = taker
            seen.add(number)
    return found if len(found) == len(numbers) == len(set(found)) else None


class Neighbourhoods:
    """The layers with weights that are near each other in a list of calls.

    Args:
        nodes: with kind, weights (name -> shape), sources, and origins if these differ.
        shapes: what tells a layer with weights from others by itself; None: the shapes of all its
            weights.
    """

    def __init__(
        self, nodes: Nodes, shapes: Callable[[Mapping[str, Any]], Signature] | None = None
    ) -> None:
        of_node = shapes or _shapes
        forward, backward = takers(nodes), [origins(node) for node in nodes]
        weighted = [number for number, node in enumerate(nodes) if node["weights"]]
        self._above = {n: _reached(nodes, n, backward) for n in weighted}
        self._below = {n: _reached(nodes, n, forward) for n in weighted}
        self._beside = {n: _merged_with(nodes, n, forward, backward) for n in weighted}
        self._shapes: dict[int, Signature] = {n: of_node(nodes[n]) for n in weighted}
        self._chains: dict[int, Signature] = {
            n: (self._shapes[n], *_followers(nodes, n, forward, of_node)) for n in weighted
        }

    def signatures(self, partners: Mapping[int, int]) -> list[dict[int, Signature]]:
        """Returns the signatures of the layers without a partner, the least telling ones first.

        The first entry holds the shapes of a layer's weights. Each further entry adds the
        signatures of its neighbours in the entry before, and the activations and merges on the way
        to them. Then the same follows, with what directly follows a layer beside its shapes: a
        chain of layers and activations, up to where anything else takes its output. So two branches
        differ by their last activations where Keras does not tell what follows, since the code of a
        model computes it.

        Args:
            partners: number of a layer -> number of the pair that it is in: the two of a pair, and
                only they, look alike to their neighbours.

        Returns:
            Entries, each from the number of a layer to its signature.
        """
        paired = {number: f"pair {pair}" for number, pair in partners.items()}
        found = []
        for first in (self._shapes, self._chains):
            last = {n: signature for n, signature in first.items() if n not in paired}
            found.append(last)
            for _ in range(ROUNDS):
                told = {number: _short(signature) for number, signature in last.items()} | paired
                last = {
                    n: (told[n], _seen(self._above[n], told), _seen(self._below[n], told))
                    for n in last
                }
                found.append(last)
        return found

    def merged(
        self, last: Mapping[int, Signature], partners: Mapping[int, int]
    ) -> dict[int, Signature]:
        """Returns signatures that add the layers with which a layer is merged first.

        Two branches of one input may differ in nothing else. These signatures tell layers apart
        that all of `signatures` leave alike, and no others: where code computes what merges them,
        as an attention does, only one half may tell it.

        Args:
            last: the last of `signatures`.
            partners: see there.
        """
        paired = {number: f"pair {pair}" for number, pair in partners.items()}
        for _ in range(ROUNDS):
            told = {number: _short(signature) for number, signature in last.items()} | paired
            sides = (self._above, self._below, self._beside)
            last = {n: (told[n], *(_seen(side[n], told) for side in sides)) for n in last}
        return dict(last)


def _short(signature: Signature) -> str:
    """Returns a text for a signature, of one length: what it is made of doubles in each round."""
    return blake2b(repr(signature).encode(), digest_size=16).hexdigest()


def _shapes(node: Mapping[str, Any]) -> Signature:
    return tuple(sorted(map(tuple, node["weights"].values())))


def _followers(
    nodes: Nodes,
    start: int,
    forward: Sequence[Sequence[int]],
    shapes: Callable[[Mapping[str, Any]], Signature],
) -> Iterator[Any]:
    """Yields kinds of activations and shapes of weights that follow a layer one after the other.

    Up to a layer without an activation, since its output may go elsewhere as well, by code that is
    watched in one half only.
    """
    number, count = start, 0
    while len(forward[number]) == 1 and count < ROUNDS:
        before, (number,) = number, forward[number]
        node = nodes[number]
        if _is_telling(node):
            yield node["kind"]
        elif node["weights"] and _is_telling(nodes[before]):
            yield shapes(node)
            count += 1
        else:
            return


def _reached(
    nodes: Nodes, start: int, edges: Sequence[Sequence[int | None]]
) -> list[tuple[int, tuple[str, ...]]]:
    """Returns (layer with weights or -1, kinds on the way) for the next layers along the edges."""
    found, seen = [], set()
    waiting: list[tuple[int, tuple[str, ...]]] = [(start, ())]
    while waiting:
        number, path = waiting.pop()
        for other in edges[number]:
            if other is None or (other, path) in seen:
                continue
            seen.add((other, path))
            if other < 0 or nodes[other]["weights"]:
                found.append((other, path))
            else:
                telling = (nodes[other]["kind"],) if _is_telling(nodes[other]) else ()
                waiting.append((other, (*path, *telling)))
    return found


def _merged_with(
    nodes: Nodes,
    start: int,
    forward: Sequence[Sequence[int]],
    backward: Sequence[Sequence[int | None]],
) -> list[tuple[int, tuple[str, ...]]]:
    """Returns the layers with weights, or -1, that meet a layer where it is merged first.

    A sum of three may be two sums. They have the form of `_reached`, without kinds.
    """
    merges: list[int] = []
    seen, waiting = {start}, [start]
    while waiting:
        for other in forward[waiting.pop()]:
            if other in seen or nodes[other]["weights"]:
                continue
            seen.add(other)
            (merges if len(backward[other]) > 1 else waiting).append(other)
    for number in merges:  # grows
        after = forward[number]
        if len(after) == 1 and nodes[after[0]]["kind"] == nodes[number]["kind"]:
            merges += [after[0]] if after[0] not in merges else []
    found, seen, waiting = set[int](), {start, *merges}, list(merges)
    while waiting:
        for origin in backward[waiting.pop()]:
            if origin is None or origin in seen:
                continue
            seen.add(origin)
            (found.add if origin < 0 or nodes[origin]["weights"] else waiting.append)(origin)
    return [(number, ()) for number in found]


def _is_telling(node: Mapping[str, Any]) -> bool:
    """Whether a call is an activation that both halves have at the same place."""
    kind = str(node["kind"])
    return kind.startswith("activation:") and kind != "activation:softmax"


def _seen(neighbours: Sequence[tuple[int, tuple[str, ...]]], told: Mapping[int, str]) -> Signature:
    return tuple(sorted((path, told.get(number, "input")) for number, path in neighbours))

"""Layers of two programs that look alike, since they have the same weights and neighbourhoods.

The calls of both halves and the pairs that are known go in. Groups of layers come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from parity.halves.torch.port.dataflow import ROUNDS, Neighbourhoods, Nodes

Group = tuple[list[int], list[int]]  # numbers of layers in Keras, and of as many in the port


class Alike:
    """Finds the layers of two programs that look alike.

    Args:
        keras: calls of Keras.
        torch: calls of the port.
        shapes: what has to be equal in two layers that look alike; None: the shapes of all weights.
        needs_neighbours: whether that alone does not make them alike.
    """

    def __init__(
        self,
        keras: Nodes,
        torch: Nodes,
        shapes: Callable[[Mapping[str, Any]], Any] | None = None,
        *,
        needs_neighbours: bool = False,
    ) -> None:
        self._needs_neighbours = needs_neighbours
        self._keras, self._torch = Neighbourhoods(keras, shapes), Neighbourhoods(torch, shapes)

    def groups(self, pairs: Mapping[int, int]) -> tuple[list[Group], bool]:
        """Returns layers without a partner that look alike, and whether each is alone in its half.

        The widest neighbourhoods come first. Groups of one come alone, if there are any: what they
        are paired with tells more of the others. What looks alike in the widest neighbourhoods may
        be told apart by what it is merged with.

        Args:
            pairs: number of a layer in Keras -> in the port, of the layers with a partner.
        """
        partners = {row: row for row in pairs}, {column: row for row, column in pairs.items()}
        told = self._keras.signatures(partners[0]), self._torch.signatures(partners[1])
        views = list(zip(*told, strict=True))
        if self._needs_neighbours:
            views = [view for n, view in enumerate(views) if n % (ROUNDS + 1)]
        found = list(_groups(views))
        alone = _of_one(found)
        if widest := [] if alone else list(_groups(views[-1:])):
            theirs = self._keras.merged(told[0][-1], partners[0])
            merged = theirs, self._torch.merged(told[1][-1], partners[1])
            alone = _of_one(part for group in widest for part in _split(group, merged))
        return alone or found, bool(alone)


def _groups(
    views: Sequence[tuple[Mapping[int, Any], Mapping[int, Any]]],
) -> Iterator[Group]:
    for view in reversed(views):
        rows, columns = (_by_signature(half) for half in view)
        for signature, found in rows.items():
            if len(found) == len(columns.get(signature, ())):
                yield found, columns[signature]


def _by_signature(half: Mapping[int, Any]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = {}
    for number, signature in half.items():
        found.setdefault(signature, []).append(number)
    return found


def _of_one(groups: Iterable[Group]) -> list[Group]:
    return [(rows, columns) for rows, columns in groups if len(rows) == 1]


def _split(group: Group, merged: tuple[Mapping[int, Any], Mapping[int, Any]]) -> Iterator[Group]:
    """Yields the parts of a group that are merged with the same layers."""
    halves = zip(group, merged, strict=True)
    theirs, ours = ({n: found[n] for n in numbers} for numbers, found in halves)
    yield from _groups([(theirs, ours)])

"""Pairs the calls of the torch module with the layers of the Keras model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from parity.errors import InputError
from parity.halves.torch.kinds import RANDOM_IMAGE

# --------------------------------------------------------------------------------------------------
#
# The neighbourhood of a layer: the layers with weights that feed it, and those that it feeds.
#
# A list of calls goes in, each with the numbers of the calls that made its inputs. A signature of
# the neighbourhood, near and far, comes out for every layer with weights. It is the same in two
# programs that run the branches of one network in different orders.


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
        visited = {number}
        while len(after[number]) == 1 and (taker := after[number][0]) not in visited:
            if len(sources := origins(nodes[taker])) > 1:
                if nodes[taker]["kind"] == "concatenate":
                    found.append(list(sources).index(number))
                break
            number = taker
            visited.add(number)
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
        of_node = shapes or _shapes_of_dataflow
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
                labels = {number: _short(signature) for number, signature in last.items()} | paired
                last = {
                    n: (
                        labels[n],
                        _signature_of(self._above[n], labels),
                        _signature_of(self._below[n], labels),
                    )
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
            labels = {number: _short(signature) for number, signature in last.items()} | paired
            sides = (self._above, self._below, self._beside)
            last = {
                n: (labels[n], *(_signature_of(side[n], labels) for side in sides)) for n in last
            }
        return dict(last)


def _short(signature: Signature) -> str:
    """Returns a text for a signature, of one length: what it is made of doubles in each round."""
    return blake2b(repr(signature).encode(), digest_size=16).hexdigest()


def _shapes_of_dataflow(node: Mapping[str, Any]) -> Signature:
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
    found, visited = [], set()
    waiting: list[tuple[int, tuple[str, ...]]] = [(start, ())]
    while waiting:
        number, path = waiting.pop()
        for other in edges[number]:
            if other is None or (other, path) in visited:
                continue
            visited.add((other, path))
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
    visited, waiting = {start}, [start]
    while waiting:
        for other in forward[waiting.pop()]:
            if other in visited or nodes[other]["weights"]:
                continue
            visited.add(other)
            (merges if len(backward[other]) > 1 else waiting).append(other)
    for number in merges:  # grows
        after = forward[number]
        if len(after) == 1 and nodes[after[0]]["kind"] == nodes[number]["kind"]:
            merges += [after[0]] if after[0] not in merges else []
    found, visited, waiting = set[int](), {start, *merges}, list(merges)
    while waiting:
        for origin in backward[waiting.pop()]:
            if origin is None or origin in visited:
                continue
            visited.add(origin)
            (found.add if origin < 0 or nodes[origin]["weights"] else waiting.append)(origin)
    return [(number, ()) for number in found]


def _is_telling(node: Mapping[str, Any]) -> bool:
    """Whether a call is an activation that both halves have at the same place."""
    kind = str(node["kind"])
    return kind.startswith("activation:") and kind != "activation:softmax"


def _signature_of(
    neighbours: Sequence[tuple[int, tuple[str, ...]]], labels: Mapping[int, str]
) -> Signature:
    return tuple(sorted((path, labels.get(number, "input")) for number, path in neighbours))


# --------------------------------------------------------------------------------------------------
#
# Layers of two programs that look alike, since they have the same weights and neighbourhoods.
#
# The calls of both halves and the pairs that are known go in. Groups of layers come out.


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
        signatures = self._keras.signatures(partners[0]), self._torch.signatures(partners[1])
        views = list(zip(*signatures, strict=True))
        if self._needs_neighbours:
            views = [view for n, view in enumerate(views) if n % (ROUNDS + 1)]
        found = list(_groups(views))
        alone = _of_one(found)
        if widest := [] if alone else list(_groups(views[-1:])):
            theirs = self._keras.merged(signatures[0][-1], partners[0])
            merged = theirs, self._torch.merged(signatures[1][-1], partners[1])
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


# --- Pairs the calls of the torch module with the layers of the Keras model -----------------------
#
# Both halves list their calls in order. Pairs that the user gives come first, then names that both
# halves share. Then layers with weights are paired by their neighbours, since Keras runs the
# branches of a network by depth and a torch program runs them one after the other; activations,
# pools and merges between them follow. The remaining calls, for example where one half lacks a
# layer, are aligned like two sequences: each pair gets a score for how well its kind, weight
# shapes, output shape and name agree, and the order is kept.


Shapes = Callable[[Mapping[str, Any]], Any]

# Scores of a pair. Weights decide: the others together score less than one pair with weights.
_SAME_WEIGHTS, _SAME_KERNEL, _WEIGHTED = 100.0, 80.0, 40.0
_SAME_OUTPUT, _SAME_NAME, _SAME_KIND = 3.0, 2.0, 1.0


@dataclass(frozen=True)
class Pairing:
    """The pairs that were found, and the calls without a partner.

    Attributes:
        pairs: (number of the Keras node, number of the torch call), in Keras's order.
        keras_left: numbers of Keras nodes without a partner.
        torch_left: numbers of torch calls without a partner.
        directions: (number of a bidirectional Keras node, numbers of two torch calls that are it
            together); they are among those without a partner.
    """

    pairs: tuple[tuple[int, int], ...]
    keras_left: tuple[int, ...]
    torch_left: tuple[int, ...]
    directions: tuple[tuple[int, int, int], ...] = ()


def pair_calls(
    keras: Sequence[Mapping[str, Any]],
    torch: Sequence[Mapping[str, Any]],
    fixed: Mapping[str, str] | None = None,
) -> Pairing:
    """Pairs the calls of both halves.

    Args:
        keras: nodes with name, kind, input_shapes, output_shape, weights (name of the variable ->
            shape).
        torch: the same, but with input_forms and output_shapes: the shapes as they are, and with
            the channels last.
        fixed: Keras name -> torch name.

    Raises:
        InputError: `fixed` names a call that does not exist.
    """
    known = _fixed(keras, torch, fixed or {})
    pairs = known | _named(keras, torch, known)
    _pair_by_flow(keras, torch, pairs)
    for shapes, least in _WRONG:
        _pair_by_flow(keras, torch, pairs, shapes, least)
    _join_neighbours(keras, torch, pairs)
    rows = [number for number in range(len(keras)) if number not in pairs]
    columns = [number for number in range(len(torch)) if number not in pairs.values()]
    scores = _scores(keras, torch, rows, columns, pairs)
    pairs |= _aligned(scores, rows, columns)
    for number in rows:  # branches that run in another order
        if number in pairs or not keras[number]["weights"]:
            continue
        left = [n for n in columns if n not in pairs.values() and torch[n]["weights"]]
        scored = [(_score(keras[number], torch[n]), -n) for n in left]
        best = max(scored, default=(0, 0))
        if best[0] >= _SAME_KERNEL:
            pairs[number] = -best[1]
    used = set(pairs.values())
    return Pairing(
        pairs=tuple(sorted(pairs.items())),
        keras_left=tuple(number for number in range(len(keras)) if number not in pairs),
        torch_left=tuple(number for number in range(len(torch)) if number not in used),
    )


def exchanged(
    keras: Sequence[Mapping[str, Any]],
    torch: Sequence[Mapping[str, Any]],
    pairing: Pairing,
    fixed: Mapping[str, str],
) -> Iterator[Pairing]:
    """Yields pairings in which two layers with weights of the same shapes have each other's call.

    Branches that compute alike, such as query and key, differ in values alone.

    Args:
        keras: as for `pair_calls`.
        torch: as for `pair_calls`.
        pairing: the likeliest pairing.
        fixed: pairs of the user, which stay.
    """
    known = [n for n, (row, _) in enumerate(pairing.pairs) if keras[row]["name"] not in fixed]
    places = [n for n in known if keras[pairing.pairs[n][0]]["weights"]]
    for apart in range(1, len(places)):
        for first, second in zip(places, places[apart:], strict=False):
            (row, column), (other, other_column) = pairing.pairs[first], pairing.pairs[second]
            if not _is_same_kind(torch[column]["kind"], torch[other_column]["kind"]):
                continue
            if _shapes(keras[row]) == _shapes(keras[other]) and (
                _shapes(torch[column]) == _shapes(torch[other_column])
            ):
                pairs = list(pairing.pairs)
                pairs[first], pairs[second] = (row, other_column), (other, column)
                yield replace(pairing, pairs=tuple(pairs))


def _shapes(node: Mapping[str, Any]) -> list[list[int]]:
    return sorted(map(list, node["weights"].values()))


# What of a layer's weights is looked at if one of them is wrong, and what a pair has to score. One
# that lacks a bias, has other filters, or another window, is where its neighbours say.
_WRONG: tuple[tuple[Shapes, float], ...] = (
    (lambda node: tuple(_largest(node["weights"])), _SAME_KERNEL),
    (lambda node: (*_largest(node["weights"])[:-2], "filters"), _WEIGHTED),
    (lambda node: len(_largest(node["weights"])), _WEIGHTED),
)
# Kinds that mean the same, though the two halves use different words.
_SAME_KINDS = [
    {"conv", "depthwise_conv"},
    {"flatten", "reshape"},
    {"lstm", "bidirectional"},
    {"gru", "bidirectional"},
    {"global_average_pool", "average_pool"},
    {"global_max_pool", "max_pool"},
    {"activation:softmax", "activation:log_softmax"},
    {"activation:softmax", "attention"},
    {"activation:silu", "activation:swish"},
    {"activation:relu", "activation:relu6"},
]

_MERGING = {"add", "multiply", "average", "maximum", "minimum", "concatenate"}


def _is_same_kind(a: str, b: str) -> bool:
    both_augment = a.startswith(RANDOM_IMAGE) and b.startswith(RANDOM_IMAGE)
    return a == b or both_augment or any({a, b} <= group for group in _SAME_KINDS)


def _score(keras: Mapping[str, Any], torch: Mapping[str, Any]) -> float:
    """Returns the score of a pair; 0 if it cannot be one."""
    a, b = keras["kind"], torch["kind"]
    is_same_kind = _is_same_kind(a, b)
    has_weights = bool(keras["weights"]), bool(torch["weights"])
    both_activate = a.startswith("activation:") and b.startswith("activation:")
    # Keras adds three tensors at once, torch makes two additions: neither is Keras's.
    if a == b and a in _MERGING and len(keras["input_shapes"]) != len(torch["input_forms"]):
        return 0.0
    is_known = not a.startswith("unknown:") and not b.startswith("unknown:")
    if has_weights[0] != has_weights[1] and not is_same_kind:
        return 0.0
    same_weights = sorted(map(list, keras["weights"].values())) == sorted(
        map(list, torch["weights"].values())
    )
    # A user's own layer on either side can be anything, if its weights fit.
    fits = not is_known and all(has_weights) and same_weights
    if not (is_same_kind or both_activate or fits):
        return 0.0
    score = _SAME_KIND if a == b else 0.5 * _SAME_KIND
    if all(has_weights):
        # A layer may have a bias in one half only, and is still the same layer.
        same_kernel = _largest(keras["weights"]) == _largest(torch["weights"])
        score += _SAME_WEIGHTS if same_weights else _SAME_KERNEL if same_kernel else _WEIGHTED
    score += _SAME_OUTPUT if keras["output_shape"] in torch["output_shapes"] else 0.0
    name = torch["name"].rpartition(".")[2] if "." in torch["name"] else torch["name"]
    return score + (_SAME_NAME if keras["name"] in (name, torch["name"]) else 0.0)


def _named(
    keras: Sequence[Mapping[str, Any]],
    torch: Sequence[Mapping[str, Any]],
    paired: Mapping[int, int],
) -> dict[int, int]:
    """Pairs layers with weights that have the same name and fitting weights, in any order.

    A part of a Keras layer, "sep.depthwise", is "sep.depthwise" or "sep.layer.depthwise" in torch.
    """
    places: dict[str, list[int]] = {}
    for number, node in enumerate(torch):
        if number not in paired.values():
            for part in set(node["name"].split(".")):  # a wrapper may have the name of its layer
                places.setdefault(part, []).append(number)
    pairs = {}
    for number, node in enumerate(keras):
        # A part of a layer, "separable.depthwise", may be "net.separable.layer.depthwise".
        first, *rest = [node["name"]] if node["name"] in places else node["name"].split(".")
        found = [
            n
            for n in places.get(first, [])
            if torch[n]["weights"] and _in_turn([first, *rest], torch[n]["name"].split("."))
        ]
        if number in paired or not node["weights"] or len(found) != 1:
            continue
        if _score(node, torch[found[0]]) >= _SAME_WEIGHTS:
            pairs[number] = found[0]
    return pairs


def _in_turn(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether words occur among the parts of a name, in their order."""
    left = iter(parts)
    return all(word in left for word in wanted)


def _pair_by_flow(
    keras: Sequence[Mapping[str, Any]],
    torch: Sequence[Mapping[str, Any]],
    pairs: dict[int, int],
    shapes: Shapes | None = None,
    least: float = _SAME_WEIGHTS,
) -> None:
    """Adds pairs of layers with the same weights and the same neighbourhood.

    The widest neighbourhood comes first. If it differs, because something else in the port is
    wrong, a narrower one decides. Whatever is paired tells more of its neighbours, which are looked
    at again. Layers that are equal to the end are paired one group after the other, in the order
    in which they are joined, if they are, and else in that in which they run.

    Args:
        keras: see `pair_calls`.
        torch: see there.
        pairs: those that are known; more are added.
        shapes: what has to be equal in two layers; None: the shapes of all weights.
        least: score of a pair.
    """
    candidates = Alike(keras, torch, shapes, needs_neighbours=least < _SAME_KERNEL)
    while True:
        groups, is_sure = candidates.groups(pairs)
        before = len(pairs)
        for rows, columns in groups:
            for row, column in _in_order(keras, torch, rows, columns):
                is_free = row not in pairs and column not in pairs.values()
                if is_free and _score(keras[row], torch[column]) >= least:
                    pairs[row] = column
            if not is_sure and len(pairs) > before:
                break
        if len(pairs) == before:
            return


def _in_order(
    keras: Sequence[Mapping[str, Any]],
    torch: Sequence[Mapping[str, Any]],
    rows: Sequence[int],
    columns: Sequence[int],
) -> list[tuple[int, int]]:
    """Returns pairs of calls that differ in nothing but their order."""
    theirs, ours = places_joined(keras, rows), places_joined(torch, columns)
    if theirs is None or ours is None:
        return list(zip(rows, columns, strict=True))
    sorted_rows = [number for _, number in sorted(zip(theirs, rows, strict=True))]
    sorted_columns = [number for _, number in sorted(zip(ours, columns, strict=True))]
    return list(zip(sorted_rows, sorted_columns, strict=True))


def _join_neighbours(
    keras: Sequence[Mapping[str, Any]], torch: Sequence[Mapping[str, Any]], pairs: dict[int, int]
) -> None:
    """Adds pairs of calls without weights that feed a pair, or are fed by one, in both halves."""
    after = takers(keras), takers(torch)
    waiting = list(pairs.items())
    while waiting:
        row, column = waiting.pop(0)
        used = set(pairs.values())
        for rows, columns in (
            (after[0][row], after[1][column]),
            (origins(keras[row]), origins(torch[column])),
        ):
            free = [n for n in rows if n is not None and n >= 0 and n not in pairs]
            others = [n for n in columns if n is not None and n >= 0 and n not in used]
            # What takes the output of a permutation takes what was permuted, too.
            others = [n for n in others if torch[n]["kind"] != "permute"] or others
            if len(free) != 1 or len(others) != 1:
                continue
            n, m = free[0], others[0]
            has_weights = keras[n]["weights"] or torch[m]["weights"]
            is_same_kind = _is_same_kind(keras[n]["kind"], torch[m]["kind"])
            if is_same_kind and not has_weights and _score(keras[n], torch[m]) > _SAME_OUTPUT:
                pairs[n] = m
                used.add(m)
                waiting.append((n, m))


def _largest(weights: Mapping[str, Sequence[int]]) -> list[int]:
    """Returns the shape of the largest weight."""
    return max(map(list, weights.values()), key=math.prod)


def _scores(
    keras: Sequence[Mapping[str, Any]],
    torch: Sequence[Mapping[str, Any]],
    rows: Sequence[int],
    columns: Sequence[int],
    pairs: Mapping[int, int],
) -> list[list[float]]:
    """Returns the score of each pair of the remaining calls.

    Calls that follow different paired layers score 0.
    """
    theirs = [{pairs[n] for n in _anchors(keras, row, set(pairs))} for row in rows]
    ours = [_anchors(torch, column, set(pairs.values())) for column in columns]
    return [
        [
            0.0 if a and b and not a & b else _score(keras[row], torch[column])
            for column, b in zip(columns, ours, strict=True)
        ]
        for row, a in zip(rows, theirs, strict=True)
    ]


def _anchors(nodes: Sequence[Mapping[str, Any]], number: int, paired: set[int]) -> set[int]:
    """Returns the nearest calls before a call that have a partner."""
    found, visited, waiting = set(), {number}, [number]
    while waiting:
        for origin in origins(nodes[waiting.pop()]):
            if origin is None or origin < 0 or origin in visited:
                continue
            visited.add(origin)
            if origin in paired:
                found.add(origin)
            else:
                waiting.append(origin)
    return found


def _aligned(
    scores: Sequence[Sequence[float]], rows: Sequence[int], columns: Sequence[int]
) -> dict[int, int]:
    """Returns the ordered alignment with the highest score (Needleman & Wunsch 1970)."""
    best = [[0.0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
    for i in range(len(rows) - 1, -1, -1):
        line, after, worth = best[i], best[i + 1], scores[i]
        for j in range(len(columns) - 1, -1, -1):
            skipped = max(after[j], line[j + 1])
            line[j] = max(skipped, worth[j] + after[j + 1]) if worth[j] else skipped
    pairs, i, j = {}, 0, 0
    while i < len(rows) and j < len(columns):
        if scores[i][j] and best[i][j] == scores[i][j] + best[i + 1][j + 1]:
            pairs[rows[i]] = columns[j]
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _fixed(
    keras: Sequence[Mapping[str, Any]],
    torch: Sequence[Mapping[str, Any]],
    fixed: Mapping[str, str],
) -> dict[int, int]:
    pairs = {}
    for number, (half, nodes) in enumerate((("Keras", keras), ("torch", torch))):
        names = {node["name"] for node in nodes}
        for pair in fixed.items():
            if pair[number] not in names:
                raise InputError(
                    f"layers={dict(fixed)}: there is no {half} call {pair[number]!r}; expected one "
                    f"of {', '.join(sorted(names))}"
                )
    if len(set(fixed.values())) < len(fixed):
        raise InputError(
            f"layers={dict(fixed)}: one torch call is given for two layers; expected a call for "
            "each (the second call of a module ends with #2)"
        )
    for name, other in fixed.items():
        row = next(n for n, node in enumerate(keras) if node["name"] == name)
        pairs[row] = next(n for n, node in enumerate(torch) if node["name"] == other)
    return pairs

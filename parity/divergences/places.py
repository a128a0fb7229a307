"""Places: which layer an item of a check belongs to, and what comes before and after it.

The nodes of both halves and their pairs go in. Names of Keras's layers come out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace, PortTrace

# Parts of the names of items, around the name of a layer or a weight.
STATE = " (after a batch in train mode)"
FORCED = ", with Keras's values"
RAISES = " raises"  # the port raises where Keras does not
CARRIED = " (as carried over)"
PARAMETER, REACHES = "parameter ", "gradient that reaches "
RECURRENT = frozenset(("lstm", "gru", "simple_rnn", "bidirectional"))
TURNING = ("permute", "reshape", "flatten")  # kinds of layers that only turn axes
_STARTS = ("input of ", "weights of ", REACHES)


class Places:
    """The graph of the Keras model, and the port's calls in it.

    Args:
        keras: the results of Keras.
        port: the results of the port.
    """

    def __init__(self, keras: KerasTrace, port: PortTrace) -> None:
        self.nodes: dict[str, Mapping[str, Any]] = {
            node["name"]: node for node in keras.facts["nodes"]
        }
        self.calls: dict[str, Mapping[str, Any]] = {
            call["name"]: call for call in port.facts["nodes"]
        }
        self.pairs: dict[str, str] = dict(port.facts["pairs"])
        self._partner = {ours: theirs for theirs, ours in self.pairs.items()}
        self._of_weight: dict[str, str] = {}
        for node in self.nodes.values():
            self._of_weight |= dict.fromkeys(node["weights"], node["name"])
        self._after = _takers(list(self.nodes.values()))
        self._after_call = _takers(list(self.calls.values()))

    def layer_of(self, item: str) -> str | None:
        """Returns the Keras layer of an item, by its weight or by the longest name in its name."""
        if item.startswith(PARAMETER):
            return self._partner.get(self.owner_of(item))
        text = item
        for start in _STARTS:
            text = text.removeprefix(start)
        weight = text.partition(" (")[0].removesuffix(FORCED)
        if weight in self._of_weight:
            return self._of_weight[weight]
        found = [
            name
            for name in self.nodes
            if text == name or text.startswith((f"{name} ", f"{name},", f"{name}."))
        ]
        return max(found, key=len, default=None)

    def call_of(self, item: str) -> str | None:
        """Returns the port's call of an item."""
        name = self.layer_of(item)
        if name is not None:
            return self.pairs.get(name)
        found = self.owner_of(item) if item.startswith(PARAMETER) else item
        return found if found in self.calls else None

    @staticmethod
    def owner_of(item: str) -> str:
        """Returns the module of the item "parameter conv1.weight": "conv1"."""
        return item.removeprefix(PARAMETER).rpartition(".")[0]

    def next_to(self, name: str, stops: Collection[str | None]) -> Iterator[str | None]:
        """Yields the next layers of `stops` behind a layer, and None if the output is reached."""
        yield from _next(self._after, name, stops)

    def behind(self, item: str) -> set[str]:
        """Returns the Keras layers that come next to what an item speaks of, in either half."""
        found = set()
        for layer in (self.layer_of(item), self.around(item)):
            found |= set() if layer is None else set(self.next_to(layer, self.pairs))
        found |= self._partners(item, self._after_call)
        return {name for name in found if name is not None}

    def around(self, item: str) -> str | None:
        """Returns the recurrent layer of which an item's dropout is a part: "memory.dropout.f"."""
        layer = self.layer_of(item)
        outer = self.nodes.get((layer or "").partition(".")[0])
        if layer is None or outer is None or outer["name"] == layer:
            return None
        is_inner = self.nodes[layer]["kind"] == "dropout" and outer["kind"] in RECURRENT
        return str(outer["name"]) if is_inner else None

    def before(self, item: str) -> set[str]:
        """Returns the Keras layers that come next before what an item speaks of, in either half."""
        layer, call = self.layer_of(item), self.call_of(item)
        found: set[str] = set()
        if layer is not None:
            given = _givers(list(self.nodes.values()))
            found |= {name for name in _next(given, layer, self.pairs) if name is not None}
        if call is not None:
            given = _givers(list(self.calls.values()))
            stops = [name for name in self._partner if name != call]
            found |= {self._partner[n] for n in _next(given, call, stops) if n is not None}
        return found

    def takers(self, item: str) -> set[str]:
        """Returns the Keras layers of what takes the output of an item in the port as it is."""
        return self._partners(item, _takers(list(self.calls.values()), "sources"))

    def _partners(self, item: str, after: Mapping[str, Sequence[str]]) -> set[str]:
        call = self.call_of(item)
        if call is None:
            return set()
        found = _next(after, call, [name for name in self._partner if name != call])
        return {self._partner[name] for name in found if name is not None}


def _takers(nodes: Sequence[Mapping[str, Any]], key: str = "origins") -> dict[str, list[str]]:
    """Returns name -> the names of what takes its output, or what takes it as it is."""
    names = [node["name"] for node in nodes]
    after: dict[str, list[str]] = {name: [] for name in names}
    for node in nodes:
        for source in node.get(key, node["sources"]):
            if source is not None and source >= 0:
                after[names[source]].append(node["name"])
    return after


def _givers(nodes: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Returns name -> the names of what makes its inputs."""
    names = [node["name"] for node in nodes]
    return {
        node["name"]: [
            names[source]
            for source in node.get("origins", node["sources"])
            if source is not None and source >= 0
        ]
        for node in nodes
    }


def _next(
    after: Mapping[str, Sequence[str]], name: str, stops: Collection[str | None]
) -> Iterator[str | None]:
    waiting, visited = [name], set()
    while waiting:
        others = after[waiting.pop()]
        if not others:
            yield None
        for other in others:
            if other in visited:
                continue
            visited.add(other)
            if other in stops:
                yield other
            else:
                waiting.append(other)

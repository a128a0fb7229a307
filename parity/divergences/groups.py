"""Which items of a check show one divergence, and which only follow from an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data import probe_inputs
from parity.divergences.places import (
    CARRIED,
    FORCED,
    RAISES,
    REACHES,
    RECURRENT,
    STATE,
    TURNING,
    Places,
)
from parity.ladder.custom_steps import is_compared
from parity.ladder.items import (
    DECIDES,
    DIFFERS,
    FAIL,
    GRADIENT,
    INTRODUCED,
    PARTS,
    PASS,
    Item,
    Level,
    metric_of,
    output_of,
)

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.ladder.result import Found
    from parity.traces.trace import KerasTrace, PortTrace, Trace


# --- Recurrent layers without a partner on the way to an input, and the states that they get ------
#
# Such a layer is computed by hand, and what comes of it is seen at the next paired layers alone.


def is_state_of(
    keras: KerasTrace, paired: Collection[str], item: str, layer: str | None, wrong: Collection[str]
) -> bool:
    """Whether an input is a state that a recurrent layer returns which is wrong by itself.

    Keras's output goes on from such a layer in the port, but not what it returns beside it. So the
    state differs because the layer does, and so does what layers without a partner make of it.

    Args:
        keras: the results of Keras.
        paired: Keras's layers with a partner.
        item: "input of LAYER (MODE)".
        layer: of the input.
        wrong: Keras's layers that are wrong for Keras's input.
    """
    mode = "train" if "(train)" in item else "eval"
    nodes = keras.facts["nodes"]
    node = next((each for each in nodes if each["name"] == layer), None)
    if node is None:
        return False
    taking = [node, *on_the_way(nodes, paired, node)]
    return any(_takes_a_state(keras, mode, each, wrong) for each in taking)


def on_the_way(
    nodes: Sequence[Mapping[str, Any]],
    paired: Collection[str],
    node: Mapping[str, Any],
    number: int | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Yields the nodes without a partner from which inputs of a node come.

    Args:
        nodes: of Keras.
        paired: names of those with a partner.
        node: the node.
        number: of its input; None: all inputs.
    """
    sources = node["sources"] if number is None else node["sources"][number : number + 1]
    waiting, visited = list(sources), set[int]()
    while waiting:
        source = waiting.pop()
        if source is None or source < 0 or source in visited or nodes[source]["name"] in paired:
            continue
        visited.add(source)
        yield nodes[source]
        waiting += nodes[source]["sources"]


def _takes_a_state(
    keras: KerasTrace, mode: str, node: Mapping[str, Any], wrong: Collection[str]
) -> bool:
    nodes = keras.facts["nodes"]
    for number, source in enumerate(node["sources"]):
        before = nodes[source] if source is not None and source >= 0 else None
        if before is None or before["name"] not in wrong:
            continue
        given = f"forward/{mode}/{node['name']}/input/{number}"
        made = f"forward/{mode}/{before['name']}/output"
        is_known = given in keras and made in keras
        returns = is_known and before["config"].get("return_state")
        if returns and not np.array_equal(keras[given], keras[made]):
            return True
    return False


# --------------------------------------------------------------------------------------------------
#
# How the loss of each of several outputs counts in the total, from the gradient by that output.
#
# Both traces go in. If the port's gradient is a multiple of Keras's, the loss is Keras's with
# another weight; else it is another loss. By this the items of the level "loss" are put into
# groups.


SAME = 1e-6  # relative: a weight of a loss that a port keeps in float32 is off by 6e-8


def by_output(items: Sequence[Item], keras: KerasTrace, port: PortTrace) -> list[tuple[Item, ...]]:
    """Returns the items of the level "loss" that show a divergence each.

    Outputs whose loss is another one show one each. If all are Keras's with other weights, this is
    one together. What is about all outputs belongs to the first.

    Args:
        items: that fail.
        keras: the results of Keras.
        port: the results of the port.
    """
    factors = factors_of(keras, port)
    found: dict[str, list[Item]] = {}
    rest = []
    for item in items:
        if name := output_of(item.name):
            found.setdefault(name, []).append(item)
        else:
            rest.append(item)
    weighted, groups = [], []
    for name, output_items in found.items():
        is_weight = factors.get(name) is not None and all(
            item.name.startswith(GRADIENT) for item in output_items
        )
        if is_weight:
            weighted += output_items
        else:
            groups.append(output_items)
    if weighted:
        groups.append(weighted)
    if not groups:
        return [tuple(rest)] if rest else []
    groups[0] = [*groups[0], *rest]
    return [tuple(group) for group in groups]


def factors_of(keras: KerasTrace, port: PortTrace) -> dict[str, float | None]:
    """Returns which multiple of Keras's gradient by each output the port's is; None: it is none."""
    found: dict[str, float | None] = {}
    for each in keras.facts.get("outputs") or []:
        key = f"loss/confident/gradient/{each['name']}"
        theirs, ours = array_in(keras, key), array_in(port, key)
        if theirs is None or ours is None or theirs.shape != ours.shape or not theirs.any():
            continue
        factor = float((theirs * ours).sum() / (theirs * theirs).sum())
        rest = float(np.abs(ours - factor * theirs).max())
        is_multiple = rest <= SAME * max(float(np.abs(ours).max()), abs(factor))
        found[str(each["name"])] = factor if is_multiple else None
    return found


def lacks_a_loss(keras: KerasTrace, port: PortTrace) -> bool:
    """Whether the port has no loss for an output that has one in Keras."""
    factors = factors_of(keras, port).values()
    return any(factor is not None and abs(factor) < SAME for factor in factors)


def array_in(trace: Trace, key: str) -> np.ndarray | None:
    """Returns an array of a trace, or None."""
    return trace[key] if key in trace else None  # noqa: SIM401  # it has no `get`


# --- Recurrent layers by hand that are known to be wrong, and what is seen behind them ------------


UNKNOWN = ("N1", "N2")  # say where something differs, not what
CELL = "R8"  # says that a cell is wrong, and not by which formula: no numbers prove it
_BY_HAND = ("R1", "R2", "R3", "A14c", "A29", "A64")  # of recurrent layers


def wrong_by_hand(found: Found, evidence: Evidence, least: float) -> Iterator[str]:
    """Yields the layer before an input that is known to be wrong, if it has no call of its own.

    Args:
        found: a divergence.
        evidence: of it.
        least: confidence of a cause that is proven.
    """
    sure = [
        cause
        for cause in found.causes[:1]
        if cause["id"] == CELL or (cause["id"] in _BY_HAND and cause["confidence"] >= least)
    ]
    failing = evidence.failing_input()
    if failing is None or not sure:
        return
    source = evidence.source(failing[0])
    if source is not None and evidence.is_by_hand(source):
        yield str(source["name"])


def comes_of(found: Found, evidence: Evidence, by_hand: Collection[str]) -> bool:
    """Whether an unknown difference of an input comes of a layer that is known to be wrong."""
    failing = evidence.failing_input()
    is_known = any(cause["id"] not in UNKNOWN for cause in found.causes)
    if failing is None or evidence.node is None or is_known:
        return False
    paired = dict(evidence.port.facts["pairs"])
    before = on_the_way(evidence.keras.facts["nodes"], paired, evidence.node, failing[0])
    return any(node["name"] in by_hand for node in before)


def unused_states(found: Found, evidence: Evidence, least: float) -> Iterator[str]:
    """Yields the layers whose states a recurrent layer should begin with, and does not.

    Args:
        found: a divergence.
        evidence: of it.
        least: confidence of a cause that is proven.
    """
    is_first_state = any(
        cause["id"] == "R1" and cause["confidence"] >= least for cause in found.causes[:1]
    )
    nodes = evidence.keras.facts["nodes"]
    for source in evidence.node["sources"][1:] if is_first_state and evidence.node else ():
        if source is not None and source >= 0:
            yield str(nodes[source]["name"])


def is_cut_by(found: Found, evidence: Evidence, unused: Collection[str]) -> bool:
    """Whether no gradient reaches layers since their states are not used."""
    if not found.causes or found.causes[0]["id"] != "E6":
        return False
    layers = {
        name: node["name"] for node in evidence.keras.facts["nodes"] for name in node["weights"]
    }
    return all(layers.get(item.name) in unused for item in evidence.failed)


# --- Which items of a check show one divergence, and which only follow from an earlier one --------
#
# The compared levels go in. Groups of items come out, one for each place at which a difference is
# introduced, in the order of the levels, and the items that differ only because of them.


_NEAR = 1e-6  # relative: Keras keeps the factors of penalties in float32, whose steps are 6e-8


@dataclass(frozen=True)
class Group:
    """Items that show one divergence.

    Attributes:
        level: the level at which it is introduced.
        items: in the order of the run.
    """

    level: Level
    items: tuple[Item, ...]


def grouped(levels: Sequence[Level], keras: KerasTrace, port: PortTrace) -> list[Group]:
    """Returns the groups of items that show a divergence each.

    Args:
        levels: the compared levels of a check.
        keras: the results of Keras.
        port: the results of the port.
    """
    return _Grouping(levels, keras, port).groups


def following(levels: Sequence[Level], groups: Sequence[Group]) -> Iterator[tuple[str, Item]]:
    """Yields (level, item) of what fails and shows no divergence of its own."""
    shown = {id(item) for group in groups for item in group.items}
    for level in levels:
        for item in level.items:
            if item.status == FAIL and id(item) not in shown:
                yield level.id, item


class _Grouping:
    """Goes through the levels, and remembers what later items may follow from."""

    def __init__(self, levels: Sequence[Level], keras: KerasTrace, port: PortTrace) -> None:
        self._keras, self._port, self._places = keras, port, Places(keras, port)
        self._levels = {level.id: level for level in levels if level.status != PASS}
        self.groups: list[Group] = []
        self._uncarried: set[str | None] = set()  # layers whose weights are not Keras's
        self._affected: set[str] = set()  # layers that get something else for it
        self._joined: set[str] = set()  # layers behind a normalisation that gets other batches
        self._astray: set[str] = set()  # layers behind one that may be paired with another
        self._around: set[str] = set()  # layers beside one, such as a dropout, that one half lacks
        is_custom = is_compared(keras, port)
        names = ("data", "structure", "init", "forward", "loss", "metrics", "gradient")
        for name in names[:4] if is_custom else names:
            if name in self._levels:
                getattr(self, f"_{name}")(self._levels[name])
        if is_custom:
            self._custom_steps()
        self._optimizer()
        is_free = all(group.level.id in ("init", "metrics", "schedule") for group in self.groups)
        if "trajectory" in self._levels and is_free:
            self._whole("trajectory")
        if "schedule" in self._levels:
            self._by(self._levels["schedule"], lambda item: item.name)

    def _layers(self, level: str) -> set[str | None]:
        """Returns the layers that differ by themselves at a level."""
        return {
            self._places.layer_of(item.name)
            for group in self.groups
            if group.level.id == level
            for item in group.items
        }

    def _whole(self, name: str, without: Callable[[Item], bool] = lambda item: False) -> None:
        level = self._levels[name]
        failed = tuple(i for i in level.items if i.status == FAIL and not without(i))
        if failed:
            self.groups.append(Group(level, failed))

    def _by(
        self,
        level: Level,
        key: Callable[[Item], str],
        without: Callable[[Item], bool] = lambda item: False,
    ) -> None:
        """Adds a group for each value of a key."""
        found: dict[str, list[Item]] = {}
        for item in _telling(level):
            if not without(item):
                found.setdefault(key(item), []).append(item)
        self.groups += [Group(level, tuple(items)) for items in found.values()]

    def _layer_or_name(self, item: Item) -> str:
        return self._places.layer_of(item.name) or self._places.call_of(item.name) or item.name

    def _data(self, level: Level) -> None:
        """Adds what reaches the first layers; one that only turns axes of another's is none."""
        turning = [i for i in level.items if i.status == FAIL and self._only_turns(i)]
        self._astray = {name for i in turning for name in self._places.takers(i.name)}
        self._affected |= {self._places.layer_of(i.name) or "" for i in turning}
        self._whole("data", lambda item: item in turning)
        self._affected |= {name for name in self._layers("data") if name is not None}

    def _only_turns(self, item: Item) -> bool:
        """Whether an item is of a layer behind another one, which is paired by its shapes alone.

        If the two get other values, they may stand at different places, and what the next layer of
        the port gets is not what Keras's gets.
        """
        node = self._places.nodes.get(self._places.layer_of(item.name) or "")
        if node is None or node["kind"] not in TURNING:
            return False
        return all(source is not None and source >= 0 for source in node["sources"])

    def _structure(self, level: Level) -> None:
        self._by(level, self._layer_or_name)
        self._uncarried = self._layers("structure")
        for group in self.groups:
            if group.level.id == "structure":
                for item in group.items:
                    # Weights in a wrong place do not change what comes after, since Keras's output
                    # goes on; of a recurrent layer it may be another output.
                    layer = self._places.nodes.get(self._places.layer_of(item.name) or "")
                    is_recurrent = layer is not None and layer["kind"] in RECURRENT
                    if not item.name.endswith(CARRIED) or is_recurrent:
                        self._affected |= self._places.behind(item.name)

    def _init(self, level: Level) -> None:
        self._by(
            level,
            lambda item: item.name,
            lambda item: self._places.layer_of(item.name) in self._uncarried,
        )

    def _forward(self, level: Level) -> None:
        """Adds a group for each layer, and one for its state; the model is one if no layer differs.

        A dropout that one half lacks explains what the next layers get in train mode, and so does a
        normalisation that gets other batches: its state says more than what comes behind it.
        """
        joined = [i for i in _telling(level) if self._is_joined(i)]
        self._joined = {name for item in joined for name in self._places.behind(item.name)}
        absent = [i for i in _telling(level) if "absent" in (i.keras, i.torch)]
        lacking = absent + joined
        dropping = [i for i in _telling(level) if self._places.around(i.name) is not None]
        next_layers = {name for i in (*lacking, *dropping) for name in self._places.behind(i.name)}
        for item in dropping:
            self._around |= self._places.behind(item.name) | {self._places.around(item.name) or ""}
        for item in absent:
            self._around |= self._places.behind(item.name) | self._places.before(item.name)

        augmentation = (self._port.facts.get("augmentation") or {}).items()
        augmented = {place.rpartition("/")[0] for place, fact in augmentation if fact["in_eval"]}

        wrong = {
            self._places.layer_of(i.name) or ""
            for i in _telling(level)
            if not i.name.startswith("input of ") and not i.name.endswith(STATE)
        }

        def follows(item: Item) -> bool:
            layer = self._places.layer_of(item.name)
            if item not in lacking and layer in self._uncarried:
                return True
            if layer in augmented and item.name == f"input of {layer} (eval)":
                return True
            if not item.name.startswith("input of "):
                return layer in self._affected and item.num_compared == 0
            if is_state_of(self._keras, self._places.pairs, item.name, layer, wrong):
                return True
            return layer in self._affected or (layer in next_layers and "(train)" in item.name)

        def key(item: Item) -> str:
            if self._is_joined(item):  # what comes behind it in a layer gets other batches, too
                return f"{self._layer_or_name(item)}{STATE}"
            return item.name if item.name.endswith(STATE) else self._layer_or_name(item)

        before = len(self.groups)
        self._by(level, key, follows)
        found = self.groups[before:]
        sure = [g for g in found if self._places.layer_of(g.items[0].name) not in self._astray]
        self.groups[before:] = sure or found
        if len(self.groups) == before and not any(map(follows, _telling(level))):
            self._whole("forward")

    def _is_joined(self, item: Item) -> bool:
        """Whether an item is the state of a normalisation that Keras calls several times."""
        return f"batches/{item.name.removesuffix(STATE)}" in self._keras

    def _loss(self, level: Level) -> None:
        telling = _telling(level)
        deciding = [item for item in telling if item.role == DECIDES] or telling
        if deciding and self._keras.facts.get("outputs"):
            found = by_output(deciding, self._keras, self._port)
            self.groups += [Group(level, items) for items in found]
        elif deciding:
            self.groups.append(Group(level, tuple(deciding)))
        elif not self._is_wrong_before("loss"):
            self._whole("loss")

    def _metrics(self, level: Level) -> None:
        """Adds a group for each metric that differs by itself.

        What a metric says of the model's outputs differs with these.
        """
        failed = [item for item in level.items if item.status == FAIL]
        whole = [i for i in failed if not i.name.endswith((PARTS["eval"], PARTS["train"]))]
        wrong = {metric_of(item.name) for item in whole}
        if not self._is_wrong_before("metrics"):
            wrong |= {metric_of(item.name) for item in failed}
        found: dict[str, list[Item]] = {}
        for item in failed:
            if (name := metric_of(item.name)) in wrong:
                found.setdefault(name, []).append(item)
        self.groups += [Group(level, tuple(items)) for items in found.values()]

    def _is_wrong_before(self, level: str) -> bool:
        aside = ("init", "metrics", level)  # nothing follows from a metric
        return any(group.level.id not in aside for group in self.groups)

    def _gradient(self, level: Level) -> None:
        """Adds the groups of gradients; those of a layer that differs before are left out.

        So are those beside a layer that one half lacks: what it drops is missing on the way back,
        too.
        """
        forward = self._layers("forward") | self._layers("data") | self._uncarried | self._astray
        forward |= self._joined | self._around
        ends_badly = any(group.level.id == "loss" for group in self.groups)
        stops = {*self._port.facts.get("awaited", ()), *forward, *self._affected}
        arrived = set(self._port.below("forced/arrived"))
        cut_at = {
            self._places.layer_of(item.name)
            for item in level.items
            if item.torch == "no gradient" and item.name.startswith(REACHES)
        }
        penalised = self._penalised(level) if ends_badly else set()
        adds = ends_badly and bool(self._keras.facts.get("added_losses"))

        def follows(item: Item) -> bool:
            layer = self._places.layer_of(item.name)
            if layer is None or layer in forward or item.name in penalised:
                return True
            if item.torch == "no gradient" and not cut:
                return True
            if adds:  # a layer adds to the loss, and its gradient begins there
                return True
            is_arrival = item.name.startswith(REACHES)
            if layer in self._affected and not is_arrival:  # it does not get Keras's input
                return True
            next_layers = {*self._places.next_to(layer, stops), *self._places.behind(item.name)}
            if None in next_layers and ends_badly:
                return True
            if is_arrival and next_layers & cut_at:
                return True
            # Behind a layer that gets Keras's gradient, nothing else matters to its weights, unless
            # it returns states as well.
            returns = self._places.nodes[layer]["config"].get("return_state")
            if not is_arrival and layer in arrived and not returns:
                return False
            return any(name in forward or name in self._affected for name in next_layers)

        cut = tuple(i for i in level.items if i.torch == "no gradient" and i.status == FAIL)
        if ends_badly and lacks_a_loss(self._keras, self._port):
            cut = ()  # what only that loss trains has no gradient
        wrong = self._is_wrong_before("gradient")
        before = len(self.groups)
        self._by(level, self._layer_or_name, lambda item: item in cut or follows(item))
        found = self.groups[before:]
        if cut:  # the place at which the gradient is cut says more than the weights before it
            for number, group in enumerate(found):
                if any(item.torch == "no gradient" for item in group.items):
                    found[number] = Group(level, (*group.items, *cut))
                    break
            else:
                found.insert(0, Group(level, cut))
        self.groups[before:] = found
        if not found and not wrong:
            self._whole("gradient")

    def _custom_steps(self) -> None:
        """Adds the first level at which steps of the user's own differ; later ones follow."""
        wrong = self._is_wrong_before("loss")
        for name in ("loss", "gradient"):
            if name in self._levels and not wrong:
                self._whole(name)
                wrong = self._is_wrong_before("")

    def _penalised(self, level: Level) -> set[str]:
        """Returns the gradients that differ by what a penalty of the loss contributes.

        That is a multiple of Keras's own contribution, of the weight, or of its signs.
        """
        keras, port, found = self._keras, self._port, set()
        for item in level.items:
            weight = item.name.removesuffix(FORCED)
            key = f"gradient/{weight}"
            if not item.name.endswith(FORCED) or item.agrees or f"forced/{key}" not in port:
                continue
            change = port[f"forced/{key}"] - keras[key]
            value = probe_inputs.sampled(keras[f"weights/{weight}"])
            shapes = [value, np.sign(value)]
            if f"penalty_{key}" in keras:
                shapes.insert(0, keras[f"penalty_{key}"])
            if any(_is_multiple(change, shape) for shape in shapes):
                found.add(item.name)
        return found

    def _optimizer(self) -> None:
        """Adds the optimizer; weights that were not carried over or not trained follow."""
        if "optimizer" not in self._levels:
            return
        untrained = {
            item.name
            for group in self.groups
            for item in group.items
            if item.torch == "no gradient"
        }

        def follows(item: Item) -> bool:
            if item.name.endswith(RAISES) and self._uncarried:  # shapes that do not fit
                return True
            weight = item.name if item.name in untrained else item.name.rpartition(".")[0]
            return weight in untrained or self._places.layer_of(item.name) in self._uncarried

        self._whole("optimizer", follows)


def _telling(level: Level) -> list[Item]:
    """Returns the items that say by themselves that something differs."""
    return [
        item
        for item in level.items
        if (item.role == INTRODUCED and item.status == DIFFERS)
        or (item.role == DECIDES and item.status == FAIL and not _is_whole(level, item))
    ]


def _is_whole(level: Level, item: Item) -> bool:
    """Whether an item is of the whole model, and follows from its layers."""
    if level.id == "forward":
        return item.name.startswith("output (") or item.name.endswith(STATE)
    if level.id == "gradient":
        return bool(item.torch != "no gradient")
    return level.id == "loss" and (item.name == "loss" or item.name.startswith("loss ("))


def _is_multiple(change: np.ndarray, shape: np.ndarray) -> bool:
    length = float((shape * shape).sum())
    if not length or change.shape != shape.shape:
        return False
    rest = change - float((change * shape).sum()) / length * shape
    return float(np.abs(rest).max()) <= _NEAR * float(np.abs(change).max())

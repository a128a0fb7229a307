"""Evidence: the numbers of both halves at one divergence of a port.

A recogniser tests whether its formula, applied to Keras's numbers, gives the port's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from parity.data.probe_inputs import short_name
from parity.divergences.places import RECURRENT, STATE, TURNING, Places
from parity.ladder.rounding import allowed, dtype_of

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level
    from parity.traces.trace import KerasTrace, PortTrace

# By the dtype of the port, relative: what a formula and a port may differ by, of the same numbers.
# Orders above rounding (1e-16, 6e-8), and below semantic faults (1e-4; in float32 some are missed).
CLOSE = {"float64": 1e-9, "float32": 3e-5}

# Relative: TensorFlow has constants of some functions in float32, and a port may have them so.
OF_FLOAT32 = 2e-7

_FLOAT32 = 1e-6  # relative: Keras keeps a learning rate in float32

Value = TypeVar("Value")


class Evidence:
    """One divergence and its context.

    Attributes:
        keras: the results of Keras.
        port: the results of the port.
        level: the level at which it is introduced.
        failed: the items that show it.
        item: the first of them.
        node: Keras's layer there, or None.
        call: the port's layer there, or None.
    """

    def __init__(
        self, keras: KerasTrace, port: PortTrace, level: Level, failed: Sequence[Item]
    ) -> None:
        self.keras, self.port, self.level, self.failed = keras, port, level, failed
        item = self.item = min(failed, key=lambda item: -1 if item.step is None else item.step)
        self._found: dict[Callable[[Evidence], Any], Any] = {}
        places = Places(keras, port)
        self._pairs, self._nodes = places.pairs, places.nodes
        name, ours = places.layer_of(item.name), places.call_of(item.name)
        self.node: Mapping[str, Any] | None = places.nodes.get(name) if name else None
        self.call: Mapping[str, Any] | None = places.calls.get(ours) if ours else None

    def once(self, search: Callable[[Evidence], Value]) -> Value:
        """Returns the result of a search in this evidence; several recognisers share a search."""
        if search not in self._found:
            # Formulas are tried on masked scores, too, which are infinite.
            with np.errstate(all="ignore"):
                self._found[search] = search(self)
        found: Value = self._found[search]
        return found

    def is_forward(self, *kinds: str) -> bool:
        """Whether input or output of a layer differs, of one of the kinds, if any are given."""
        is_state = self.item.name.endswith(STATE)
        return self.level.id == "forward" and not is_state and (not kinds or self.kind in kinds)

    # --- what failed -----------------------------------------------------------------------------

    @property
    def is_input(self) -> bool:
        """Whether the layer's input differs, so that the fault lies between two layers."""
        return self.item.name.startswith("input of ")

    @property
    def is_output(self) -> bool:
        """Whether it is the output of the model that differs."""
        return self.level.id == "forward" and self.item.name in ("output (eval)", "output (train)")

    @property
    def mode(self) -> str:
        """The mode of a forward item: "eval" or "train"."""
        return "train" if "(train)" in self.item.name else "eval"

    @property
    def kind(self) -> str:
        """Kind of the Keras layer; "" without one."""
        return str(self.node["kind"]) if self.node else ""

    @property
    def config(self) -> Mapping[str, Any]:
        """Configuration of the Keras layer."""
        return self.node["config"] if self.node else {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain attributes of the port's module."""
        name = self.call["name"] if self.call else ""
        found: Mapping[str, Any] = self.port.facts["settings"].get(name, {})
        return found

    def compared(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields what Keras and the port have at a difference: an input, or what a layer makes."""
        if not self.is_forward():
            return
        if (failing := self.failing_input()) is not None:
            yield failing[1:]
        made, ours = self.keras_output(), self.own_output()
        if self.is_own and made is not None and ours is not None:
            yield made, ours

    @property
    def is_own(self) -> bool | None:
        """Whether the layer is wrong for Keras's input; None if that was not tested."""
        if self.node is None or self.item.name.endswith(STATE):
            return None
        items = [
            item
            for item in self.level.items
            if item.name == f"{self.node['name']}, with Keras's input ({self.mode})"
        ]
        return not items[0].agrees if items else None

    def is_in_doubt(self, name: str) -> bool:
        """Whether a layer without weights may be paired with one that does something else.

        Its output was Keras's all the same, so that what came behind it tells nothing. It makes
        something else of Keras's input, or it only turns axes, and gets something else.
        """
        if name not in self._pairs or self._nodes[name]["weights"]:
            return False
        item_name = f"{name}, with Keras's input ({self.mode})"
        if any(item.name == item_name and not item.agrees for item in self.level.items):
            return True
        if self._nodes[name]["kind"] not in TURNING:
            return False
        for number in range(len(self._nodes[name]["input_shapes"])):
            key = f"forward/{self.mode}/{name}/input/{number}"
            is_known = key in self.keras and key in self.port
            if is_known and not self.is_recorded(f"{name}/input/{number}", self.port[key]):
                return True
        return False

    # --- numbers ---------------------------------------------------------------------------------

    def keras_input(self, mode: str | None = None, number: int = 0) -> np.ndarray | None:
        """Keras's input of the layer."""
        return self._array(self.keras, mode, f"input/{number}")

    def inputs(self) -> Iterator[np.ndarray]:
        """Yields Keras's input of the layer, and of the layer that pads or crops before it."""
        if (x := self.keras_input()) is not None:
            yield x
        if self.node is not None:
            first = self.port.facts["ends"].get(self.node["name"], [self.node["name"]])[0]
            key = f"forward/{self.mode}/{first}/input/0"
            if first != self.node["name"] and key in self.keras:
                yield self.keras[key]

    def port_input(self, mode: str | None = None, number: int = 0) -> np.ndarray | None:
        """The port's input of the layer."""
        return self._array(self.port, mode, f"input/{number}")

    def failing_input(self) -> tuple[int, np.ndarray, np.ndarray] | None:
        """(index, Keras's, the port's) of the first different input, or None."""
        if not self.is_input or self.node is None:
            return None
        for number in range(len(self.node["input_shapes"])):
            theirs, ours = self.keras_input(number=number), self.port_input(number=number)
            if theirs is None or ours is None:
                continue
            if not self.is_recorded(f"{self.node['name']}/input/{number}", ours):
                return number, theirs, ours
        return None

    def keras_output(self, mode: str | None = None) -> np.ndarray | None:
        """Keras's output of the layer, before its activation."""
        return self._array(self.keras, mode, "output")

    def own_output(self, mode: str | None = None) -> np.ndarray | None:
        """Output of the port's layer for Keras's input."""
        return self._array(self.port, mode, "own")

    def weight(self, variable: str, *, of_cell: bool = False) -> np.ndarray | None:
        """Returns a weight of the layer, in Keras's layout.

        Args:
            variable: the end of its name, such as "kernel".
            of_cell: whether it may be of a cell in the layer: "lstm.lstm_cell/kernel".
        """
        for name in self.node["weights"] if self.node else ():
            if (short_name(name) == variable) if of_cell else name.endswith(f".{variable}"):
                return self.keras[f"weights/{name}"]
        return None

    def gives(self, value: Any, mode: str | None = None) -> bool:
        """Whether a formula gives the output of the port's layer for Keras's input.

        A formula that also gives the output of Keras's layer explains no difference, and where the
        layer is right for Keras's input there is none.
        """
        ours = self.own_output(mode)
        if ours is None or self.is_own is False or not self.is_close(value, ours):
            return False
        return not self.is_close(value, self.keras_output(mode))

    def is_recorded(self, what: str, value: np.ndarray) -> bool:
        """Whether a value is what Keras has somewhere in this pass, "conv1/output", within noise.

        Values that TensorFlow computes internally in float32 are not known more exactly.
        """
        key = f"forward/{self.mode}/{what}"
        return key in self.keras and self.is_close(
            self.keras[key], value, max(self.close, allowed(self.keras, key))
        )

    @property
    def close(self) -> float:
        """What a formula and the port may differ by, relative to the largest value."""
        return CLOSE[dtype_of(self.keras.facts)]

    def is_close(self, a: Any, b: Any, most: float | None = None) -> bool:
        """Whether two arrays are equal within rounding, or up to `most` times the largest value."""
        return is_close(a, b, self.close if most is None else most)

    def source(self, number: int = 0) -> Mapping[str, Any] | None:
        """Returns the Keras node that made an input of the layer; None for a model input."""
        sources = self.node["sources"] if self.node else []
        return self._made_by(sources[number]) if number < len(sources) else None

    def is_paired(self, node: Mapping[str, Any]) -> bool:
        """Whether a Keras node has a partner in the port."""
        return node["name"] in self._pairs

    def before(self, node: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Returns the node before an unpaired node; None for others, and at the model's input."""
        if self.is_paired(node) or len(node["sources"]) != 1:
            return None
        return self._made_by(node["sources"][0])

    def is_by_hand(self, node: Mapping[str, Any]) -> bool:
        """Whether the weights of a recurrent layer were put into a cell by hand.

        Only values tell the order of its gates there, unless the port's own `load` has set them.
        """
        kinds = (*RECURRENT, "conv_lstm")
        calls = {call["name"]: call["kind"] for call in self.port.facts["nodes"]}
        kind = calls.get(self._pairs.get(node["name"], ""), "")
        is_loaded = bool(self.port.facts["given"]["load"])
        return node["kind"] in kinds and kind not in kinds and not is_loaded

    def _made_by(self, source: int | None) -> Mapping[str, Any] | None:
        return None if source is None or source < 0 else self.keras.facts["nodes"][source]

    def _array(self, where: Any, mode: str | None, what: str) -> np.ndarray | None:
        if self.node is None:
            return None
        key = f"forward/{mode or self.mode}/{self.node['name']}/{what}"
        if key not in where:
            return None
        array: np.ndarray = where[key]
        return array


def is_close(a: Any, b: Any, most: float) -> bool:
    """Whether two arrays are equal up to `most` times the largest value of the second."""
    if a is None or b is None:
        return False
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or not a.size or not np.isfinite(b).all():
        return False
    scale = float(np.abs(b).max()) or 1.0
    return bool(np.abs(a - b).max() <= most * scale)


def differs(keras: Any, torch: Any) -> bool:
    """Whether two settings differ; a number equals a list of this number."""

    def plain(value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str):
            values = [plain(item) for item in value]
            return values[0] if values and all(item == values[0] for item in values) else values
        return float(value) if isinstance(value, int | float) else value

    return torch is not None and keras is not None and plain(keras) != plain(torch)


def settings_differ(theirs: Any, ours: Any) -> bool:
    """Whether two settings differ by more than what float32 makes of a number."""
    if not differs(theirs, ours):
        return False
    both = isinstance(theirs, int | float) and isinstance(ours, int | float)
    return not both or abs(theirs - ours) > _FLOAT32 * max(abs(theirs), abs(ours))

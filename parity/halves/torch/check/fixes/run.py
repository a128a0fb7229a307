"""The last stage of a check: what a user may change, applied to the probe before it is printed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.halves.torch.call import Call
from parity.halves.torch.check.fixes.change import (
    Change,
    Suggested,
    change_modules,
    changed_output,
    followed,
)
from parity.halves.torch.check.fixes.layers import between_changes, is_known, layer_changes
from parity.halves.torch.check.fixes.training import Together, loss_fix, optimizer_fix, schedule_fix
from parity.halves.torch.check.layers import Forced, forced_pass
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.items import PASS
from parity.ladder.recorded import MODES, compare_recorded
from parity.programs.check_spec import CheckSpec
from parity.traces.port_facts import FixPlace, TriedFix
from parity.traces.trace import PortWriter

# --- Tries changes of layers that differ, all layers at once, each judged by itself ---------------
#
# In a pass with Keras's values after every layer, a change of one layer does not reach the others.
# So one pass tries the next change of every layer that differs. A layer takes part until it agrees,
# or until there is nothing left to try.


FORWARD = "forward"  # the site of all that a layer gets and makes; a weight is one of its own
MOST_TRIALS = 24  # of one layer
MOST_TOGETHER = 3

Errors = dict[str, dict[str, float]]  # layer -> quantity -> its error by what is allowed
Tried = tuple[Change, ...]


@dataclass(frozen=True)
class Fix:
    """A change, or several together, that ended a difference; or none that did.

    Attributes:
        layer: Keras's layer.
        item: "forward", or the name of a moving statistic.
        changes: that ended it; empty: none of those that were tried did.
        ends: all items of the layer that they ended.
    """

    layer: str
    item: str
    changes: Tried
    ends: tuple[str, ...] = ()


def layer_fixes(
    port: PortUnderTest, left_out: Iterable[str], before: Errors | None = None
) -> list[Fix]:
    """Tries changes of every layer that differs.

    Args:
        port: the port.
        left_out: Keras's layers that differ in style only.
        before: the errors of the port as it is; None: found here.

    Returns:
        One entry for each difference of a layer whose settings are known, or for which something
        was tried.
    """
    left_out = set(left_out)
    errors = _errors(port, left_out, ()) if before is None else before
    searches: dict[str, _Search] = {}
    for pair in port.pairs:
        name = pair.node["name"]
        found = errors.get(name, {})
        if name in left_out or all(error <= 1 for error in found.values()):
            continue
        is_before = any(_is_input(key) and error > 1 for key, error in found.items())
        of_layer = list(layer_changes(port, pair))
        changes = [*(between_changes(port, pair) if is_before else ()), *of_layer]
        if changes or is_known(pair):
            searches[name] = _Search(name, found, changes)
    while waiting := {name: s.trial for name, s in searches.items() if s.trial is not None}:
        results = _tried(port, left_out, waiting)
        for name in waiting:
            searches[name].take(results.get(name))
    return [fix for search in searches.values() for fix in search.fixes()]


def _tried(
    port: PortUnderTest, left_out: set[str], trials: Mapping[str, Tried]
) -> dict[str, dict[str, float]]:
    """Returns the errors of every layer with its changes; without those that raise an error."""
    together = [change for changes in trials.values() for change in changes]
    try:
        return _errors(port, left_out, together)
    except Exception:  # whichever it was
        if len(trials) == 1:
            return {}
    found: Errors = {}
    for name, changes in trials.items():
        alone = _tried(port, left_out, {name: changes})
        found |= {name: alone[name]} if name in alone else {}
    return found


def _errors(port: PortUnderTest, left_out: set[str], changes: Sequence[Change]) -> Errors:
    """Returns the errors of every layer for Keras's values, with some changes made."""
    calls: dict[str, list[Change]] = {}
    for change in changes:
        if change.is_of_call:
            calls.setdefault(change.place, []).append(change)

    def before(call: Call, output: Any) -> Any:
        return changed_output(calls[call.name], call, output) if call.name in calls else output

    def after(call: Call, output: Any) -> Any:
        return followed(calls[call.name], output) if call.name in calls else output

    errors: Errors = {}
    for mode in MODES:
        if f"forward/{mode}/output" not in port.keras:
            continue
        # Nothing is added while `kept` looks at the module, whose weights stay the same tensors.
        back = change_modules(port.module, changes, is_hidden=True)
        try:
            found = forced_pass(port, mode, left_out, changed=(before, after))
        finally:
            back()
        _note(port, mode, found, errors)
    return errors


def written_errors(port: PortUnderTest, writer: PortWriter) -> Errors:
    """Returns the errors of every layer as an earlier stage has written its arrays."""
    errors: Errors = {}
    for mode, targets in writer.facts.get("targets", {}).items():
        found = Forced(targets=targets)
        for pair in port.pairs:
            name, first = pair.node["name"], port.keras.facts["nodes"][pair.ends.keras_first]
            prefix = f"forward/{mode}/{first['name']}/input/"
            keys = [f"{prefix}{number}" for number in range(len(first["input_shapes"]))]
            found.inputs[name] = {key: writer.arrays[key] for key in keys if key in writer.arrays}
            if name in targets:
                found.own[name] = writer.arrays[f"forward/{mode}/{name}/own"]
        found.state = {
            name.removeprefix("forced/state/"): array
            for name, array in writer.arrays.items()
            if name.startswith("forced/state/")
        }
        _note(port, mode, found, errors)
    return errors


def _note(port: PortUnderTest, mode: str, found: Forced, errors: Errors) -> None:
    for name, inputs in found.inputs.items():
        for key, array in inputs.items():
            errors.setdefault(name, {})[key] = _error(port, key, array)
    for name, array in found.own.items():
        error = _error(port, found.targets[name], array)
        errors.setdefault(name, {})[f"{mode}/own"] = error
    if mode == "train":
        for pair in port.pairs:
            for weight in pair.variables:
                if weight in found.state and f"state/{weight}" in port.keras:
                    error = _error(port, f"state/{weight}", found.state[weight])
                    errors.setdefault(pair.node["name"], {})[weight] = error


def _error(port: PortUnderTest, key: str, ours: Any) -> float:
    """Returns the difference in units of what is allowed: more than 1 differs."""
    item = compare_recorded(port.keras, key, ours, key)
    if item.status == PASS:
        return 0.0
    return max(2.0, item.worst / item.allowed if item.allowed else item.worst)


def _is_input(key: str) -> bool:
    return "/input/" in key


class _Search:
    """The trials of one layer.

    Args:
        layer: Keras's layer.
        before: the errors without a change.
        changes: to try, the most likely first.
    """

    def __init__(
        self, layer: str, before: Mapping[str, float], changes: Sequence[Suggested]
    ) -> None:
        self._layer, self._before = layer, before
        self._changes = [each if isinstance(each, tuple) else (each,) for each in changes]
        self._ended: dict[str, Fix] = {}
        self._open = {site for site, keys in self._sites().items() if self._differ(keys)}
        self._walk = self._trials()
        self.trial: Tried | None = next(self._walk, None)

    def _sites(self) -> dict[str, list[str]]:
        sites: dict[str, list[str]] = {}
        for key in self._before:
            is_forward = _is_input(key) or key.endswith("/own")
            sites.setdefault(FORWARD if is_forward else key, []).append(key)
        return sites

    def _differ(self, keys: Iterable[str]) -> bool:
        return any(self._before[key] > 1 for key in keys)

    def take(self, errors: Mapping[str, float] | None) -> None:
        """Takes the errors of the present trial; None if it raised an error."""
        assert self.trial is not None
        try:
            self.trial = self._walk.send(errors)
        except StopIteration:
            self.trial = None

    def fixes(self) -> Iterator[Fix]:
        """Yields what ended each difference."""
        for site, keys in self._sites().items():
            if self._differ(keys):
                yield self._ended.get(site, Fix(self._layer, site, ()))

    def _trials(self) -> Generator[Tried, Mapping[str, float] | None, None]:
        """Yields what to try next, and gets its errors."""
        count = 0
        helpful: list[Tried] = []
        for number in range(1, MOST_TOGETHER + 1):
            for some in self._some(number, helpful):
                if not self._open or count == MOST_TRIALS:
                    return
                count += 1
                errors = yield some
                if errors is None:
                    continue
                if self._judge(some, errors) and number == 1:
                    helpful.append(some)

    def _some(self, number: int, helpful: Sequence[Tried]) -> Iterator[Tried]:
        """Yields sets of changes that go together, each with one that helps by itself."""
        for some in itertools.combinations(self._changes, number):
            together = tuple(change for each in some for change in each)
            if any(a.excludes(b) for a, b in itertools.combinations(together, 2)):
                continue
            if number == 1 or any(each is other for each in some for other in helpful):
                yield together

    def _judge(self, some: Tried, errors: Mapping[str, float]) -> bool:
        """Notes which differences a trial ended; returns whether it helped at all."""
        is_harmless = all(
            errors.get(key, 2.0) <= 1 for key, error in self._before.items() if error <= 1
        )
        ends = [
            site
            for site, keys in self._sites().items()
            if self._differ(keys) and all(errors.get(key, 2.0) <= 1 for key in keys)
        ]
        for site in self._open.intersection(ends if is_harmless else ()):
            self._ended[site] = Fix(self._layer, site, some, tuple(ends))
            self._open.discard(site)
        return any(
            errors.get(key, error) < 0.5 * error for key, error in self._before.items() if error > 1
        )


# --------------------------------------------------------------------------------------------------
#
# The last stage of a check: what a user may change, applied to the probe before it is printed.
#
# The port and what it computed go in; the facts `fixes` and `no_fixes` come out. Only what differs
# is tried, so that a right port costs no time.


def write_fixes(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: PortWriter
) -> None:
    """Tries what Keras's configuration suggests wherever the port differs.

    Args:
        spec: settings of the check.
        factory: builds the port.
        port: the port.
        writer: has what the port computed; receives the facts `fixes`, with level, layer (Keras's
            name, or ""), item ("forward", a weight, or the level), text (lines for the user),
            change (plain values, see `made`), ends (all items of the layer that it ends) and tried;
            and `no_fixes`, with level, layer and item of what no such change ends.
    """
    fixes: list[TriedFix] = []
    in_vain: list[FixPlace] = []
    writer.facts["fixes"], writer.facts["no_fixes"] = fixes, in_vain
    before = written_errors(port, writer)
    for fix in layer_fixes(port, writer.facts.get("style", ()), before):
        place: FixPlace = {"level": "forward", "layer": fix.layer, "item": fix.item}
        if not fix.changes:
            in_vain.append(place)
            continue
        text = "\n".join(change.text for change in fix.changes)
        changes = [change.to_json() for change in fix.changes]
        ends = list(fix.ends)
        fixes.append({**place, "text": text, "change": changes, "ends": ends, "tried": True})
    found: dict[str, tuple[Together, int] | None] = {
        "loss": loss_fix(port, writer.facts["output_form"], writer),
        "optimizer": optimizer_fix(spec, factory, port, writer),
        "schedule": schedule_fix(spec, factory, port, writer),
    }
    for level, result in found.items():
        place = {"level": level, "layer": "", "item": level}
        together, count = result or ((), 0)
        if together:
            text = "\n".join(one.text for one in together)
            changes = [dict(one.change) for one in together]
            fixes.append({**place, "text": text, "change": changes, "ends": [level], "tried": True})
        elif count or level in writer.facts["raised"]:
            in_vain.append(place)

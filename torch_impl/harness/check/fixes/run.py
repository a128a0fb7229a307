"""The last stage of a check: what a user may change, applied to the probe before it is printed.

The port and what it computed go in; the facts `fixes` and `no_fixes` come out. Only what differs is
tried, so that a right port costs no time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parity.traces.trace import TraceWriter
from torch_impl.harness.check.fixes.search import layer_fixes, written_errors
from torch_impl.harness.port.port_under_test import PortUnderTest


def write_fixes(port: PortUnderTest, writer: TraceWriter) -> None:
    """Tries what Keras's configuration suggests wherever the port differs.

    Args:
        port: the port.
        writer: has what the port computed; receives the facts `fixes`, with level, layer (Keras's
            name, or ""), item ("forward" or a weight), text (a line for the user), change (plain
            values, see `Change`), ends (all items of the layer that it ends) and tried; and
            `no_fixes`, with level, layer and item of what was tried in vain.
    """
    fixes: list[dict[str, Any]] = []
    in_vain: list[dict[str, str]] = []
    before = written_errors(port, writer)
    for fix in layer_fixes(port, writer.facts.get("style", ()), before):
        place = {"level": "forward", "layer": fix.layer, "item": fix.item}
        if fix.changes:
            fixes.append({**place, **_told(fix.changes), "ends": list(fix.ends)})
        else:
            in_vain.append(place)
    writer.facts["fixes"], writer.facts["no_fixes"] = fixes, in_vain


def _told(changes: Iterable[Any]) -> dict[str, Any]:
    return {
        "text": "; ".join(change.text for change in changes),
        "change": [change.to_json() for change in changes],
        "tried": True,
    }

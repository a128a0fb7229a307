"""The last stage of a check: what a user may change, applied to the probe before it is printed.

The port and what it computed go in; the facts `fixes` and `no_fixes` come out. Only what differs is
tried, so that a right port costs no time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.halves.torch.check.fixes.loss import loss_fix
from parity.halves.torch.check.fixes.optimizer import optimizer_fix
from parity.halves.torch.check.fixes.schedule import schedule_fix
from parity.halves.torch.check.fixes.search import layer_fixes, written_errors
from parity.halves.torch.check.fixes.whole import Together
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter


def write_fixes(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: TraceWriter
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
    fixes: list[dict[str, Any]] = []
    in_vain: list[dict[str, str]] = []
    writer.facts["fixes"], writer.facts["no_fixes"] = fixes, in_vain
    before = written_errors(port, writer)
    for fix in layer_fixes(port, writer.facts.get("style", ()), before):
        place = {"level": "forward", "layer": fix.layer, "item": fix.item}
        if not fix.changes:
            in_vain.append(place)
            continue
        text = "\n".join(change.text for change in fix.changes)
        changes = [change.to_json() for change in fix.changes]
        more = {"text": text, "change": changes, "ends": list(fix.ends), "tried": True}
        fixes.append({**place, **more})
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

"""Whether the facts of a trace are what `KerasFacts` and `PortFacts` say."""

from typing import NotRequired, get_args, get_origin, get_type_hints

from parity.files.records import problem
from parity.traces.facts import KerasFacts
from parity.traces.port_facts import PortFacts
from parity.traces.trace import KerasTrace, PortTrace


def misfits(*traces):
    """Yields what facts of traces have no type, or are of another one."""
    for trace in traces:
        described = {KerasTrace: KerasFacts, PortTrace: PortFacts}[type(trace)]
        types = get_type_hints(described, include_extras=True)
        for name, fact in trace.facts.items():
            kind = types.get(name)
            if get_origin(kind) is NotRequired:
                kind = get_args(kind)[0]
            found = "it has no type" if kind is None else problem(kind, fact, "it")
            if found:
                yield f"{trace.directory}: {name}: {found}"

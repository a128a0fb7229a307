"""Whether the facts of traces are what `KerasFacts` and `PortFacts` say."""

from typing import NotRequired, get_args, get_origin, get_type_hints

from parity.files.records import problem
from parity.traces.facts import KerasFacts
from parity.traces.folder import INDEX
from parity.traces.port_facts import PortFacts
from parity.traces.trace import Trace

DESCRIBED = {"keras": KerasFacts, "torch": PortFacts}


def misfits(folder):
    """Yields the facts of all traces below a folder that have no type, or another one."""
    for index in folder.rglob(INDEX):
        half = next(part for part in reversed(index.parts) if part in DESCRIBED)
        types = get_type_hints(DESCRIBED[half], include_extras=True)
        for name, fact in Trace(index.parent).facts.items():
            kind = types.get(name)
            if get_origin(kind) is NotRequired:
                kind = get_args(kind)[0]
            found = "it has no type" if kind is None else problem(kind, fact, "it")
            if found:
                yield f"{index.parent}: {name}: {found}"

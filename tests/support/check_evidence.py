"""What the registry makes of a pair of `check_pairs` of which something was changed."""

from contextlib import contextmanager

import check_pairs

from parity.divergences import recognised
from parity.divergences.evidence import Evidence
from parity.ladder.engine import compare_levels
from parity.ladder.items import FAIL
from parity.ladder.table import OF_PROBE


@contextmanager
def evidence_of(folder, reference=None, port=None):
    """Yields the evidence of the first divergence.

    Args:
        folder: for files.
        reference: changes what Keras computed, before a right port is made of it.
        port: changes this port.
    """
    recorded = check_pairs.recorded()
    if reference is not None:
        reference(recorded)
    parts = check_pairs.ported(recorded)
    if port is not None:
        port(parts)
    with recorded.read(folder / "a.parity") as bundle:
        trace = parts.write(folder / "port")
        level = next(
            level for level in compare_levels(OF_PROBE, bundle, trace) if level.status == FAIL
        )
        yield Evidence(bundle, trace, level, level.first_failure)


def names(evidence):
    """ID -> detail of all that is recognised, the surest first."""
    return {entry.id: match.detail for entry, match in recognised(evidence)}

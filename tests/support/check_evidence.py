"""What the registry makes of a pair of `check_pairs` of which something was changed."""

import check_pairs

from parity.divergences import recognised
from parity.divergences.evidence import Evidence
from parity.divergences.groups import grouped
from parity.ladder.engine import OF_PROBE, compare_levels


def evidence_of(folder, reference=None, port=None, *, went_wrong=False):
    """Returns the evidence of the first divergence.

    Args:
        folder: for files.
        reference: changes what Keras computed, before a right port is made of it.
        port: changes this port.
        went_wrong: whether the outputs of the port are wrong as well.
    """
    recorded = check_pairs.recorded()
    if reference is not None:
        reference(recorded)
    parts = check_pairs.ported(recorded)
    if port is not None:
        port(parts)
    if went_wrong:
        check_pairs.went_wrong(parts)
    keras, trace = recorded.read(folder / "keras"), parts.write(folder / "port")
    group = grouped(compare_levels(OF_PROBE, keras, trace), keras, trace)[0]
    return Evidence(keras, trace, group.level, group.items)


def names(evidence):
    """ID -> detail of all that is recognised, the surest first."""
    return {entry.id: match.detail for entry, match in recognised(evidence)}

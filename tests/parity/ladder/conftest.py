"""Both kinds of comparison, with a change of what is compared."""

from functools import partial

import check_pairs
import pytest
from ladder_runs import levels_of
from traces import anchored_parts, whole_parts

from parity.ladder.engine import OF_PROBE, compare_levels


@pytest.fixture
def written(tmp_path):
    """The traces of Keras and of a port, made of the same parts, with a change of either.

    The settings are those of both.
    """

    def write(made, port=None, reference=None, **settings):
        halves = {"keras": made(**settings), "torch": made(**settings)}
        for change, parts in zip((reference, port), halves.values(), strict=True):
            if change is not None:
                change(parts)
        return [parts.write(tmp_path / name) for name, parts in halves.items()]

    return write


@pytest.fixture
def whole(written):
    """The traces of two whole trainings."""
    return partial(written, whole_parts)


@pytest.fixture
def anchored(written):
    """The traces of two trainings with recorded states."""
    return partial(written, anchored_parts)


@pytest.fixture
def compared_with(whole):
    """The levels of two whole trainings."""
    return lambda *changes, **settings: levels_of(*whole(*changes, **settings))


@pytest.fixture
def compared(anchored):
    """The levels of two trainings with recorded states."""
    return lambda *changes, **settings: levels_of(*anchored(*changes, **settings))


@pytest.fixture
def traces(recorded, tmp_path):
    """Both traces of probes, with a change of the port's, and of Keras's."""

    def make(port=None, reference=None):
        theirs = recorded.copy()
        if reference is not None:
            reference(theirs)
        ours = check_pairs.ported(theirs)
        if port is not None:
            port(ours)
        return theirs.read(tmp_path / "keras"), ours.write(tmp_path / "port")

    return make


@pytest.fixture
def compared_probe(traces):
    """Compares with a change of the port, of the reference, or of both."""

    def run(port=None, reference=None, levels=()):
        found = compare_levels(OF_PROBE, *traces(port, reference), names=levels)
        return {level.id: level for level in found}

    return run

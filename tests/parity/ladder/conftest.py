"""Both kinds of comparison, with a change of what is compared."""

import check_pairs
import pytest
from ladder_runs import levels_of
from traces import anchored_parts, whole_parts

from parity.ladder.engine import OF_PROBE, compare_levels


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    return whole_parts().write(tmp_path_factory.mktemp("whole") / "keras")


@pytest.fixture
def compared_with(keras, tmp_path):
    """Compares the whole training and a copy of it in which `change` was made."""

    def run(change=None):
        parts = whole_parts()
        if change is not None:
            change(parts)
        return levels_of(keras, parts.write(tmp_path / "torch"))

    return run


@pytest.fixture
def anchored(tmp_path):
    """The traces of two trainings with recorded states, with a change of the port's, and Keras's.

    The settings are those of both.
    """

    def make(port=None, reference=None, **settings):
        keras, torch = anchored_parts(**settings), anchored_parts(**settings)
        for change, parts in ((reference, keras), (port, torch)):
            if change is not None:
                change(parts)
        return keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")

    return make


@pytest.fixture(scope="module")
def recorded():
    return check_pairs.recorded()


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

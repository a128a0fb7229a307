"""The search for near copies, which remembers what it found for the same images.

It takes nearly all of the time of an audit, and most planted faults leave the training images, or
all images, as they are. What is remembered cannot be written to.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from parity.behaviour.audit import near_copies
from parity.behaviour.audit.candidates import Search
from parity.behaviour.audit.registration import Registration

_FOUND: dict[tuple, object] = {}


@contextmanager
def remembered() -> Iterator[None]:
    """Makes audits of this process remember."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_copies, "Search", _RememberedSearch)
        patch.setattr(near_copies, "Registration", _RememberedRegistration)
        yield


class _Once:
    """Makes its searcher when something is asked for the first time."""

    def __init__(self, train):
        self._train, self._digest = train, _digest(train)

    def _found(self, name, images, *others, **options):
        arrays = [x for each in (*others, *options.values()) for x in _arrays(each)]
        key = (self.kind, self._digest, _digest(images), *map(_digest, arrays))
        if key not in _FOUND:
            searcher = _FOUND.get((self.kind, self._digest))
            if searcher is None:
                searcher = _FOUND[self.kind, self._digest] = self.kind(self._train.copy())
            found = getattr(searcher, name)(images, *others, **options)
            for array in vars(found).values():
                array.flags.writeable = False
            _FOUND[key] = found
        return _FOUND[key]


class _RememberedSearch(_Once):
    kind = Search

    def candidates(self, images, k, *, own=None):
        return self._found("candidates", images, k, own=own)


class _RememberedRegistration(_Once):
    kind = Registration

    def compare(self, images, candidates):
        return self._found("compare", images, candidates)


def _arrays(value):
    """The arrays of an argument: itself, or the fields of `Candidates`."""
    return [
        np.asarray(x) for x in (vars(value).values() if hasattr(value, "__dict__") else [value])
    ]


def _digest(array):
    if array.dtype == object:  # no `own`
        return array.item()
    return array.shape, array.dtype.str, hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
